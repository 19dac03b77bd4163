#include "mod_jabberfiles_private.h"

#include <apr_strings.h>

#include "jf_socket.h"
#include "jf_units.h"

const char *jfm_set_transfer_quota(cmd_parms *cmd, void *dir, const char *size, const char *period)
{
    jfm_dir_config_t *config = dir;
    jf_period_t parsed = JF_PERIOD_MONTH;
    const char *problem = jfm_directive_message(
        cmd, jf_units_parse_bytes(&config->transfer_quota_bytes, size, cmd->pool));
    if (!problem && period) {
        problem = jfm_directive_message(cmd, jf_period_parse(&parsed, period, cmd->pool));
    }
    config->transfer_period = parsed;
    return problem;
}

static const char *set_rate_of(const cmd_parms *cmd, apr_int64_t *bytes_per_s, const char *text)
{
    const char *problem =
        jfm_directive_message(cmd, jf_units_parse_bytes(bytes_per_s, text, cmd->pool));
    if (!problem && *bytes_per_s == 0) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           ": nothing gets anywhere at 0 bytes per second", NULL);
    }
    return problem;
}

const char *jfm_set_rate(cmd_parms *cmd, void *dir, const char *text)
{
    jfm_dir_config_t *config = dir;
    if (!jf_socket_can_pace() && strcasecmp(text, "unlimited") != 0) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, ": needs Linux, whose kernel paces sockets",
                           NULL);
    }
    jfm_feed_expect();
    return set_rate_of(cmd, &config->rate_bytes_per_s, text);
}

const char *jfm_set_upload_rate(cmd_parms *cmd, void *dir, const char *text)
{
    jfm_dir_config_t *config = dir;
    return set_rate_of(cmd, &config->upload_rate_bytes_per_s, text);
}

const char *jfm_set_count_owner(cmd_parms *cmd, void *dir, int is_on)
{
    jfm_dir_config_t *config = dir;
    (void)cmd;
    config->counts_owner = is_on;
    return NULL;
}

const char *jfm_set_meter(cmd_parms *cmd, void *dir, int is_on)
{
    jfm_dir_config_t *config = dir;
    (void)cmd;
    config->is_metered = is_on;
    return NULL;
}

const char *jfm_set_show_jids(cmd_parms *cmd, void *dir, int is_on)
{
    jfm_dir_config_t *config = dir;
    (void)cmd;
    config->shows_jids = is_on;
    return NULL;
}
