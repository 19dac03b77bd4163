/**
 * The settings that a configuration is made of, each with what it takes.
 */
#ifndef SERVICE_SETTINGS_H
#define SERVICE_SETTINGS_H

#include "service_config.h"

typedef struct service_setting_t service_setting_t;

/** @param value as many words as the setting takes, one after another. */
typedef jf_err_t *service_set_fn(service_config_t *config, const service_setting_t *setting,
                                 const char *value, const char *directory, apr_pool_t *pool);

struct service_setting_t {
    const char *name;
    service_set_fn *set;
    apr_size_t at;     /**< where in service_config_t the value belongs, if the function asks */
    int is_repeatable; /**< several lines, several words */
    int is_required;
    const char *example;
};

/** All settings; the last one has no name. */
extern const service_setting_t service_settings[];

#endif
