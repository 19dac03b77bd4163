#include "xmpp_fence.h"

#include <string.h>

#include <apr_strings.h>

#include "xmpp_news.h"
#include "xmpp_stanza.h"

#define NS_PING "urn:xmpp:ping"
/* Some servers hand messages to a process of their own, whose refusal may come after the answer. */
#define GRACE_US apr_time_from_msec(300)

struct xmpp_fences_t {
    xmpp_session_t *session;
    apr_array_header_t *all; /**< of xmpp_fence_t * */
    apr_pool_t *pool;
};

static xmpp_fence_t *find(const xmpp_fences_t *fences, const char *domain)
{
    for (int i = 0; i < fences->all->nelts; i++) {
        xmpp_fence_t *fence = APR_ARRAY_IDX(fences->all, i, xmpp_fence_t *);
        if (strcmp(fence->domain, domain) == 0) {
            return fence;
        }
    }
    return NULL;
}

static int is_answer(const xmpp_fence_t *fence, xmpp_stanza_t *stanza)
{
    const char *id = xmpp_stanza_get_id(stanza);
    const char *from = xmpp_stanza_get_from(stanza);
    /* Our own server may leave its name out. */
    return id && strcmp(id, fence->id) == 0 && (!from || xmpp_news_is_of(from, fence->domain));
}

/** 1 if the error says that the messages before it went nowhere either. */
static int is_unreachable(const char *condition)
{
    return condition && (strcmp(condition, "remote-server-not-found") == 0 ||
                         strcmp(condition, "remote-server-timeout") == 0);
}

static void pass(xmpp_fence_t *fence, xmpp_stanza_t *answer, apr_pool_t *pool)
{
    fence->is_passed = 1;
    if (is_unreachable(xmpp_stanza_condition(answer))) {
        fence->refusal = apr_psprintf(pool, "%s cannot be reached: %s", fence->domain,
                                      xmpp_stanza_error_text(answer, pool));
    }
}

static int take_answer(void *baton, xmpp_stanza_t *stanza)
{
    xmpp_fences_t *fences = baton;
    const char *type = xmpp_stanza_get_type(stanza);
    if (strcmp(xmpp_stanza_get_name(stanza), "iq") != 0 || !type ||
        (strcmp(type, "result") != 0 && strcmp(type, "error") != 0)) {
        return 0;
    }
    for (int i = 0; i < fences->all->nelts; i++) {
        xmpp_fence_t *fence = APR_ARRAY_IDX(fences->all, i, xmpp_fence_t *);
        if (is_answer(fence, stanza)) {
            pass(fence, stanza, fences->pool);
            return 1;
        }
    }
    return 0;
}

xmpp_fences_t *xmpp_fences_begin(xmpp_session_t *session, apr_pool_t *pool)
{
    xmpp_fences_t *fences = apr_pcalloc(pool, sizeof(*fences));
    fences->session = session;
    fences->all = apr_array_make(pool, 4, sizeof(xmpp_fence_t *));
    fences->pool = pool;
    xmpp_session_listen(session, take_answer, fences);
    return fences;
}

void xmpp_fences_end(xmpp_fences_t *fences)
{
    xmpp_session_unlisten(fences->session, take_answer, fences);
}

const xmpp_fence_t *xmpp_fences_ask(xmpp_fences_t *fences, const char *domain)
{
    xmpp_fence_t *fence = find(fences, domain);
    if (fence) {
        return fence;
    }
    fence = apr_pcalloc(fences->pool, sizeof(*fence));
    fence->domain = domain;
    fence->id = xmpp_session_new_id(fences->session);
    APR_ARRAY_PUSH(fences->all, xmpp_fence_t *) = fence;

    xmpp_ctx_t *ctx = xmpp_session_ctx(fences->session);
    xmpp_stanza_t *iq = xmpp_iq_new(ctx, "get", fence->id);
    xmpp_stanza_set_to(iq, domain);
    xmpp_stanza_element(ctx, iq, "ping", NS_PING, NULL);
    xmpp_session_send(fences->session, iq);
    return fence;
}

static int all_passed(const xmpp_fences_t *fences)
{
    for (int i = 0; i < fences->all->nelts; i++) {
        if (!APR_ARRAY_IDX(fences->all, i, xmpp_fence_t *)->is_passed) {
            return 0;
        }
    }
    return 1;
}

jf_err_t *xmpp_fences_wait(xmpp_fences_t *fences)
{
    apr_time_t deadline_us = apr_time_now() + XMPP_ANSWER_US;
    int has_passed = 0;
    for (;;) {
        apr_time_t now_us = apr_time_now();
        if (!has_passed && all_passed(fences)) {
            has_passed = 1;
            deadline_us = now_us + GRACE_US;
        }
        if (now_us >= deadline_us) {
            return NULL;
        }
        JF_TRY(xmpp_session_run(fences->session, deadline_us - now_us));
    }
}
