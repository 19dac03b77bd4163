/*
 * Others who come at the worst moment: between two steps of one who begins a transfer, lets a
 * download in, or takes back what nobody holds.
 */
#include "t_counted.h"
#include "t_trap.h"

#define PAGE_AREAS 500
#define PAGE_BYTES 4096
#define QUOTA_BYTES 1000

typedef struct scene_t {
    jf_fixture_t *fixture;
    jf_traffic_t *traffic;
    jf_traffic_key_t key;
    jf_account_t *account;
    jf_transfer_t transfer;
} scene_t;

static jf_transfer_t begin(const scene_t *scene, apr_int64_t quota_bytes)
{
    jf_transfer_t transfer;
    jf_transfer_request_t request = {scene->key, JF_TRANSFER_DOWNLOAD, QUOTA_BYTES, quota_bytes, 1,
                                     1};
    jf_test_ok(
        jf_transfer_begin(&transfer, scene->traffic, &request, JF_NOW_US, scene->fixture->pool),
        "begin");
    return transfer;
}

/* An account of which the first line, where the counters are, and the second one, where what is
 * held is, are on different pages. */
static void find_account(scene_t *scene)
{
    for (int i = 1; i <= PAGE_AREAS; i++) {
        scene->key = (jf_traffic_key_t){i, JF_PERIOD_DAY};
        jf_counted_add(scene->fixture, &scene->key, 0, JF_NOW_US);
        scene->account = jf_counted_account(scene->fixture, &scene->key);
        if ((uintptr_t)&scene->account->transfers % PAGE_BYTES == 0) {
            return;
        }
    }
    fail_msg("no account is across pages");
}

static scene_t set_scene(jf_fixture_t *fixture)
{
    scene_t scene = {.fixture = fixture, .traffic = fixture->service->traffic};
    jf_counted_make_areas(fixture, PAGE_AREAS);
    find_account(&scene);
    return scene;
}

static void expect_held(const scene_t *scene, unsigned transfers, unsigned sharers,
                        apr_int64_t promised_bytes)
{
    assert_int_equal(jf_account_transfers(scene->account), transfers);
    assert_int_equal(jf_account_sharers(scene->account, JF_TRANSFER_DOWNLOAD), sharers);
    assert_int_equal(jf_account_promised(scene->account), promised_bytes);
}

static void trap_listings(scene_t *scene, void (*come_between)(void *baton))
{
    const jf_traffic_map_t *map = &scene->traffic->map;
    jf_trap_set(map->listings, map->size.listings * sizeof(jf_listing_t), come_between, scene);
}

static void trap_owners(scene_t *scene, void (*come_between)(void *baton))
{
    const jf_traffic_map_t *map = &scene->traffic->map;
    jf_trap_set(map->owners, map->size.listings * sizeof(apr_uint32_t), come_between, scene);
}

static void trap_counters(scene_t *scene, void (*come_between)(void *baton))
{
    jf_trap_set(scene->account->counted, 1, come_between, scene);
}

static void trap_held(scene_t *scene, void (*come_between)(void *baton))
{
    jf_trap_set(&scene->account->transfers, 1, come_between, scene);
}

/* ---- what nobody holds ------------------------------------------------------------------------
 */

static void bury(void *baton)
{
    const scene_t *scene = baton;
    assert_int_equal(jf_traffic_bury(scene->traffic, scene->fixture->pool), 0);
}

/* A flush that comes when the list does not know the transfer yet finds nothing to clear. */
static void test_flush_comes_before_a_transfer_is_listed(void **state)
{
    scene_t scene = set_scene(*state);
    trap_listings(&scene, bury);
    scene.transfer = begin(&scene, 2 * QUOTA_BYTES);
    assert_true(jf_trap_clear());
    expect_held(&scene, 1, 1, QUOTA_BYTES);
    jf_transfer_end(&scene.transfer);
    expect_held(&scene, 0, 0, 0);
}

static void begin_again(void *baton)
{
    scene_t *scene = baton;
    scene->transfer = begin(scene, 2 * QUOTA_BYTES);
}

static void end_and_begin_again(void *baton)
{
    scene_t *scene = baton;
    jf_transfer_end(&scene->transfer);
    trap_held(scene, begin_again);
}

/* One that was seen ends before the list is looked through, and another one begins behind that:
 * what is held is the same again, and nobody was seen to hold it. */
static void test_transfer_takes_the_place_of_another(void **state)
{
    scene_t scene = set_scene(*state);
    scene.transfer = begin(&scene, 2 * QUOTA_BYTES);
    trap_owners(&scene, end_and_begin_again);
    jf_account_clear_if_abandoned(&scene.traffic->map,
                                  (apr_uint32_t)(scene.account - scene.traffic->map.accounts));
    assert_true(jf_trap_clear());
    expect_held(&scene, 1, 1, QUOTA_BYTES);
    jf_transfer_end(&scene.transfer);
    expect_held(&scene, 0, 0, 0);
}

static void wait_for_the_end_of_the_list(void *baton)
{
    trap_held(baton, begin_again);
}

/* Somebody has left something, and another one begins when the list was looked through. */
static void test_transfer_begins_while_another_is_cleared(void **state)
{
    scene_t scene = set_scene(*state);
    jf_account_hold(scene.account, 1);
    jf_account_share(scene.account, JF_TRANSFER_DOWNLOAD, 1);
    jf_account_promise(scene.account, 5);
    trap_owners(&scene, wait_for_the_end_of_the_list);
    jf_account_clear_if_abandoned(&scene.traffic->map,
                                  (apr_uint32_t)(scene.account - scene.traffic->map.accounts));
    assert_true(jf_trap_clear());
    expect_held(&scene, 2, 2, QUOTA_BYTES + 5);
    jf_transfer_end(&scene.transfer);
    bury(&scene);
    expect_held(&scene, 0, 0, 0);
}

/* ---- letting in -------------------------------------------------------------------------------
 */

static int is_let_in(const scene_t *scene)
{
    apr_int64_t used_bytes;
    return jf_account_promise_within(scene->account, &used_bytes, QUOTA_BYTES, 1);
}

static void correct_upwards(void *baton)
{
    scene_t *scene = baton;
    jf_transfer_progress(&scene->transfer, 500, JF_NOW_US);
}

static void correct_downwards(void *baton)
{
    scene_t *scene = baton;
    jf_transfer_progress(&scene->transfer, 100, JF_NOW_US);
    trap_held(scene, correct_upwards);
}

/* The whole quota is promised and charged all the time. An estimate is corrected downwards before
 * the charge is read and upwards before the promise is made: the promises are the same again. */
static void test_promise_is_the_same_again(void **state)
{
    scene_t scene = set_scene(*state);
    scene.transfer = begin(&scene, QUOTA_BYTES);
    jf_transfer_progress(&scene.transfer, 500, JF_NOW_US);
    trap_counters(&scene, correct_downwards);
    assert_false(is_let_in(&scene));
    assert_true(jf_trap_clear());
    expect_held(&scene, 1, 1, 500);
    jf_transfer_end(&scene.transfer);
}

static void then_correct_upwards(void *baton)
{
    trap_held(baton, correct_upwards);
}

/* A promise becomes a charge behind the charge that was read. */
static void test_promise_becomes_a_charge_behind_the_back(void **state)
{
    scene_t scene = set_scene(*state);
    scene.transfer = begin(&scene, QUOTA_BYTES);
    jf_transfer_progress(&scene.transfer, 100, JF_NOW_US);
    trap_counters(&scene, then_correct_upwards);
    assert_false(is_let_in(&scene));
    jf_trap_clear();
    assert_false(is_let_in(&scene));
    jf_transfer_end(&scene.transfer);
}

static const struct CMUnitTest tests[] = {
    JF_COUNTED_TEST(test_flush_comes_before_a_transfer_is_listed),
    JF_COUNTED_TEST(test_transfer_takes_the_place_of_another),
    JF_COUNTED_TEST(test_transfer_begins_while_another_is_cleared),
    JF_COUNTED_TEST(test_promise_is_the_same_again),
    JF_COUNTED_TEST(test_promise_becomes_a_charge_behind_the_back),
};

JF_TEST_MAIN(tests)
