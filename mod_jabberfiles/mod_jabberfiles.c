/*
 * mod_jabberfiles: a file area for every Jabber user. This file hangs the parts into httpd;
 * doc/architecture.md tells the way of a request through them.
 */
#include "mod_jabberfiles_body.h"

#include <http_connection.h>
#include <mpm_common.h>

static void register_hooks(apr_pool_t *pool)
{
    /* A <Location> with JabberFiles On is ours: before proxies and aliases of the whole site take
     * it. */
    static const char *const before[] = {"mod_proxy.c", "mod_alias.c", NULL};

    ap_hook_pre_config(jfm_pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(jfm_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(jfm_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    /* Before mod_watchdog starts its threads, which sweep with what is made here. */
    ap_hook_child_init(jfm_child_init, NULL, NULL, APR_HOOK_FIRST);

    /* Before the request is shown to anybody: the scoreboard, other modules, the logs. */
    ap_hook_post_read_request(jfm_hide_slot_token, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_translate_name(jfm_translate, NULL, before, APR_HOOK_FIRST);
    /* First: there is no directory to walk, and TRACE is not for us. */
    ap_hook_map_to_storage(jfm_map_to_storage, NULL, NULL, APR_HOOK_FIRST);
    /* First: mod_mime and mod_mime_magic must not guess the type of what a user uploaded. */
    ap_hook_type_checker(jfm_type_checker, NULL, NULL, APR_HOOK_FIRST);
    /* Last: after the core applied ForceType and SetHandler of the surrounding configuration. */
    ap_hook_fixups(jfm_fixups, NULL, NULL, APR_HOOK_LAST);
    ap_hook_fixups(jfm_protect_store, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_handler(jfm_handler, NULL, NULL, APR_HOOK_MIDDLE);

    ap_hook_handler(jfm_metrics, NULL, NULL, APR_HOOK_MIDDLE);
    /* Last: mod_ssl has said by then whether it is a connection with TLS. */
    ap_hook_pre_connection(jfm_wire_pre_connection, NULL, NULL, APR_HOOK_LAST);

    ap_hook_insert_error_filter(jfm_insert_problem, NULL, NULL, APR_HOOK_MIDDLE);
    /* Before mod_log_config writes. */
    ap_hook_log_transaction(jfm_hide_slot_token_late, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_log_transaction(jfm_status_count_late, NULL, NULL, APR_HOOK_MIDDLE);

    ap_hook_pre_config(jfm_guess_pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_monitor(jfm_daemon_monitor, NULL, NULL, APR_HOOK_MIDDLE);

    jfm_register_access(pool);
    jfm_register_login(pool);
    jfm_register_get();
    jfm_register_meter();
    jfm_register_feed();
    jfm_register_body();
    jfm_register_problem();
    jfm_register_status();
}

/* Not AP_DECLARE_MODULE: it declares the log index that the private header has already. */
module AP_MODULE_DECLARE_DATA jabberfiles_module = {
    STANDARD20_MODULE_STUFF, jfm_dir_config_create, jfm_dir_config_merge, jfm_server_config_create,
    jfm_server_config_merge, jfm_commands,          register_hooks,
#if defined(AP_MODULE_FLAG_NONE)
    AP_MODULE_FLAG_NONE,
#endif
};
