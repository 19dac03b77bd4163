#include "each_argument.h"

#include "output.h"

static int is_hopeless(const jf_err_t *err)
{
    return err->code == JF_ERR_FORBIDDEN || err->code == JF_ERR_UNAVAILABLE ||
           client_is_interrupted();
}

static client_exit_t exit_code_of(const client_t *client, const jf_err_t *first_err, int done)
{
    if (!first_err) {
        return client->exit_code;
    }
    return done ? CLIENT_PARTLY : (client_exit_t)client_exit_code(first_err);
}

static void tell(const client_t *client, const jf_err_t *err, int left, apr_pool_t *pool)
{
    output_error(err, client->options, pool);
    if (left > 0 && is_hopeless(err)) {
        output_warn(client, "the other %d were not tried", left);
    }
}

jf_err_t *each_argument(client_t *client, each_argument_t *work, void *baton)
{
    const options_t *options = client->options;
    jf_err_t *first_err = NULL;
    jf_err_t *err = NULL;
    int done = 0;
    apr_pool_t *pool;
    apr_pool_create(&pool, client->pool);
    for (int i = 0; i < options->argument_count && !(err && is_hopeless(err)); i++) {
        apr_pool_clear(pool);
        err = jf_err_copy(work(baton, options->arguments[i], pool), client->pool);
        first_err = jf_err_first(first_err, err);
        done += !err;
        if (err && options->argument_count > 1) {
            tell(client, err, options->argument_count - i - 1, pool);
        }
    }
    apr_pool_destroy(pool);
    if (options->argument_count == 1) {
        return err;
    }
    client->exit_code = exit_code_of(client, first_err, done);
    return NULL;
}
