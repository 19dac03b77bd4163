#include "jf_test.h"

#include <string.h>

#include <apr_file_io.h>
#include <apr_strings.h>
#include <openssl/pem.h>

#include "http_private.h"

/* A certificate in PEM form, made on the spot. */
static const char *make_certificate(apr_pool_t *pool)
{
    BIO *bio = BIO_new(BIO_s_mem());
    X509 *certificate = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char *text;
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 60);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
    long length = BIO_get_mem_data(bio, &text);
    const char *pem = apr_pstrmemdup(pool, text, (apr_size_t)length);
    EVP_PKEY_free(key);
    X509_free(certificate);
    BIO_free(bio);
    return pem;
}

static const char *make_file(const char *content, apr_pool_t *pool)
{
    const char *directory;
    apr_file_t *file;
    assert_int_equal(apr_temp_dir_get(&directory, pool), APR_SUCCESS);
    char *path = apr_pstrcat(pool, directory, "/t_http_authorities.XXXXXX", NULL);
    assert_int_equal(apr_file_mktemp(&file, path, 0, pool), APR_SUCCESS);
    assert_int_equal(apr_file_write_full(file, content, strlen(content), NULL), APR_SUCCESS);
    return path;
}

static jf_err_t *open_with(http_t **http, const char *ca, apr_pool_t *pool)
{
    static const options_t options = {.is_quiet = 1};
    account_t *account = apr_pcalloc(pool, sizeof(*account));
    client_t *client = apr_pcalloc(pool, sizeof(*client));
    account->ca = ca;
    *client = (client_t){.pool = pool, .options = &options, .account = account};
    return http_open(http, client, pool);
}

/* What the system trusts, as libcurl reads it; "" if it has no such file. */
static const char *system_text(apr_pool_t *pool)
{
    const char *path = curl_version_info(CURLVERSION_NOW)->cainfo;
    apr_file_t *file;
    apr_finfo_t info;
    if (!path || apr_file_open(&file, path, APR_FOPEN_READ, 0, pool) != APR_SUCCESS) {
        return "";
    }
    assert_int_equal(apr_file_info_get(&info, APR_FINFO_SIZE, file), APR_SUCCESS);
    char *text = apr_pcalloc(pool, (apr_size_t)info.size + 1);
    assert_int_equal(apr_file_read_full(file, text, (apr_size_t)info.size, NULL), APR_SUCCESS);
    return text;
}

static void test_without_option_the_system_decides(void **state)
{
    http_t *http;
    jf_test_ok(open_with(&http, NULL, *state), "none");
    assert_null(http->authorities.data);
}

static void test_an_authority_is_added_to_those_of_the_system(void **state)
{
    http_t *http;
    const char *own = make_certificate(*state);
    jf_test_ok(open_with(&http, make_file(own, *state), *state), "own");
    const char *expected = apr_pstrcat(*state, system_text(*state), "\n", own, NULL);
    assert_int_equal(http->authorities.len, strlen(expected));
    assert_memory_equal(http->authorities.data, expected, strlen(expected));
}

static void test_files_that_are_none(void **state)
{
    http_t *http;
    jf_test_refused(open_with(&http, make_file("", *state), *state), JF_ERR_INVALID, "empty");
    jf_test_refused(open_with(&http, make_file("-----BEGIN CERTIFICATE-----\n", *state), *state),
                    JF_ERR_INVALID, "cut");
    jf_test_refused(open_with(&http, "/nowhere/ca.pem", *state), JF_ERR_IO, "missing");
    jf_test_refused(open_with(&http, "/", *state), JF_ERR_IO, "directory");
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_without_option_the_system_decides),
    JF_TEST(test_an_authority_is_added_to_those_of_the_system),
    JF_TEST(test_files_that_are_none),
};

JF_TEST_MAIN(tests)
