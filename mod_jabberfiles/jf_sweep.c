#include "jf_sweep.h"

/* Rows that go in one transaction: few enough that an upload which waits does not notice. */
#define EXPIRE_BATCH 100

static jf_err_t *expire(jf_sweep_result_t *result, jf_service_t *service, apr_time_t now_us,
                        apr_pool_t *pool)
{
    apr_array_header_t *objects;
    jf_err_t *err = NULL;
    do {
        JF_TRY(jf_ledger_file_expire(&objects, service->ledger, EXPIRE_BATCH, now_us, pool));
        result->expired_files += objects->nelts;
        err = jf_err_first(err, jf_service_remove_objects(service, objects, pool));
    } while (objects->nelts == EXPIRE_BATCH);
    return err;
}

static jf_err_t *expire_slots(jf_sweep_result_t *result, const jf_service_t *service,
                              apr_time_t now_us, apr_pool_t *pool)
{
    int count;
    do {
        JF_TRY(jf_ledger_slot_expire(&count, service->ledger, EXPIRE_BATCH, now_us, pool));
        result->expired_slots += count;
    } while (count >= EXPIRE_BATCH);
    return NULL;
}

/* ---- promises of processes that are no more ---- */

static jf_err_t *cancel_if_dead(jf_sweep_result_t *result, jf_service_t *service,
                                const char *instance, apr_pool_t *pool)
{
    int is_alive;
    apr_array_header_t *objects;
    JF_TRY(jf_alive_check(&is_alive, jf_store_alive_directory(service->store), instance, pool));
    if (is_alive) {
        return NULL;
    }
    JF_TRY(jf_ledger_cancel_instance(&objects, service->ledger, instance, pool));
    result->cancelled_promises += objects->nelts;
    return jf_service_remove_objects(service, objects, pool);
}

static jf_err_t *cancel_dead(jf_sweep_result_t *result, jf_service_t *service, apr_pool_t *pool)
{
    apr_array_header_t *instances;
    JF_TRY(jf_ledger_instances(&instances, service->ledger, pool));
    jf_err_t *err = NULL;
    for (int i = 0; i < instances->nelts; i++) {
        err = jf_err_first(
            err, cancel_if_dead(result, service, APR_ARRAY_IDX(instances, i, const char *), pool));
    }
    return jf_err_first(err, jf_alive_tidy(jf_store_alive_directory(service->store), pool));
}

/* ---- orphans ---- */

typedef struct orphan_search_t {
    jf_service_t *service;
    jf_sweep_result_t *result;
    apr_time_t now_us;
} orphan_search_t;

static jf_err_t *remove_if_orphan(void *baton, const jf_store_entry_t *entry, apr_pool_t *pool)
{
    orphan_search_t *search = baton;
    int is_known;
    /* What is no object was put there by somebody else: fsck reports it, nobody removes it. */
    if (!entry->is_object || search->now_us - entry->modified_us < JF_ORPHAN_AGE_US) {
        return NULL;
    }
    JF_TRY(jf_ledger_object_is_known(&is_known, search->service->ledger, entry->name, pool));
    if (!is_known) {
        JF_TRY(jf_ledger_object_is_known_for_good(&is_known, search->service->ledger, entry->name,
                                                  pool));
    }
    if (is_known) {
        return NULL;
    }
    JF_TRY(jf_store_remove(search->service->store, entry->name, pool));
    search->result->orphans++;
    return NULL;
}

static jf_err_t *remove_orphans(jf_sweep_result_t *result, jf_sweep_t *sweep, apr_time_t now_us,
                                apr_interval_time_t budget_us, apr_pool_t *pool)
{
    orphan_search_t search = {sweep->service, result, now_us};
    apr_time_t end_us = apr_time_now() + budget_us;
    int visited = 0;
    jf_err_t *err = NULL;
    do {
        int directory = sweep->next_directory;
        sweep->next_directory = (directory + 1) % JF_STORE_FANOUT;
        visited++;
        err = jf_err_first(
            err, jf_store_walk(sweep->service->store, directory, remove_if_orphan, &search, pool));
    } while (visited < JF_STORE_FANOUT && apr_time_now() < end_us);
    return err;
}

jf_err_t *jf_sweep_round(jf_sweep_result_t *result, jf_sweep_t *sweep, apr_time_t now_us,
                         apr_interval_time_t budget_us, apr_pool_t *pool)
{
    *result = (jf_sweep_result_t){0};
    jf_err_t *expire_err = expire(result, sweep->service, now_us, pool);
    jf_err_t *slot_err = expire_slots(result, sweep->service, now_us, pool);
    jf_err_t *dead_err = cancel_dead(result, sweep->service, pool);
    jf_err_t *orphan_err = remove_orphans(result, sweep, now_us, budget_us, pool);
    /* After what may have made room. None yet is no error of the sweep: the next round tries again.
     */
    (void)jf_ledger_keep_room(sweep->service->ledger, pool);
    return jf_err_first(jf_err_first(expire_err, slot_err), jf_err_first(dead_err, orphan_err));
}
