#include "t_counted.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>
#include <sqlite3.h>

/* ---- a table of another size ---- */

static const jf_traffic_size_t small_size = {SMALL_ACCOUNTS, SMALL_LISTINGS, SMALL_PROCESSES};

const char *jf_counted_path(const jf_fixture_t *fixture)
{
    return apr_pstrcat(fixture->pool, fixture->directory, "/traffic", NULL);
}

void jf_counted_resize(jf_fixture_t *fixture, const jf_traffic_size_t *size)
{
    jf_ledger_t *ledger;
    apr_pool_t *pool = fixture->pool;
    jf_test_ok(jf_ledger_open(&ledger, fixture->database, JF_DURABILITY_RELAXED, pool), "ledger");
    jf_test_ok(jf_traffic_create_sized(fixture->directory, ledger, size, JF_NOW_US, pool), "size");
    jf_ledger_close(ledger);
}

jf_err_t *jf_counted_open(jf_fixture_t *fixture)
{
    JF_TRY(jf_fixture_open(fixture, JF_DURABILITY_RELAXED));
    return jf_service_open_traffic(fixture->service, fixture->directory, fixture->service_pool);
}

static int open_table(jf_fixture_t *fixture)
{
    jf_test_ok(jf_counted_open(fixture), "the table");
    return 0;
}

int jf_counted_make(void **state)
{
    jf_fixture_make(state);
    return open_table(*state);
}

int jf_counted_make_small_closed(void **state)
{
    jf_fixture_make(state);
    jf_counted_resize(*state, &small_size);
    return 0;
}

int jf_counted_make_small(void **state)
{
    jf_counted_make_small_closed(state);
    return open_table(*state);
}

void jf_counted_make_areas(jf_fixture_t *fixture, int count)
{
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    jf_crowd_exec(stranger, apr_psprintf(fixture->pool,
                                         "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
                                         "FROM n WHERE i < %d) INSERT INTO area (id, jid, "
                                         "created_us) SELECT i, i || '@example.org', 0 FROM n",
                                         count));
    sqlite3_close(stranger);
}

/* ---- counting ---- */

void jf_counted_add(jf_fixture_t *fixture, const jf_traffic_key_t *key, apr_int64_t sent_bytes,
                    apr_time_t now_us)
{
    jf_traffic_amount_t amount = {
        .sent_bytes = sent_bytes, .charged_bytes = sent_bytes, .downloads = 1};
    jf_test_ok(jf_traffic_count(fixture->service->traffic, key, &amount, now_us, fixture->pool),
               "count");
}

jf_traffic_flush_t jf_counted_flush(jf_fixture_t *fixture, apr_time_t now_us)
{
    jf_traffic_flush_t result;
    jf_test_ok(jf_traffic_flush(&result, fixture->service->traffic, now_us, fixture->pool),
               "flush");
    return result;
}

/* ---- what came of it ---- */

static apr_int64_t sum(sqlite3 *stranger, const char *column, apr_int64_t area_id, apr_pool_t *pool)
{
    return jf_crowd_number(stranger,
                           apr_psprintf(pool,
                                        "SELECT coalesce(sum(%s), 0) FROM traffic WHERE area_id = "
                                        "%" APR_INT64_T_FMT,
                                        column, area_id));
}

jf_traffic_amount_t jf_counted_sums(jf_fixture_t *fixture, apr_int64_t area_id)
{
    apr_pool_t *pool = fixture->pool;
    sqlite3 *stranger = jf_crowd_stranger(fixture);
    jf_traffic_amount_t sums = {
        .sent_bytes = sum(stranger, "sent_bytes", area_id, pool),
        .received_bytes = sum(stranger, "received_bytes", area_id, pool),
        .downloads = sum(stranger, "downloads", area_id, pool),
        .uploads = sum(stranger, "uploads", area_id, pool),
    };
    sqlite3_close(stranger);
    return sums;
}

apr_int64_t jf_counted_sent(jf_fixture_t *fixture, apr_int64_t area_id)
{
    return jf_counted_sums(fixture, area_id).sent_bytes;
}

apr_int64_t jf_counted_charged(jf_fixture_t *fixture, const jf_traffic_key_t *key,
                               apr_time_t now_us)
{
    apr_int64_t charged_bytes = -1;
    jf_test_ok(
        jf_traffic_charged(&charged_bytes, fixture->service->traffic, key, now_us, fixture->pool),
        "charged");
    return charged_bytes;
}

apr_int64_t jf_counted_ledger_charged(jf_fixture_t *fixture, const jf_traffic_key_t *key,
                                      apr_time_t now_us)
{
    apr_int64_t charged_bytes = -1;
    jf_test_ok(jf_ledger_traffic_charged(&charged_bytes, fixture->ledger, key->area_id, key->period,
                                         jf_period_start(key->period, now_us), fixture->pool),
               "charged");
    return charged_bytes;
}

/* ---- the table from inside ---- */

apr_uint64_t *jf_counted_word(jf_fixture_t *fixture, const jf_traffic_key_t *key)
{
    const jf_traffic_map_t *map = &fixture->service->traffic->map;
    for (apr_uint32_t i = 0; i < map->size.accounts; i++) {
        if (jf_key_area(map->keys[i]) == key->area_id &&
            jf_key_period(map->keys[i]) == key->period) {
            return &map->keys[i];
        }
    }
    return NULL;
}

jf_account_t *jf_counted_account(jf_fixture_t *fixture, const jf_traffic_key_t *key)
{
    const jf_traffic_map_t *map = &fixture->service->traffic->map;
    const apr_uint64_t *word = jf_counted_word(fixture, key);
    return word ? &map->accounts[word - map->keys] : NULL;
}

void jf_counted_expect_nothing_held(jf_fixture_t *fixture, const jf_traffic_key_t *key)
{
    const jf_account_t *account = jf_counted_account(fixture, key);
    assert_int_equal(jf_traffic_active(fixture->service->traffic, fixture->pool)->nelts, 0);
    if (account) {
        assert_int_equal(jf_account_promised(account), 0);
        assert_int_equal(jf_account_sharers(account, JF_TRANSFER_DOWNLOAD), 0);
        assert_int_equal(jf_account_sharers(account, JF_TRANSFER_UPLOAD), 0);
        assert_int_equal(jf_account_transfers(account), 0);
    }
}

/* ---- other processes ---- */

void *jf_counted_share(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

void jf_counted_make_crowded(jf_fixture_t *fixture, int areas)
{
    static const jf_traffic_size_t size = {SMALL_ACCOUNTS, SMALL_LISTINGS, 32};
    jf_counted_resize(fixture, &size);
    jf_counted_make_areas(fixture, areas);
}

pid_t jf_counted_start(const jf_fixture_t *fixture,
                       void (*work)(jf_traffic_t *traffic, void *baton), void *baton)
{
    pid_t pid = fork();
    if (pid == 0) {
        jf_fixture_t own = *fixture;
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
        if (jf_counted_open(&own)) {
            _exit(1);
        }
        work(own.service->traffic, baton);
        _exit(0);
    }
    assert_true(pid > 0);
    return pid;
}

void jf_counted_expect_end(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void jf_counted_kill(pid_t pid)
{
    int status;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
