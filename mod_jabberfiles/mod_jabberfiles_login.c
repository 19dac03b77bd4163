#include "mod_jabberfiles_private.h"

#include <string.h>

#include <ap_provider.h>
#include <apr_optional.h>
#include <apr_strings.h>
#include <crypt.h>
#include <http_ssl.h>
#include <mod_auth.h>
#include <openssl/crypto.h>

#include "jf_jid.h"
#include "jf_login.h"
#include "jf_token.h"

/*
 * mod_auth_basic asks for name and password and hands them to the providers that are configured:
 * ours, the cache of mod_authn_socache, a file. jfm_login surrounds all of that, whatever the
 * provider: it refuses passwords in clear before they are asked for, and limits guessing.
 */

/* ---- who ---- */

/* The domain of all users, or NULL if there are several. */
static const char *only_domain(const jfm_server_config_t *server)
{
    const char *name = APR_ARRAY_IDX(server->domains, 0, jf_domain_t *)->name;
    for (int i = 1; i < server->domains->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(server->domains, i, jf_domain_t *)->name, name) != 0) {
            return NULL;
        }
    }
    return name;
}

jf_err_t *jfm_login_jid(const char **jid, const request_rec *r, const char *user)
{
    const char *domain = only_domain(jfm_request(r)->server);
    if (!strchr(user, '@') && domain) {
        user = apr_pstrcat(r->pool, user, "@", domain, NULL);
    }
    return jf_jid_prepare(jid, user, r->pool);
}

/* ---- the provider ---- */

static APR_OPTIONAL_FN_TYPE(ap_authn_cache_store) * store_in_cache;

static void find_cache(void)
{
    store_in_cache = APR_RETRIEVE_OPTIONAL_FN(ap_authn_cache_store);
}

/* Few rounds, for they are counted again with each request: a third of a millisecond. The salt
 * keeps equal passwords from looking alike. */
static const char *hash_of(const char *password, apr_pool_t *pool)
{
    const char *salt;
    struct crypt_data *data = apr_pcalloc(pool, sizeof(*data));
    if (jf_token_hex(&salt, pool)) {
        return NULL;
    }
    const char *setting = apr_psprintf(pool, "$6$rounds=1000$%.16s", salt);
    const char *hash = apr_pstrdup(pool, crypt_r(password, setting, data));
    OPENSSL_cleanse(data, sizeof(*data));
    return hash && hash[0] == '$' ? hash : NULL;
}

static void remember(request_rec *r, const char *user, const char *password)
{
    const char *hash = store_in_cache ? hash_of(password, r->pool) : NULL;
    if (hash) {
        store_in_cache(r, "jabber", user, NULL, hash);
    }
}

/* mod_auth_basic would answer 500; jfm_login answers with this. */
static authn_status no_verdict(const request_rec *r, const char *jid, const char *why)
{
    jfm_request(r)->login_err =
        jf_err_make(JF_ERR_NO_VERDICT, APR_SUCCESS, r->pool, "login of %s: %s", jid, why);
    return AUTH_GENERAL_ERROR;
}

static authn_status heed(const request_rec *r, const char *jid, const jf_login_answer_t *answer)
{
    if (answer->verdict == JF_LOGIN_UNAVAILABLE) {
        return no_verdict(r, jid, answer->reason);
    }
    if (answer->verdict == JF_LOGIN_REFUSED) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, JFLOGNO(0070) "%s: login refused: %s", jid,
                      answer->reason);
        return AUTH_DENIED;
    }
    return AUTH_GRANTED;
}

static authn_status ask_server(const request_rec *r, const char *jid, const char *password)
{
    jf_login_answer_t answer;
    apr_pool_t *pool;
    if (!jfm_daemon_socket()) {
        return no_verdict(r, jid,
                          "jabberfilesd was not started: no AuthBasicProvider outside of "
                          ".htaccess names jabber");
    }
    if (!jfm_waiting_begin()) {
        return no_verdict(r, jid, "as many threads as may wait for Jabber servers do so already");
    }
    /* Its own pool: the password is wiped when the answer is there, not when the request is over.
     */
    apr_pool_create(&pool, r->pool);
    jf_err_t *err = jf_login_ask(&answer, jfm_daemon_socket(), jid, password, pool);
    jfm_waiting_end(!err && answer.verdict != JF_LOGIN_UNAVAILABLE);
    authn_status status = err ? no_verdict(r, jid, err->text) : heed(r, jid, &answer);
    apr_pool_destroy(pool);
    return status;
}

static authn_status check_password(request_rec *r, const char *user, const char *password)
{
    const char *jid;
    if (!jfm_request(r)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      JFLOGNO(0071) "AuthBasicProvider jabber where JabberFiles is not On");
        return AUTH_GENERAL_ERROR;
    }
    /* Nothing that cannot be a user of ours reaches a network. */
    if (jfm_login_jid(&jid, r, user) || !jfm_is_served(jfm_request(r)->server, jid)) {
        return AUTH_USER_NOT_FOUND;
    }
    if (strlen(password) > JF_LOGIN_PASSWORD_BYTES_MAX) {
        return AUTH_DENIED;
    }
    authn_status status = ask_server(r, jid, password);
    if (status == AUTH_GRANTED) {
        remember(r, user, password);
    }
    return status;
}

static const authn_provider provider = {check_password, NULL};

/* ---- what surrounds it ---- */

static int is_loopback(const apr_sockaddr_t *address)
{
    if (address->family == APR_INET) {
        return (ntohl(address->sa.sin.sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
    }
    const struct in6_addr *in6 = &address->sa.sin6.sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(in6) ||
           (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == IN_LOOPBACKNET);
}

/* Both ends count: mod_remoteip puts the browser's address before that of a proxy on this host. */
static int is_private(request_rec *r)
{
    return ap_ssl_conn_is_ssl(r->connection->master ? r->connection->master : r->connection) ||
           jfm_request(r)->config->has_tls_proxy == 1 ||
           (is_loopback(r->connection->client_addr) && is_loopback(r->useragent_addr));
}

static int is_basic(request_rec *r)
{
    const char *type = ap_auth_type(r);
    return type && strcasecmp(type, "Basic") == 0;
}

static jf_guess_outcome_t outcome_of(int status)
{
    switch (status) {
    case OK:
        return JF_GUESS_RIGHT;
    case HTTP_UNAUTHORIZED:
        return JF_GUESS_WRONG;
    default:
        return JF_GUESS_UNKNOWN;
    }
}

/* The same hook again, in which we stand aside now. */
static int ask_modules(request_rec *r, jfm_request_t *request)
{
    request->is_logging_in = 1;
    int status = ap_run_check_user_id(r);
    request->is_logging_in = 0;
    return request->login_err && status != OK ? jfm_refuse(r, request->login_err) : status;
}

static int ask_modules_within_limits(request_rec *r, const char *user, const char *password)
{
    jf_guess_t guess;
    const char *jid;
    if (jfm_login_jid(&jid, r, user)) {
        jid = user; /* whatever it is, it can be guessed at */
    }
    jf_err_t *err = jfm_guess_begin(&guess, r, jid, password);
    if (err) {
        return jfm_refuse(r, err);
    }
    int status = ask_modules(r, jfm_request(r));
    err = jfm_guess_end(&guess, r, jid, outcome_of(status));
    if (err && status == HTTP_UNAUTHORIZED) {
        apr_table_unset(r->err_headers_out, "WWW-Authenticate");
        return jfm_refuse(r, err);
    }
    return status;
}

int jfm_login(request_rec *r)
{
    jfm_request_t *request = jfm_request(r);
    const char *user;
    const char *password;
    if (!request || request->is_logging_in || !is_basic(r)) {
        return DECLINED;
    }
    if (!is_private(r)) {
        return jfm_refuse(r, jf_err_make(JF_ERR_FORBIDDEN, APR_SUCCESS, r->pool,
                                         "passwords are not taken over plain HTTP: use https"));
    }
    if (ap_get_basic_auth_components(r, &user, &password) != APR_SUCCESS) {
        return DECLINED; /* mod_auth_basic asks for them */
    }
    return ask_modules_within_limits(r, user, password);
}

void jfm_register_login(apr_pool_t *pool)
{
    static const char *const before[] = {"mod_auth_basic.c", NULL};
    ap_register_auth_provider(pool, AUTHN_PROVIDER_GROUP, "jabber", AUTHN_PROVIDER_VERSION,
                              &provider, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_check_authn(jfm_login, NULL, before, APR_HOOK_FIRST, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_optional_fn_retrieve(find_cache, NULL, NULL, APR_HOOK_MIDDLE);
}
