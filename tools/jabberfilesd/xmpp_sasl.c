#include "xmpp_sasl.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/crypto.h>

#include "jf_base64.h"
#include "jf_secret.h"
#include "xmpp_scram.h"

/* About two milliseconds: other logins wait no longer than that for their turn. */
#define ROUNDS_PER_SLICE 2048

#define PLAIN "PLAIN"

#define NAME_BYTES_MAX 20
#define NAMES_LISTED 10

/* Best first. */
static const char *const mechanisms[] = {"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", PLAIN};

/* What the server may say next. */
typedef enum { AWAIT_CHALLENGE, AWAIT_WORK, AWAIT_PROOF, AWAIT_SUCCESS } state_t;

struct xmpp_sasl_t {
    apr_pool_t *pool;
    const char *mechanism;
    xmpp_scram_t *scram; /* NULL for PLAIN */
    const char *initial;
    state_t state;
};

/* ---- the choice ---- */

static int is_offered(const apr_array_header_t *offered, const char *mechanism)
{
    for (int i = 0; i < offered->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(offered, i, const char *), mechanism) == 0) {
            return 1;
        }
    }
    return 0;
}

static const char *choose(const apr_array_header_t *offered, int is_verified)
{
    for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
        int is_allowed = is_verified || strcmp(mechanisms[i], PLAIN) != 0;
        if (is_allowed && is_offered(offered, mechanisms[i])) {
            return mechanisms[i];
        }
    }
    return NULL;
}

/* For the log: names as RFC 4422 section 3.1 has them, and no text that a server made up. */
static const char *list_names(const apr_array_header_t *offered, apr_pool_t *pool)
{
    const char *list = "";
    for (int i = 0; i < offered->nelts && i < NAMES_LISTED; i++) {
        const char *name = APR_ARRAY_IDX(offered, i, const char *);
        apr_size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
        int is_name = length >= 1 && length <= NAME_BYTES_MAX && name[length] == '\0';
        list = apr_pstrcat(pool, list, " ", is_name ? name : "?", NULL);
    }
    return *list ? list : " none";
}

/* ---- PLAIN ---- */

/* RFC 4616: authorization identity (none), NUL, user, NUL, password. */
static const char *plain_response(const char *user, const char *password, apr_pool_t *pool)
{
    char *message = apr_pstrcat(pool, "-", user, "-", password, NULL);
    apr_size_t length = strlen(message);
    message[0] = '\0';
    message[1 + strlen(user)] = '\0';
    char *response = (char *)jf_base64_encode(message, length, pool);
    OPENSSL_cleanse(message, length);
    return jf_secret_wipe_with(pool, response);
}

/* ---- the exchange ---- */

static const char *encode(const char *message, apr_pool_t *pool)
{
    return jf_base64_encode(message, strlen(message), pool);
}

jf_err_t *xmpp_sasl_create(xmpp_sasl_t **sasl_out, const apr_array_header_t *offered,
                           int is_verified, const char *user, const char *password,
                           apr_pool_t *pool)
{
    xmpp_sasl_t *sasl = apr_pcalloc(pool, sizeof(*sasl));
    sasl->pool = pool;
    sasl->mechanism = choose(offered, is_verified);
    if (!sasl->mechanism) {
        return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, pool,
                           "no usable mechanism among those offered%s:%s",
                           is_verified ? "" : " without TLS", list_names(offered, pool));
    }
    if (strcmp(sasl->mechanism, PLAIN) == 0) {
        sasl->initial = plain_response(user, password, pool);
        sasl->state = AWAIT_SUCCESS;
    } else {
        JF_TRY(xmpp_scram_create(&sasl->scram, sasl->mechanism, user, password, NULL, pool));
        sasl->initial = encode(xmpp_scram_first(sasl->scram), pool);
        sasl->state = AWAIT_CHALLENGE;
    }
    *sasl_out = sasl;
    return NULL;
}

const char *xmpp_sasl_mechanism(const xmpp_sasl_t *sasl)
{
    return sasl->mechanism;
}

const char *xmpp_sasl_initial(const xmpp_sasl_t *sasl)
{
    return sasl->initial;
}

static jf_err_t *verify(xmpp_sasl_t *sasl, const char *message, apr_size_t length)
{
    JF_TRY(xmpp_scram_verify(sasl->scram, message, length));
    sasl->state = AWAIT_SUCCESS;
    return NULL;
}

jf_err_t *xmpp_sasl_challenge(xmpp_sasl_t *sasl, const char *text, apr_size_t length)
{
    char *message;
    apr_size_t message_length;
    JF_TRY(jf_base64_decode(&message, &message_length, text, length, sasl->pool));
    switch (sasl->state) {
    case AWAIT_CHALLENGE:
        JF_TRY(xmpp_scram_challenge(sasl->scram, message, message_length));
        sasl->state = AWAIT_WORK;
        return NULL;
    case AWAIT_PROOF: /* some servers prove themselves here, others in <success/> */
        return verify(sasl, message, message_length);
    case AWAIT_WORK:
    case AWAIT_SUCCESS:
    default:
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, sasl->pool,
                           "an unexpected challenge during %s", sasl->mechanism);
    }
}

jf_err_t *xmpp_sasl_work(const char **response, xmpp_sasl_t *sasl)
{
    int is_done;
    const char *message;
    *response = NULL;
    if (sasl->state == AWAIT_SUCCESS) {
        *response = ""; /* to the proof in a challenge */
        return NULL;
    }
    JF_TRY(xmpp_scram_work(&is_done, sasl->scram, ROUNDS_PER_SLICE));
    if (!is_done) {
        return NULL;
    }
    JF_TRY(xmpp_scram_final(&message, sasl->scram));
    *response = encode(message, sasl->pool);
    sasl->state = AWAIT_PROOF;
    return NULL;
}

jf_err_t *xmpp_sasl_success(xmpp_sasl_t *sasl, const char *text, apr_size_t length)
{
    char *message;
    apr_size_t message_length;
    if (sasl->state == AWAIT_SUCCESS) {
        return NULL;
    }
    if (sasl->state != AWAIT_PROOF || length == 0) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, sasl->pool,
                           "success without proof that the server knows the password");
    }
    JF_TRY(jf_base64_decode(&message, &message_length, text, length, sasl->pool));
    return verify(sasl, message, message_length);
}
