/* put: files into the area, links onto standard output. */

#include "each_argument.h"
#include "upload.h"

static jf_err_t *put_one(void *baton, const char *path, apr_pool_t *pool)
{
    upload_t *upload = baton;
    source_file_t *source;
    shared_file_t *shared;
    JF_TRY(source_file_open(&source, upload->client, path, pool));
    JF_TRY(upload_file(&shared, upload, source, pool));
    upload_tell(upload, source, shared, pool);
    return NULL;
}

jf_err_t *cmd_put(client_t *client)
{
    upload_t upload = {.client = client, .preference = UPLOAD_PREFERS_AREA};
    if (client->options->name && client->options->argument_count > 1) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, client->pool,
                           "--name is for one file, and there are %d",
                           client->options->argument_count);
    }
    JF_TRY(http_open(&upload.http, client, client->pool));
    jf_err_t *err = each_argument(client, put_one, &upload);
    if (upload.session) {
        xmpp_session_close(upload.session);
    }
    return err;
}
