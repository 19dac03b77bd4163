#include "jf_test.h"

#include "serve_range.h"

#define SIZE_BYTES 1000

static void expect(const char *field, apr_int64_t size_bytes, serve_range_t wanted)
{
    serve_range_t range = serve_range_parse(field, size_bytes);
    if (range.kind != wanted.kind || range.begin_bytes != wanted.begin_bytes ||
        range.count_bytes != wanted.count_bytes) {
        fail_msg("\"%s\" is %d, %ld + %ld", field, (int)range.kind, (long)range.begin_bytes,
                 (long)range.count_bytes);
    }
}

static void test_parts(void **state)
{
    static const struct {
        const char *field;
        apr_int64_t begin_bytes;
        apr_int64_t count_bytes;
    } cases[] = {
        {"bytes=0-0", 0, 1},          {"bytes=0-999", 0, 1000},
        {"bytes=0-", 0, 1000},        {"bytes=10-19", 10, 10},
        {"bytes=999-", 999, 1},       {"bytes=999-999", 999, 1},
        {"bytes=500-1000", 500, 500}, {"bytes=500-99999999999999999999999999", 500, 500},
        {"bytes=-1", 999, 1},         {"bytes=-1000", 0, 1000},
        {"bytes=-1001", 0, 1000},     {"bytes=-99999999999999999999999999", 0, 1000},
        {"Bytes=1-2", 1, 2},          {"bytes= 1-2 ", 1, 2},
        {"bytes=0001-02", 1, 2},
    };

    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        expect(cases[i].field, SIZE_BYTES,
               (serve_range_t){SERVE_RANGE_PART, cases[i].begin_bytes, cases[i].count_bytes});
    }
}

static void test_what_is_ignored(void **state)
{
    static const char *const fields[] = {
        "",           "bytes",       "bytes=",      "bytes=-",      "bytes=x",
        "bytes=1",    "bytes=2-1",   "bytes=1-2x",  "bytes=1 -2",   "bytes=1- 2",
        "bytes=--1",  "bytes=+1-2",  "bytes=0x1-2", "bytes=1-2,4-", "bytes=1-2-3",
        "items=1-2",  "bytes 1-2",   "bytes==1-2",  " bytes=1-2",   "bytes=1.5-2",
        "bytes=1-2;", "bytes=,1-2,",
    };

    (void)state;
    expect(NULL, SIZE_BYTES, (serve_range_t){SERVE_RANGE_WHOLE, 0, SIZE_BYTES});
    for (size_t i = 0; i < JF_TEST_COUNT(fields); i++) {
        expect(fields[i], SIZE_BYTES, (serve_range_t){SERVE_RANGE_WHOLE, 0, SIZE_BYTES});
    }
}

static void test_what_is_beyond(void **state)
{
    static const char *const fields[] = {
        "bytes=1000-",
        "bytes=1000-1000",
        "bytes=1001-2000",
        "bytes=-0",
        "bytes=99999999999999999999999999-",
        "bytes=99999999999999999999999999-99999999999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < JF_TEST_COUNT(fields); i++) {
        expect(fields[i], SIZE_BYTES, (serve_range_t){SERVE_RANGE_BEYOND, 0, 0});
    }
}

static void test_an_empty_file_has_no_parts(void **state)
{
    (void)state;
    expect(NULL, 0, (serve_range_t){SERVE_RANGE_WHOLE, 0, 0});
    expect("bytes=0-", 0, (serve_range_t){SERVE_RANGE_BEYOND, 0, 0});
    expect("bytes=-1", 0, (serve_range_t){SERVE_RANGE_BEYOND, 0, 0});
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_parts),
    JF_TEST(test_what_is_ignored),
    JF_TEST(test_what_is_beyond),
    JF_TEST(test_an_empty_file_has_no_parts),
};

JF_TEST_MAIN(tests)
