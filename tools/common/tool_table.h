/**
 * Aligned tables on standard output.
 */
#ifndef TOOL_TABLE_H
#define TOOL_TABLE_H

#include <apr_pools.h>

typedef struct tool_table_t tool_table_t;

/**
 * Makes an empty table.
 * @param heads the heads of the columns, NULL-terminated; a head that starts with ">" stands over
 * right-aligned cells.
 */
tool_table_t *tool_table_make(const char *const *heads, apr_pool_t *pool);

/** Adds a row: as many cells as there are heads. Texts are made visible (tool_text_visible). */
void tool_table_add(tool_table_t *table, const char *const *cells);

/** Prints heads and rows. */
void tool_table_print(const tool_table_t *table);

#endif
