#include "service_acl.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_jid.h"

service_acl_t *service_acl_create(apr_pool_t *pool)
{
    service_acl_t *acl = apr_palloc(pool, sizeof(*acl));
    acl->allowed = apr_array_make(pool, 4, sizeof(const char *));
    acl->denied = apr_array_make(pool, 4, sizeof(const char *));
    return acl;
}

static jf_err_t *prepare_bare(const char **bare, const char *text, apr_pool_t *pool)
{
    return strchr(text, '@') ? jf_jid_prepare(bare, text, pool)
                             : jf_jid_prepare_domain(bare, text, pool);
}

jf_err_t *service_acl_add(apr_array_header_t *list, const char *word, apr_pool_t *pool)
{
    const char *prepared = SERVICE_ACL_ALL;
    if (strcmp(word, SERVICE_ACL_ALL) != 0) {
        JF_TRY(prepare_bare(&prepared, word, pool));
    }
    APR_ARRAY_PUSH(list, const char *) = prepared;
    return NULL;
}

jf_err_t *service_acl_prepare(const char **bare, const char **resource, const char *jid,
                              apr_pool_t *pool)
{
    const char *slash = strchr(jid, '/');
    *resource = slash ? slash : "";
    return prepare_bare(bare, slash ? apr_pstrmemdup(pool, jid, (apr_size_t)(slash - jid)) : jid,
                        pool);
}

static int has_word(const apr_array_header_t *list, const char *word)
{
    for (int i = 0; i < list->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(list, i, const char *), word) == 0) {
            return 1;
        }
    }
    return 0;
}

static int names(const apr_array_header_t *list, const char *bare)
{
    const char *domain = strchr(bare, '@') ? jf_jid_domain(bare) : bare;
    return has_word(list, SERVICE_ACL_ALL) || has_word(list, domain) || has_word(list, bare);
}

int service_acl_allows(const service_acl_t *acl, const char *bare)
{
    return names(acl->allowed, bare) && !names(acl->denied, bare);
}
