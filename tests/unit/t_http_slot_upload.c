#include "jf_test.h"

#include <string.h>
#include <unistd.h>

#include <apr_file_io.h>
#include <apr_strings.h>

#include "http_private.h"
#include "http_upload.h"

#define PUT_URL "https://files.example.org/put/x"
#define GET_URL "https://files.example.org/get/x"
#define SIZE_BYTES 10

/* Linked with --wrap: what the server does is a line of words, "lost" or statuses. A HEAD that
 * finds the file is "there". */
static const char *script;
static char heard[200];

jf_err_t *__wrap_http_call(http_answer_t **answer, http_t *http, const http_request_t *request,
                           apr_pool_t *pool);
void __wrap_client_sleep(client_t *client, apr_interval_time_t duration_us);

static const char *next_word(apr_pool_t *pool)
{
    script += strspn(script, " ");
    size_t length = strcspn(script, " ");
    const char *word = apr_pstrmemdup(pool, script, length);
    script += length;
    return word;
}

static void check_request(const http_request_t *request)
{
    int is_put = strcmp(request->method, "PUT") == 0;
    assert_string_equal(request->url, is_put ? PUT_URL : GET_URL);
    assert_int_equal(request->trust, HTTP_OWN);
    assert_int_equal(request->is_as_owner, 0);
    if (is_put) {
        assert_int_equal(request->body->size_bytes, SIZE_BYTES);
        assert_string_equal(apr_table_get(request->headers, "Authorization"), "Bearer 1");
        assert_string_equal(apr_table_get(request->headers, "Content-Type"), "image/png");
        assert_int_equal(apr_table_elts(request->headers)->nelts, 2);
    }
}

static void read_body(const http_request_t *request)
{
    char buffer[SIZE_BYTES + 1];
    jf_err_t *err;
    if (request->body) {
        assert_int_equal(request->body->read(request->body->baton, buffer, sizeof(buffer), &err),
                         SIZE_BYTES);
    }
}

jf_err_t *__wrap_http_call(http_answer_t **answer, http_t *http, const http_request_t *request,
                           apr_pool_t *pool)
{
    const char *word = next_word(pool);
    apr_table_t *headers = apr_table_make(pool, 1);
    (void)http;
    check_request(request);
    read_body(request);
    apr_cpystrn(heard + strlen(heard), apr_pstrcat(pool, request->method, " ", NULL),
                sizeof(heard) - strlen(heard));
    *answer = NULL;
    if (strcmp(word, "lost") == 0) {
        return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, pool, "the connection broke");
    }
    *answer = apr_pcalloc(pool, sizeof(**answer));
    **answer = (http_answer_t){.headers = headers, .body = "", .url = request->url};
    apr_table_setn(headers, "Content-Length", strcmp(word, "other") == 0 ? "11" : "10");
    int is_found = strcmp(word, "there") == 0 || strcmp(word, "other") == 0;
    (*answer)->status = is_found ? 200 : (int)apr_atoi64(word);
    return NULL;
}

void __wrap_client_sleep(client_t *client, apr_interval_time_t duration_us)
{
    (void)client;
    (void)duration_us;
}

static source_file_t *make_source(client_t *client, apr_pool_t *pool)
{
    const char *directory;
    apr_file_t *file;
    source_file_t *source;
    assert_int_equal(apr_temp_dir_get(&directory, pool), APR_SUCCESS);
    char *path = apr_pstrcat(pool, directory, "/t_http_slot_upload.XXXXXX", NULL);
    assert_int_equal(apr_file_mktemp(&file, path, 0, pool), APR_SUCCESS);
    assert_int_equal(apr_file_write_full(file, "0123456789", SIZE_BYTES, NULL), APR_SUCCESS);
    jf_test_ok(source_file_open(&source, client, path, pool), path);
    return source;
}

static jf_err_t *upload(const char *story, slot_t *slot, apr_pool_t *pool)
{
    static const options_t options = {.is_quiet = 1, .name = "x.png"};
    client_t *client = apr_pcalloc(pool, sizeof(*client));
    http_t *http = apr_pcalloc(pool, sizeof(*http));
    *client = (client_t){.pool = pool, .options = &options};
    http->client = client;
    apr_table_t *headers = apr_table_make(pool, 1);
    apr_table_setn(headers, "Authorization", "Bearer 1");
    slot->put_headers = headers;
    script = story;
    heard[0] = '\0';
    return http_upload_to_slot(http, make_source(client, pool), slot, pool);
}

static void test_stories(void **state)
{
    static const struct {
        const char *story;
        int code; /* 0: done */
        const char *requests;
    } cases[] = {
        {"201", 0, "PUT "},
        {"200", 0, "PUT "},
        {"204", 0, "PUT "},
        {"503 201", 0, "PUT PUT "},
        {"lost there", 0, "PUT HEAD "},
        {"lost 404 201", 0, "PUT HEAD PUT "},
        {"lost lost 201", 0, "PUT HEAD PUT "},
        {"lost other 201", 0, "PUT HEAD PUT "},
        {"lost 404 409 there", 0, "PUT HEAD PUT HEAD "},
        {"lost 404 409 404", JF_ERR_USED, "PUT HEAD PUT HEAD "},
        {"lost 404 403 404", JF_ERR_USED, "PUT HEAD PUT HEAD "},
        {"lost 404 410 other", JF_ERR_USED, "PUT HEAD PUT HEAD "},
        {"409", JF_ERR_USED, "PUT "},
        {"403", JF_ERR_FORBIDDEN, "PUT "},
        {"413", JF_ERR_TOO_LARGE, "PUT "},
        {"507", JF_ERR_DISK_FULL, "PUT "},
        {"302", JF_ERR_IO, "PUT "},
        {"lost 404 lost 404 lost 404 lost 404 lost 404 lost 404", JF_ERR_UNAVAILABLE,
         "PUT HEAD PUT HEAD PUT HEAD PUT HEAD PUT HEAD PUT HEAD "},
        {"503 503 503 503 503 503", JF_ERR_UNAVAILABLE, "PUT PUT PUT PUT PUT PUT "},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        slot_t slot = {.put_url = PUT_URL, .get_url = GET_URL};
        const jf_err_t *err = upload(cases[i].story, &slot, *state);
        if ((err ? (int)err->code : 0) != cases[i].code) {
            fail_msg("\"%s\": %s", cases[i].story, err ? err->text : "done");
        }
        assert_string_equal(heard, cases[i].requests);
    }
}

static void test_urls_without_tls_are_refused_before_anything_is_sent(void **state)
{
    static const struct {
        const char *put_url;
        const char *get_url;
    } cases[] = {{"http://files.example.org/x", GET_URL},
                 {PUT_URL, "http://files.example.org/x"},
                 {"file:///etc/passwd", GET_URL},
                 {"http://127.0.0.1.example.org/", GET_URL},
                 {"", GET_URL}};

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        slot_t slot = {.put_url = cases[i].put_url, .get_url = cases[i].get_url};
        jf_test_refused(upload("", &slot, *state), JF_ERR_FORBIDDEN, cases[i].put_url);
        assert_string_equal(heard, "");
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_stories),
    JF_TEST(test_urls_without_tls_are_refused_before_anything_is_sent),
};

JF_TEST_MAIN(tests)
