#include "jf_jid.h"

#include <arpa/inet.h>
#include <string.h>

#include <apr_escape.h>
#include <apr_strings.h>
#include <idn2.h>

#include "jf_ascii.h"
#include "jf_precis.h"

/** What RFC 7622 section 3.3.1 excludes from localparts beyond the profile. */
#define LOCAL_EXCLUDED "\"&'/:<>@"

/** Longest domain name in ASCII form, in bytes without the root's dot (RFC 1035). */
#define HOSTNAME_BYTES_MAX 253
#define LABEL_BYTES_MAX 63
#define ALABEL_PREFIX "xn--"

static int is_ascii(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text > 0x7F) {
            return 0;
        }
    }
    return 1;
}

static const char *ascii_to_lower(const char *text, apr_pool_t *pool)
{
    char *lower = apr_pstrdup(pool, text);
    for (char *c = lower; *c; c++) {
        *c = jf_ascii_lower(*c);
    }
    return lower;
}

static jf_err_t *check_local(const char *local, apr_pool_t *pool)
{
    for (const char *c = local; *c; c++) {
        int is_control_or_space = (unsigned char)*c <= ' ' || *c == 0x7F;
        if (is_control_or_space || strchr(LOCAL_EXCLUDED, *c)) {
            return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                               "the name before the \"@\" must not contain U+%04X: no space, no "
                               "control character and none of " LOCAL_EXCLUDED " is allowed",
                               (unsigned char)*c);
        }
    }
    size_t length = strlen(local);
    if (length > JF_JID_PART_BYTES_MAX) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "the name before the \"@\" has %" APR_SIZE_T_FMT
                           " bytes, at most %d are allowed",
                           length, JF_JID_PART_BYTES_MAX);
    }
    return NULL;
}

static jf_err_t *prepare_local(const char **local, const char *text, apr_pool_t *pool)
{
    const char *prepared;
    if (is_ascii(text)) {
        prepared = ascii_to_lower(text, pool);
    } else {
        JF_TRY(jf_precis_enforce_username(&prepared, text, pool));
    }
    JF_TRY(check_local(prepared, pool));
    *local = prepared;
    return NULL;
}

static jf_err_t *refuse_domain(const char *domain, const char *reason, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "the domain \"%.80s\" %s; an example of a domain is \"example.org\"",
                       apr_pescape_echo(pool, domain, 1), reason);
}

static jf_err_t *prepare_ipv6(const char **domain, const char *text, apr_pool_t *pool)
{
    size_t length = strlen(text);
    struct in6_addr address;
    char canonical[INET6_ADDRSTRLEN];
    if (text[length - 1] != ']' ||
        inet_pton(AF_INET6, apr_pstrmemdup(pool, text + 1, length - 2), &address) != 1) {
        return refuse_domain(text, "is no IPv6 address in brackets", pool);
    }
    inet_ntop(AF_INET6, &address, canonical, sizeof(canonical));
    *domain = apr_pstrcat(pool, "[", canonical, "]", NULL);
    return NULL;
}

/** A label in ASCII form: letters, digits and inner hyphens; "--" in place 3 only in A-labels. */
static int is_hostname_label(const char *label, size_t length)
{
    if (length == 0 || length > LABEL_BYTES_MAX || label[0] == '-' || label[length - 1] == '-') {
        return 0;
    }
    for (size_t i = 0; i < length; i++) {
        if (!jf_ascii_is_alnum(label[i]) && label[i] != '-') {
            return 0;
        }
    }
    int has_reserved_hyphens = length >= 4 && label[2] == '-' && label[3] == '-';
    return !has_reserved_hyphens || strncmp(label, ALABEL_PREFIX, strlen(ALABEL_PREFIX)) == 0;
}

static int is_ipv4(const char *text)
{
    struct in_addr address;
    return inet_pton(AF_INET, text, &address) == 1;
}

/** Checks a domain name in ASCII form, or a dotted IPv4 address. */
static jf_err_t *check_hostname(const char *name, apr_pool_t *pool)
{
    if (strlen(name) > HOSTNAME_BYTES_MAX) {
        return refuse_domain(name, "is longer than 253 bytes in its ASCII form", pool);
    }
    const char *label = name;
    for (;;) {
        size_t length = strcspn(label, ".");
        if (!is_hostname_label(label, length)) {
            return refuse_domain(name,
                                 "has a part that is empty, longer than 63 bytes or not made of "
                                 "letters, digits and inner hyphens",
                                 pool);
        }
        if (label[length] == '\0') {
            break;
        }
        label += length + 1;
    }
    int ends_in_number = label[strspn(label, "0123456789")] == '\0';
    if (ends_in_number && !is_ipv4(name)) {
        return refuse_domain(name, "ends in a number but is no IPv4 address", pool);
    }
    return NULL;
}

static int has_alabel(const char *name)
{
    const char *found = strstr(name, ALABEL_PREFIX);
    while (found && found > name && found[-1] != '.') {
        found = strstr(found + 1, ALABEL_PREFIX);
    }
    return found != NULL;
}

/** Hyphens at the ends of a label, which idn2_to_ascii_8z lets pass in a U-label. */
static int has_outer_hyphen(const char *name)
{
    return name[0] == '-' || name[strlen(name) - 1] == '-' || strstr(name, ".-") ||
           strstr(name, "-.");
}

/** Puts a string of libidn2, which is from malloc(3), into @a pool. */
static const char *take_string(char *string, apr_pool_t *pool)
{
    const char *copy = apr_pstrdup(pool, string);
    idn2_free(string);
    return copy;
}

static jf_err_t *refuse_idn(const char *mapped, int rc, apr_pool_t *pool)
{
    const char *reason = apr_psprintf(pool, "is no IDNA2008 name (%s)", idn2_strerror(rc));
    return refuse_domain(mapped, reason, pool);
}

/**
 * Checks a mapped internationalised name by IDNA2008 and gives its U-labels.
 * UTS #46 stays off: it drops characters that people do not see, which would give one area to
 * names that RFC 7622 tells apart or refuses.
 */
static jf_err_t *prepare_idn(const char **domain, const char *mapped, apr_pool_t *pool)
{
    char *result;
    int rc = idn2_to_ascii_8z(mapped, &result, IDN2_NO_TR46);
    if (rc != IDN2_OK) {
        return refuse_idn(mapped, rc, pool);
    }
    const char *ascii = take_string(result, pool);
    JF_TRY(check_hostname(ascii, pool));
    rc = idn2_to_unicode_8z8z(ascii, &result, 0);
    if (rc != IDN2_OK) {
        return refuse_idn(mapped, rc, pool);
    }
    const char *unicode = take_string(result, pool);
    if (has_outer_hyphen(unicode)) {
        return refuse_idn(mapped, IDN2_HYPHEN_STARTEND, pool);
    }
    /* An A-label may stand for capitals (of Cherokee, for one), which are no prepared form. */
    const char *remapped;
    JF_TRY(jf_precis_map_domain(&remapped, unicode, pool));
    if (strcmp(remapped, unicode) != 0) {
        return refuse_idn(mapped, IDN2_UALABEL_MISMATCH, pool);
    }
    *domain = unicode;
    return NULL;
}

jf_err_t *jf_jid_prepare_domain(const char **domain, const char *text, apr_pool_t *pool)
{
    if (text[0] == '[') {
        return prepare_ipv6(domain, text, pool);
    }
    const char *mapped;
    if (is_ascii(text)) {
        mapped = ascii_to_lower(text, pool);
    } else {
        JF_TRY(jf_precis_map_domain(&mapped, text, pool));
    }
    size_t length = strlen(mapped);
    if (length > 1 && mapped[length - 1] == '.') {
        mapped = apr_pstrmemdup(pool, mapped, length - 1);
    }
    if (!is_ascii(mapped) || has_alabel(mapped)) {
        return prepare_idn(domain, mapped, pool);
    }
    JF_TRY(check_hostname(mapped, pool));
    *domain = mapped;
    return NULL;
}

jf_err_t *jf_jid_prepare(const char **jid, const char *text, apr_pool_t *pool)
{
    const char *at = strchr(text, '@');
    if (!at || at == text || at[1] == '\0') {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "a Jabber ID has a name, an \"@\" and a domain, as in "
                           "\"alice@example.org\"");
    }
    if (strchr(text, '/')) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "a Jabber ID without a resource is wanted: leave out the \"/\" and "
                           "what follows it");
    }
    const char *local = NULL;
    const char *domain = NULL;
    JF_TRY(prepare_local(&local, apr_pstrmemdup(pool, text, at - text), pool));
    JF_TRY(jf_jid_prepare_domain(&domain, at + 1, pool));
    *jid = apr_pstrcat(pool, local, "@", domain, NULL);
    return NULL;
}

const char *jf_jid_domain(const char *jid)
{
    return strchr(jid, '@') + 1;
}
