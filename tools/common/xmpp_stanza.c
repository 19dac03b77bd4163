#include "xmpp_stanza.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <unistr.h>

#include "jf_ascii.h"

#define STANZA_ERRORS_NS "urn:ietf:params:xml:ns:xmpp-stanzas"

/** More of what a server says about an error is not shown. */
#define SAID_BYTES_MAX 300

/** 1 if XML can carry this character (XML 1.0, 2.2). One that it cannot would end our stream. */
static int is_xml_character(ucs4_t c)
{
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0xD7FF) ||
           (c >= 0xE000 && c <= 0xFFFD) || (c >= 0x10000 && c <= 0x10FFFF);
}

/** Puts a question mark in the place of whatever XML cannot carry; the text gets no longer. */
static void make_xml(char *text)
{
    const uint8_t *from = (const uint8_t *)text;
    const uint8_t *end = from + strlen(text);
    char *to = text;
    while (from < end) {
        ucs4_t c = 0;
        int size = u8_mbtoucr(&c, from, (size_t)(end - from));
        if (size > 0 && is_xml_character(c)) {
            memmove(to, from, (size_t)size);
            to += size;
        } else {
            *to++ = '?';
        }
        from += size > 0 ? size : 1;
    }
    *to = '\0';
}

static void add_text(xmpp_ctx_t *ctx, xmpp_stanza_t *element, const char *text)
{
    char *clean = strdup(text);
    if (!clean) {
        abort(); /* as APR's pools do */
    }
    make_xml(clean);
    xmpp_stanza_t *node = xmpp_stanza_new(ctx);
    xmpp_stanza_set_text(node, clean);
    xmpp_stanza_add_child(element, node);
    xmpp_stanza_release(node);
    free(clean);
}

xmpp_stanza_t *xmpp_stanza_element(xmpp_ctx_t *ctx, xmpp_stanza_t *parent, const char *name,
                                   const char *ns, const char *text)
{
    xmpp_stanza_t *element = xmpp_stanza_new(ctx);
    xmpp_stanza_set_name(element, name);
    if (ns) {
        xmpp_stanza_set_ns(element, ns);
    }
    if (text) {
        add_text(ctx, element, text);
    }
    if (parent) {
        xmpp_stanza_add_child(parent, element);
        xmpp_stanza_release(element);
    }
    return element;
}

void xmpp_stanza_attribute(xmpp_stanza_t *element, const char *name, const char *value,
                           apr_pool_t *pool)
{
    char *clean = apr_pstrdup(pool, value);
    make_xml(clean);
    xmpp_stanza_set_attribute(element, name, clean);
}

const char *xmpp_stanza_own_text(xmpp_stanza_t *stanza, apr_pool_t *pool)
{
    char *text = xmpp_stanza_get_text(stanza);
    if (!text) {
        return "";
    }
    const char *kept = apr_pstrdup(pool, text);
    xmpp_free(xmpp_stanza_get_context(stanza), text);
    return kept;
}

const char *xmpp_stanza_child_text(xmpp_stanza_t *stanza, const char *name, const char *ns,
                                   apr_pool_t *pool)
{
    xmpp_stanza_t *child = ns ? xmpp_stanza_get_child_by_name_and_ns(stanza, name, ns)
                              : xmpp_stanza_get_child_by_name(stanza, name);
    return child ? xmpp_stanza_own_text(child, pool) : NULL;
}

int xmpp_stanza_number(apr_int64_t *number, const char *text)
{
    char *end = NULL;
    *number = 0;
    if (!jf_ascii_is_digit(*text)) {
        return 0;
    }
    errno = 0;
    apr_int64_t parsed = apr_strtoi64(text, &end, 10);
    if (errno != 0 || *end != '\0' || parsed < 1) {
        return 0;
    }
    *number = parsed;
    return 1;
}

/** The error element of an error stanza, or NULL. */
static xmpp_stanza_t *error_of(xmpp_stanza_t *stanza)
{
    const char *type = xmpp_stanza_get_type(stanza);
    return type && strcmp(type, "error") == 0 ? xmpp_stanza_get_child_by_name(stanza, "error")
                                              : NULL;
}

const char *xmpp_stanza_condition(xmpp_stanza_t *stanza)
{
    xmpp_stanza_t *error = error_of(stanza);
    xmpp_stanza_t *child = error ? xmpp_stanza_get_children(error) : NULL;
    for (; child; child = xmpp_stanza_get_next(child)) {
        const char *ns = xmpp_stanza_get_ns(child);
        const char *name = xmpp_stanza_get_name(child);
        if (ns && name && strcmp(ns, STANZA_ERRORS_NS) == 0 && strcmp(name, "text") != 0) {
            return name;
        }
    }
    return NULL;
}

static const struct {
    const char *condition;
    const char *words;
} conditions[] = {
    {"bad-request", "the server does not understand the request"},
    {"conflict", "the name is taken already"},
    {"feature-not-implemented", "that is not supported there"},
    {"forbidden", "not allowed to this account"},
    {"gone", "the address is not in use any more"},
    {"internal-server-error", "the server has trouble of its own"},
    {"item-not-found", "there is no such user, room or item"},
    {"jid-malformed", "the address is wrong"},
    {"not-acceptable", "the other side does not accept it"},
    {"not-allowed", "nobody may do that there"},
    {"not-authorized", "a password is needed"},
    {"policy-violation", "against the rules of the server"},
    {"recipient-unavailable", "the recipient is not there"},
    {"redirect", "the recipient has another address"},
    {"registration-required", "only members may do that"},
    {"remote-server-not-found", "there is no such server, or it cannot be reached"},
    {"remote-server-timeout", "the other server does not answer"},
    {"resource-constraint", "the server has not enough room or is busy"},
    {"service-unavailable", "there is no such user or service, or it takes nothing of this kind"},
    {"subscription-required", "only contacts may do that"},
    {"undefined-condition", "the server says no and gives no reason"},
    {"unexpected-request", "the server did not expect that now"},
};

static const char *words_of(const char *condition)
{
    for (size_t i = 0; condition && i < sizeof(conditions) / sizeof(*conditions); i++) {
        if (strcmp(conditions[i].condition, condition) == 0) {
            return conditions[i].words;
        }
    }
    return "the server says no and gives no reason";
}

const char *xmpp_stanza_said(xmpp_stanza_t *element, const char *ns, apr_pool_t *pool)
{
    const char *said = xmpp_stanza_child_text(element, "text", ns, pool);
    if (!said || !*said) {
        return NULL;
    }
    char *line = apr_pstrndup(pool, said, SAID_BYTES_MAX);
    make_xml(line); /* the cut may have gone through a character */
    for (char *c = line; *c; c++) {
        *c = (char)((unsigned char)*c < ' ' ? ' ' : *c);
    }
    return apr_pstrcat(pool, line, strlen(said) > SAID_BYTES_MAX ? "..." : "", NULL);
}

const char *xmpp_stanza_error_text(xmpp_stanza_t *stanza, apr_pool_t *pool)
{
    const char *type = xmpp_stanza_get_type(stanza);
    if (!type || strcmp(type, "error") != 0) {
        return "";
    }
    const char *words = words_of(xmpp_stanza_condition(stanza));
    xmpp_stanza_t *error = error_of(stanza);
    const char *said = error ? xmpp_stanza_said(error, STANZA_ERRORS_NS, pool) : NULL;
    return said ? apr_psprintf(pool, "%s (the server says: %s)", words, said) : words;
}
