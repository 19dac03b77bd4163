/*
 * The HTTP side of socketstreamer get: a client may say what it likes, and what comes back is an
 * answer that is allowed. Nobody is contacted, for the foreign side has no address.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_strings.h>
#include <event2/event.h>

#include "get_transfer.h"
#include "jf_units.h"

#define ANSWER_BYTES_MAX (1 << 20)
/* The token of the offer, in place of a random one, so that an input can name it. */
#define PATH "/token/a.txt"

static const char *const known_statuses[] = {"200", "400", "404", "405", "409", "410", "411", "413",
                                             "414", "417", "431", "500", "501", "503", "505"};

static struct event_base *make_base(void)
{
    struct event_config *config = event_config_new();
    event_config_require_features(config, EV_FEATURE_EARLY_CLOSE | EV_FEATURE_ET);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    FUZZ_CHECK(base);
    return base;
}

static get_transfer_t *make_transfer(struct event_base *base, apr_pool_t *pool)
{
    get_offer_t *offer;
    get_transfer_t *transfer;
    FUZZ_CHECK(!get_offer_make(&offer, "a.txt", NULL, 5, pool));
    offer->path = PATH;
    const get_transfer_config_t config = {
        .offer = offer,
        .source = {.connect_timeout_us = JF_NEVER, .idle_timeout_us = JF_NEVER},
        .ttl_us = JF_NEVER,
        .idle_timeout_us = JF_NEVER,
    };
    FUZZ_CHECK(!get_transfer_create(&transfer, &config, base, pool));
    return transfer;
}

/** Lets the server do all that it can without the client. */
static void settle(struct event_base *base)
{
    for (int i = 0; i < 20; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
}

/** All that the server has said, a string in @a pool. */
static const char *read_answer(int fd, apr_pool_t *pool)
{
    char *answer = apr_pcalloc(pool, ANSWER_BYTES_MAX + 1);
    size_t length = 0;
    ssize_t count;
    while ((count = recv(fd, answer + length, ANSWER_BYTES_MAX - length, MSG_DONTWAIT)) > 0) {
        length += (size_t)count;
        FUZZ_CHECK(length < ANSWER_BYTES_MAX);
    }
    return answer;
}

static int has_known_status(const char *answer)
{
    for (size_t i = 0; i < sizeof(known_statuses) / sizeof(known_statuses[0]); i++) {
        if (strncmp(answer + strlen("HTTP/1.1 "), known_statuses[i], 3) == 0) {
            return 1;
        }
    }
    return 0;
}

static void check_answer(const char *answer, const char *text, const get_transfer_t *transfer)
{
    static const char request[] = "GET " PATH " HTTP/1.0\r\n\r\n";
    if (answer[0]) {
        FUZZ_CHECK(strncmp(answer, "HTTP/1.", strlen("HTTP/1.")) == 0);
        FUZZ_CHECK(has_known_status(answer));
    }
    if (strncmp(text, request, strlen(request)) == 0) {
        FUZZ_CHECK(get_transfer_has_begun(transfer));
        FUZZ_CHECK(strncmp(answer, "HTTP/1.", strlen("HTTP/1.")) == 0 && strstr(answer, " 410 "));
    }
    if (get_transfer_has_begun(transfer)) {
        FUZZ_CHECK(strstr(text, "GET "));
        FUZZ_CHECK(get_transfer_outcome(transfer) == GET_REFUSED ||
                   get_transfer_outcome(transfer) == GET_CLIENT_GONE);
    }
    /* Nothing that the client said comes back. */
    FUZZ_CHECK(!strstr(answer, "Echo"));
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    int pair[2];
    apr_pool_t *transfer_pool;
    struct event_base *base = make_base();
    FUZZ_CHECK(apr_pool_create(&transfer_pool, pool) == APR_SUCCESS);
    get_transfer_t *transfer = make_transfer(base, transfer_pool);
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    get_transfer_take(transfer, pair[0]);
    /* In two pieces, so that the parser has to wait. */
    size_t half = strlen(text) / 2;
    send(pair[1], text, half, MSG_NOSIGNAL);
    settle(base);
    send(pair[1], text + half, strlen(text) - half, MSG_NOSIGNAL);
    settle(base);
    shutdown(pair[1], SHUT_WR);
    settle(base);
    check_answer(read_answer(pair[1], transfer_pool), text, transfer);
    apr_pool_destroy(transfer_pool);
    event_base_free(base);
    close(pair[1]);
}
