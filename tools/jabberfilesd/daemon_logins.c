#include "daemon_logins.h"

#include <string.h>
#include <sys/queue.h>

#include <apr_strings.h>
#include <openssl/crypto.h>

#include "jf_jid.h"
#include "jf_secret.h"
#include "xmpp_login.h"
#include "xmpp_timer.h"

/* While a server is silent, that many logins try it; the others would only hold threads of httpd.
 */
#define PROBES_MAX 2

typedef struct entry_t entry_t;
typedef struct queue_t queue_t;

struct daemon_waiter_t {
    TAILQ_ENTRY(daemon_waiter_t) link;
    entry_t *entry;
    daemon_answer_fn *answer;
    void *baton;
};
TAILQ_HEAD(waiters_t, daemon_waiter_t);

/* One login, running or waiting for its turn. */
struct entry_t {
    TAILQ_ENTRY(entry_t) link;
    apr_pool_t *pool;
    queue_t *queue;
    const char *jid;
    const char *password;
    apr_time_t asked_at;
    struct event *deadline; /* while it waits for its turn */
    xmpp_login_t *login;    /* NULL while it waits */
    struct waiters_t waiters;
};
TAILQ_HEAD(entries_t, entry_t);

/* All logins of one domain. */
struct queue_t {
    daemon_logins_t *logins;
    xmpp_domain_t *domain;
    struct entries_t running;
    struct entries_t waiting;
    int running_count;
    int waiting_count;
    int is_silent; /* the last login got no answer in time */
};

struct daemon_logins_t {
    apr_pool_t *pool;
    const daemon_config_t *config;
    xmpp_login_settings_t settings;
    queue_t *queues; /* one for each domain of config */
};

/* ---- entries ---- */

static void take_out(entry_t *entry)
{
    queue_t *queue = entry->queue;
    if (entry->login) {
        TAILQ_REMOVE(&queue->running, entry, link);
        queue->running_count--;
    } else {
        TAILQ_REMOVE(&queue->waiting, entry, link);
        queue->waiting_count--;
    }
}

static void destroy(entry_t *entry)
{
    event_free(entry->deadline);
    apr_pool_destroy(entry->pool);
}

/* The entry is in no ring any more, so what the answered do cannot touch it. */
static void answer_all(entry_t *entry, const jf_login_answer_t *answer)
{
    while (!TAILQ_EMPTY(&entry->waiters)) {
        daemon_waiter_t *waiter = TAILQ_FIRST(&entry->waiters);
        TAILQ_REMOVE(&entry->waiters, waiter, link);
        waiter->answer(waiter->baton, answer);
    }
    destroy(entry);
}

static int is_same(const entry_t *entry, const char *jid, const char *password)
{
    apr_size_t length = strlen(password);
    return strcmp(entry->jid, jid) == 0 && strlen(entry->password) == length &&
           CRYPTO_memcmp(entry->password, password, length) == 0;
}

static entry_t *find_in(struct entries_t *entries, const char *jid, const char *password)
{
    for (entry_t *entry = TAILQ_FIRST(entries); entry; entry = TAILQ_NEXT(entry, link)) {
        if (is_same(entry, jid, password)) {
            return entry;
        }
    }
    return NULL;
}

static entry_t *find(queue_t *queue, const char *jid, const char *password)
{
    entry_t *entry = find_in(&queue->running, jid, password);
    return entry ? entry : find_in(&queue->waiting, jid, password);
}

/* ---- running ---- */

static void run_waiting(queue_t *queue);

/* A server that says something, whatever it is, is not silent. */
static void note_answer(queue_t *queue, const entry_t *entry, const jf_login_answer_t *answer)
{
    apr_interval_time_t took_us = apr_time_now() - entry->asked_at;
    queue->is_silent = answer->verdict == JF_LOGIN_UNAVAILABLE &&
                       took_us >= queue->logins->config->deadline_us * 9 / 10;
}

static void on_done(void *baton, const jf_login_answer_t *answer)
{
    entry_t *entry = baton;
    queue_t *queue = entry->queue;
    note_answer(queue, entry, answer);
    take_out(entry);
    answer_all(entry, answer);
    run_waiting(queue);
}

static void run(entry_t *entry)
{
    queue_t *queue = entry->queue;
    daemon_logins_t *logins = queue->logins;
    apr_interval_time_t waited_us = apr_time_now() - entry->asked_at;
    evtimer_del(entry->deadline);
    entry->login =
        xmpp_login_start(&logins->settings, queue->domain, entry->jid, entry->password,
                         logins->config->deadline_us - waited_us, on_done, entry, logins->pool);
    TAILQ_INSERT_TAIL(&queue->running, entry, link);
    queue->running_count++;
}

static void run_waiting(queue_t *queue)
{
    while (queue->running_count < DAEMON_RUNNING_MAX && queue->waiting_count > 0) {
        entry_t *entry = TAILQ_FIRST(&queue->waiting);
        take_out(entry);
        run(entry);
    }
}

/* ---- waiting ---- */

static void on_deadline(evutil_socket_t fd, short what, void *data)
{
    static const jf_login_answer_t answer = {JF_LOGIN_UNAVAILABLE,
                                             "too many logins before this one"};
    entry_t *entry = data;
    (void)fd;
    (void)what;
    take_out(entry);
    answer_all(entry, &answer);
}

static void let_wait(entry_t *entry)
{
    queue_t *queue = entry->queue;
    xmpp_timer_set(entry->deadline, queue->logins->config->deadline_us);
    TAILQ_INSERT_TAIL(&queue->waiting, entry, link);
    queue->waiting_count++;
}

/* ---- asking ---- */

static entry_t *make_entry(queue_t *queue, const char *jid, const char *password)
{
    apr_pool_t *pool;
    apr_pool_create(&pool, queue->logins->pool);
    entry_t *entry = apr_pcalloc(pool, sizeof(*entry));
    entry->pool = pool;
    entry->queue = queue;
    entry->jid = apr_pstrdup(pool, jid);
    entry->password = jf_secret_copy(password, pool);
    entry->asked_at = apr_time_now();
    entry->deadline = evtimer_new(queue->logins->settings.base, on_deadline, entry);
    TAILQ_INIT(&entry->waiters);
    return entry;
}

static queue_t *find_queue(const daemon_logins_t *logins, const char *jid)
{
    const char *domain = strchr(jid, '@') ? jf_jid_domain(jid) : "";
    for (int i = 0; i < logins->config->domains->nelts; i++) {
        if (strcmp(logins->queues[i].domain->settings->name, domain) == 0) {
            return &logins->queues[i];
        }
    }
    return NULL;
}

/* Why a login is not even begun, or NULL. */
static const char *objection(const queue_t *queue)
{
    if (!queue) {
        return "no JabberFilesDomain names this domain";
    }
    if (queue->is_silent && queue->running_count >= PROBES_MAX) {
        return "the server has not answered lately";
    }
    return queue->waiting_count >= DAEMON_QUEUE_MAX ? "too many logins at once" : NULL;
}

static daemon_waiter_t *add_waiter(entry_t *entry, daemon_answer_fn *answer, void *baton)
{
    daemon_waiter_t *waiter = apr_pcalloc(entry->pool, sizeof(*waiter));
    waiter->entry = entry;
    waiter->answer = answer;
    waiter->baton = baton;
    TAILQ_INSERT_TAIL(&entry->waiters, waiter, link);
    return waiter;
}

daemon_waiter_t *daemon_logins_ask(daemon_logins_t *logins, const char *jid, const char *password,
                                   daemon_answer_fn *answer, void *baton)
{
    queue_t *queue = find_queue(logins, jid);
    entry_t *entry = queue ? find(queue, jid, password) : NULL;
    if (entry) {
        return add_waiter(entry, answer, baton);
    }
    jf_login_answer_t no = {JF_LOGIN_UNAVAILABLE, objection(queue)};
    if (no.reason) {
        answer(baton, &no);
        return NULL;
    }
    entry = make_entry(queue, jid, password);
    if (queue->running_count < DAEMON_RUNNING_MAX) {
        run(entry);
    } else {
        let_wait(entry);
    }
    return add_waiter(entry, answer, baton);
}

void daemon_logins_leave(daemon_waiter_t *waiter)
{
    entry_t *entry = waiter->entry;
    queue_t *queue = entry->queue;
    TAILQ_REMOVE(&entry->waiters, waiter, link);
    if (!TAILQ_EMPTY(&entry->waiters)) {
        return;
    }
    take_out(entry);
    if (entry->login) {
        xmpp_login_cancel(entry->login);
    }
    destroy(entry);
    run_waiting(queue);
}

/* ---- life ---- */

daemon_logins_t *daemon_logins_create(const daemon_config_t *config, struct event_base *base,
                                      apr_pool_t *pool)
{
    int count = config->domains->nelts;
    daemon_logins_t *logins = apr_pcalloc(pool, sizeof(*logins));
    logins->pool = pool;
    logins->config = config;
    logins->settings.base = base;
    logins->settings.dns_server = config->dns_server;
    logins->queues = apr_pcalloc(pool, (apr_size_t)count * sizeof(*logins->queues));
    for (int i = 0; i < count; i++) {
        queue_t *queue = &logins->queues[i];
        queue->logins = logins;
        queue->domain = APR_ARRAY_IDX(config->domains, i, xmpp_domain_t *);
        TAILQ_INIT(&queue->running);
        TAILQ_INIT(&queue->waiting);
    }
    return logins;
}
