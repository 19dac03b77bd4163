/**
 * Aligned tables on standard output.
 */
#ifndef ADMIN_TABLE_H
#define ADMIN_TABLE_H

#include <apr_pools.h>

typedef struct admin_table_t admin_table_t;

/**
 * Makes an empty table.
 * @param heads the heads of the columns, NULL-terminated; a head that starts with ">" stands over
 * right-aligned cells.
 */
admin_table_t *admin_table_make(const char *const *heads, apr_pool_t *pool);

/** Adds a row: as many cells as there are heads. Texts are made visible (admin_text_visible). */
void admin_table_add(admin_table_t *table, const char *const *cells);

/** Prints heads and rows. */
void admin_table_print(const admin_table_t *table);

#endif
