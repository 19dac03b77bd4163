#include "mod_jabberfiles_private.h"

static apr_int64_t quota_of(const jfm_dir_config_t *config, const jf_transfer_limit_t *of_area)
{
    return of_area && of_area->quota_bytes != JF_QUOTA_DEFAULT ? of_area->quota_bytes
                                                               : jfm_transfer_quota_bytes(config);
}

static jf_period_t period_of(const jfm_dir_config_t *config, const jf_transfer_limit_t *of_area)
{
    return of_area && of_area->period != JF_PERIOD_DEFAULT ? of_area->period
                                                           : jfm_transfer_period(config);
}

void jfm_terms(jfm_terms_t *terms, const jfm_dir_config_t *config, apr_int64_t area_id,
               const jf_transfer_limit_t *of_area)
{
    terms->key = (jf_traffic_key_t){.area_id = area_id, .period = period_of(config, of_area)};
    terms->quota_bytes = quota_of(config, of_area);
    terms->rate_bytes_per_s = jfm_rate_bytes_per_s(config);
    terms->upload_bytes_per_s = jfm_upload_rate_bytes_per_s(config);
}
