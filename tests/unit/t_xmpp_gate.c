#include "jf_test.h"

#include <stdlib.h>

#include "xmpp_gate.h"

#define GUESTS_MAX 40

typedef struct guest_t {
    xmpp_pass_t pass;
    struct party_t *party;
    int number;
    int admissions;
} guest_t;

/** Those who want to pass, and who was let in, in order. */
typedef struct party_t {
    struct event_base *base;
    xmpp_gate_t gate;
    guest_t guests[GUESTS_MAX];
    int admitted[GUESTS_MAX];
    int admitted_count;
} party_t;

static void on_granted(evutil_socket_t fd, short what, void *data)
{
    guest_t *guest = data;
    party_t *party = guest->party;
    (void)fd;
    (void)what;
    guest->admissions++;
    if (party->admitted_count < GUESTS_MAX) {
        party->admitted[party->admitted_count++] = guest->number;
    }
}

static party_t *make_party(apr_pool_t *pool)
{
    party_t *party = apr_pcalloc(pool, sizeof(*party));
    party->base = event_base_new();
    assert_non_null(party->base);
    xmpp_gate_init(&party->gate);
    for (int i = 0; i < GUESTS_MAX; i++) {
        guest_t *guest = &party->guests[i];
        guest->party = party;
        guest->number = i;
        guest->pass.granted = event_new(party->base, -1, 0, on_granted, guest);
        assert_non_null(guest->pass.granted);
    }
    return party;
}

static void end_party(party_t *party)
{
    for (int i = 0; i < GUESTS_MAX; i++) {
        event_free(party->guests[i].pass.granted);
    }
    event_base_free(party->base);
}

static void enter(party_t *party, int first, int last)
{
    for (int i = first; i <= last; i++) {
        xmpp_gate_enter(&party->gate, &party->guests[i].pass);
    }
}

static void leave(party_t *party, int number)
{
    xmpp_gate_leave(&party->gate, &party->guests[number].pass);
}

static void run_loop(party_t *party)
{
    assert_true(event_base_loop(party->base, EVLOOP_NONBLOCK) >= 0);
}

/** Fails unless the loop lets in guests @a first to @a last, in order, and nobody else. */
static void expect(party_t *party, int first, int last)
{
    party->admitted_count = 0;
    run_loop(party);
    assert_int_equal(party->admitted_count, last - first + 1);
    for (int i = 0; i < party->admitted_count; i++) {
        assert_int_equal(party->admitted[i], first + i);
    }
}

static void expect_nobody(party_t *party)
{
    expect(party, 0, -1);
}

static void test_few_pass_at_once(void **state)
{
    party_t *party = make_party(*state);

    enter(party, 0, XMPP_GATE_PLACES - 1);
    assert_int_equal(party->admitted_count, 0); /* the loop calls, not the gate */
    expect(party, 0, XMPP_GATE_PLACES - 1);
    end_party(party);
}

static void test_others_wait_for_their_turn(void **state)
{
    party_t *party = make_party(*state);

    enter(party, 0, 9);
    expect(party, 0, 4);
    expect_nobody(party);
    leave(party, 3);
    expect(party, 5, 5);
    leave(party, 0);
    leave(party, 5);
    expect(party, 6, 7);
    leave(party, 1);
    leave(party, 2);
    leave(party, 4);
    expect(party, 8, 9);
    end_party(party);
}

static void test_places_come_back(void **state)
{
    party_t *party = make_party(*state);

    for (int round = 0; round < 10; round++) {
        enter(party, 0, 4);
        expect(party, 0, 4);
        for (int i = 0; i < 5; i++) {
            leave(party, i);
        }
        expect_nobody(party);
    }
    assert_int_equal(party->gate.granted_count, 0);
    end_party(party);
}

static void test_who_stops_waiting_is_not_let_in(void **state)
{
    party_t *party = make_party(*state);

    enter(party, 0, 9);
    leave(party, 5); /* the first, one in the middle, the last of those who wait */
    leave(party, 7);
    leave(party, 9);
    expect(party, 0, 4);
    leave(party, 0);
    expect(party, 6, 6);
    leave(party, 1);
    expect(party, 8, 8);
    leave(party, 2);
    expect_nobody(party);
    end_party(party);
}

static void test_leaving_again_does_nothing(void **state)
{
    party_t *party = make_party(*state);

    leave(party, 0); /* never entered */
    enter(party, 0, 7);
    leave(party, 6);
    leave(party, 6);
    expect(party, 0, 4);
    leave(party, 0);
    leave(party, 0);
    leave(party, 0);
    expect(party, 5, 5);
    assert_int_equal(party->gate.granted_count, XMPP_GATE_PLACES);
    leave(party, 1);
    expect(party, 7, 7);
    end_party(party);
}

static void test_entering_again_goes_to_the_end(void **state)
{
    party_t *party = make_party(*state);

    enter(party, 0, 5);
    expect(party, 0, 4);
    leave(party, 0);
    enter(party, 0, 0);
    expect(party, 5, 5);
    leave(party, 1);
    expect(party, 0, 0);
    end_party(party);
}

/* A login may be cancelled between the grant and the call. */
static void test_who_goes_before_the_call_leaves_the_place(void **state)
{
    party_t *party = make_party(*state);

    enter(party, 0, 5);
    event_del(party->guests[2].pass.granted);
    leave(party, 2);
    party->admitted_count = 0;
    run_loop(party);
    assert_int_equal(party->admitted_count, 5);
    assert_int_equal(party->guests[2].admissions, 0);
    assert_int_equal(party->guests[5].admissions, 1);
    end_party(party);
}

/* ---- a model ---- */

typedef struct model_t {
    int queue[GUESTS_MAX]; /* who is inside or waits, in the order of entering */
    int count;
} model_t;

static int place_of(const model_t *model, int number)
{
    int place = 0;
    while (place < model->count && model->queue[place] != number) {
        place++;
    }
    return place;
}

/** Enters who is not there, or leaves. */
static void change(party_t *party, model_t *model, int number)
{
    int place = place_of(model, number);
    if (place == model->count) {
        model->queue[model->count++] = number;
        enter(party, number, number);
        return;
    }
    for (int i = place; i + 1 < model->count; i++) {
        model->queue[i] = model->queue[i + 1];
    }
    model->count--;
    leave(party, number);
}

/** The first five of those who are there are inside, and no others. */
static void check(const party_t *party, const model_t *model)
{
    int inside = model->count < XMPP_GATE_PLACES ? model->count : XMPP_GATE_PLACES;
    assert_int_equal(party->gate.granted_count, inside);
    for (int number = 0; number < GUESTS_MAX; number++) {
        int place = place_of(model, number);
        int expected = place == model->count ? XMPP_PASS_NONE
                       : place < inside      ? XMPP_PASS_GRANTED
                                             : XMPP_PASS_WAITS;
        assert_int_equal(party->guests[number].pass.state, expected);
    }
}

static void test_many_come_and_go(void **state)
{
    unsigned seed = 4711;
    party_t *party = make_party(*state);
    model_t model = {.count = 0};

    for (int step = 0; step < 20000; step++) {
        change(party, &model, rand_r(&seed) % GUESTS_MAX);
        check(party, &model);
        if (step % 7 == 0) {
            run_loop(party);
        }
    }
    end_party(party);
}

static const struct CMUnitTest tests[] = {
    JF_TEST(test_few_pass_at_once),
    JF_TEST(test_others_wait_for_their_turn),
    JF_TEST(test_places_come_back),
    JF_TEST(test_who_stops_waiting_is_not_let_in),
    JF_TEST(test_leaving_again_does_nothing),
    JF_TEST(test_entering_again_goes_to_the_end),
    JF_TEST(test_who_goes_before_the_call_leaves_the_place),
    JF_TEST(test_many_come_and_go),
};

JF_TEST_MAIN(tests)
