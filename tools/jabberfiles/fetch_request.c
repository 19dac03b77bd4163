#include "fetch_private.h"

#include <string.h>
#include <strings.h>

#include <apr_strings.h>
#include <idn2.h>

#include "jf_units.h"

#define ENCRYPTED "aesgcm:"

static int begins_with(const char *text, const char *begin)
{
    return strncasecmp(text, begin, strlen(begin)) == 0;
}

static int is_ascii(const char *text)
{
    for (; *text; text++) {
        if (*text & 0x80) {
            return 0;
        }
    }
    return 1;
}

/** Percent-encodes what is not ASCII. */
static const char *escape(const char *text, apr_pool_t *pool)
{
    char *escaped = apr_palloc(pool, 3 * strlen(text) + 1);
    char *out = escaped;
    for (; *text; text++) {
        if (*text & 0x80) {
            out += apr_snprintf(out, 4, "%%%02X", (unsigned char)*text);
        } else {
            *out++ = *text;
        }
    }
    *out = '\0';
    return escaped;
}

/** A host and its port in ASCII, or NULL. */
static const char *name_in_ascii(const char *authority, apr_pool_t *pool)
{
    size_t host_length = strcspn(authority, ":");
    char *ascii = NULL;
    if (idn2_to_ascii_8z(apr_pstrmemdup(pool, authority, host_length), &ascii,
                         IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK) {
        return NULL;
    }
    const char *name = apr_pstrcat(pool, ascii, authority + host_length, NULL);
    idn2_free(ascii);
    return name;
}

/** The authority of a URL: host and port, a login if there is one. Its begin; NULL if none. */
static const char *find_authority(size_t *length, const char *url)
{
    const char *begin = strstr(url, "://");
    if (!begin) {
        return NULL;
    }
    begin += strlen("://");
    *length = strcspn(begin, "/?#");
    return begin;
}

const char *fetch_request_url(const char *url, apr_pool_t *pool)
{
    size_t length;
    const char *begin = find_authority(&length, url);
    if (!begin || is_ascii(url)) {
        return url;
    }
    const char *authority = apr_pstrmemdup(pool, begin, length);
    if (!is_ascii(authority)) {
        authority = name_in_ascii(authority, pool);
    }
    if (!authority) {
        return url;
    }
    const char *scheme = apr_pstrmemdup(pool, url, (apr_size_t)(begin - url));
    return apr_pstrcat(pool, scheme, authority, escape(begin + length, pool), NULL);
}

jf_err_t *fetch_request_check(const fetch_t *fetch, apr_pool_t *pool)
{
    const char *url = fetch->file->url;
    if (begins_with(url, ENCRYPTED)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "this is a link to an encrypted file (aesgcm:): the chat client that "
                           "got it can open it, and has the key");
    }
    size_t length = 0;
    const char *authority = find_authority(&length, url);
    if (length == 0 || (!begins_with(url, "https://") && !begins_with(url, "http://"))) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "\"%.40s\" is no link that can be fetched: those begin with https:// or "
                           "http://",
                           url);
    }
    if (memchr(authority, '@', length)) {
        return jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool,
                           "the link has a user name or password in it, which may disguise where "
                           "it leads: take it out if you know what it is");
    }
    return NULL;
}

/**
 * 1 for a link of the account's own server, found by its very begin. It may lead into a private
 * network, where a server of one's own normally is; nothing is sent with it. Paths that climb up
 * could mean something else on that host.
 */
static int is_of_own_server(const fetch_t *fetch)
{
    const char *base = fetch->client->account->url;
    const char *url = fetch->file->url;
    if (!base || strncmp(url, base, strlen(base)) != 0 || url[strlen(base)] != '/') {
        return 0;
    }
    const char *rest = url + strlen(base);
    return !strstr(rest, "/.") && !strcasestr(rest, "%2e") && !strcasestr(rest, "%2f") &&
           !strchr(rest, '\\');
}

apr_table_t *fetch_request_make(http_request_t *request, const char *method, const fetch_t *fetch,
                                apr_pool_t *pool)
{
    apr_table_t *headers = apr_table_make(pool, 4);
    apr_table_setn(headers, "Accept", "*/*, application/problem+json");
    apr_table_setn(headers, "Want-Repr-Digest", "sha-256=10");
    *request = (http_request_t){
        .method = method,
        .url = fetch_request_url(fetch->file->url, pool),
        .trust = fetch->is_as_owner || is_of_own_server(fetch) ? HTTP_OWN : HTTP_FOREIGN,
        .is_as_owner = fetch->is_as_owner,
        .agreed_address = fetch->agreed_address,
        .headers = headers,
    };
    return headers;
}

apr_time_t fetch_deadline(const fetch_t *fetch)
{
    return fetch->max_time_us == JF_NEVER ? 0 : apr_time_now() + fetch->max_time_us;
}

const char *fetch_label(const fetch_t *fetch, const shared_file_t *seen)
{
    return seen && seen->name ? seen->name : fetch->file->name ? fetch->file->name : "the file";
}

jf_err_t *fetch_check_limit(const fetch_t *fetch, const char *label, apr_int64_t size_bytes,
                            apr_pool_t *pool)
{
    apr_int64_t limit_bytes = fetch->max_size_bytes;
    if (limit_bytes == JF_UNLIMITED || size_bytes <= limit_bytes) {
        return NULL;
    }
    jf_err_t *err = jf_err_make(
        JF_ERR_TOO_LARGE, APR_SUCCESS, pool, "%s has %s, more than the %s that --max-size allows",
        label, jf_units_format_bytes(size_bytes, pool), jf_units_format_bytes(limit_bytes, pool));
    err->limit_bytes = limit_bytes;
    err->required_bytes = size_bytes;
    return err;
}
