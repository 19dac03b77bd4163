#include "t_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "jf_digest.h"
#include "jf_token.h"

/* ---- the directory ---- */

/* A new directory under TMPDIR. */
static const char *make_directory(apr_pool_t *pool)
{
    const char *parent = getenv("TMPDIR");
    char *directory = apr_pstrcat(pool, parent ? parent : "/tmp", "/jabberfiles-XXXXXX", NULL);
    if (!mkdtemp(directory)) {
        fail_msg("no directory can be made under TMPDIR");
    }
    return directory;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

int jf_fixture_make(void **state)
{
    apr_pool_t *pool;
    apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    jf_fixture_t *fixture = apr_pcalloc(pool, sizeof(*fixture));
    fixture->pool = pool;
    fixture->directory = make_directory(pool);
    fixture->database = apr_pstrcat(pool, fixture->directory, "/ledger.db", NULL);
    jf_test_ok(jf_service_create(fixture->directory, fixture->database, pool), "a new store");
    *state = fixture;
    return 0;
}

int jf_fixture_make_open(void **state)
{
    jf_fixture_make(state);
    jf_test_ok(jf_fixture_open(*state, JF_DURABILITY_RELAXED), "the new store");
    return 0;
}

int jf_fixture_remove(void **state)
{
    jf_fixture_t *fixture = *state;
    jf_fixture_close(fixture);
    assert_int_equal(nftw(fixture->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    apr_pool_destroy(fixture->pool);
    return 0;
}

jf_err_t *jf_fixture_open(jf_fixture_t *fixture, jf_durability_t durability)
{
    apr_pool_create(&fixture->service_pool, fixture->pool);
    JF_TRY(jf_service_open(&fixture->service, fixture->directory, fixture->database, durability,
                           fixture->service_pool));
    fixture->ledger = fixture->service->ledger;
    return NULL;
}

void jf_fixture_close(jf_fixture_t *fixture)
{
    if (fixture->service) {
        jf_service_close(fixture->service);
        apr_pool_destroy(fixture->service_pool);
        fixture->service = NULL;
    }
}

/* ---- files and promises ---- */

jf_upload_request_t jf_fixture_request(const char *path, apr_int64_t length_bytes)
{
    return (jf_upload_request_t){
        .jid = JF_ALICE,
        .path = path,
        .media_type = JF_MEDIA_TYPE,
        .length_bytes = length_bytes,
        .max_file_bytes = JF_UNLIMITED,
        .quota_bytes = JF_UNLIMITED,
        .expire_us = JF_NEVER,
    };
}

const char *jf_fixture_bytes(unsigned seed, apr_size_t length, apr_pool_t *pool)
{
    char *bytes = apr_palloc(pool, length + 1);
    uint32_t x = seed * 2654435761U + 1;
    for (apr_size_t i = 0; i < length; i++) {
        bytes[i] = (char)jf_test_draw(&x, 256);
    }
    return bytes;
}

jf_file_t jf_fixture_put(jf_fixture_t *fixture, const char *path, const char *data,
                         apr_size_t length)
{
    apr_pool_t *pool = fixture->pool;
    jf_upload_request_t *request = apr_palloc(pool, sizeof(*request));
    *request = jf_fixture_request(path, (apr_int64_t)length);
    jf_upload_t *upload;
    jf_file_t file;
    int created;
    jf_test_ok(jf_upload_begin(&upload, fixture->service, request, JF_NOW_US, pool), path);
    jf_test_ok(jf_upload_write(upload, data, length), path);
    jf_test_ok(jf_upload_finish(&file, &created, upload, JF_NOW_US), path);
    return file;
}

jf_err_t *jf_fixture_send(jf_file_t *file, int *created, jf_service_t *service,
                          const jf_upload_request_t *request, const char *data, apr_size_t length,
                          apr_size_t piece, apr_pool_t *pool)
{
    jf_upload_t *upload;
    JF_TRY(jf_upload_begin(&upload, service, request, JF_NOW_US, pool));
    jf_err_t *err = NULL;
    for (apr_size_t sent = 0; sent < length && !err; sent += piece) {
        apr_size_t rest = length - sent;
        err = jf_upload_write(upload, data + sent, rest < piece ? rest : piece);
    }
    if (!err) {
        return jf_upload_finish(file, created, upload, JF_NOW_US);
    }
    jf_upload_abort(upload);
    return err;
}

jf_reserve_t jf_fixture_reserve(const char *path, apr_int64_t size_bytes, apr_pool_t *pool)
{
    jf_reserve_t reserve = {
        .instance = "00000000000000000000000000000001",
        .jid = JF_ALICE,
        .path = path,
        .need_bytes = size_bytes,
        .want_bytes = size_bytes,
        .quota_bytes = JF_UNLIMITED,
        .object = jf_fixture_new_name(pool),
    };
    return reserve;
}

jf_settle_t jf_fixture_settle(const char *object, apr_int64_t size_bytes, apr_pool_t *pool)
{
    jf_settle_t settle = {
        .object = object,
        .size_bytes = size_bytes,
        .media_type = JF_MEDIA_TYPE,
        .expires_us = JF_NEVER,
    };
    jf_test_ok(jf_token_link(&settle.token, JF_NOW_US, pool), "a token");
    return settle;
}

jf_add_t jf_fixture_add(const char *path, apr_int64_t size_bytes, apr_pool_t *pool)
{
    return (jf_add_t){
        .settle = jf_fixture_settle(jf_fixture_new_name(pool), size_bytes, pool),
        .jid = JF_ALICE,
        .path = path,
        .quota_bytes = JF_UNLIMITED,
        .written_us = apr_time_now(),
    };
}

jf_file_t jf_fixture_row(jf_fixture_t *fixture, const char *path, apr_int64_t size_bytes,
                         apr_time_t expires_us)
{
    apr_pool_t *pool = fixture->pool;
    jf_reserve_t reserve = jf_fixture_reserve(path, size_bytes, pool);
    jf_settle_t settle = jf_fixture_settle(reserve.object, size_bytes, pool);
    settle.expires_us = expires_us;
    apr_int64_t promised_bytes;
    jf_file_t file;
    const char *replaced;
    int created;
    jf_test_ok(jf_ledger_reserve(&promised_bytes, fixture->ledger, &reserve, JF_NOW_US, pool),
               path);
    jf_test_ok(
        jf_ledger_settle(&file, &replaced, &created, fixture->ledger, &settle, JF_NOW_US, pool),
        path);
    return file;
}

const char *jf_fixture_new_name(apr_pool_t *pool)
{
    const char *name = NULL;
    jf_test_ok(jf_token_hex(&name, pool), "an object's name");
    return name;
}

jf_object_t *jf_fixture_new_object(jf_fixture_t *fixture, const char *name, apr_pool_t *pool)
{
    jf_object_t *object = NULL;
    jf_test_ok(jf_store_new_object(&object, fixture->service->store, name, pool), name);
    return object;
}

const char *jf_fixture_object_path(jf_fixture_t *fixture, const char *name)
{
    return jf_store_path(fixture->service->store, name, fixture->pool);
}

/* ---- looking at the result ---- */

jf_area_t jf_fixture_area(jf_fixture_t *fixture, const char *jid)
{
    jf_area_t area;
    jf_test_ok(jf_ledger_area_get(&area, fixture->ledger, jid, fixture->pool), jid);
    return area;
}

void jf_fixture_expect(jf_fixture_t *fixture, apr_int64_t used_bytes, apr_int64_t reserved_bytes,
                       apr_int64_t file_count)
{
    jf_area_t area = jf_fixture_area(fixture, JF_ALICE);
    assert_int_equal(area.used_bytes, used_bytes);
    assert_int_equal(area.reserved_bytes, reserved_bytes);
    assert_int_equal(area.file_count, file_count);

    apr_array_header_t *findings;
    jf_test_ok(jf_ledger_check(&findings, fixture->ledger, fixture->pool), "the check");
    if (findings->nelts > 0) {
        fail_msg("%s", APR_ARRAY_IDX(findings, 0, const char *));
    }
}

void jf_fixture_expect_content(jf_fixture_t *fixture, const jf_file_t *file, const char *data,
                               apr_size_t length)
{
    int fd;
    assert_int_equal(file->size_bytes, length);
    jf_test_ok(
        jf_store_check(fixture->service->store, file->object, file->size_bytes, fixture->pool),
        file->path);
    jf_test_ok(jf_store_open_object(&fd, fixture->service->store, file->object, fixture->pool),
               file->path);
    char *found = apr_palloc(fixture->pool, length + 1);
    apr_size_t count = 0;
    ssize_t got;
    while (count <= length && (got = read(fd, found + count, length + 1 - count)) > 0) {
        count += (apr_size_t)got;
    }
    close(fd);
    assert_int_equal(count, length);
    assert_memory_equal(found, data, length);
}

static jf_err_t *count_entry(void *baton, const jf_store_entry_t *entry, apr_pool_t *pool)
{
    (void)entry;
    (void)pool;
    ++*(int *)baton;
    return NULL;
}

int jf_fixture_count_objects(jf_fixture_t *fixture)
{
    int count = 0;
    for (int i = 0; i < JF_STORE_FANOUT; i++) {
        jf_test_ok(jf_store_walk(fixture->service->store, i, count_entry, &count, fixture->pool),
                   "walk");
    }
    return count;
}

int jf_fixture_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* ---- precondition ---- */

static int is_none(void *baton, const jf_file_t *current)
{
    (void)baton;
    return !current;
}

static int is_any(void *baton, const jf_file_t *current)
{
    (void)baton;
    return current != NULL;
}

jf_precondition_t jf_fixture_if_none(void)
{
    return (jf_precondition_t){.holds = is_none};
}

jf_precondition_t jf_fixture_if_any(void)
{
    return (jf_precondition_t){.holds = is_any};
}

void jf_fixture_expect_same(const jf_file_t *found, const jf_file_t *expected)
{
    assert_string_equal(found->jid, expected->jid);
    assert_string_equal(found->path, expected->path);
    assert_string_equal(found->token, expected->token);
    assert_string_equal(found->object, expected->object);
    assert_string_equal(found->media_type, expected->media_type);
    assert_int_equal(found->area_id, expected->area_id);
    assert_int_equal(found->size_bytes, expected->size_bytes);
    assert_int_equal(found->created_us, expected->created_us);
    assert_int_equal(found->expires_us, expected->expires_us);
    if (expected->sha256) {
        assert_memory_equal(found->sha256, expected->sha256, JF_SHA256_BYTES);
    } else {
        assert_null(found->sha256);
    }
}
