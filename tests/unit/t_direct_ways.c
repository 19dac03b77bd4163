/* Which client, and which way. */
#include "jf_test.h"

#include "direct.h"

static const char *const features_of_a[] = {"a", NULL};
static const char *const features_of_b[] = {"b", "c", NULL};
static const char *const features_of_d[] = {"d", NULL};

static const direct_way_t way_a = {.name = "a", .features = features_of_a, .shows_address = 1};
static const direct_way_t way_b = {.name = "b", .features = features_of_b, .shows_address = 1};
static const direct_way_t way_d = {.name = "d", .features = features_of_d};

static const direct_way_t *const ways[] = {&way_a, &way_b, &way_d, NULL};

/* Features are the letters of a word. */
static apr_array_header_t *features(const char *letters, apr_pool_t *pool)
{
    static const char *const all[] = {"a", "b", "c", "d"};
    apr_array_header_t *made = apr_array_make(pool, 4, sizeof(const char *));
    for (; *letters; letters++) {
        APR_ARRAY_PUSH(made, const char *) = all[*letters - 'a'];
    }
    return made;
}

static direct_peer_t *add_peer(apr_array_header_t *peers, const char *letters)
{
    direct_peer_t *peer = apr_pcalloc(peers->pool, sizeof(*peer));
    peer->jid = letters;
    peer->features = features(letters, peers->pool);
    APR_ARRAY_PUSH(peers, direct_peer_t *) = peer;
    return peer;
}

static void test_all_features_are_needed(void **state)
{
    assert_true(direct_way_is_known(&way_b, features("bc", *state)));
    assert_true(direct_way_is_known(&way_b, features("dcb", *state)));
    assert_false(direct_way_is_known(&way_b, features("b", *state)));
    assert_false(direct_way_is_known(&way_b, features("c", *state)));
    assert_false(direct_way_is_known(&way_b, features("", *state)));
}

static void test_ways_are_tried_in_their_order(void **state)
{
    const apr_array_header_t *all = features("dcba", *state);
    const direct_way_t *const *way = direct_way_next(ways, all, 1);
    assert_ptr_equal(*way, &way_a);
    way = direct_way_next(way + 1, all, 1);
    assert_ptr_equal(*way, &way_b);
    way = direct_way_next(way + 1, all, 1);
    assert_ptr_equal(*way, &way_d);
    assert_null(*direct_way_next(way + 1, all, 1));
}

static void test_what_shows_the_address_is_left_out(void **state)
{
    assert_ptr_equal(*direct_way_next(ways, features("abcd", *state), 0), &way_d);
    assert_null(*direct_way_next(ways, features("abc", *state), 0));
}

static void test_what_is_not_known_is_left_out(void **state)
{
    assert_ptr_equal(*direct_way_next(ways, features("bcd", *state), 1), &way_b);
    assert_null(*direct_way_next(ways, features("b", *state), 1));
}

static void test_the_client_with_the_earliest_way_is_chosen(void **state)
{
    apr_array_header_t *peers = apr_array_make(*state, 4, sizeof(direct_peer_t *));
    assert_null(direct_choose_peer(peers, ways));
    add_peer(peers, "c");
    assert_null(direct_choose_peer(peers, ways));
    const direct_peer_t *first = add_peer(peers, "d");
    assert_ptr_equal(direct_choose_peer(peers, ways), first);
    const direct_peer_t *second = add_peer(peers, "ad");
    assert_ptr_equal(direct_choose_peer(peers, ways), second);
    add_peer(peers, "a");
    assert_ptr_equal(direct_choose_peer(peers, ways), second);
}

/* An empty list of features would make any client one that knows the way. */
static void test_each_way_needs_a_feature(void **state)
{
    (void)state;
    assert_non_null(direct_ways[0]);
    for (const direct_way_t *const *way = direct_ways; *way; way++) {
        assert_non_null((*way)->features[0]);
        assert_non_null((*way)->name);
        assert_non_null((*way)->words);
        assert_non_null((*way)->send);
    }
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_all_features_are_needed),
    JF_TEST(test_ways_are_tried_in_their_order),
    JF_TEST(test_what_shows_the_address_is_left_out),
    JF_TEST(test_what_is_not_known_is_left_out),
    JF_TEST(test_the_client_with_the_earliest_way_is_chosen),
    JF_TEST(test_each_way_needs_a_feature),
};

JF_TEST_MAIN(tests)
