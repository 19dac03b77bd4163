/*
 * A token of the kinds v1, v2 and token is part of the URL, and URLs are logged, shown by
 * mod_status and handed to scripts. So a request loses its query before anybody has seen it; one
 * that httpd refuses by itself, before it has logged it.
 */
#include "mod_jabberfiles_private.h"

#include <string.h>

#include <apr_strings.h>
#include <scoreboard.h>

#define QUERY_KEY "jabberfiles-slot-query"

/* Of the configuration that is in force, in every process of httpd: paths below which tokens come;
 * of const char *. */
static apr_array_header_t *bases;

void jfm_slot_tokens_pre_config(apr_pool_t *pconf)
{
    bases = apr_array_make(pconf, 2, sizeof(const char *));
}

void jfm_slot_tokens_come_below(const char *base)
{
    APR_ARRAY_PUSH(bases, const char *) = base;
}

/* ---- the request line, as it came ---- */

/* The path of "METHOD TARGET PROTOCOL" as httpd would understand it, if it is well-formed. Whether
 * it is, httpd decides; a token must not be logged in any case. */
static const char *path_of_line(const char *line, apr_size_t length, apr_pool_t *pool)
{
    const char *target = line + strcspn(line, " ");
    target += strspn(target, " ");
    if (target > line + length) {
        return "";
    }
    char *path = apr_pstrmemdup(pool, target, (apr_size_t)(line + length - target));
    char *authority = path[0] == '/' ? NULL : strstr(path, "://");
    if (authority) {
        path = authority + 3 + strcspn(authority + 3, "/");
    }
    (void)ap_unescape_url(path);
    ap_no2slash(path);
    ap_getparents(path);
    return path;
}

static int is_below_a_base(const char *path)
{
    for (int i = 0; i < bases->nelts; i++) {
        const char *base = APR_ARRAY_IDX(bases, i, const char *);
        apr_size_t length = strlen(base);
        if (strncmp(path, base, length) == 0 && (path[length] == '/' || path[length] == '\0')) {
            return 1;
        }
    }
    return 0;
}

/* 1 if there was a token, and there is none any more. */
static int hide(request_rec *r)
{
    const char *line = r->the_request;
    if (!line || bases->nelts == 0) {
        return 0;
    }
    apr_size_t length = strcspn(line, "?");
    if (line[length] == '\0' || !jf_slot_is_in_query(line + length + 1, r->pool) ||
        !is_below_a_base(path_of_line(line, length, r->pool))) {
        return 0;
    }
    const char *protocol = strrchr(line + length, ' ');
    r->the_request =
        apr_pstrcat(r->pool, apr_pstrmemdup(r->pool, line, length), protocol ? protocol : "", NULL);
    if (r->args) {
        apr_pool_userdata_setn(r->args, QUERY_KEY, NULL, r->pool);
    }
    r->args = NULL;
    r->parsed_uri.query = NULL;
    if (r->unparsed_uri) {
        r->unparsed_uri = apr_pstrmemdup(r->pool, r->unparsed_uri, strcspn(r->unparsed_uri, "?"));
    }
    return 1;
}

/* ---- hooks ---- */

int jfm_hide_slot_token(request_rec *r)
{
    (void)hide(r);
    return DECLINED;
}

int jfm_hide_slot_token_late(request_rec *r)
{
    if (hide(r)) {
        ap_update_child_status(r->connection->sbh, SERVER_BUSY_LOG, r);
    }
    return DECLINED;
}

const char *jfm_slot_query(const request_rec *r)
{
    void *query = NULL;
    apr_pool_userdata_get(&query, QUERY_KEY, r->pool);
    return query ? query : r->args;
}
