/**
 * The ledger's schema: making it, upgrading it, and refusing one that is not ours.
 */
#ifndef JF_SCHEMA_H
#define JF_SCHEMA_H

#include "jf_sqlite.h"

/**
 * Creates the schema in an empty database or upgrades an older one, in one transaction.
 * @return JF_ERR_UNAVAILABLE if the database belongs to another program or to a newer version.
 */
jf_err_t *jf_schema_upgrade(jf_sqlite_t *db, apr_pool_t *pool);

/**
 * Makes sure that a database is a ledger of exactly this version.
 * @return JF_ERR_UNAVAILABLE that says what it is instead.
 */
jf_err_t *jf_schema_check(jf_sqlite_t *db, apr_pool_t *pool);

#endif
