/* announce URL JID...: tells recipients of a file that is there already. */

#include <string.h>

#include <apr_strings.h>

#include "cli_recipients.h"
#include "deliver_report.h"
#include "fetch.h"
#include "jf_ascii.h"
#include "jf_units.h"
#include "output.h"
#include "prompt.h"
#include "save_name.h"
#include "xmpp_deliver.h"

#define URL_BYTES_MAX 4096

/** What clients make of a body that is to be a link: no spaces, ASCII, no fragment, http(s). */
static jf_err_t *check_url(const char *url, apr_pool_t *pool)
{
    if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "\"%s\" cannot be announced: give a link that begins with https:// "
                           "(\"send\" takes files)",
                           url);
    }
    for (const char *c = url; *c; c++) {
        if (!jf_ascii_is_printable(*c) || strchr(" #\"<>", *c)) {
            return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                               "\"%s\" cannot be announced: percent-encode everything but ASCII "
                               "characters, and leave out \"#\" and what follows it",
                               url);
        }
    }
    if (strlen(url) > URL_BYTES_MAX) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "the link is longer than %d characters, which no client takes",
                           URL_BYTES_MAX);
    }
    return NULL;
}

/** Files of an area are for its owner; others have links to them. */
static jf_err_t *check_is_for_others(const client_t *client, const char *url)
{
    if (!account_owns_url(client->account, url)) {
        return NULL;
    }
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, client->pool,
                       "\"%s\" cannot be announced: it opens for nobody but you; announce the link "
                       "that \"jabberfiles ls\" shows for this file",
                       url);
}

/** What is known of a link without looking at it. */
static shared_file_t *unseen(const char *url, apr_pool_t *pool)
{
    const char *name = save_name_from_url(url, pool);
    shared_file_t *file = apr_pcalloc(pool, sizeof(*file));
    file->url = url;
    file->name = name ? save_name_make(name, pool) : NULL;
    file->size_bytes = -1;
    return file;
}

/**
 * Looks at the link as a recipient would, without our login. Nobody is told of a file that is not
 * there; whether one that cannot be looked at now is announced, is for the user to say.
 */
static jf_err_t *look(shared_file_t **seen, client_t *client, const char *url)
{
    http_t *http;
    const fetch_t fetch = {
        .client = client,
        .file = unseen(url, client->pool),
        .directory = ".",
        .max_size_bytes = JF_UNLIMITED,
        .max_time_us = JF_NEVER,
    };
    JF_TRY(http_open(&http, client, client->pool));
    jf_err_t *err = fetch_look(seen, http, &fetch, client->pool);
    if (!err || err->code == JF_ERR_NOT_FOUND || err->code == JF_ERR_INVALID ||
        client_is_interrupted()) {
        return err;
    }
    int is_yes;
    output_warn(client, "%s", err->text);
    JF_TRY(prompt_confirm(&is_yes, client, "Announce it all the same?"));
    *seen = is_yes ? unseen(url, client->pool) : NULL;
    return NULL;
}

static jf_err_t *tell(client_t *client, apr_array_header_t *deliveries, const shared_file_t *file)
{
    xmpp_session_t *session;
    apr_array_header_t *files = apr_array_make(client->pool, 1, sizeof(const shared_file_t *));
    APR_ARRAY_PUSH(files, const shared_file_t *) = file;
    JF_TRY(xmpp_session_open(&session, client, client->pool));
    jf_err_t *err = xmpp_deliver(deliveries, session, files, client->options->message,
                                 client->options->wants_sims, client->pool);
    xmpp_session_close(session);
    return err;
}

jf_err_t *cmd_announce(client_t *client)
{
    const options_t *options = client->options;
    apr_array_header_t *jids;
    shared_file_t *file;
    JF_TRY(check_url(options->arguments[0], client->pool));
    JF_TRY(cli_split_recipients(NULL, &jids, options->arguments + 1, options->argument_count - 1, 0,
                                client->pool));
    JF_TRY(account_need_jid(client->account));
    JF_TRY(check_is_for_others(client, options->arguments[0]));
    JF_TRY(look(&file, client, options->arguments[0]));
    if (!file) {
        client->exit_code = CLIENT_DECLINED;
        return NULL;
    }
    apr_array_header_t *deliveries = xmpp_deliver_prepare(jids, client->pool);
    jf_err_t *err = tell(client, deliveries, file);
    if (!err || client_is_interrupted()) {
        deliver_report(client, deliveries);
    }
    return err;
}
