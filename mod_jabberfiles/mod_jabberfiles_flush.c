#include "mod_jabberfiles_private.h"

#include <unistd.h>

/* One line when it begins to fail, one when it works again; the operator has a clock. */
static void log_change(const jf_err_t *err, const jf_service_t *service, server_rec *server)
{
    static const jf_service_t *failing;
    if (err && failing != service) {
        failing = service;
        ap_log_error(APLOG_MARK, APLOG_WARNING, err->status, server,
                     JFLOGNO(0064) "traffic: %s; kept in STORE/traffic and tried again each second",
                     err->text);
    } else if (!err && failing == service) {
        failing = NULL;
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, server,
                     JFLOGNO(0065) "traffic: the ledger is up to date again");
    }
}

/* For one thread of a process: the watchdog's. */
void jfm_flush(const jf_service_t *service, server_rec *server, apr_pool_t *pool)
{
    jf_traffic_flush_t result;
    jf_err_t *err = jf_traffic_flush(&result, service->traffic, apr_time_now(), pool);
    log_change(err, service, server);
    if (!err && result.dead_transfers) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, server,
                     JFLOGNO(0066) "traffic: %d transfers of ended processes taken off the list",
                     result.dead_transfers);
    }
}

/* ---- at the end of httpd, when all children are gone ---- */

static jf_err_t *flush_as_helper(const jfm_server_config_t *config, apr_pool_t *pool)
{
    jf_service_t *service;
    jf_traffic_flush_t result;
    JF_TRY(
        jf_service_open(&service, config->store, config->database, jfm_durability(config), pool));
    JF_TRY(jf_service_open_traffic(service, config->store, pool));
    return jf_traffic_flush(&result, service->traffic, apr_time_now(), pool);
}

typedef struct end_t {
    server_rec *main;
    pid_t parent;
    apr_pool_t *pconf;
} end_t;

/* Children run the cleanups of the configuration, too, and each restart does. What is not in the
 * ledger then is no worse off: the next start brings it there. */
static apr_status_t flush_all(void *data)
{
    const end_t *end = data;
    if (getpid() != end->parent || ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_EXITING) {
        return APR_SUCCESS;
    }
    for (server_rec *server = end->main; server; server = server->next) {
        const jfm_server_config_t *config = jfm_server_config(server);
        if (config->has_location != 1) {
            continue;
        }
        jf_err_t *err = jfm_help(flush_as_helper, config, server, end->pconf);
        if (err) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, err->status, server,
                         JFLOGNO(0067) "traffic: %s; it is brought into the ledger at the next "
                                       "start",
                         err->text);
        }
    }
    return APR_SUCCESS;
}

void jfm_flush_at_end(apr_pool_t *pconf, server_rec *main)
{
    end_t *end = apr_palloc(pconf, sizeof(*end));
    *end = (end_t){main, getpid(), pconf};
    apr_pool_pre_cleanup_register(pconf, end, flush_all);
}
