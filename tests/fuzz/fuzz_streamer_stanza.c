/*
 * The input is a stanza that comes to the component.
 */
#include "fuzz.h"

#include <string.h>

#include <apr_pools.h>

#include "service_config.h"
#include "service_stanza.h"
#include "xmpp_stanza.h"

/** What an activation is asked for has been checked. */
static relay_activation_t activate(void *baton, const service_activation_t *activation)
{
    int *activations = baton;
    FUZZ_CHECK(activation->sid[0] && activation->target[0] && activation->requester[0]);
    FUZZ_CHECK(activation->user[0] && !strchr(activation->user, '/'));
    FUZZ_CHECK(fuzz_is_clean_utf8(activation->user));
    FUZZ_CHECK(
        strncmp(activation->requester_prepared, activation->user, strlen(activation->user)) == 0);
    (*activations)++;
    /* Every outcome, by what the input has. */
    return (relay_activation_t)(strlen(activation->sid) % (RELAY_OVER_DAY_BYTES + 1));
}

static void refused(void *baton, const char *user)
{
    (void)baton;
    FUZZ_CHECK(user[0]);
}

static int is(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

static void check_error(xmpp_stanza_t *answer)
{
    xmpp_stanza_t *error = xmpp_stanza_get_child_by_name(answer, "error");
    FUZZ_CHECK(error && xmpp_stanza_get_type(error));
    FUZZ_CHECK(xmpp_stanza_condition(answer));
    FUZZ_CHECK(!is(xmpp_stanza_get_type(error), "result"));
}

/** Each question has one answer, which goes back to who asked; nothing else has any. */
static void check_answer(xmpp_stanza_t *stanza, xmpp_stanza_t *answer)
{
    const char *type = xmpp_stanza_get_type(stanza);
    int is_question = is(xmpp_stanza_get_name(stanza), "iq") && xmpp_stanza_get_from(stanza) &&
                      !is(type, "result") && !is(type, "error");
    FUZZ_CHECK(is_question == (answer != NULL));
    if (!answer) {
        return;
    }
    const char *id = xmpp_stanza_get_id(stanza);
    FUZZ_CHECK(is(xmpp_stanza_get_to(answer), xmpp_stanza_get_from(stanza)));
    FUZZ_CHECK(id ? is(xmpp_stanza_get_id(answer), id) : !xmpp_stanza_get_id(answer));
    if (is(xmpp_stanza_get_type(answer), "error")) {
        check_error(answer);
    } else {
        FUZZ_CHECK(is(xmpp_stanza_get_type(answer), "result"));
        FUZZ_CHECK(id);
    }
}

/** What is sent is XML, or it would end the stream. */
static void check_xml(xmpp_ctx_t *ctx, xmpp_stanza_t *answer)
{
    char *xml = NULL;
    size_t length = 0;
    FUZZ_CHECK(xmpp_stanza_to_text(answer, &xml, &length) == XMPP_EOK);
    xmpp_stanza_t *again = xmpp_stanza_new_from_string(ctx, xml);
    FUZZ_CHECK(again);
    xmpp_stanza_release(again);
    xmpp_free(ctx, xml);
}

static void check(const service_desk_t *desk, xmpp_ctx_t *ctx, xmpp_stanza_t *stanza,
                  apr_pool_t *pool)
{
    xmpp_stanza_t *answer = service_stanza_answer(desk, stanza, pool);
    check_answer(stanza, answer);
    if (answer) {
        check_xml(ctx, answer);
        xmpp_stanza_release(answer);
    }
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    int activations = 0;
    service_acl_t *acl = service_acl_create(pool);
    apr_array_header_t *hosts = apr_array_make(pool, 1, sizeof(service_host_t));
    APR_ARRAY_PUSH(hosts, service_host_t) = (service_host_t){"192.0.2.1", 7777};
    FUZZ_CHECK(!service_acl_add(acl->allowed, "example.org", pool));
    const service_desk_t desk = {.component = "proxy.example.org",
                                 .acl = acl,
                                 .hosts = hosts,
                                 .baton = &activations,
                                 .activate = activate,
                                 .refused = refused};
    xmpp_ctx_t *ctx = xmpp_ctx_new(NULL, NULL);
    FUZZ_CHECK(ctx);
    xmpp_stanza_t *stanza = xmpp_stanza_new_from_string(ctx, text);
    if (stanza) {
        check(&desk, ctx, stanza, pool);
        xmpp_stanza_release(stanza);
    }
    FUZZ_CHECK(activations <= 1);
    xmpp_ctx_free(ctx);
}
