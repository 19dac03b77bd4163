#include "mod_jabberfiles_private.h"

#include "jf_units.h"

#define DEFAULT_QUOTA_BYTES (500 * APR_INT64_C(1048576))
#define DEFAULT_MAX_FILE_BYTES (100 * APR_INT64_C(1048576))
#define DEFAULT_GUESSES_PER_JID 10
#define DEFAULT_GUESSES_PER_ADDRESS 50
#define DEFAULT_GUESS_PERIOD_US apr_time_from_sec(10 * 60)

/* ---- create and merge, from the lists ---- */

#define UNSET_NUM(type, name) config->name = JFM_UNSET;
#define UNSET_PTR(type, name) config->name = NULL;
#define MERGE_NUM(type, name) config->name = add->name == JFM_UNSET ? base->name : add->name;
#define MERGE_PTR(type, name) config->name = add->name ? add->name : base->name;

void *jfm_dir_config_create(apr_pool_t *pool, char *path)
{
    (void)path;
    jfm_dir_config_t *config = apr_palloc(pool, sizeof(*config));
    JFM_DIR_MEMBERS(UNSET_NUM, UNSET_PTR)
    return config;
}

void *jfm_dir_config_merge(apr_pool_t *pool, void *basev, void *addv)
{
    const jfm_dir_config_t *base = basev;
    const jfm_dir_config_t *add = addv;
    jfm_dir_config_t *config = apr_palloc(pool, sizeof(*config));
    JFM_DIR_MEMBERS(MERGE_NUM, MERGE_PTR)
    return config;
}

void *jfm_server_config_create(apr_pool_t *pool, server_rec *server)
{
    (void)server;
    jfm_server_config_t *config = apr_palloc(pool, sizeof(*config));
    JFM_SERVER_MEMBERS(UNSET_NUM, UNSET_PTR)
    return config;
}

void *jfm_server_config_merge(apr_pool_t *pool, void *basev, void *addv)
{
    const jfm_server_config_t *base = basev;
    const jfm_server_config_t *add = addv;
    jfm_server_config_t *config = apr_palloc(pool, sizeof(*config));
    JFM_SERVER_MEMBERS(MERGE_NUM, MERGE_PTR)
    return config;
}

/* ---- effective values ---- */

jfm_dir_config_t *jfm_dir_config(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &jabberfiles_module);
}

jfm_server_config_t *jfm_server_config(const server_rec *server)
{
    return ap_get_module_config(server->module_config, &jabberfiles_module);
}

apr_int64_t jfm_quota_bytes(const jfm_dir_config_t *config)
{
    return config->quota_bytes == JFM_UNSET ? DEFAULT_QUOTA_BYTES : config->quota_bytes;
}

apr_int64_t jfm_max_file_bytes(const jfm_dir_config_t *config)
{
    return config->max_file_bytes == JFM_UNSET ? DEFAULT_MAX_FILE_BYTES : config->max_file_bytes;
}

apr_interval_time_t jfm_expire_us(const jfm_dir_config_t *config)
{
    return config->expire_us == JFM_UNSET ? JF_NEVER : config->expire_us;
}

jfm_cors_t jfm_cors(const jfm_dir_config_t *config)
{
    return config->cors == JFM_UNSET ? JFM_CORS_ALL : (jfm_cors_t)config->cors;
}

jf_durability_t jfm_durability(const jfm_server_config_t *config)
{
    return config->durability == JFM_UNSET ? JF_DURABILITY_FULL
                                           : (jf_durability_t)config->durability;
}

jf_guess_limits_t jfm_guess_limits(const jfm_dir_config_t *config)
{
    jf_guess_limits_t limits = {
        .per_jid = config->guesses_per_jid == JFM_UNSET ? DEFAULT_GUESSES_PER_JID
                                                        : (apr_uint32_t)config->guesses_per_jid,
        .per_address = config->guesses_per_address == JFM_UNSET
                           ? DEFAULT_GUESSES_PER_ADDRESS
                           : (apr_uint32_t)config->guesses_per_address,
        .period_us = config->guess_period_us == JFM_UNSET ? DEFAULT_GUESS_PERIOD_US
                                                          : config->guess_period_us,
    };
    return limits;
}

const char *jfm_daemon_path(const jfm_server_config_t *config)
{
    return config->daemon ? config->daemon : JFM_DAEMON_PATH;
}

apr_int64_t jfm_transfer_quota_bytes(const jfm_dir_config_t *config)
{
    return config->transfer_quota_bytes == JFM_UNSET ? JF_UNLIMITED : config->transfer_quota_bytes;
}

jf_period_t jfm_transfer_period(const jfm_dir_config_t *config)
{
    return config->transfer_period == JFM_UNSET ? JF_PERIOD_MONTH
                                                : (jf_period_t)config->transfer_period;
}

apr_int64_t jfm_rate_bytes_per_s(const jfm_dir_config_t *config)
{
    return config->rate_bytes_per_s == JFM_UNSET ? JF_UNLIMITED : config->rate_bytes_per_s;
}

apr_int64_t jfm_upload_rate_bytes_per_s(const jfm_dir_config_t *config)
{
    return config->upload_rate_bytes_per_s == JFM_UNSET ? JF_UNLIMITED
                                                        : config->upload_rate_bytes_per_s;
}

int jfm_is_metered(const jfm_dir_config_t *config)
{
    return config->is_metered != 0; /* unset: yes */
}
