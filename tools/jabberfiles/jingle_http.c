#include "jingle_http.h"

#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "put_fields.h"

#define HEADERS_MAX 8

static int has_control_character(const char *text)
{
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == '\x7F') {
            return 1;
        }
    }
    return 0;
}

static int is_fit_url(const char *url)
{
    int is_web = apr_cstr_casecmpn(url, "https://", strlen("https://")) == 0 ||
                 apr_cstr_casecmpn(url, "http://", strlen("http://")) == 0;
    return is_web && put_fields_is_url(url);
}

/** @return 0 if one of the fields would be more than a field */
static int read_headers(apr_table_t *headers, xmpp_stanza_t *candidate, apr_pool_t *pool)
{
    for (xmpp_stanza_t *child = xmpp_stanza_get_children(candidate); child;
         child = xmpp_stanza_get_next(child)) {
        const char *element = xmpp_stanza_is_tag(child) ? xmpp_stanza_get_name(child) : NULL;
        const char *name = element && strcmp(element, "header") == 0
                               ? put_fields_name(xmpp_stanza_get_attribute(child, "name"))
                               : NULL;
        const char *value = name ? xmpp_stanza_own_text(child, pool) : NULL;
        if (value && has_control_character(value)) {
            return 0;
        }
        if (value && apr_table_elts(headers)->nelts < HEADERS_MAX) {
            apr_table_addn(headers, name, value);
        }
    }
    return 1;
}

static void read_candidate(apr_array_header_t *candidates, xmpp_stanza_t *element, apr_pool_t *pool)
{
    const char *url = xmpp_stanza_get_attribute(element, "uri");
    apr_table_t *headers = apr_table_make(pool, 2);
    if (url && is_fit_url(url) && read_headers(headers, element, pool)) {
        APR_ARRAY_PUSH(candidates, jingle_candidate_t) =
            (jingle_candidate_t){.url = apr_pstrdup(pool, url), .headers = headers};
    }
}

apr_array_header_t *jingle_http_read(xmpp_stanza_t *transport, apr_pool_t *pool)
{
    apr_array_header_t *candidates = apr_array_make(pool, 1, sizeof(jingle_candidate_t));
    for (xmpp_stanza_t *child = xmpp_stanza_get_children(transport);
         child && candidates->nelts < JINGLE_HTTP_CANDIDATES_MAX;
         child = xmpp_stanza_get_next(child)) {
        const char *name = xmpp_stanza_is_tag(child) ? xmpp_stanza_get_name(child) : NULL;
        if (name && strcmp(name, "candidate") == 0) {
            read_candidate(candidates, child, pool);
        }
    }
    return candidates;
}

void jingle_http_add_candidate(xmpp_ctx_t *ctx, xmpp_stanza_t *transport, const char *url,
                               apr_pool_t *pool)
{
    xmpp_stanza_t *candidate = xmpp_stanza_element(ctx, transport, "candidate", NULL, NULL);
    xmpp_stanza_attribute(candidate, "uri", url, pool);
}

void jingle_http_add_completed(xmpp_ctx_t *ctx, xmpp_stanza_t *transport)
{
    xmpp_stanza_element(ctx, transport, "completed", NULL, NULL);
}

int jingle_http_is_completed(xmpp_stanza_t *transport)
{
    return xmpp_stanza_get_child_by_name(transport, "completed") != NULL;
}
