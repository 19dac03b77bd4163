#include "account_private.h"

#include <string.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "http_url.h"
#include "jf_jid.h"
#include "jf_names.h"

#define EXAMPLE "https://files.example.org/files"

/* @return the path of a URL as it stands there, "" if it has none; NULL if that is no such URL. */
static const char *path_of(const char *url)
{
    const char *host = strstr(url, "://");
    const char *path = host && host[3] != '/' ? strchr(host + 3, '/') : NULL;
    if (!http_url_is_link(url) || strpbrk(url, "?#") || !host || host[3] == '/') {
        return NULL;
    }
    return path ? path : "";
}

static size_t length_without_slashes(const char *text)
{
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '/') {
        length--;
    }
    return length;
}

jf_err_t *account_parse_url(const char **base, const char *text, const char *place,
                            apr_pool_t *pool)
{
    *base = NULL;
    if (!path_of(text)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "%s must be an https URL without user and query, as " EXAMPLE, place);
    }
    if (!http_url_is_private(text)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "%s must begin with https://, as " EXAMPLE
                           ": over http anybody on the way could read the password",
                           place);
    }
    *base = apr_pstrmemdup(pool, text, length_without_slashes(text));
    return NULL;
}

const char *account_area_url(const account_t *account, const char *path, apr_pool_t *pool)
{
    return apr_pstrcat(pool, account->url, "/", jf_names_escape(account->jid, pool), "/",
                       jf_names_escape(path, pool), NULL);
}

/* A path, decoded once; NULL for escapes that are none, or that hide a slash. */
static const char *decode(const char *path, apr_pool_t *pool)
{
    return path ? apr_punescape_url(pool, path, "/", NULL, 0) : NULL;
}

/* @return what follows BASE/, decoded, or NULL. */
static const char *below_base(const char *url, const char *base, apr_pool_t *pool)
{
    const char *path = decode(path_of(url), pool);
    const char *base_path = decode(path_of(base), pool);
    if (!path || !base_path || !http_url_is_same_origin(url, base)) {
        return NULL;
    }
    size_t length = length_without_slashes(base_path);
    return strncmp(path, base_path, length) == 0 && path[length] == '/' ? path + length + 1 : NULL;
}

static int is_in_area(const char *path, const char *jid, apr_pool_t *pool)
{
    const char *prepared = NULL;
    const char *slash = strchr(path, '/');
    const char *owner = slash ? apr_pstrmemdup(pool, path, (apr_size_t)(slash - path)) : NULL;
    return owner && !jf_jid_prepare(&prepared, owner, pool) && strcmp(prepared, jid) == 0 &&
           (!slash[1] || !jf_names_check_path(slash + 1, pool));
}

int account_owns_url(const account_t *account, const char *url)
{
    apr_pool_t *pool;
    if (!account->jid || !account->url) {
        return 0;
    }
    apr_pool_create(&pool, account->pool);
    const char *path = below_base(url, account->url, pool);
    int owns = path && is_in_area(path, account->jid, pool);
    apr_pool_destroy(pool);
    return owns;
}
