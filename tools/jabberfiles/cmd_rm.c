/* rm: deletes files of the area, without asking, as rm(1) does. */

#include "each_argument.h"
#include "http_area.h"
#include "output.h"
#include "tool_text.h"

typedef struct rm_t {
    client_t *client;
    http_t *http;
} rm_t;

static jf_err_t *remove_one(void *baton, const char *path, apr_pool_t *pool)
{
    const rm_t *rm = baton;
    JF_TRY(http_area_delete(rm->http, path, pool));
    output_note(rm->client, "%s is deleted, its link leads nowhere", path);
    output_json(rm->client,
                json_pack("{s:s, s:o}", "type", "deleted", "path", tool_text_json(path, pool)));
    return NULL;
}

jf_err_t *cmd_rm(client_t *client)
{
    rm_t rm = {.client = client};
    JF_TRY(http_open(&rm.http, client, client->pool));
    return each_argument(client, remove_one, &rm);
}
