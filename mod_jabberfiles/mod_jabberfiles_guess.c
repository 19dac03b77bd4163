#include "mod_jabberfiles_private.h"

#include <apr_global_mutex.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <util_mutex.h>

#define MUTEX_TYPE "jabberfiles-logins"
/* Half a megabyte; when it is full, whoever has the least to his account is forgotten. */
#define TABLE_ENTRIES 16384
/* Of another version of the module there may be another table in memory. */
#define RETAINED_KEY "jabberfiles-guesses-1"

/* Kept over restarts, or each reload for the rotation of logs would be a fresh start for guessing.
 * Nothing in it points into the module, which is loaded anew. */
typedef struct shared_t {
    apr_global_mutex_t *mutex;
    jf_guess_table_t *table;
} shared_t;

static shared_t *shared;

int jfm_guess_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    shared = NULL;
    return ap_mutex_register(pconf, MUTEX_TYPE, NULL, APR_LOCK_DEFAULT, 0) == APR_SUCCESS
               ? OK
               : HTTP_INTERNAL_SERVER_ERROR;
}

/* ---- in the parent ---- */

static jf_err_t *create_table(jf_guess_table_t **table, apr_pool_t *pool)
{
    apr_shm_t *shm;
    apr_status_t status = apr_shm_create(&shm, jf_guess_size_bytes(TABLE_ENTRIES), NULL, pool);
    if (status != APR_SUCCESS) {
        return jf_err_from_system(status, pool, "cannot create shared memory for the logins");
    }
    return jf_guess_create(table, apr_shm_baseaddr_get(shm), TABLE_ENTRIES, pool);
}

jf_err_t *jfm_guess_create(apr_pool_t *pconf, server_rec *main)
{
    apr_pool_t *pool = main->process->pool;
    (void)pconf;
    shared = ap_retained_data_get(RETAINED_KEY);
    if (shared) {
        return NULL;
    }
    shared_t made;
    JF_TRY(create_table(&made.table, pool));
    apr_status_t status =
        ap_global_mutex_create(&made.mutex, NULL, MUTEX_TYPE, NULL, main, pool, 0);
    if (status != APR_SUCCESS) {
        return jf_err_from_system(status, pool, "cannot create the mutex %s", MUTEX_TYPE);
    }
    shared = ap_retained_data_create(RETAINED_KEY, sizeof(*shared));
    *shared = made;
    return NULL;
}

/* ---- in a child ---- */

jf_err_t *jfm_guess_child_init(apr_pool_t *pchild)
{
    if (!shared) {
        return NULL; /* no server has areas */
    }
    apr_status_t status = apr_global_mutex_child_init(
        &shared->mutex, apr_global_mutex_lockfile(shared->mutex), pchild);
    return status == APR_SUCCESS
               ? NULL
               : jf_err_from_system(status, pchild, "cannot use the mutex %s", MUTEX_TYPE);
}

/* NULL if there is nothing to wait for. */
static jf_err_t *too_many(request_rec *r, const char *jid, apr_interval_time_t wait_us)
{
    if (wait_us == 0) {
        return NULL;
    }
    jfm_set_header(r, "Retry-After",
                   apr_psprintf(r->pool, "%" APR_INT64_T_FMT, apr_time_sec(wait_us) + 1));
    return jf_err_make(JF_ERR_TOO_MANY, APR_SUCCESS, r->pool,
                       "too many wrong passwords for %s or from %s", jid, r->useragent_ip);
}

static jf_err_t *lock(const request_rec *r)
{
    apr_status_t status = apr_global_mutex_lock(shared->mutex);
    return status == APR_SUCCESS
               ? NULL
               : jf_err_from_system(status, r->pool, "cannot lock the mutex %s", MUTEX_TYPE);
}

jf_err_t *jfm_guess_begin(jf_guess_t *guess, request_rec *r, const char *jid, const char *password)
{
    jf_guess_limits_t limits = jfm_guess_limits(jfm_request(r)->config);
    JF_TRY(
        jf_guess_prepare(guess, shared->table, &limits, jid, r->useragent_ip, password, r->pool));
    JF_TRY(lock(r));
    apr_interval_time_t wait_us = jf_guess_begin(guess, shared->table, apr_time_now());
    apr_global_mutex_unlock(shared->mutex);
    return too_many(r, jid, wait_us);
}

jf_err_t *jfm_guess_end(jf_guess_t *guess, request_rec *r, const char *jid,
                        jf_guess_outcome_t outcome)
{
    JF_TRY(lock(r));
    apr_interval_time_t wait_us = jf_guess_end(guess, shared->table, outcome, apr_time_now());
    apr_global_mutex_unlock(shared->mutex);
    return too_many(r, jid, wait_us);
}
