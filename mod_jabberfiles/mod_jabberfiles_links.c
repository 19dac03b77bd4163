#include "mod_jabberfiles_private.h"

#include <apr_strings.h>

#include "jf_jid.h"

const char *jfm_absolute_url(request_rec *r, const char *path)
{
    const jfm_dir_config_t *config = jfm_request(r)->config;
    if (config->base_url) {
        return apr_pstrcat(r->pool, config->base_url, path, NULL);
    }
    return ap_construct_url(
        r->pool, apr_pstrcat(r->pool, jf_names_escape(config->base, r->pool), path, NULL), r);
}

const char *jfm_link_url(request_rec *r, const jf_file_t *file)
{
    return jfm_absolute_url(r,
                            apr_pstrcat(r->pool, "/", jf_names_escape(file->token, r->pool), "/",
                                        jf_names_escape(jf_names_leaf(file->path), r->pool), NULL));
}

/* The "@" stays as it is: RFC 3986 allows it in a path, and people read these URLs. */
static const char *escape_jid(const char *jid, apr_pool_t *pool)
{
    const char *domain = jf_jid_domain(jid);
    const char *local = apr_pstrmemdup(pool, jid, (apr_size_t)(domain - jid) - 1);
    return apr_pstrcat(pool, jf_names_escape(local, pool), "@", jf_names_escape(domain, pool),
                       NULL);
}

const char *jfm_area_url(request_rec *r, const char *jid, const char *path)
{
    return jfm_absolute_url(r, apr_pstrcat(r->pool, "/", escape_jid(jid, r->pool), "/",
                                           jf_names_escape(path, r->pool), NULL));
}

const char *jfm_etag(const jf_file_t *file, apr_pool_t *pool)
{
    /* An object never changes and its name is never used twice, so the name is a strong validator.
     */
    return apr_pstrcat(pool, "\"", file->object, "\"", NULL);
}
