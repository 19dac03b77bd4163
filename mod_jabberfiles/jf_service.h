/**
 * What one process needs of one store: the bytes, the ledger, and the mark that the process is
 * alive.
 *
 * Made after the last fork and shared by all threads of the process. The functions here put store
 * and ledger in order: a row goes before its bytes go, so a row without an object never exists.
 */
#ifndef JF_SERVICE_H
#define JF_SERVICE_H

#include <apr_thread_mutex.h>

#include "jf_alive.h"
#include "jf_ledger.h"
#include "jf_store.h"
#include "jf_traffic.h"

typedef struct jf_service_t {
    jf_store_t *store;
    jf_ledger_t *ledger;
    jf_traffic_t *traffic;     /**< NULL until jf_service_open_traffic */
    apr_pool_t *pool;          /**< of alive; guarded by mutex */
    apr_thread_mutex_t *mutex; /**< guards alive */
    jf_alive_t *alive;         /**< NULL until the first upload */
} jf_service_t;

/**
 * Creates what is missing of store and ledger and upgrades the ledger; keeps nothing open.
 * To be run by the user whom the files shall belong to.
 */
jf_err_t *jf_service_create(const char *directory, const char *database, apr_pool_t *pool);

/**
 * Opens store and ledger. The store is closed with @a pool; the ledger stays usable until
 * jf_service_close, so that a thread which outlives the pool does no harm.
 */
jf_err_t *jf_service_open(jf_service_t **service, const char *directory, const char *database,
                          jf_durability_t durability, apr_pool_t *pool);

/**
 * Opens the count of what is transferred. For httpd only: where there is none, it is made, and
 * belongs to the user who does it.
 */
jf_err_t *jf_service_open_traffic(jf_service_t *service, const char *directory, apr_pool_t *pool);

/** Closes the ledger and stops being alive. No other thread may be in it. */
void jf_service_close(jf_service_t *service);

/**
 * The name under which this process makes promises (jf_alive.h). It is taken with the first upload,
 * so that a process which cannot create a file now still serves downloads, and uploads as soon as
 * it can.
 */
jf_err_t *jf_service_instance(const char **name, jf_service_t *service, apr_pool_t *pool);

/** Removes a file: row, then bytes. @return as jf_ledger_file_remove */
jf_err_t *jf_service_remove_file(jf_service_t *service, const char *jid, const char *path,
                                 const jf_precondition_t *precondition, apr_time_t now_us,
                                 apr_pool_t *pool);

/** Removes an area with all files and links. @return as jf_ledger_area_remove */
jf_err_t *jf_service_remove_area(jf_service_t *service, const char *jid, apr_pool_t *pool);

/**
 * Removes the bytes of objects that the ledger no longer has.
 * @param objects array of const char *.
 * @return the first error after all were tried; what is left is an orphan that jf_sweep finds.
 */
jf_err_t *jf_service_remove_objects(jf_service_t *service, const apr_array_header_t *objects,
                                    apr_pool_t *pool);

#endif
