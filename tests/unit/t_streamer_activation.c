#include "jf_test.h"

#include <unistd.h>

#include "service_activation.h"
#include "t_streams.h"

/* The stream of the examples in XEP-0260, whose hash is T_STREAMS_HEX_A. */
#define SID "vj3hs98y"
#define ROMEO "romeo@montague.lit/orchard"
#define JULIET "juliet@capulet.lit/balcony"

static const service_activation_t example = {
    .sid = SID,
    .requester = ROMEO,
    .target = JULIET,
    .requester_prepared = ROMEO,
    .target_prepared = JULIET,
    .user = "romeo@montague.lit",
};

/** What an activation comes to where both sides have named the hash of the example. */
static relay_activation_t outcome_of(const service_activation_t *activation)
{
    t_streams_t rig;
    t_streams_set_up(&rig);
    const int fds[] = {t_streams_join(&rig, T_STREAMS_HEX_A),
                       t_streams_join(&rig, T_STREAMS_HEX_A)};
    relay_activation_t outcome = service_activation_run(rig.streams, activation);
    t_streams_close(fds);
    t_streams_tear_down(&rig);
    return outcome;
}

static void test_the_hash_is_that_of_the_specification(void **state)
{
    (void)state;
    assert_int_equal(outcome_of(&example), RELAY_ACTIVATED);
}

static void test_jids_as_they_are_prepared(void **state)
{
    (void)state;
    service_activation_t activation = example;
    activation.requester = "Romeo@Montague.lit/orchard";
    activation.target = "Juliet@CAPULET.lit/balcony";
    assert_int_equal(outcome_of(&activation), RELAY_ACTIVATED);
}

static void test_jids_as_they_are_written(void **state)
{
    (void)state;
    service_activation_t activation = example;
    activation.requester_prepared = "somebody@else.example";
    activation.target_prepared = NULL;
    assert_int_equal(outcome_of(&activation), RELAY_ACTIVATED);
}

static void test_another_stream(void **state)
{
    (void)state;
    service_activation_t other_sid = example;
    service_activation_t swapped = example;
    service_activation_t no_jid = example;
    other_sid.sid = SID "x";
    swapped.requester = swapped.requester_prepared = JULIET;
    swapped.target = swapped.target_prepared = ROMEO;
    no_jid.target = "Juliet@CAPULET.lit/balcony";
    no_jid.target_prepared = NULL;
    assert_int_equal(outcome_of(&other_sid), RELAY_UNKNOWN);
    assert_int_equal(outcome_of(&swapped), RELAY_UNKNOWN);
    assert_int_equal(outcome_of(&no_jid), RELAY_UNKNOWN);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_the_hash_is_that_of_the_specification),
    JF_TEST(test_jids_as_they_are_prepared),
    JF_TEST(test_jids_as_they_are_written),
    JF_TEST(test_another_stream),
};

JF_TEST_MAIN(tests)
