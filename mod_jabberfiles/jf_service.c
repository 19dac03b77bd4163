#include "jf_service.h"

#include <apr_strings.h>

/* Only for the store that belongs to it, the ledger is told what traffic the last run has left. */
static jf_err_t *bind_store(const char *directory, jf_ledger_t *ledger, apr_pool_t *pool)
{
    const char *id;
    JF_TRY(jf_ledger_id(&id, ledger, pool));
    /* Not a reason to stay down: a server whose disk is full still serves downloads. */
    (void)jf_ledger_keep_room(ledger, pool);
    JF_TRY(jf_store_bind(directory, id, pool));
    return jf_traffic_create(directory, ledger, apr_time_now(), pool);
}

jf_err_t *jf_service_create(const char *directory, const char *database, apr_pool_t *pool)
{
    jf_ledger_t *ledger;
    JF_TRY(jf_store_create(directory, pool));
    JF_TRY(jf_ledger_create(database, pool));
    JF_TRY(jf_ledger_open(&ledger, database, JF_DURABILITY_FULL, pool));
    jf_err_t *err = bind_store(directory, ledger, pool);
    jf_ledger_close(ledger);
    return err;
}

static jf_err_t *open_parts(jf_service_t *service, const char *directory, const char *database,
                            jf_durability_t durability, apr_pool_t *pool)
{
    apr_status_t status =
        apr_thread_mutex_create(&service->mutex, APR_THREAD_MUTEX_DEFAULT, service->pool);
    if (status != APR_SUCCESS) {
        return jf_err_from_system(status, pool, "cannot make a lock");
    }
    JF_TRY(jf_store_open(&service->store, directory, durability == JF_DURABILITY_FULL, pool));
    return jf_ledger_open(&service->ledger, database, durability, pool);
}

jf_err_t *jf_service_open(jf_service_t **service_out, const char *directory, const char *database,
                          jf_durability_t durability, apr_pool_t *pool)
{
    /* Unmanaged: any thread may allocate from it, and the pools of httpd share an allocator. */
    apr_pool_t *own;
    apr_pool_create_unmanaged_ex(&own, NULL, NULL);
    jf_service_t *service = apr_pcalloc(own, sizeof(*service));
    service->pool = own;
    jf_err_t *err = open_parts(service, directory, database, durability, pool);
    if (err) {
        apr_pool_destroy(own);
        return err;
    }
    *service_out = service;
    return NULL;
}

jf_err_t *jf_service_open_traffic(jf_service_t *service, const char *directory, apr_pool_t *pool)
{
    return jf_traffic_open(&service->traffic, directory, service->ledger, pool);
}

jf_err_t *jf_service_instance(const char **name, jf_service_t *service, apr_pool_t *pool)
{
    jf_err_t *err = NULL;
    apr_thread_mutex_lock(service->mutex);
    if (!service->alive) {
        err = jf_err_copy(jf_alive_enter(&service->alive, jf_store_alive_directory(service->store),
                                         service->pool),
                          pool);
    }
    if (!err) {
        *name = jf_alive_name(service->alive);
    }
    apr_thread_mutex_unlock(service->mutex);
    return err;
}

void jf_service_close(jf_service_t *service)
{
    if (service->traffic) {
        jf_traffic_close(service->traffic);
    }
    jf_ledger_close(service->ledger);
    apr_pool_destroy(service->pool);
}

jf_err_t *jf_service_remove_objects(jf_service_t *service, const apr_array_header_t *objects,
                                    apr_pool_t *pool)
{
    jf_err_t *err = NULL;
    for (int i = 0; i < objects->nelts; i++) {
        err = jf_err_first(
            err, jf_store_remove(service->store, APR_ARRAY_IDX(objects, i, const char *), pool));
    }
    return err;
}

jf_err_t *jf_service_remove_file(jf_service_t *service, const char *jid, const char *path,
                                 const jf_precondition_t *precondition, apr_time_t now_us,
                                 apr_pool_t *pool)
{
    const char *object;
    JF_TRY(jf_ledger_file_remove(&object, service->ledger, jid, path, precondition, now_us, pool));
    /* The file is gone; bytes that cannot be removed now are swept as an orphan later. */
    (void)jf_store_remove(service->store, object, pool);
    return NULL;
}

jf_err_t *jf_service_remove_area(jf_service_t *service, const char *jid, apr_pool_t *pool)
{
    apr_array_header_t *objects;
    JF_TRY(jf_ledger_area_remove(&objects, service->ledger, jid, pool));
    return jf_service_remove_objects(service, objects, pool);
}
