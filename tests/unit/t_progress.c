#include "jf_test.h"

#include <string.h>

#include "progress_format.h"
#include "tool_text.h"

#define MIB (1024.0 * 1024)

static const progress_state_t half = {"report.pdf", 1 << 20, 2 << 20, MIB / 4};

static void test_bar(void **state)
{
    assert_string_equal(progress_format_bar(&half, 79, *state),
                        "report.pdf  50 % [============>            ]  1 MiB/2 MiB  256 "
                        "KiB/s  0:04 left");
}

static void test_bar_of_unknown_size(void **state)
{
    progress_state_t unknown = {"-", 3 << 20, -1, MIB};
    assert_string_equal(progress_format_bar(&unknown, 79, *state), "-  3 MiB  1 MiB/s");
}

static void test_bar_fits_any_width(void **state)
{
    static const char *const labels[] = {
        "a",
        "report.pdf",
        "ein sehr langer Name, der nicht in die Zeile passt, auch nicht bald.pdf",
        "\u6587\u4EF6\u6587\u4EF6\u6587\u4EF6\u6587\u4EF6\u6587\u4EF6\u6587\u4EF6.txt",
        "",
        "u\u0308u\u0308u\u0308u\u0308u\u0308u\u0308u\u0308u\u0308u\u0308u\u0308u\u0308u\u0308"};
    for (size_t i = 0; i < JF_TEST_COUNT(labels); i++) {
        for (int columns = 1; columns < 250; columns++) {
            progress_state_t state_of = half;
            state_of.label = labels[i];
            const char *bar = progress_format_bar(&state_of, columns, *state);
            if (tool_text_width(bar) > columns) {
                fail_msg("%d columns: %s", columns, bar);
            }
        }
    }
}

static void test_what_is_left_out_first(void **state)
{
    assert_string_equal(progress_format_bar(&half, 18, *state), "report.pdf  50 %");
    assert_string_equal(progress_format_bar(&half, 14, *state), "report.\u2026  50 %");
    assert_non_null(strstr(progress_format_bar(&half, 30, *state), "left"));
}

static void test_shares(void **state)
{
    static const struct {
        apr_int64_t done;
        apr_int64_t total;
        const char *share;
    } cases[] = {
        {0, 1000, " 0 %"},     {999, 1000, "99 %"},
        {1000, 1000, "100 %"}, {0, 0, "100 %"},
        {2000, 1000, "100 %"}, {APR_INT64_C(1) << 61, APR_INT64_C(1) << 62, "50 %"},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        progress_state_t state_of = {"x", cases[i].done, cases[i].total, 0};
        const char *bar = progress_format_bar(&state_of, 79, *state);
        if (!strstr(bar, cases[i].share) || tool_text_width(bar) > 79) {
            fail_msg("%s", bar);
        }
    }
}

static void test_time_left(void **state)
{
    static const struct {
        double bytes_per_s;
        const char *left;
    } cases[] = {
        {MIB, "  0:01 left"},
        {MIB / 90, "  1:30 left"},
        {MIB / 7384, "  2:03:04 left"},
    };
    progress_state_t state_of = half;
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        state_of.bytes_per_s = cases[i].bytes_per_s;
        assert_non_null(strstr(progress_format_bar(&state_of, 120, *state), cases[i].left));
    }
    state_of.bytes_per_s = 0.001;
    assert_null(strstr(progress_format_bar(&state_of, 120, *state), "left"));
}

static void test_lines(void **state)
{
    assert_string_equal(progress_format_line(&half, *state),
                        "report.pdf: 50 %, 1 MiB of 2 MiB, 256 KiB/s");
    progress_state_t unknown = {"x", 1 << 20, -1, 0};
    assert_string_equal(progress_format_line(&unknown, *state), "x: 1 MiB");
    assert_string_equal(progress_format_summary(&half, apr_time_from_sec(62), *state),
                        "report.pdf: 1 MiB in 1:02, 256 KiB/s");
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_bar),
    JF_TEST(test_bar_of_unknown_size),
    JF_TEST(test_bar_fits_any_width),
    JF_TEST(test_what_is_left_out_first),
    JF_TEST(test_shares),
    JF_TEST(test_time_left),
    JF_TEST(test_lines),
};
JF_TEST_MAIN(tests)
