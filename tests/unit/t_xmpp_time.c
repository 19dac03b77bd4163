#include "jf_test.h"

#include "xmpp_time.h"

static void test_times(void **state)
{
    static const struct {
        const char *stamp;
        apr_time_t seconds;
    } cases[] = {
        {"1970-01-01T00:00:01Z", 1},
        {"2026-11-22T10:00:00Z", 1795341600},
        {"2026-11-22T10:00:00.123456789Z", 1795341600},
        {"2026-11-22T11:30:00+01:30", 1795341600},
        {"2026-11-22T08:30:00-01:30", 1795341600},
        {"9999-12-31T23:59:59Z", 253402300799},
        {"", 0},
        {"2026-11-22", 0},
        {"2026-11-22T10:00:00", 0},
        {"2026-11-22 10:00:00Z", 0},
        {"2026-13-22T10:00:00Z", 0},
        {"2026-11-22T25:00:00Z", 0},
        {"2026-11-22T10:00:00Zulu", 0},
        {"2026-11-22T10:00:00+25:00", 0},
        {"2026-11-22T10:00:00+01:60", 0},
        {"2026-11-22T10:00:00+0100", 0},
        {"2026-11-22T10:00:00*01:00", 0},
        {"2026-11-22T10:00:00+x1:00", 0},
        {"1950-01-01T00:00:00Z", 0},
        {"99999999999999999999-01-01T00:00:00Z", 0},
    };
    (void)state;

    for (size_t i = 0; i < JF_TEST_COUNT(cases); i++) {
        apr_time_t time_us = xmpp_time_parse(cases[i].stamp);
        if (time_us != apr_time_from_sec(cases[i].seconds)) {
            fail_msg("\"%s\" is taken for %" APR_TIME_T_FMT " us", cases[i].stamp, time_us);
        }
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_times),
};

JF_TEST_MAIN(tests)
