#include "jf_test.h"

#include "jf_units.h"

#define KIB APR_INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define SECOND_US APR_INT64_C(1000000)

static void test_sizes_are_accepted(void **state)
{
    static const struct {
        const char *text;
        apr_int64_t bytes;
    } cases[] = {
        {"0", 0},
        {"1", 1},
        {"007", 7},
        {"1024", KIB},
        {"1K", KIB},
        {"1k", KIB},
        {"500M", 500 * MIB},
        {"500m", 500 * MIB},
        {"2G", 2 * GIB},
        {"2g", 2 * GIB},
        {"3T", 3 * TIB},
        {"3t", 3 * TIB},
        {"0T", 0},
        {"1.5G", GIB + GIB / 2},
        {"0.5k", 512},
        {"1.50K", 1536},
        {"1.0K", KIB},
        {"0.001K", 1},     /* 1.024, rounded down */
        {"0.0009765K", 0}, /* just below one byte */
        {"0.0009765625K", 1},
        {"1.999999999999999999999999999999K", 2047},
        {"0.999999999999999999T", TIB - 1},
        {"9223372036854775807", APR_INT64_MAX},
        {"000000000000000000000000000000001", 1},
        {"8388607T", 8388607 * TIB},
        {"8388607.9999999999999999999999T", APR_INT64_MAX},
        {"unlimited", JF_UNLIMITED},
        {"Unlimited", JF_UNLIMITED},
        {"UNLIMITED", JF_UNLIMITED},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        apr_int64_t bytes = -7;
        jf_test_ok(jf_units_parse_bytes(&bytes, cases[i].text, *state), cases[i].text);
        if (bytes != cases[i].bytes) {
            fail_msg("\"%s\" is %" APR_INT64_T_FMT ", not %" APR_INT64_T_FMT, cases[i].text, bytes,
                     cases[i].bytes);
        }
    }
}

/* No size and no duration. */
static const char *const nonsense[] = {
    "",         " ",          "-1",
    "+5",       " 5",         "5 ",
    "\t5",      "5\n",        "5\r\n",
    "1e3",      "0x10",       "0b1",
    "1_000",    "1,5",        "1,5G",
    "1'000",    ".",          ".5",
    ".5G",      "5.",         "5.G",
    "1..5G",    "1.5.2G",     "1.-5G",
    "-0",       "--1",        "M",
    "d",        "1MM",        "1md",
    "1dd",      "M1",         "1 M",
    "1M ",      "1KB",        "1KiB",
    "1B",       "1b",         "1P",
    "1E",       "1s",         "1y",
    "1.5d",     "nan",        "inf",
    "none",     "off",        "-unlimited",
    "unlimite", "unlimitedx", "unlimited ",
    "never ",   "nevere",     "1%",
    "1$",       "\xC2\xB2",   "\xEF\xBC\x95", /* full-width five */
    "\xD9\xA5",                               /* Arabic-Indic five */
    "5\x01",    "5\x7F",      "\xFF",
    "\x1B[31m", "%s%n",       "\"",
    "5\"",
};

/* Above 2^63 - 1 bytes or microseconds, or near enough to fool a parser that wraps. */
static const char *const oversized[] = {
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "18446744073709551617",
    "340282366920938463463374607431768211457",
    "999999999999999999999999999999",
    "123456789012345678901234567890",
};

static void refuse_sizes(const char *const *texts, size_t count, apr_pool_t *pool)
{
    for (size_t i = 0; i < count; i++) {
        apr_int64_t bytes = -7;
        jf_test_refused(jf_units_parse_bytes(&bytes, texts[i], pool), JF_ERR_INVALID, texts[i]);
        assert_int_equal(bytes, -7);
    }
}

static void refuse_durations(const char *const *texts, size_t count, apr_pool_t *pool)
{
    for (size_t i = 0; i < count; i++) {
        apr_interval_time_t us = -7;
        jf_test_refused(jf_units_parse_duration(&us, texts[i], pool), JF_ERR_INVALID, texts[i]);
        assert_int_equal(us, -7);
    }
}

static void test_wrong_sizes_are_refused(void **state)
{
    static const char *const texts[] = {"1.5", "0.0", "never", "7d", "7h", "7w"};

    refuse_sizes(nonsense, JF_TEST_COUNT(nonsense), *state);
    refuse_sizes(texts, JF_TEST_COUNT(texts), *state);
}

static void test_oversized_sizes_are_refused(void **state)
{
    static const char *const texts[] = {
        "8388608T",  "9007199254740992K",  "8589934592G",          "8388608.0T",
        "16777216T", "18014398509481984K", "9223372036854775807K",
    };

    refuse_sizes(oversized, JF_TEST_COUNT(oversized), *state);
    refuse_sizes(texts, JF_TEST_COUNT(texts), *state);
}

static void test_durations_are_accepted(void **state)
{
    static const struct {
        const char *text;
        apr_interval_time_t us;
    } cases[] = {
        {"1", SECOND_US},
        {"90", 90 * SECOND_US},
        {"0090", 90 * SECOND_US},
        {"1m", 60 * SECOND_US},
        {"2h", 2 * 3600 * SECOND_US},
        {"7d", 7 * 86400 * SECOND_US},
        {"4w", 28 * 86400 * SECOND_US},
        {"9223372036854", 9223372036854 * SECOND_US},
        {"106751991d", SECOND_US * 86400 * 106751991},
        {"never", JF_NEVER},
        {"NEVER", JF_NEVER},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        apr_interval_time_t us = -7;
        jf_test_ok(jf_units_parse_duration(&us, cases[i].text, *state), cases[i].text);
        if (us != cases[i].us) {
            fail_msg("\"%s\" is %" APR_INT64_T_FMT ", not %" APR_INT64_T_FMT, cases[i].text, us,
                     cases[i].us);
        }
    }
}

static void test_wrong_durations_are_refused(void **state)
{
    static const char *const texts[] = {"0",  "0m", "00000w", "unlimited", "7D",
                                        "7H", "7M", "7W",     "7K",        "1.5"};

    refuse_durations(nonsense, JF_TEST_COUNT(nonsense), *state);
    refuse_durations(texts, JF_TEST_COUNT(texts), *state);
}

static void test_oversized_durations_are_refused(void **state)
{
    static const char *const texts[] = {"9223372036855", "106751992d", "15250285w",
                                        "9223372036854775807w"};

    refuse_durations(oversized, JF_TEST_COUNT(oversized), *state);
    refuse_durations(texts, JF_TEST_COUNT(texts), *state);
}

static void test_refusals_say_what_is_accepted(void **state)
{
    apr_int64_t value;
    jf_err_t *size = jf_units_parse_bytes(&value, "1e3\n", *state);
    jf_err_t *duration = jf_units_parse_duration(&value, "soon", *state);

    assert_string_equal(size->text,
                        "\"1e3\\n\" is not valid: a size is a number of bytes, or a number with K, "
                        "M, G or T (\"500M\", \"1.5G\"), or \"unlimited\"");
    assert_string_equal(duration->text,
                        "\"soon\" is not valid: a duration is a number of seconds above 0, or a "
                        "whole number with m, h, d or w (\"7d\"), or \"never\"");
}

static void test_sizes_are_written_for_people(void **state)
{
    static const struct {
        apr_int64_t bytes;
        const char *text;
    } cases[] = {
        {JF_UNLIMITED, "unlimited"},
        {0, "0 bytes"},
        {1, "1 byte"},
        {2, "2 bytes"},
        {1023, "1023 bytes"},
        {1024, "1 KiB"},
        {1075, "1 KiB"},   /* 1.0498 */
        {1076, "1.1 KiB"}, /* 1.0507 */
        {1536, "1.5 KiB"},
        {MIB - 53, "1023.9 KiB"},
        {MIB - 1, "1 MiB"},
        {500 * MIB, "500 MiB"},
        {GIB + GIB / 2, "1.5 GiB"},
        {TIB, "1 TiB"},
        {1024 * TIB, "1 PiB"},
        {1024 * 1024 * TIB, "1 EiB"},
        {1023 * 1024 * TIB, "1023 PiB"},
        {APR_INT64_MAX, "8 EiB"},
    };

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        assert_string_equal(jf_units_format_bytes(cases[i].bytes, *state), cases[i].text);
    }
}

static void test_times_are_rfc_3339(void **state)
{
    static const struct {
        apr_time_t time_us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {APR_INT64_C(951782399999999), "2000-02-28T23:59:59.999Z"},
        {APR_INT64_C(1772323199000000), "2026-02-28T23:59:59.000Z"},
        {APR_INT64_C(253402300799000000), "9999-12-31T23:59:59.000Z"},
    };
    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        assert_string_equal(jf_units_format_time(cases[i].time_us, *state), cases[i].text);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_sizes_are_accepted),
    JF_TEST(test_wrong_sizes_are_refused),
    JF_TEST(test_oversized_sizes_are_refused),
    JF_TEST(test_durations_are_accepted),
    JF_TEST(test_wrong_durations_are_refused),
    JF_TEST(test_oversized_durations_are_refused),
    JF_TEST(test_refusals_say_what_is_accepted),
    JF_TEST(test_sizes_are_written_for_people),
    JF_TEST(test_times_are_rfc_3339),
};

JF_TEST_MAIN(tests)
