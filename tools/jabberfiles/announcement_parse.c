/* Reading announcements, in all the forms in which clients send them. */

#include "announcement.h"

#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "announcement_private.h"
#include "file_claims.h"
#include "jf_ascii.h"

#define FILES_MAX 20
#define URL_BYTES_MAX 4096
/* Still written by some clients for SIMS; the elements that we read are the same. */
#define NS_JINGLE_FILE_4 "urn:xmpp:jingle:apps:file-transfer:4"

/* ---- single claims ---- */

/** 1 for an http or https URL with a host, in the characters of RFC 3986. */
static int is_good_url(const char *url)
{
    const char *rest;
    if (!url || strlen(url) > URL_BYTES_MAX) {
        return 0;
    }
    if (apr_cstr_casecmpn(url, "https://", 8) == 0) {
        rest = url + 8;
    } else if (apr_cstr_casecmpn(url, "http://", 7) == 0) {
        rest = url + 7;
    } else {
        return 0;
    }
    if (*rest == '\0' || strchr("/?#", *rest)) {
        return 0;
    }
    while (jf_ascii_is_printable(*rest) && *rest != ' ') {
        rest++;
    }
    return *rest == '\0';
}

/* ---- elements ---- */

static int is_element(xmpp_stanza_t *stanza, const char *name, const char *ns)
{
    const char *its_name = xmpp_stanza_is_tag(stanza) ? xmpp_stanza_get_name(stanza) : NULL;
    const char *its_ns = xmpp_stanza_is_tag(stanza) ? xmpp_stanza_get_ns(stanza) : NULL;
    return its_name && its_ns && strcmp(its_name, name) == 0 && strcmp(its_ns, ns) == 0;
}

/** The first good URL among the sources. Those that are encrypted lie deeper and are not seen. */
static const char *first_source(xmpp_stanza_t *sharing, const char *sources_ns, const char *name,
                                const char *ns, const char *attribute, apr_pool_t *pool)
{
    xmpp_stanza_t *sources = xmpp_stanza_get_child_by_name_and_ns(sharing, "sources", sources_ns);
    for (xmpp_stanza_t *child = sources ? xmpp_stanza_get_children(sources) : NULL; child;
         child = xmpp_stanza_get_next(child)) {
        const char *url =
            is_element(child, name, ns) ? xmpp_stanza_get_attribute(child, attribute) : NULL;
        if (is_good_url(url)) {
            return apr_pstrdup(pool, url);
        }
    }
    return NULL;
}

/* ---- forms ---- */

static shared_file_t *read_sfs(xmpp_stanza_t *sharing, apr_pool_t *pool)
{
    xmpp_stanza_t *element =
        xmpp_stanza_get_child_by_name_and_ns(sharing, "file", NS_FILE_METADATA);
    const char *url = first_source(sharing, NS_SFS, "url-data", NS_URL_DATA, "target", pool);
    if (!url) {
        return NULL;
    }
    shared_file_t *file =
        element ? file_claims_read(element, NS_FILE_METADATA, pool) : file_claims_none(pool);
    const char *disposition = xmpp_stanza_get_attribute(sharing, "disposition");
    file->is_attachment = disposition && strcmp(disposition, "attachment") == 0;
    file->url = url;
    return file;
}

static shared_file_t *read_sims(xmpp_stanza_t *reference, apr_pool_t *pool)
{
    xmpp_stanza_t *sharing =
        xmpp_stanza_get_child_by_name_and_ns(reference, "media-sharing", NS_SIMS);
    const char *url =
        sharing ? first_source(sharing, NS_SIMS, "reference", NS_REFERENCE, "uri", pool) : NULL;
    if (!url) {
        return NULL;
    }
    const char *ns = FILE_CLAIMS_JINGLE_NS;
    xmpp_stanza_t *element = xmpp_stanza_get_child_by_name_and_ns(sharing, "file", ns);
    if (!element) {
        ns = NS_JINGLE_FILE_4;
        element = xmpp_stanza_get_child_by_name_and_ns(sharing, "file", ns);
    }
    shared_file_t *file = element ? file_claims_read(element, ns, pool) : file_claims_none(pool);
    file->url = url;
    return file;
}

static shared_file_t *read_oob(xmpp_stanza_t *oob, apr_pool_t *pool)
{
    const char *ns = xmpp_stanza_get_ns(oob);
    const char *url = xmpp_stanza_child_text(oob, "url", ns, pool);
    if (!is_good_url(url)) {
        return NULL;
    }
    xmpp_stanza_t *element = xmpp_stanza_get_child_by_name_and_ns(oob, "file", NS_FILE_METADATA);
    shared_file_t *file =
        element ? file_claims_read(element, NS_FILE_METADATA, pool) : file_claims_none(pool);
    file->description = file_claims_text(oob, "desc", ns, pool);
    file->url = url;
    return file;
}

/* ---- all of them ---- */

/** Fills in what is not known yet: what was claimed first counts. */
static void merge(shared_file_t *known, const shared_file_t *more)
{
#define TAKE(member, unknown)         \
    if (known->member == (unknown)) { \
        known->member = more->member; \
    }
    TAKE(name, NULL)
    TAKE(media_type, NULL)
    TAKE(description, NULL)
    TAKE(size_bytes, -1)
    TAKE(date_us, 0)
    TAKE(sha256, NULL)
    TAKE(sha3_256, NULL)
    TAKE(is_attachment, 0)
#undef TAKE
}

static void add_file(apr_array_header_t *files, shared_file_t *file)
{
    for (int i = 0; i < files->nelts; i++) {
        shared_file_t *known = APR_ARRAY_IDX(files, i, shared_file_t *);
        if (strcmp(known->url, file->url) == 0) {
            merge(known, file);
            return;
        }
    }
    if (files->nelts < FILES_MAX) {
        APR_ARRAY_PUSH(files, shared_file_t *) = file;
    }
}

typedef shared_file_t *(form_reader_t)(xmpp_stanza_t *element, apr_pool_t *pool);

typedef struct form_t {
    const char *stanza;
    const char *name;
    const char *ns;
    form_reader_t *read;
} form_t;

apr_array_header_t *announcement_parse(xmpp_stanza_t *stanza, apr_pool_t *pool)
{
    /* Those that say most come first. */
    static const form_t forms[] = {
        {"message", "file-sharing", NS_SFS, read_sfs},
        {"message", "reference", NS_REFERENCE, read_sims},
        {"message", "x", NS_OOB, read_oob},
        {"iq", "query", NS_IQ_OOB, read_oob},
    };
    apr_array_header_t *files = apr_array_make(pool, 2, sizeof(shared_file_t *));
    const char *name = xmpp_stanza_get_name(stanza);
    const char *type = xmpp_stanza_get_type(stanza);
    if (!name || (type && strcmp(type, "error") == 0)) {
        return files; /* an error brings back what was sent */
    }
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (strcmp(name, forms[i].stanza) != 0) {
            continue;
        }
        for (xmpp_stanza_t *child = xmpp_stanza_get_children(stanza); child;
             child = xmpp_stanza_get_next(child)) {
            shared_file_t *file =
                is_element(child, forms[i].name, forms[i].ns) ? forms[i].read(child, pool) : NULL;
            if (file) {
                add_file(files, file);
            }
        }
    }
    return files;
}
