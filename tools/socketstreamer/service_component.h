/**
 * The connection to the Jabber server as its component (XEP-0114), on libstrophe.
 *
 * It is made again whenever it is lost, after a pause that grows from one second to a minute and
 * has some chance in it. libstrophe's own loop is select(2); here the program's event loop watches
 * libstrophe's socket and gives it its turn. Its socket gets a small number whatever else is open,
 * for select(2) ends at FD_SETSIZE: one descriptor is kept for it.
 */
#ifndef SERVICE_COMPONENT_H
#define SERVICE_COMPONENT_H

#include <event2/event.h>
#include <strophe.h>

#include "jf_err.h"
#include "relay_address.h"

/** Where to log in, and as what. */
typedef struct service_login_t {
    const char *component;
    relay_address_t server;
    const char *secret;
} service_login_t;

typedef struct service_component_t service_component_t;

typedef struct service_hooks_t {
    void *baton;
    /** @return the answer, which is sent and released here, or NULL. */
    xmpp_stanza_t *(*answer)(void *baton, xmpp_stanza_t *stanza, apr_pool_t *pool);
    void (*connected)(void *baton);
    /** @param cause in words. @param pause_us until the next attempt. */
    void (*lost)(void *baton, const char *cause, apr_interval_time_t pause_us);
} service_hooks_t;

/**
 * Begins to connect.
 * @param login copied. @param hooks copied; what they need outlives the component.
 * @return JF_ERR_IO if no descriptor can be kept.
 */
jf_err_t *service_component_create(service_component_t **component, const service_login_t *login,
                                   struct event_base *base, const service_hooks_t *hooks,
                                   apr_pool_t *pool);

/** Logs in anew if anything has changed. @param login copied. */
void service_component_set_login(service_component_t *component, const service_login_t *login);

/** 1 if stanzas flow. */
int service_component_is_connected(const service_component_t *component);

/** Says good-bye and frees everything. */
void service_component_destroy(service_component_t *component);

#endif
