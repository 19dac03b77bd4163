/*
 * A hundred thousand tokens that nobody signed: random ones, and right ones that were changed a
 * little. The generator starts at the same place every time.
 */
#include "t_signer.h"

#include <string.h>

#include <apr_strings.h>

#define KEY "secret string"
#define ROUNDS 20000
#define TOKEN_CHARS_MAX 600

static const jf_slot_secret_t secrets[] = {
    JF_SIGNER_SECRET(JF_SLOT_JWT, KEY),
    JF_SIGNER_SECRET(JF_SLOT_V2, KEY),
    JF_SIGNER_SECRET(JF_SLOT_TOKEN, KEY),
    JF_SIGNER_SECRET(JF_SLOT_V1, KEY),
};

/** An upload that is right with one token. */
typedef struct target_t {
    const char *parameter; /* NULL: Authorization */
    const char *token;     /* the right one */
    jf_slot_request_t request;
} target_t;

static uint32_t random_state;

static int draw(uint32_t below)
{
    return jf_test_draw(&random_state, below);
}

/* ---- changes ---- */

typedef void (*change_t)(char *token, size_t length);

static void flip_bit(char *token, size_t length)
{
    int place = draw((uint32_t)length);
    char flipped = (char)(token[place] ^ (1 << draw(8)));
    token[place] = flipped == '\0' ? '0' : flipped;
}

static void replace_letter(char *token, size_t length)
{
    static const char letters[] = "0123456789abcdefABCDEFxyzXYZ-_.=+/ &%";
    token[draw((uint32_t)length)] = letters[draw(sizeof(letters) - 1)];
}

static void change_case(char *token, size_t length)
{
    int place = draw((uint32_t)length);
    int is_letter = (token[place] | 0x20) >= 'a' && (token[place] | 0x20) <= 'z';
    token[place] = (char)(is_letter ? token[place] ^ 0x20 : token[place]);
}

static void truncate_at(char *token, size_t length)
{
    token[draw((uint32_t)length)] = '\0';
}

static void extend(char *token, size_t length)
{
    size_t count = (size_t)draw(70) + 1;
    for (size_t i = 0; i < count; i++) {
        token[length + i] = (char)('!' + draw('~' - '!' + 1));
    }
    token[length + count] = '\0';
}

static void repeat_piece(char *token, size_t length)
{
    size_t from = (size_t)draw((uint32_t)length);
    size_t count = (size_t)draw((uint32_t)(length - from)) + 1;
    memmove(token + from + count, token + from, length - from + 1);
    memmove(token + from, token + from + count, count);
}

static void drop_piece(char *token, size_t length)
{
    size_t from = (size_t)draw((uint32_t)length);
    size_t count = (size_t)draw((uint32_t)(length - from)) + 1;
    memmove(token + from, token + from + count, length - from - count + 1);
}

static void swap_letters(char *token, size_t length)
{
    int a = draw((uint32_t)length);
    int b = draw((uint32_t)length);
    char c = token[a];
    token[a] = token[b];
    token[b] = c;
}

/* 64 hexadecimal digits, as good as any */
static void make_digits(char *token, size_t length)
{
    (void)length;
    for (int i = 0; i < 64; i++) {
        token[i] = "0123456789abcdef"[draw(16)];
    }
    token[64] = '\0';
}

static void make_noise(char *token, size_t length)
{
    (void)length;
    int count = draw(200);
    for (int i = 0; i < count; i++) {
        token[i] = (char)(1 + draw(255));
    }
    token[count] = '\0';
}

/* the right form of a JSON Web Token, with a random signature */
static void make_signature(char *token, size_t length)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t from = length > 43 ? length - 43 : 0;
    for (size_t i = from; i < length; i++) {
        token[i] = letters[draw(64)];
    }
}

static const change_t changes[] = {
    flip_bit,   replace_letter, change_case, truncate_at, extend,         repeat_piece,
    drop_piece, swap_letters,   make_digits, make_noise,  make_signature,
};

/* ---- trying ---- */

static jf_slot_request_t upload_with(const target_t *target, const char *token, apr_pool_t *pool)
{
    jf_slot_request_t request = target->request;
    if (target->parameter) {
        jf_signer_add(&request, target->parameter, token, pool);
    } else {
        request.authorization = apr_pstrcat(pool, "Bearer ", token, NULL);
    }
    return request;
}

static jf_err_t *verify(const jf_slot_request_t *request, apr_pool_t *pool)
{
    jf_slot_grant_t grant = {0};
    return jf_slot_verify(&grant, jf_signer_secrets(secrets, JF_TEST_COUNT(secrets), pool), request,
                          JF_SIGNER_NOW_US, pool);
}

/**
 * Changes the token one to three times.
 * @return 0 if it is still, or again, what it was; in a query it ends at an "&".
 */
static int change(char *token, const target_t *target)
{
    apr_cpystrn(token, target->token, TOKEN_CHARS_MAX);
    for (int count = draw(3); count >= 0; count--) {
        size_t length = strlen(token);
        if (length > 0 && length < TOKEN_CHARS_MAX) {
            changes[draw(JF_TEST_COUNT(changes))](token, length);
        }
    }
    size_t length = target->parameter ? strcspn(token, "&") : strlen(token);
    return length != strlen(target->token) || memcmp(token, target->token, length) != 0;
}

/** @return 1 if a changed token was tried. */
static int try_changed(const target_t *target, apr_pool_t *pool)
{
    char token[2 * TOKEN_CHARS_MAX + 1];
    if (!change(token, target)) {
        return 0;
    }
    jf_slot_request_t request = upload_with(target, token, pool);
    jf_err_t *err = verify(&request, pool);
    if (!err || err->code != JF_ERR_FORBIDDEN) {
        fail_msg("\"%s\" gives %s", token, err ? err->text : "a slot");
    }
    return 1;
}

/** Both parameters, in any order; with a right one among them. */
static void try_twice(const target_t *target, apr_pool_t *pool)
{
    char token[2 * TOKEN_CHARS_MAX + 1];
    change(token, target);
    int is_right_first = draw(2);
    jf_slot_request_t request = target->request;
    jf_signer_add(&request, target->parameter, is_right_first ? target->token : token, pool);
    jf_signer_add(&request, target->parameter, is_right_first ? token : target->token, pool);
    jf_test_refused(verify(&request, pool), JF_ERR_FORBIDDEN, request.query);
}

static target_t target_of(const char *parameter, const char *path, const char *token,
                          apr_pool_t *pool)
{
    return (target_t){parameter, token, jf_signer_request(path, 23456, "image/jpeg", pool)};
}

static void test_nothing_but_what_was_signed_is_accepted(void **state)
{
    apr_pool_t *pool;
    const char *jwt =
        jf_signer_jwt(KEY, JF_SIGNER_JWT_HEADER, jf_signer_payload(NULL, NULL, *state), *state);
    const target_t targets[] = {
        target_of("v", "t/n.jpg", jf_signer_v1(KEY, "t/n.jpg", 23456, *state), *state),
        target_of("v", "u/t/n.jpg", jf_signer_v1(KEY, "u/t/n.jpg", 23456, *state), *state),
        target_of("v2", "t/n.jpg", jf_signer_v2(KEY, "t/n.jpg", 23456, "image/jpeg", *state),
                  *state),
        target_of("token", "t/n.jpg", jf_signer_v2(KEY, "t/n.jpg", 23456, "image/jpeg", *state),
                  *state),
        {NULL, jwt, jf_signer_bearer(jwt, *state)},
    };
    int tried = 0;

    random_state = 20261122;
    assert_int_equal(apr_pool_create(&pool, *state), APR_SUCCESS);
    for (int i = 0; i < ROUNDS; i++) {
        const target_t *target = &targets[i % JF_TEST_COUNT(targets)];
        jf_slot_request_t right = upload_with(target, target->token, pool);
        jf_test_ok(verify(&right, pool), target->token);
        if (target->parameter) {
            try_twice(target, pool);
        }
        for (int j = 0; j < 6; j++) {
            tried += try_changed(target, pool);
        }
        apr_pool_clear(pool);
    }
    assert_true(tried >= 100000);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_nothing_but_what_was_signed_is_accepted),
};

JF_TEST_MAIN(tests)
