#include "t_books.h"

/* ---- writing ---- */

apr_int64_t jf_books_area(jf_fixture_t *fixture, const char *jid)
{
    jf_test_ok(
        jf_ledger_area_set_quota(fixture->ledger, jid, JF_QUOTA_DEFAULT, JF_NOW_US, fixture->pool),
        jid);
    return jf_fixture_area(fixture, jid).id;
}

jf_traffic_entry_t jf_books_entry(apr_int64_t area_id, apr_int64_t sent_bytes,
                                  apr_int64_t charged_bytes)
{
    return (jf_traffic_entry_t){
        .area_id = area_id,
        .sent_bytes = sent_bytes,
        .period = JF_PERIOD_MONTH,
        .period_start_us = JF_BOOKS_START_US,
        .charged_bytes = charged_bytes,
    };
}

jf_err_t *jf_books_write(jf_fixture_t *fixture, apr_int64_t number, apr_time_t now_us,
                         const jf_traffic_entry_t *entries, int count)
{
    apr_array_header_t *array = apr_array_make(fixture->pool, count, sizeof(jf_traffic_entry_t));
    for (int i = 0; i < count; i++) {
        APR_ARRAY_PUSH(array, jf_traffic_entry_t) = entries[i];
    }
    jf_traffic_batch_t batch = {number, now_us, array};
    return jf_ledger_traffic_write(fixture->ledger, &batch, fixture->pool);
}

void jf_books_write_one(jf_fixture_t *fixture, apr_time_t now_us, jf_traffic_entry_t entry)
{
    jf_test_ok(jf_books_write(fixture, JF_TRAFFIC_NO_NUMBER, now_us, &entry, 1), "a batch of one");
}

/* ---- looking ---- */

apr_array_header_t *jf_books_days(jf_fixture_t *fixture, apr_int64_t area_id, int limit)
{
    apr_array_header_t *days;
    jf_test_ok(jf_ledger_traffic_days(&days, fixture->ledger, area_id, limit, fixture->pool),
               "days");
    return days;
}

jf_traffic_day_t jf_books_day(jf_fixture_t *fixture, apr_int64_t area_id, int index)
{
    const apr_array_header_t *days = jf_books_days(fixture, area_id, index + 1);
    assert_int_equal(days->nelts, index + 1);
    return APR_ARRAY_IDX(days, index, jf_traffic_day_t);
}

apr_int64_t jf_books_charged(jf_fixture_t *fixture, apr_int64_t area_id, jf_period_t period,
                             apr_time_t start_us)
{
    apr_int64_t charged_bytes = -1;
    jf_test_ok(jf_ledger_traffic_charged(&charged_bytes, fixture->ledger, area_id, period, start_us,
                                         fixture->pool),
               "charged");
    return charged_bytes;
}

apr_int64_t jf_books_number(jf_fixture_t *fixture)
{
    apr_int64_t number = -1;
    jf_test_ok(jf_ledger_traffic_number(&number, fixture->ledger, fixture->pool), "number");
    return number;
}
