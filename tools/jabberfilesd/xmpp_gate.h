/**
 * Lets few connections to one server be made at the same time.
 *
 * A server accepts from a short queue (ejabberd: 5, Prosody: 32). What comes while it is full is
 * dropped by the kernel without a word, and TCP tries again a second later, then three.
 */
#ifndef XMPP_GATE_H
#define XMPP_GATE_H

#include <event2/event.h>
#include <sys/queue.h>

/** How many may have begun to connect and not yet heard from the server. */
#define XMPP_GATE_PLACES 5

/** One who wants to pass; in the owner's memory. */
typedef struct xmpp_pass_t {
    TAILQ_ENTRY(xmpp_pass_t) link;
    struct event *granted; /**< the owner's; activated when it is his turn */
    enum { XMPP_PASS_NONE, XMPP_PASS_WAITS, XMPP_PASS_GRANTED } state;
} xmpp_pass_t;

typedef struct xmpp_gate_t {
    TAILQ_HEAD(xmpp_passes_t, xmpp_pass_t) waiting;
    int granted_count;
} xmpp_gate_t;

void xmpp_gate_init(xmpp_gate_t *gate);

/** Asks to pass; pass->granted is activated, by the event loop, when it is time. */
void xmpp_gate_enter(xmpp_gate_t *gate, xmpp_pass_t *pass);

/** Makes room for the next, or stops waiting; nothing happens if it was done already. */
void xmpp_gate_leave(xmpp_gate_t *gate, xmpp_pass_t *pass);

#endif
