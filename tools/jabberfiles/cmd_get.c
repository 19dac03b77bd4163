#include <string.h>
#include <sys/stat.h>

#include <apr_strings.h>

#include "fetch_private.h"
#include "http_url.h"
#include "jf_names.h"
#include "jf_units.h"
#include "output.h"
#include "prompt.h"
#include "tool_text.h"

typedef struct get_t {
    client_t *client;
    http_t *http;
    int done;
    int declined;
    jf_err_t *first_err; /**< of those that failed */
} get_t;

/* ---- what is meant ---- */

static int is_link(const char *argument)
{
    return strstr(argument, "://") || strncasecmp(argument, "aesgcm:", strlen("aesgcm:")) == 0;
}

/** A link, or a file of the own area by its name. */
static jf_err_t *find_file(shared_file_t *file, int *is_as_owner, const char *argument,
                           client_t *client, apr_pool_t *pool)
{
    account_t *account = client->account;
    *file = (shared_file_t){.size_bytes = -1, .sha256 = client->options->sha256};
    if (is_link(argument)) {
        file->url = argument;
        *is_as_owner = account_owns_url(account, argument);
        return NULL;
    }
    JF_TRY(account_need_url(account));
    JF_TRY(account_need_jid(account));
    JF_TRY(jf_names_check_path(argument, pool));
    file->url = account_area_url(account, argument, pool);
    file->name = jf_names_leaf(argument);
    *is_as_owner = 1;
    return NULL;
}

/* ---- asking ---- */

/** Asks whether an existing file goes; --yes is no answer to that. */
static jf_err_t *ask_to_replace(int *is_yes, fetch_t *fetch, const shared_file_t *seen,
                                apr_pool_t *pool)
{
    const char *destination;
    *is_yes = 1;
    if (fetch_is_to_stdout(fetch)) {
        return NULL;
    }
    JF_TRY(fetch_place(&destination, fetch, seen, pool));
    jf_err_t *err = fetch_place_check(destination, fetch, pool);
    if (!err || fetch->client->options->is_yes || !prompt_is_possible()) {
        return err;
    }
    JF_TRY(prompt_confirm(is_yes, fetch->client, "%s exists. Replace it?", destination));
    fetch->may_overwrite = *is_yes;
    return NULL;
}

static jf_err_t *ask(int *is_yes, fetch_t *fetch, const shared_file_t *seen, apr_pool_t *pool)
{
    const char *size =
        seen->size_bytes >= 0 ? jf_units_format_bytes(seen->size_bytes, pool) : "of unknown size";
    fetch_show(fetch->client, seen, pool);
    JF_TRY(prompt_confirm(is_yes, fetch->client, "Download %s (%s)?", seen->name, size));
    return *is_yes ? ask_to_replace(is_yes, fetch, seen, pool) : NULL;
}

/* ---- one file ---- */

static void tell(const fetch_t *fetch, const shared_file_t *seen, const char *path,
                 apr_pool_t *pool)
{
    struct stat found;
    if (fetch_is_to_stdout(fetch)) {
        return;
    }
    apr_int64_t size_bytes = stat(path, &found) == 0 ? (apr_int64_t)found.st_size : -1;
    output_result(fetch->client, "%s", path);
    output_json(fetch->client,
                json_pack("{s:s, s:o, s:o, s:I, s:o, s:o*, s:o}", "type", "file", "path",
                          tool_text_json(path, pool), "name", tool_text_json(seen->name, pool),
                          "size_bytes", (json_int_t)size_bytes, "sha256",
                          tool_text_json_sha256(fetch->sha256, pool), "media_type",
                          seen->media_type ? tool_text_json(seen->media_type, pool) : NULL, "url",
                          tool_text_json(seen->url, pool)));
}

static jf_err_t *get_one(get_t *get, const char *argument, apr_pool_t *pool)
{
    const options_t *options = get->client->options;
    unsigned char sha256[JF_SHA256_BYTES];
    shared_file_t file;
    shared_file_t *seen;
    const char *path;
    int is_yes = 0;
    fetch_t fetch = {.client = get->client,
                     .file = &file,
                     .output = options->output,
                     .directory = options->directory,
                     .may_overwrite = options->may_overwrite,
                     .max_size_bytes = options->max_size_bytes,
                     .max_time_us = options->max_time_us,
                     .sha256 = sha256};
    JF_TRY(find_file(&file, &fetch.is_as_owner, argument, get->client, pool));
    JF_TRY(fetch_look(&seen, get->http, &fetch, pool));
    JF_TRY(ask(&is_yes, &fetch, seen, pool));
    if (!is_yes) {
        get->declined++;
        output_note(get->client, "not downloaded");
        return NULL;
    }
    JF_TRY(fetch_download(&path, get->http, &fetch, seen, pool));
    get->done++;
    tell(&fetch, seen, path, pool);
    return NULL;
}

/* ---- all files ---- */

static jf_err_t *check_usage(const options_t *options, apr_pool_t *pool)
{
    if (options->argument_count > 1 && (options->output || options->sha256)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "-o and --sha256 are about one file: get the others by calls of their "
                           "own, or use --directory");
    }
    if (options->is_json && options->output && strcmp(options->output, "-") == 0) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "--json and \"-o -\" would mix on standard output: leave one out");
    }
    return NULL;
}

static client_exit_t exit_code_of(const get_t *get)
{
    if (get->done == get->client->options->argument_count) {
        return CLIENT_DONE;
    }
    if (get->done > 0) {
        return CLIENT_PARTLY;
    }
    return get->first_err ? (client_exit_t)client_exit_code(get->first_err) : CLIENT_DECLINED;
}

jf_err_t *cmd_get(client_t *client)
{
    const options_t *options = client->options;
    get_t get = {.client = client};
    JF_TRY(check_usage(options, client->pool));
    JF_TRY(http_open(&get.http, client, client->pool));
    for (int i = 0; i < options->argument_count; i++) {
        jf_err_t *err = get_one(&get, options->arguments[i], client->pool);
        if (err && (options->argument_count == 1 || client_is_interrupted())) {
            return err;
        }
        if (err) {
            output_error(err, options, client->pool);
            get.first_err = get.first_err ? get.first_err : err;
        }
    }
    client->exit_code = exit_code_of(&get);
    return NULL;
}
