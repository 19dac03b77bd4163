#include "xmpp_tls.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* ALPN's form: each name after its length. */
static const unsigned char xmpp_client_alpn[] = "\x0bxmpp-client";

static jf_err_t *from_libssl(jf_err_code_t code, const char *what, apr_pool_t *pool)
{
    char text[256];
    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    ERR_clear_error();
    return jf_err_make(code, APR_SUCCESS, pool, "%s: %s", what, text);
}

/* ---- the settings of a domain ---- */

static apr_status_t free_context(void *context)
{
    SSL_CTX_free(context);
    return APR_SUCCESS;
}

/* With TLS 1.3 a server sends session tickets after the handshake. If it has Nagle's algorithm on,
 * as Prosody has, its next words wait for our ACK of those: 40 ms, in which most of a login fits.
 */
static int acknowledge_ticket(SSL *session, SSL_SESSION *ticket)
{
    const int on = 1;
    (void)ticket;
    setsockopt(SSL_get_fd(session), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
    return 0; /* not kept */
}

jf_err_t *xmpp_tls_create_context(SSL_CTX **context_out, const char *ca_file, apr_pool_t *pool)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context) {
        return from_libssl(JF_ERR_IO, "cannot use TLS", pool);
    }
    apr_pool_cleanup_register(pool, context, free_context, apr_pool_cleanup_null);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, acknowledge_ticket);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_default_verify_paths(context) != 1) {
        return from_libssl(JF_ERR_IO, "cannot set TLS up", pool);
    }
    if (ca_file && SSL_CTX_load_verify_file(context, ca_file) != 1) {
        return from_libssl(JF_ERR_INVALID, apr_pstrcat(pool, "ca=", ca_file, NULL), pool);
    }
    *context_out = context;
    return NULL;
}

/* ---- a session ---- */

/* Certificates name addresses without the brackets that JIDs have around IPv6. */
static int expect_address(SSL *session, const char *ascii, apr_pool_t *pool)
{
    const char *address =
        ascii[0] == '[' ? apr_pstrmemdup(pool, ascii + 1, strlen(ascii) - 2) : ascii;
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), address);
}

/* Names of hosts only from subjectAltName: that is what CAs sign today. */
static int expect_host(SSL *session, const char *ascii)
{
    SSL_set_hostflags(session,
                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set1_host(session, ascii) && SSL_set_tlsext_host_name(session, ascii);
}

jf_err_t *xmpp_tls_create_session(SSL **session_out, const xmpp_domain_t *domain, int is_direct,
                                  apr_pool_t *pool)
{
    SSL *session = SSL_new(domain->tls_context);
    int is_ready = session && (expect_address(session, domain->ascii, pool) ||
                               expect_host(session, domain->ascii));
    if (is_ready && is_direct) {
        is_ready =
            SSL_set_alpn_protos(session, xmpp_client_alpn, sizeof(xmpp_client_alpn) - 1) == 0;
    }
    if (!is_ready) {
        SSL_free(session);
        return from_libssl(JF_ERR_IO, "cannot begin TLS", pool);
    }
    ERR_clear_error();
    *session_out = session;
    return NULL;
}

int xmpp_tls_is_verified(const SSL *session)
{
    return SSL_is_init_finished(session) && SSL_get0_peer_certificate(session) &&
           SSL_get_verify_result(session) == X509_V_OK;
}

const char *xmpp_tls_problem(const SSL *session, unsigned long reason, apr_pool_t *pool)
{
    long verdict = SSL_get_verify_result(session);
    const char *text = ERR_reason_error_string(reason);
    if (verdict != X509_V_OK) {
        return apr_pstrcat(pool, "certificate: ", X509_verify_cert_error_string(verdict), NULL);
    }
    return text ? text : "the server closed the connection";
}
