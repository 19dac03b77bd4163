#include "mod_jabberfiles_private.h"

#include <apr_optional.h>
#include <mod_watchdog.h>

#include "jf_ledger_checkpoint.h"
#include "jf_sweep.h"

/* What has to be gone within a minute is gone after two rounds at most. */
#define ROUND_US apr_time_from_sec(10)
#define FLUSH_US apr_time_from_sec(1)
#define CHECKPOINT_US (APR_USEC_PER_SEC / 10)
/* A big store is searched for orphans a little in each round, which costs half a percent of one
 * core. */
#define ORPHAN_BUDGET_US 50000

/** What is done for one store; @a number counts them. */
typedef void chore_t(int number, const jf_service_t *service, server_rec *main, apr_pool_t *pool);

/* ---- sweeping, in one process at a time ---- */

/* Where the search for orphans goes on, of this process; one for each service. */
static jf_sweep_t *sweeps;

/* In the thread that starts the child: the watchdog's own must not allocate from the child's pool.
 */
void jfm_janitor_child_init(apr_pool_t *pchild)
{
    const apr_array_header_t *stores = jfm_stores();
    sweeps = apr_pcalloc(pchild, sizeof(*sweeps) * ((apr_size_t)stores->nelts + 1));
    for (int i = 0; i < stores->nelts; i++) {
        sweeps[i].service = APR_ARRAY_IDX(stores, i, const jfm_server_config_t *)->service;
    }
}

static void sweep(int number, const jf_service_t *service, server_rec *main, apr_pool_t *pool)
{
    jf_sweep_result_t result;
    (void)service;
    jf_err_t *err =
        jf_sweep_round(&result, &sweeps[number], apr_time_now(), ORPHAN_BUDGET_US, pool);
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, err->status, main,
                     JFLOGNO(0060) "sweep: %s; tried again in 10 s", err->text);
    }
    if (result.expired_files || result.expired_slots || result.cancelled_promises ||
        result.orphans) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, main,
                     JFLOGNO(0061) "sweep: %d expired files, %d slots past their time, %d "
                                   "uploads of ended processes, %d orphaned objects removed",
                     result.expired_files, result.expired_slots, result.cancelled_promises,
                     result.orphans);
    }
}

static void flush(int number, const jf_service_t *service, server_rec *main, apr_pool_t *pool)
{
    (void)number;
    jfm_flush(service, main, pool);
}

/* ---- what each process has to do for itself ---- */

static void retry_cancels(int number, const jf_service_t *service, server_rec *main,
                          apr_pool_t *pool)
{
    (void)number;
    jf_err_t *err = jf_ledger_retry_cancels(service->ledger, pool);
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, err->status, main,
                     JFLOGNO(0062) "taking back the promises of broken uploads: %s; tried again "
                                   "in 10 s",
                     err->text);
    }
}

static void checkpoint(int number, const jf_service_t *service, server_rec *main, apr_pool_t *pool)
{
    (void)number;
    jf_err_t *err = jf_ledger_checkpoint(service->ledger, apr_time_now(), pool);
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, err->status, main,
                     JFLOGNO(0068) "the ledger's journal grows, it cannot be copied into the "
                                   "ledger: %s; tried again in 10 s",
                     err->text);
    }
}

/* ---- start ---- */

typedef struct watchdog_t {
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) * get_instance;
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) * register_callback;
} watchdog_t;

/* What is to be done, how often, and whether by one process for all. */
typedef struct duty_t {
    const char *watchdog;
    int is_singleton;
    apr_interval_time_t interval_us;
    chore_t *chore;
} duty_t;

static const duty_t duties[] = {
    {"_jabberfiles_sweep_", 1, ROUND_US, sweep},
    {"_jabberfiles_sweep_", 1, FLUSH_US, flush},
    {"_jabberfiles_child_", 0, ROUND_US, retry_cancels},
    {"_jabberfiles_child_", 0, CHECKPOINT_US, checkpoint},
};
#define DUTY_COUNT (sizeof(duties) / sizeof(duties[0]))

/** A duty as the watchdog knows it. */
typedef struct rounds_t {
    const duty_t *duty;
    server_rec *main;
} rounds_t;

static apr_status_t make_round(int state, void *baton, apr_pool_t *pool)
{
    const rounds_t *rounds = baton;
    const apr_array_header_t *stores = jfm_stores();
    for (int i = 0; state == AP_WATCHDOG_STATE_RUNNING && i < stores->nelts; i++) {
        const jf_service_t *service =
            APR_ARRAY_IDX(stores, i, const jfm_server_config_t *)->service;
        if (service) {
            rounds->duty->chore(i, service, rounds->main, pool);
        }
    }
    return APR_SUCCESS;
}

static apr_status_t register_one(const watchdog_t *watchdog, const duty_t *duty, server_rec *main,
                                 apr_pool_t *pconf)
{
    ap_watchdog_t *instance;
    apr_status_t status =
        watchdog->get_instance(&instance, duty->watchdog, 0, duty->is_singleton, pconf);
    if (status != APR_SUCCESS) {
        return status;
    }
    rounds_t *rounds = apr_palloc(pconf, sizeof(*rounds));
    *rounds = (rounds_t){duty, main};
    return watchdog->register_callback(instance, duty->interval_us, rounds, make_round);
}

static apr_status_t register_all(const watchdog_t *watchdog, server_rec *main, apr_pool_t *pconf)
{
    apr_status_t status = APR_SUCCESS;
    for (apr_size_t i = 0; i < DUTY_COUNT && status == APR_SUCCESS; i++) {
        status = register_one(watchdog, &duties[i], main, pconf);
    }
    return status;
}

void jfm_janitor_start(apr_pool_t *pconf, server_rec *main)
{
    watchdog_t watchdog = {
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance),
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback),
    };
    apr_status_t status = APR_ENOTIMPL;
    if (watchdog.get_instance && watchdog.register_callback) {
        status = register_all(&watchdog, main, pconf);
    }
    if (status != APR_SUCCESS) {
        ap_log_error(
            APLOG_MARK, APLOG_CRIT, status, main,
            JFLOGNO(0063) "mod_watchdog is needed and cannot be used: expired files stay on "
                          "the disk, broken uploads keep their quota, and the ledger does not "
                          "learn what is transferred");
    }
}
