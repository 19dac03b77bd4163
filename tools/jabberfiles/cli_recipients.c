#include "cli_recipients.h"

#include <string.h>
#include <unistd.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "jf_jid.h"

#define URI_SCHEME "xmpp:"

static void add_once(apr_array_header_t *texts, const char *text)
{
    for (int i = 0; i < texts->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(texts, i, const char *), text) == 0) {
            return;
        }
    }
    APR_ARRAY_PUSH(texts, const char *) = text;
}

static int is_uri(const char *argument)
{
    return strncmp(argument, URI_SCHEME, strlen(URI_SCHEME)) == 0;
}

static int begins_with(const char *text, const char *head)
{
    return strncmp(text, head, strlen(head)) == 0;
}

static int is_recipient(const char *argument)
{
    if (is_uri(argument)) {
        return 1;
    }
    int is_path =
        begins_with(argument, "/") || begins_with(argument, "./") || begins_with(argument, "../");
    return !is_path && strchr(argument, '@') && access(argument, F_OK) != 0;
}

/* @return the Jabber ID in an argument, not checked; NULL for a URI with escapes that are none. */
static const char *jid_in(const char *argument, apr_pool_t *pool)
{
    if (!is_uri(argument)) {
        return argument;
    }
    const char *path = argument + strlen(URI_SCHEME);
    return apr_punescape_url(pool, apr_pstrmemdup(pool, path, strcspn(path, "?")), NULL, NULL, 0);
}

static jf_err_t *add_recipient(apr_array_header_t *jids, const char *argument, int may_be_file,
                               apr_pool_t *pool)
{
    const char *text = jid_in(argument, pool);
    const char *jid = NULL;
    jf_err_t *err = jf_jid_prepare(&jid, text ? text : "", pool);
    if (err) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "%s is %s Jabber ID: %s", argument,
                           may_be_file && !is_uri(argument) ? "neither a file nor a" : "no",
                           err->text);
    }
    add_once(jids, jid);
    return NULL;
}

jf_err_t *cli_split_recipients(apr_array_header_t **files, apr_array_header_t **jids,
                               const char *const *arguments, int count, apr_pool_t *pool)
{
    *jids = apr_array_make(pool, count, sizeof(const char *));
    if (files) {
        *files = apr_array_make(pool, count, sizeof(const char *));
    }
    for (int i = 0; i < count; i++) {
        if (!files || is_recipient(arguments[i])) {
            JF_TRY(add_recipient(*jids, arguments[i], files != NULL, pool));
        } else {
            add_once(*files, arguments[i]);
        }
    }
    if ((*jids)->nelts == 0) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "nobody to send to: name at least one Jabber ID, as bob@example.org");
    }
    if (files && (*files)->nelts == 0) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "nothing to send: name at least one file");
    }
    return NULL;
}
