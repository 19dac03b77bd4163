/*
 * Metronome deletes what was uploaded by its slots, with tokens of their own.
 */
#include "t_signer.h"

#include <string.h>

#include <apr_strings.h>

#define KEY "secret string"
#define DELETE_KEY "delete secret"
#define WRONG_MAC "0000000000000000000000000000000000000000000000000000000000000000"
#define DELETE_URL "AbC123/bar.jpg?token="
#define DELETE_MAC "92924230dd106adde2f9e325b29312370f59df10c21605f491ca359ba1a2c1b6"
#define PUT_MAC "d86efea4194a94cc8877b86d83120841c6e072cdc232ee65035591406e725269"

static void test_deletions(void **state)
{
    static const jf_slot_secret_t secrets[] = {
        JF_SIGNER_SECRET(JF_SLOT_V2, "x"),
        JF_SIGNER_SECRET(JF_SLOT_TOKEN, "another secret"),
        {JF_SLOT_TOKEN, "another secret", DELETE_KEY, JF_SIGNER_AREA},
        {JF_SLOT_TOKEN, KEY, DELETE_KEY, JF_SIGNER_AREA},
        {JF_SLOT_TOKEN, "third", "x", "slots:third"},
    };
    const char *third = jf_signer_mac("third", "t/n\0x", 5, *state);
    const char *const urls[] = {
        DELETE_URL DELETE_MAC,
        apr_pstrcat(*state, "t/n?a=b&token=", third, "&c", NULL),
    };
    const apr_array_header_t *array = jf_signer_secrets(secrets, JF_TEST_COUNT(secrets), *state);

    for (size_t i = 0; i < JF_TEST_COUNT(urls); i++) {
        jf_slot_request_t request = jf_signer_request(urls[i], -1, NULL, *state);
        const char *area = NULL;
        jf_test_ok(jf_slot_verify_delete(&area, array, &request, *state), urls[i]);
        assert_string_equal(area, i == 0 ? JF_SIGNER_AREA : "slots:third");
    }
}

static void test_wrong_deletions_are_refused(void **state)
{
    static const jf_slot_secret_t secrets[] = {
        {JF_SLOT_TOKEN, KEY, DELETE_KEY, JF_SIGNER_AREA},
        JF_SIGNER_SECRET(JF_SLOT_TOKEN, "no delete key"),
        {JF_SLOT_V2, "v2", DELETE_KEY, JF_SIGNER_AREA},
    };
    static const struct {
        const char *url;
        jf_err_code_t code;
    } cases[] = {
        {"AbC123/bar.jpg", JF_ERR_NO_TOKEN},
        {"AbC123/bar.jpg?", JF_ERR_NO_TOKEN},
        {"AbC123/bar.jpg?v2=" DELETE_MAC, JF_ERR_NO_TOKEN},
        {"AbC123/bar.jpg?Token=" DELETE_MAC, JF_ERR_NO_TOKEN},
        {DELETE_URL, JF_ERR_FORBIDDEN},
        {DELETE_URL WRONG_MAC, JF_ERR_FORBIDDEN},
        {DELETE_URL DELETE_MAC "0", JF_ERR_FORBIDDEN},
        {DELETE_URL " " DELETE_MAC, JF_ERR_FORBIDDEN},
        {DELETE_URL DELETE_MAC "&token=" DELETE_MAC, JF_ERR_FORBIDDEN},
        {DELETE_URL "92924230DD106ADDE2F9E325B29312370F59DF10C21605F491CA359BA1A2C1B6",
         JF_ERR_FORBIDDEN},
        {"AbC123/bar.jp?token=" DELETE_MAC, JF_ERR_FORBIDDEN},
        {"AbC12/bar.jpg?token=" DELETE_MAC, JF_ERR_FORBIDDEN},
        {"x/AbC123/bar.jpg?token=" DELETE_MAC, JF_ERR_FORBIDDEN},
        {DELETE_URL PUT_MAC, JF_ERR_FORBIDDEN}, /* whoever uploads may not delete */
    };
    const apr_array_header_t *array = jf_signer_secrets(secrets, JF_TEST_COUNT(secrets), *state);

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        jf_slot_request_t request = jf_signer_request(cases[i].url, 1048576, "image/jpeg", *state);
        const char *area;
        jf_signer_refused(jf_slot_verify_delete(&area, array, &request, *state), cases[i].code,
                          cases[i].url, &request, array);
    }
}

static void test_deletions_with_other_secrets_are_refused(void **state)
{
    static const jf_slot_secret_t secrets[] = {
        JF_SIGNER_SECRET(JF_SLOT_TOKEN, "no delete key"),
        {JF_SLOT_V2, "v2", DELETE_KEY, JF_SIGNER_AREA},
    };
    static const char *const keys[] = {KEY, DELETE_KEY, "no delete key", "v2"};
    const apr_array_header_t *array = jf_signer_secrets(secrets, JF_TEST_COUNT(secrets), *state);

    for (size_t i = 0; i < 2 * JF_TEST_COUNT(keys); i++) {
        const char *message = i % 2 ? "t/n\0" : "t/n\0" DELETE_KEY;
        size_t length = i % 2 ? 4 : 4 + strlen(DELETE_KEY);
        const char *mac = jf_signer_mac(keys[i / 2], message, length, *state);
        const char *url = apr_pstrcat(*state, "t/n?token=", mac, NULL);
        jf_slot_request_t request = jf_signer_request(url, -1, NULL, *state);
        const char *area;
        jf_signer_refused(jf_slot_verify_delete(&area, array, &request, *state), JF_ERR_FORBIDDEN,
                          url, &request, array);
    }
}

/* The token of a deletion is no token of an upload. */
static void test_nobody_uploads_with_a_deletion(void **state)
{
    static const jf_slot_secret_t secret = {JF_SLOT_TOKEN, KEY, DELETE_KEY, JF_SIGNER_AREA};
    const apr_array_header_t *array = jf_signer_secrets(&secret, 1, *state);
    jf_slot_request_t request =
        jf_signer_request(DELETE_URL DELETE_MAC, 1048576, "image/jpeg", *state);
    jf_slot_grant_t grant = {0};

    jf_signer_refused(jf_slot_verify(&grant, array, &request, 0, *state), JF_ERR_FORBIDDEN,
                      request.query, &request, array);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_deletions),
    JF_TEST(test_wrong_deletions_are_refused),
    JF_TEST(test_deletions_with_other_secrets_are_refused),
    JF_TEST(test_nobody_uploads_with_a_deletion),
};

JF_TEST_MAIN(tests)
