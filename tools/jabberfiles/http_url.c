#include "http_url.h"

#include <string.h>

#include <apr_strings.h>
#include <arpa/inet.h>
#include <curl/curl.h>

#include "jf_ascii.h"

/** @return NULL if it is no URL; to be released with curl_url_cleanup */
static CURLU *parse(const char *url)
{
    CURLU *parsed = curl_url();
    if (parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK) {
        curl_url_cleanup(parsed);
        return NULL;
    }
    return parsed;
}

/** A part, to be released with curl_free; NULL if it is not there. */
static char *part(CURLU *parsed, CURLUPart what, unsigned flags)
{
    char *text;
    return curl_url_get(parsed, what, &text, flags) == CURLUE_OK ? text : NULL;
}

static int is_equal_part(CURLU *a, CURLU *b, CURLUPart what)
{
    char *a_text = part(a, what, CURLU_DEFAULT_PORT);
    char *b_text = part(b, what, CURLU_DEFAULT_PORT);
    int is_equal = a_text && b_text && strcasecmp(a_text, b_text) == 0;
    curl_free(a_text);
    curl_free(b_text);
    return is_equal;
}

int http_url_is_same_origin(const char *url, const char *other)
{
    CURLU *a = parse(url);
    CURLU *b = parse(other);
    int is_same = a && b && is_equal_part(a, b, CURLUPART_SCHEME) &&
                  is_equal_part(a, b, CURLUPART_HOST) && is_equal_part(a, b, CURLUPART_PORT);
    curl_url_cleanup(a);
    curl_url_cleanup(b);
    return is_same;
}

const char *http_url_host(const char *url, apr_pool_t *pool)
{
    CURLU *parsed = parse(url);
    char *host = parsed ? part(parsed, CURLUPART_HOST, 0) : NULL;
    char *port = parsed ? part(parsed, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT) : NULL;
    const char *text = url;
    if (host) {
        text = apr_pstrcat(pool, host, port ? ":" : "", port, NULL);
    }
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parsed);
    return text;
}

static int is_loopback_host(const char *host)
{
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    return strcmp(host, "[::1]") == 0 || strcasecmp(host, "localhost") == 0;
}

int http_url_is_loopback(const char *url)
{
    CURLU *parsed = parse(url);
    char *host = parsed ? part(parsed, CURLUPART_HOST, 0) : NULL;
    int is_loopback = host && is_loopback_host(host);
    curl_free(host);
    curl_url_cleanup(parsed);
    return is_loopback;
}

const char *http_url_address(const char *url, apr_pool_t *pool)
{
    CURLU *parsed = parse(url);
    char *host = parsed ? part(parsed, CURLUPART_HOST, 0) : NULL;
    int is_bracketed = host && host[0] == '[';
    const char *bare = is_bracketed ? apr_pstrmemdup(pool, host + 1, strcspn(host + 1, "]")) : host;
    unsigned char bytes[sizeof(struct in6_addr)];
    char text[INET6_ADDRSTRLEN];
    int family = is_bracketed ? AF_INET6 : AF_INET;
    const char *address = NULL;
    if (bare && inet_pton(family, bare, bytes) == 1 &&
        inet_ntop(family, bytes, text, sizeof(text))) {
        address = apr_pstrdup(pool, text);
    }
    curl_free(host);
    curl_url_cleanup(parsed);
    return address;
}

static int has_scheme(CURLU *parsed, const char *scheme)
{
    char *text = part(parsed, CURLUPART_SCHEME, 0);
    int is_equal = text && strcasecmp(text, scheme) == 0;
    curl_free(text);
    return is_equal;
}

int http_url_is_private(const char *url)
{
    CURLU *parsed = parse(url);
    int is_https = parsed && has_scheme(parsed, "https");
    int is_http = parsed && has_scheme(parsed, "http");
    curl_url_cleanup(parsed);
    return is_https || (is_http && http_url_is_loopback(url));
}

static int has_user(CURLU *parsed)
{
    char *user = part(parsed, CURLUPART_USER, 0);
    char *password = part(parsed, CURLUPART_PASSWORD, 0);
    int is_there = user || password;
    curl_free(user);
    curl_free(password);
    return is_there;
}

int http_url_is_link(const char *url)
{
    const char *slashes = strstr(url, "://");
    for (const char *c = url; *c; c++) {
        if (!jf_ascii_is_printable(*c) || *c == ' ') {
            return 0;
        }
    }
    /* libcurl finds a host behind any number of slashes. */
    if (!slashes || slashes[3] == '/') {
        return 0;
    }
    CURLU *parsed = parse(url);
    int is_link =
        parsed && (has_scheme(parsed, "https") || has_scheme(parsed, "http")) && !has_user(parsed);
    curl_url_cleanup(parsed);
    return is_link;
}

const char *http_url_resolve(const char *base, const char *reference, apr_pool_t *pool)
{
    CURLU *parsed = parse(base);
    char *text = NULL;
    if (parsed && curl_url_set(parsed, CURLUPART_URL, reference, 0) == CURLUE_OK) {
        text = part(parsed, CURLUPART_URL, 0);
    }
    const char *url = text ? apr_pstrdup(pool, text) : NULL;
    curl_free(text);
    curl_url_cleanup(parsed);
    return url;
}
