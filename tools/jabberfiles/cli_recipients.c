#include "cli_recipients.h"

#include <string.h>
#include <unistd.h>

#include <apr_escape.h>
#include <apr_strings.h>
#include <unistr.h>

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

/* 1 for what a resource may be (RFC 7622 section 3.4), as far as bytes tell. */
static int is_resource(const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length > JF_JID_PART_BYTES_MAX ||
        u8_check((const uint8_t *)text, length) != NULL) {
        return 0;
    }
    while ((unsigned char)*text >= ' ' && *text != 0x7f) {
        text++;
    }
    return *text == '\0';
}

/* "bob@example.org/desk": the first slash ends the bare JID, the resource may have more. */
static jf_err_t *prepare_full(const char **jid, const char *text, apr_pool_t *pool)
{
    const char *bare = NULL;
    const char *slash = strchr(text, '/');
    if (!slash) {
        return jf_jid_prepare(jid, text, pool);
    }
    JF_TRY(jf_jid_prepare(&bare, apr_pstrmemdup(pool, text, (apr_size_t)(slash - text)), pool));
    if (!is_resource(slash + 1)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "what stands behind the slash is no resource");
    }
    *jid = apr_pstrcat(pool, bare, slash, NULL);
    return NULL;
}

static jf_err_t *add_recipient(apr_array_header_t *jids, const char *argument, int may_be_file,
                               int may_be_full, apr_pool_t *pool)
{
    const char *text = jid_in(argument, pool);
    const char *jid = NULL;
    jf_err_t *err = may_be_full ? prepare_full(&jid, text ? text : "", pool)
                                : jf_jid_prepare(&jid, text ? text : "", pool);
    if (err) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "%s is %s Jabber ID: %s", argument,
                           may_be_file && !is_uri(argument) ? "neither a file nor a" : "no",
                           err->text);
    }
    add_once(jids, jid);
    return NULL;
}

jf_err_t *cli_split_recipients(apr_array_header_t **files, apr_array_header_t **jids,
                               const char *const *arguments, int count, int may_be_full,
                               apr_pool_t *pool)
{
    *jids = apr_array_make(pool, count, sizeof(const char *));
    if (files) {
        *files = apr_array_make(pool, count, sizeof(const char *));
    }
    for (int i = 0; i < count; i++) {
        if (!files || is_recipient(arguments[i])) {
            JF_TRY(add_recipient(*jids, arguments[i], files != NULL, may_be_full, pool));
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
