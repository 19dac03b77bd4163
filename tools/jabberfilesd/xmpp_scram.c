#include "xmpp_scram.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "jf_ascii.h"
#include "jf_base64.h"
#include "jf_token.h"

#define GS2_HEADER "n,," /* no channel binding, no other identity */
#define GS2_HEADER_BASE64 "biws"
#define MESSAGE_BYTES_MAX 8192
#define SALT_BYTES_MAX 1024

/** What libcrypto calls the hash of a mechanism. */
typedef struct mechanism_t {
    const char *name;
    const char *digest;
    apr_size_t hash_bytes;
} mechanism_t;

/** What has to be done next. */
typedef enum {
    STEP_CHALLENGE,
    STEP_WORK,
    STEP_FINAL,
    STEP_VERIFY,
    STEP_NONE, /**< the attempt has failed or is over */
} step_t;

/** Who knows one of these knows the password, or can guess at it without asking the server. */
typedef struct secrets_t {
    unsigned char round[EVP_MAX_MD_SIZE]; /* the latest U of PBKDF2 */
    unsigned char salted_password[EVP_MAX_MD_SIZE];
    unsigned char client_key[EVP_MAX_MD_SIZE];
    unsigned char stored_key[EVP_MAX_MD_SIZE];
    unsigned char client_proof[EVP_MAX_MD_SIZE];
    unsigned char server_key[EVP_MAX_MD_SIZE];
    unsigned char server_signature[EVP_MAX_MD_SIZE];
} secrets_t;

struct xmpp_scram_t {
    apr_pool_t *pool;
    const mechanism_t *mechanism;
    step_t step;
    const char *nonce; /* ours; in the challenge it becomes the server's continuation of it */
    const char *first;
    const char *server_first;
    EVP_MAC_CTX *hmac; /* with the password as its key */
    apr_uint32_t rounds_left;
    const unsigned char *round_input; /* what the next round hashes */
    apr_size_t round_input_bytes;
    secrets_t secrets;
};

static const mechanism_t *find_mechanism(const char *name)
{
    static const mechanism_t mechanisms[] = {
        {"SCRAM-SHA-1", "SHA1", 20},
        {"SCRAM-SHA-256", "SHA256", 32},
        {"SCRAM-SHA-512", "SHA512", 64},
    };
    for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
        if (strcmp(mechanisms[i].name, name) == 0) {
            return &mechanisms[i];
        }
    }
    return NULL;
}

int xmpp_scram_is_mechanism(const char *mechanism)
{
    return find_mechanism(mechanism) != NULL;
}

static jf_err_t *refuse(const xmpp_scram_t *scram, const char *why)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, scram->pool, "%s", why);
}

static jf_err_t *crypto_error(const xmpp_scram_t *scram)
{
    return jf_err_make(JF_ERR_IO, APR_EGENERAL, scram->pool, "HMAC with %s cannot be computed",
                       scram->mechanism->digest);
}

/** A step that fails or is taken out of turn ends the attempt; one that succeeds sets the next. */
static jf_err_t *take_step(xmpp_scram_t *scram, step_t step)
{
    int is_its_turn = scram->step == step;
    scram->step = STEP_NONE;
    return is_its_turn ? NULL : refuse(scram, "a step of SCRAM is left out or done twice");
}

/* ---- beginning ---- */

static apr_status_t wipe(void *data)
{
    xmpp_scram_t *scram = data;
    EVP_MAC_CTX_free(scram->hmac);
    OPENSSL_cleanse(&scram->secrets, sizeof(scram->secrets));
    return APR_SUCCESS;
}

/** NULL if libcrypto fails. The context holds the algorithm, which need not be kept. */
static EVP_MAC_CTX *make_hmac(void)
{
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = algorithm ? EVP_MAC_CTX_new(algorithm) : NULL;
    EVP_MAC_free(algorithm);
    return context;
}

static jf_err_t *start_hmac(xmpp_scram_t *scram, const char *password)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)scram->mechanism->digest,
                                         0),
        OSSL_PARAM_construct_end(),
    };
    scram->hmac = make_hmac();
    if (!scram->hmac ||
        !EVP_MAC_init(scram->hmac, (const unsigned char *)password, strlen(password), params)) {
        return crypto_error(scram);
    }
    return NULL;
}

static const char *escape_user(const char *user, apr_pool_t *pool)
{
    char *escaped = apr_palloc(pool, 3 * strlen(user) + 1);
    char *end = escaped;
    for (; *user; user++) {
        if (*user == '=' || *user == ',') {
            memcpy(end, *user == '=' ? "=3D" : "=2C", 3);
            end += 3;
        } else {
            *end++ = *user;
        }
    }
    *end = '\0';
    return escaped;
}

jf_err_t *xmpp_scram_create(xmpp_scram_t **scram_out, const char *mechanism, const char *user,
                            const char *password, const char *nonce, apr_pool_t *pool)
{
    xmpp_scram_t *scram = apr_pcalloc(pool, sizeof(*scram));
    scram->pool = pool;
    scram->mechanism = find_mechanism(mechanism);
    if (!scram->mechanism) {
        return refuse(scram, "the mechanism is none of SCRAM-SHA-1, -256 and -512");
    }
    scram->nonce = nonce;
    if (!nonce) {
        JF_TRY(jf_token_nonce(&scram->nonce, pool));
    }
    apr_pool_cleanup_register(pool, scram, wipe, apr_pool_cleanup_null);
    JF_TRY(start_hmac(scram, password));
    scram->first =
        apr_pstrcat(pool, GS2_HEADER "n=", escape_user(user, pool), ",r=", scram->nonce, NULL);
    scram->step = STEP_CHALLENGE;
    *scram_out = scram;
    return NULL;
}

const char *xmpp_scram_first(const xmpp_scram_t *scram)
{
    return scram->first;
}

/* ---- messages of the server: attributes "a=value" with commas between ---- */

/** Moves *at behind the attribute @a name. @return its value; NULL if it is not there, or empty. */
static const char *take_attribute(const char **at, char name, apr_pool_t *pool)
{
    if ((*at)[0] != name || (*at)[1] != '=') {
        return NULL;
    }
    const char *value = *at + 2;
    apr_size_t length = strcspn(value, ",");
    *at = value + length;
    return length > 0 ? apr_pstrmemdup(pool, value, length) : NULL;
}

static int take_comma(const char **at)
{
    if (**at != ',') {
        return 0;
    }
    (*at)++;
    return 1;
}

/**
 * 1 if nothing but attributes that may be ignored follows. "m" may not: RFC 5802 section 5.1 has it
 * end the attempt wherever it stands.
 */
static int can_ignore(const char *at, apr_pool_t *pool)
{
    while (take_comma(&at)) {
        if (!jf_ascii_is_lower(jf_ascii_lower(*at)) || *at == 'm' ||
            !take_attribute(&at, *at, pool)) {
            return 0;
        }
    }
    return *at == '\0';
}

/** Makes a string of a message. */
static jf_err_t *take_message(const char **message, const xmpp_scram_t *scram, const char *text,
                              apr_size_t length)
{
    if (length > MESSAGE_BYTES_MAX) {
        return refuse(scram, "the server's SCRAM message is too long");
    }
    *message = apr_pstrmemdup(scram->pool, text, length);
    return strlen(*message) == length ? NULL
                                      : refuse(scram, "the server's SCRAM message has a NUL");
}

/* ---- the challenge ---- */

static jf_err_t *take_nonce(xmpp_scram_t *scram, const char *nonce)
{
    apr_size_t own_length = strlen(scram->nonce);
    if (strncmp(nonce, scram->nonce, own_length) != 0 || nonce[own_length] == '\0') {
        return refuse(scram, "the server's nonce does not go on from ours");
    }
    for (const char *c = nonce; *c; c++) {
        if (!jf_ascii_is_printable(*c) || *c == ' ') {
            return refuse(scram, "the server's nonce is not printable");
        }
    }
    scram->nonce = nonce;
    return NULL;
}

/** The first round hashes the salt and the number of the block, of which one is needed. */
static jf_err_t *take_salt(xmpp_scram_t *scram, const char *base64)
{
    static const unsigned char block_number[] = {0, 0, 0, 1};
    char *salt;
    apr_size_t salt_bytes;
    if (jf_base64_decode(&salt, &salt_bytes, base64, strlen(base64), scram->pool) ||
        salt_bytes > SALT_BYTES_MAX) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, scram->pool,
                           "the server's salt is not 1 to %d bytes in base64", SALT_BYTES_MAX);
    }
    unsigned char *input = apr_palloc(scram->pool, salt_bytes + sizeof(block_number));
    memcpy(input, salt, salt_bytes);
    memcpy(input + salt_bytes, block_number, sizeof(block_number));
    scram->round_input = input;
    scram->round_input_bytes = salt_bytes + sizeof(block_number);
    return NULL;
}

static jf_err_t *take_iterations(xmpp_scram_t *scram, const char *text)
{
    if (text[0] == '0' || text[strspn(text, "0123456789")] != '\0') {
        return refuse(scram, "the server's iteration count is no number");
    }
    /* What is too large for the type becomes its maximum, which is too many as well. */
    unsigned long count = strtoul(text, NULL, 10);
    if (count < XMPP_SCRAM_ITERATIONS_MIN || count > XMPP_SCRAM_ITERATIONS_MAX) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, scram->pool,
                           "the server asks for %lu%s iterations, %d to %d are accepted", count,
                           count == ULONG_MAX ? " or more" : "", XMPP_SCRAM_ITERATIONS_MIN,
                           XMPP_SCRAM_ITERATIONS_MAX);
    }
    scram->rounds_left = (apr_uint32_t)count;
    return NULL;
}

jf_err_t *xmpp_scram_challenge(xmpp_scram_t *scram, const char *text, apr_size_t length)
{
    JF_TRY(take_step(scram, STEP_CHALLENGE));
    JF_TRY(take_message(&scram->server_first, scram, text, length));
    const char *at = scram->server_first;
    if (at[0] == 'm') {
        return refuse(scram, "the server asks for a SCRAM extension (\"m=\") that is not known");
    }
    const char *nonce = take_attribute(&at, 'r', scram->pool);
    const char *salt = take_comma(&at) ? take_attribute(&at, 's', scram->pool) : NULL;
    const char *iterations = take_comma(&at) ? take_attribute(&at, 'i', scram->pool) : NULL;
    if (!nonce || !salt || !iterations || !can_ignore(at, scram->pool)) {
        return refuse(scram, "the server's first SCRAM message is not \"r=...,s=...,i=...\"");
    }
    JF_TRY(take_nonce(scram, nonce));
    JF_TRY(take_salt(scram, salt));
    JF_TRY(take_iterations(scram, iterations));
    scram->step = STEP_WORK;
    return NULL;
}

/* ---- the work: PBKDF2 (RFC 8018 section 5.2) for one block ---- */

static int do_round(xmpp_scram_t *scram)
{
    secrets_t *secrets = &scram->secrets;
    size_t length;
    if (!EVP_MAC_init(scram->hmac, NULL, 0, NULL) ||
        !EVP_MAC_update(scram->hmac, scram->round_input, scram->round_input_bytes) ||
        !EVP_MAC_final(scram->hmac, secrets->round, &length, sizeof(secrets->round))) {
        return 0;
    }
    for (size_t i = 0; i < scram->mechanism->hash_bytes; i++) {
        secrets->salted_password[i] ^= secrets->round[i];
    }
    scram->round_input = secrets->round;
    scram->round_input_bytes = scram->mechanism->hash_bytes;
    return 1;
}

jf_err_t *xmpp_scram_work(int *is_done, xmpp_scram_t *scram, apr_uint32_t rounds)
{
    JF_TRY(take_step(scram, STEP_WORK));
    for (; rounds > 0 && scram->rounds_left > 0; rounds--, scram->rounds_left--) {
        if (!do_round(scram)) {
            return crypto_error(scram);
        }
    }
    *is_done = scram->rounds_left == 0;
    scram->step = *is_done ? STEP_FINAL : STEP_WORK;
    return NULL;
}

/* ---- the proofs ---- */

static int hmac(unsigned char *result, const mechanism_t *mechanism, const unsigned char *key,
                const char *text)
{
    size_t length;
    return EVP_Q_mac(NULL, "HMAC", NULL, mechanism->digest, NULL, key, mechanism->hash_bytes,
                     (const unsigned char *)text, strlen(text), result, EVP_MAX_MD_SIZE,
                     &length) != NULL;
}

/** RFC 5802 section 3. */
static int prove(secrets_t *secrets, const mechanism_t *mechanism, const char *auth_message)
{
    size_t length;
    if (!hmac(secrets->client_key, mechanism, secrets->salted_password, "Client Key") ||
        !EVP_Q_digest(NULL, mechanism->digest, NULL, secrets->client_key, mechanism->hash_bytes,
                      secrets->stored_key, &length) ||
        !hmac(secrets->client_proof, mechanism, secrets->stored_key, auth_message) ||
        !hmac(secrets->server_key, mechanism, secrets->salted_password, "Server Key") ||
        !hmac(secrets->server_signature, mechanism, secrets->server_key, auth_message)) {
        return 0;
    }
    for (size_t i = 0; i < mechanism->hash_bytes; i++) {
        secrets->client_proof[i] ^= secrets->client_key[i];
    }
    return 1;
}

jf_err_t *xmpp_scram_final(const char **message, xmpp_scram_t *scram)
{
    JF_TRY(take_step(scram, STEP_FINAL));
    const char *bare = apr_pstrcat(scram->pool, "c=" GS2_HEADER_BASE64 ",r=", scram->nonce, NULL);
    const char *auth_message = apr_pstrcat(scram->pool, scram->first + strlen(GS2_HEADER), ",",
                                           scram->server_first, ",", bare, NULL);
    if (!prove(&scram->secrets, scram->mechanism, auth_message)) {
        return crypto_error(scram);
    }
    const char *proof =
        jf_base64_encode(scram->secrets.client_proof, scram->mechanism->hash_bytes, scram->pool);
    *message = apr_pstrcat(scram->pool, bare, ",p=", proof, NULL);
    scram->step = STEP_VERIFY;
    return NULL;
}

/** @a name is one like "invalid-proof"; what is none does not come into the log. */
static jf_err_t *report_error(const xmpp_scram_t *scram, const char *name)
{
    int length = (int)strspn(name, "abcdefghijklmnopqrstuvwxyz-");
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, scram->pool,
                       "the server refuses the proof: \"e=%.*s\"", length < 64 ? length : 64, name);
}

jf_err_t *xmpp_scram_verify(xmpp_scram_t *scram, const char *text, apr_size_t length)
{
    const char *at;
    JF_TRY(take_step(scram, STEP_VERIFY));
    JF_TRY(take_message(&at, scram, text, length));
    const char *error = take_attribute(&at, 'e', scram->pool);
    if (error) {
        return report_error(scram, error);
    }
    const char *base64 = take_attribute(&at, 'v', scram->pool);
    if (!base64 || !can_ignore(at, scram->pool)) {
        return refuse(scram, "the server's last SCRAM message is not \"v=...\"");
    }
    char *signature;
    apr_size_t signature_bytes;
    if (jf_base64_decode(&signature, &signature_bytes, base64, strlen(base64), scram->pool) ||
        signature_bytes != scram->mechanism->hash_bytes ||
        CRYPTO_memcmp(signature, scram->secrets.server_signature, signature_bytes) != 0) {
        return refuse(scram, "the server does not know the password: its signature is wrong");
    }
    return NULL;
}
