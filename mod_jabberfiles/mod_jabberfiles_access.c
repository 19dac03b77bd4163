#include "mod_jabberfiles_private.h"

#include <string.h>

#include <ap_provider.h>
#include <mod_auth.h>

#include "jf_jid.h"

static int is_area(const jfm_request_t *request)
{
    return request->name.kind == JF_NAME_FILE || request->name.kind == JF_NAME_FOLDER;
}

static int is_slot_service(const jfm_request_t *request)
{
    return request->name.kind == JF_NAME_SLOT_SERVICE && request->config->has_slot_service == 1;
}

/*
 * "Require jabber-access": nobody is asked for a link or for OPTIONS, everybody has to log in for
 * an area. Slots are granted to whom the Jabber server vouches for, so only to that server. Whose
 * area it is, jfm_check_owner decides later: mod_authz_core would answer 401 here, and with a
 * "Require all granted" of the operator it would not ask at all.
 */
static authz_status check_access(request_rec *r, const char *require_args, const void *parsed)
{
    (void)require_args;
    (void)parsed;
    const jfm_request_t *request = jfm_request(r);
    if (!request) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      JFLOGNO(0010) "Require jabber-access where JabberFiles is not On: denied");
        return AUTHZ_DENIED;
    }
    if (r->method_number == M_OPTIONS) {
        return AUTHZ_GRANTED;
    }
    if (is_slot_service(request)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      JFLOGNO(0014) "%s: the slot service is closed to everybody until a "
                                    "<Location \"%s/.slot\"> with \"Require local\" or "
                                    "\"Require ip\" says who the Jabber server is",
                      r->useragent_ip, request->config->base);
        return AUTHZ_DENIED;
    }
    if (!is_area(request)) {
        return AUTHZ_GRANTED;
    }
    return r->user ? AUTHZ_GRANTED : AUTHZ_DENIED_NO_USER;
}

static const authz_provider access_provider = {check_access, NULL};

void jfm_register_access(apr_pool_t *pool)
{
    ap_register_auth_provider(pool, AUTHZ_PROVIDER_GROUP, "jabber-access", AUTHZ_PROVIDER_VERSION,
                              &access_provider, AP_AUTH_INTERNAL_PER_CONF);
}

/* ---- the owner ---- */

int jfm_is_served(const jfm_server_config_t *server, const char *jid)
{
    const char *domain = jf_jid_domain(jid);
    for (int i = 0; i < server->domains->nelts; i++) {
        if (strcmp(domain, APR_ARRAY_IDX(server->domains, i, jf_domain_t *)->name) == 0) {
            return 1;
        }
    }
    return 0;
}

jf_err_t *jfm_check_served(const jfm_server_config_t *server, const char *jid, apr_pool_t *pool)
{
    return jfm_is_served(server, jid)
               ? NULL
               : jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, pool,
                             "no JabberFilesDomain names the domain of %s", jid);
}

static int is_owner(const request_rec *r, const char *area)
{
    const char *jid;
    return r->user && !jfm_login_jid(&jid, r, r->user) && strcmp(jid, area) == 0;
}

int jfm_check_owner(request_rec *r)
{
    const jfm_request_t *request = jfm_request(r);
    if (!is_area(request)) {
        return OK;
    }
    if (!is_owner(r, request->name.jid)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, JFLOGNO(0011) "%s: %s may not use this area",
                      request->name.jid, r->user ? r->user : "somebody who did not log in");
        return HTTP_FORBIDDEN;
    }
    if (!jfm_is_served(request->server, request->name.jid)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      JFLOGNO(0012) "%s: no JabberFilesDomain names this domain",
                      request->name.jid);
        return HTTP_FORBIDDEN;
    }
    return OK;
}

/* ---- the store ---- */

static int is_at_or_below(const char *path, const char *directory)
{
    apr_size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* The ledger, and what SQLite keeps beside it. */
static int is_database(const char *path, const char *database)
{
    return strncmp(path, database, strlen(database)) == 0;
}

static int is_in_a_store(const char *path)
{
    const apr_array_header_t *stores = jfm_stores();
    for (int i = 0; stores && i < stores->nelts; i++) {
        const jfm_server_config_t *config = APR_ARRAY_IDX(stores, i, const jfm_server_config_t *);
        if (is_at_or_below(path, config->store) || is_database(path, config->database)) {
            return 1;
        }
    }
    return 0;
}

int jfm_protect_store(request_rec *r)
{
    if (jfm_request(r) || !r->filename || !is_in_a_store(r->filename)) {
        return DECLINED;
    }
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  JFLOGNO(0013) "%s: denied, it is in JabberFilesStore; better keep that away from "
                                "every DocumentRoot and Alias",
                  r->filename);
    return HTTP_FORBIDDEN;
}
