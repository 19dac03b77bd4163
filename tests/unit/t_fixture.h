/**
 * A fresh store with its ledger in a directory of its own, and what tests of the core do with them.
 *
 * The state of a test points to a jf_fixture_t. Time never passes by itself: it is JF_NOW_US
 * wherever a test does not say otherwise.
 */
#ifndef T_FIXTURE_H
#define T_FIXTURE_H

#include "jf_test.h"

#include "jf_service.h"
#include "jf_units.h"
#include "jf_upload.h"

#define JF_ALICE "alice@example.org"
#define JF_BOB "bob@example.org"
#define JF_NOW_US ((apr_time_t)1700000000 * APR_USEC_PER_SEC)
#define JF_MEDIA_TYPE "application/octet-stream"

typedef struct jf_fixture_t {
    apr_pool_t *pool;
    const char *directory; /**< of the store */
    const char *database;
    apr_pool_t *service_pool;
    jf_service_t *service; /**< NULL while closed */
    jf_ledger_t *ledger;   /**< of the service */
} jf_fixture_t;

/** A test on a store that was created and opened. */
#define JF_FIXTURE_TEST(function) \
    cmocka_unit_test_setup_teardown(function, jf_fixture_make_open, jf_fixture_remove)

/** A test on a store that was created and not opened: a test that forks opens it in the child. */
#define JF_FIXTURE_CLOSED_TEST(function) \
    cmocka_unit_test_setup_teardown(function, jf_fixture_make, jf_fixture_remove)

int jf_fixture_make(void **state);
int jf_fixture_make_open(void **state);
int jf_fixture_remove(void **state);

jf_err_t *jf_fixture_open(jf_fixture_t *fixture, jf_durability_t durability);
void jf_fixture_close(jf_fixture_t *fixture);

/* ---- files and promises ---- */

/** A request by alice without any limit; length_bytes may be JF_LENGTH_UNKNOWN. */
jf_upload_request_t jf_fixture_request(const char *path, apr_int64_t length_bytes);

/** @a length bytes that depend on @a seed, in @a pool. */
const char *jf_fixture_bytes(unsigned seed, apr_size_t length, apr_pool_t *pool);

/** Begins, writes the data in pieces, finishes; aborts after an error. For threads, too. */
jf_err_t *jf_fixture_send(jf_file_t *file, int *created, jf_service_t *service,
                          const jf_upload_request_t *request, const char *data, apr_size_t length,
                          apr_size_t piece, apr_pool_t *pool);

/** Uploads @a data as alice. */
jf_file_t jf_fixture_put(jf_fixture_t *fixture, const char *path, const char *data,
                         apr_size_t length);

/** A promise of @a size_bytes to alice under a new object name, without a limit. */
jf_reserve_t jf_fixture_reserve(const char *path, apr_int64_t size_bytes, apr_pool_t *pool);

/** What turns the promise of @a object into a file under a new token. */
jf_settle_t jf_fixture_settle(const char *object, apr_int64_t size_bytes, apr_pool_t *pool);

/** A file of alice's that nothing is promised to, under a new token, without a limit. */
jf_add_t jf_fixture_add(const char *path, apr_int64_t size_bytes, apr_pool_t *pool);

/** A row of alice's without bytes: reserve and settle; @a expires_us may be JF_NEVER. */
jf_file_t jf_fixture_row(jf_fixture_t *fixture, const char *path, apr_int64_t size_bytes,
                         apr_time_t expires_us);

/** A new name of an object, in @a pool. */
const char *jf_fixture_new_name(apr_pool_t *pool);

/** A new object without a row. */
jf_object_t *jf_fixture_new_object(jf_fixture_t *fixture, const char *name, apr_pool_t *pool);

/** The path of an object's file. */
const char *jf_fixture_object_path(jf_fixture_t *fixture, const char *name);

/* ---- looking at the result ---- */

jf_area_t jf_fixture_area(jf_fixture_t *fixture, const char *jid);

/** Fails unless alice has these sums and the ledger's own check finds nothing. */
void jf_fixture_expect(jf_fixture_t *fixture, apr_int64_t used_bytes, apr_int64_t reserved_bytes,
                       apr_int64_t file_count);

/** Fails unless the object of @a file has exactly these bytes. */
void jf_fixture_expect_content(jf_fixture_t *fixture, const jf_file_t *file, const char *data,
                               apr_size_t length);

/** Number of entries in all directories of the store. */
int jf_fixture_count_objects(jf_fixture_t *fixture);

/** 1 if @a path exists; a symbolic link is not followed. */
int jf_fixture_exists(const char *path);

/* ---- precondition ---- */

/** Holds if there is no file: If-None-Match: *. */
jf_precondition_t jf_fixture_if_none(void);

/** Holds if there is a file: If-Match: *. */
jf_precondition_t jf_fixture_if_any(void);

/** Two descriptions of a file say the same, digest included. */
void jf_fixture_expect_same(const jf_file_t *found, const jf_file_t *expected);

#endif
