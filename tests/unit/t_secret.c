#include "t_secret.h"

/** Runs after all cleanups that were registered later, and before the memory goes. */
static apr_status_t look_at_secret(void *data)
{
    jf_secret_watch_t *watch = data;
    watch->is_wiped = 1;
    for (size_t i = 0; i < watch->length; i++) {
        watch->is_wiped &= watch->text[i] == '\0';
    }
    return APR_SUCCESS;
}

apr_pool_t *jf_secret_watched_pool(jf_secret_watch_t *watch, apr_pool_t *parent)
{
    apr_pool_t *pool;
    assert_int_equal(apr_pool_create(&pool, parent), APR_SUCCESS);
    apr_pool_cleanup_register(pool, watch, look_at_secret, apr_pool_cleanup_null);
    return pool;
}
