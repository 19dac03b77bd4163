#include "xmpp_gate.h"

void xmpp_gate_init(xmpp_gate_t *gate)
{
    TAILQ_INIT(&gate->waiting);
    gate->granted_count = 0;
}

static void grant(xmpp_gate_t *gate, xmpp_pass_t *pass)
{
    pass->state = XMPP_PASS_GRANTED;
    gate->granted_count++;
    event_active(pass->granted, EV_TIMEOUT, 0);
}

void xmpp_gate_enter(xmpp_gate_t *gate, xmpp_pass_t *pass)
{
    if (gate->granted_count < XMPP_GATE_PLACES) {
        grant(gate, pass);
    } else {
        pass->state = XMPP_PASS_WAITS;
        TAILQ_INSERT_TAIL(&gate->waiting, pass, link);
    }
}

static void grant_next(xmpp_gate_t *gate)
{
    if (!TAILQ_EMPTY(&gate->waiting)) {
        xmpp_pass_t *next = TAILQ_FIRST(&gate->waiting);
        TAILQ_REMOVE(&gate->waiting, next, link);
        grant(gate, next);
    }
}

void xmpp_gate_leave(xmpp_gate_t *gate, xmpp_pass_t *pass)
{
    if (pass->state == XMPP_PASS_WAITS) {
        TAILQ_REMOVE(&gate->waiting, pass, link);
    } else if (pass->state == XMPP_PASS_GRANTED) {
        gate->granted_count--;
        grant_next(gate);
    }
    pass->state = XMPP_PASS_NONE;
}
