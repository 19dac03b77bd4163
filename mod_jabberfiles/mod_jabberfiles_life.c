#include "mod_jabberfiles_pages.h"

#include <string.h>

#include <apr_strings.h>

/* Of this process: made in child_init, before any thread of the child runs, and never changed. */
static apr_array_header_t *stores;

const apr_array_header_t *jfm_stores(void)
{
    return stores;
}

int jfm_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    stores = NULL;
    jfm_slot_secrets_pre_config(pconf);
    jfm_slot_tokens_pre_config(pconf);
    jfm_feed_pre_config();
    return OK;
}

/* ---- in the parent ---- */

static int complain(const server_rec *server, const char *what)
{
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, server,
                 JFLOGNO(0001) "JabberFiles On needs %s in the same server", what);
    return HTTP_INTERNAL_SERVER_ERROR;
}

/* Runs for "httpd -t", too, so it looks at the configuration only and touches no file. */
int jfm_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main)
{
    (void)plog;
    (void)ptemp;
    for (server_rec *server = main; server; server = server->next) {
        jfm_server_config_t *config = jfm_server_config(server);
        if (config->has_location != 1) {
            continue;
        }
        if (!config->store) {
            return complain(server, "JabberFilesStore");
        }
        if (!config->domains) {
            return complain(server, "JabberFilesDomain");
        }
        if (!config->database) {
            config->database = apr_pstrcat(pconf, config->store, "/ledger.db", NULL);
        }
    }
    return OK;
}

/* Servers that name the same store and ledger share them; the first of them stands for all. With
 * the same store and another ledger, setting it up fails. */
static const jfm_server_config_t *first_with_store(server_rec *main,
                                                   const jfm_server_config_t *config)
{
    for (server_rec *server = main; server; server = server->next) {
        const jfm_server_config_t *other = jfm_server_config(server);
        if (other->has_location == 1 && strcmp(other->store, config->store) == 0 &&
            strcmp(other->database, config->database) == 0) {
            return other;
        }
    }
    return config;
}

/* Robust, because a child may be killed, and timed, because one may be stopped. Without it the
 * children would poll for SQLite's lock. */
static void make_turn(jfm_server_config_t *config, const server_rec *server, apr_pool_t *pconf)
{
    apr_status_t status = apr_proc_mutex_create(&config->turn, NULL, APR_LOCK_PROC_PTHREAD, pconf);
    if (status != APR_SUCCESS) {
        config->turn = NULL;
        ap_log_error(APLOG_MARK, APLOG_WARNING, status, server,
                     JFLOGNO(0007) "store %s: no lock for the children to take turns with; "
                                   "uploads are slower",
                     config->store);
    }
}

static int set_up(server_rec *server, apr_pool_t *pconf, apr_pool_t *ptemp)
{
    jfm_server_config_t *config = jfm_server_config(server);
    make_turn(config, server, pconf);
    jf_err_t *err = jfm_setup(config, server, ptemp);
    if (err && err->code == JF_ERR_BUSY) {
        /* Somebody holds the ledger for long. A restart must not take the site down for that. */
        ap_log_error(APLOG_MARK, APLOG_WARNING, err->status, server,
                     JFLOGNO(0002) "store %s: %s; uploads get 503 until it is free", config->store,
                     err->text);
        return OK;
    }
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, err->status, server,
                     JFLOGNO(0003) "store %s, ledger %s: %s", config->store, config->database,
                     err->text);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

static jf_err_t *start_parts(apr_pool_t *pconf, server_rec *main)
{
    JF_TRY(jfm_status_create(pconf));
    JF_TRY(jfm_guess_create(pconf, main));
    return jfm_daemon_start(pconf, main);
}

int jfm_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main)
{
    (void)plog;
    int is_used = 0;
    /* httpd reads its configuration twice at start; files are for the second time. */
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    for (server_rec *server = main; server; server = server->next) {
        const jfm_server_config_t *config = jfm_server_config(server);
        if (config->has_location != 1) {
            continue;
        }
        is_used = 1;
        jfm_look_for_area_terms(server);
        if (first_with_store(main, config) == config && set_up(server, pconf, ptemp) != OK) {
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    if (is_used) {
        jf_err_t *err = start_parts(pconf, main);
        if (err) {
            ap_log_error(APLOG_MARK, APLOG_EMERG, err->status, main, JFLOGNO(0004) "%s", err->text);
            return HTTP_INTERNAL_SERVER_ERROR;
        }
        jfm_janitor_start(pconf, main);
        jfm_flush_at_end(pconf, main);
    }
    return OK;
}

/* ---- in a child ---- */

/* A child may end in the middle of anything, in prefork even inside a signal handler. So it ends as
 * if it were killed: nothing more is written, and the sweep of another child takes back what it had
 * promised. A pre-cleanup: it must run before the requests' pools, whose cleanups would write to
 * the ledger. */
static apr_status_t stop_ledgers(void *data)
{
    const apr_array_header_t *all = data;
    for (int i = 0; i < all->nelts; i++) {
        const jf_service_t *service = APR_ARRAY_IDX(all, i, const jfm_server_config_t *)->service;
        if (service) {
            jf_ledger_stop(service->ledger);
        }
    }
    return APR_SUCCESS;
}

static jf_service_t *open_service(const jfm_server_config_t *config, const server_rec *server,
                                  apr_pool_t *pchild)
{
    jf_service_t *service = NULL;
    jf_err_t *err =
        jf_service_open(&service, config->store, config->database, jfm_durability(config), pchild);
    if (!err) {
        err = jf_service_open_traffic(service, config->store, pchild);
    }
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_ERR, err->status, server,
                     JFLOGNO(0005) "store %s: %s; this child answers 503", config->store,
                     err->text);
        return NULL;
    }
    jf_ledger_take_turns(service->ledger, config->turn);
    return service;
}

/* A virtual host without a directive of ours has the very configuration of the main server. */
static int is_listed(const jfm_server_config_t *config)
{
    for (int i = 0; i < stores->nelts; i++) {
        if (APR_ARRAY_IDX(stores, i, const jfm_server_config_t *) == config) {
            return 1;
        }
    }
    return 0;
}

void jfm_child_init(apr_pool_t *pchild, server_rec *main)
{
    stores = apr_array_make(pchild, 2, sizeof(const jfm_server_config_t *));
    apr_pool_pre_cleanup_register(pchild, stores, stop_ledgers);
    for (server_rec *server = main; server; server = server->next) {
        jfm_server_config_t *config = jfm_server_config(server);
        if (config->has_location != 1) {
            continue;
        }
        const jfm_server_config_t *first = first_with_store(main, config);
        if (first != config) {
            config->service = first->service;
        } else if (!is_listed(config)) {
            config->service = open_service(config, server, pchild);
            APR_ARRAY_PUSH(stores, const jfm_server_config_t *) = config;
        }
    }
    jfm_make_common_headers(pchild);
    jfm_wire_child_init(pchild);
    jfm_janitor_child_init(pchild);
    jfm_daemon_child_init();
    jf_err_t *err = jf_err_first(jfm_guess_child_init(pchild), jfm_waiting_child_init(pchild));
    err = jf_err_first(err, jfm_ticker_child_init(pchild));
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, err->status, main, JFLOGNO(0006) "%s", err->text);
    }
}
