#include <poll.h>

#include "bytestream_private.h"

/* client->idle has its turn so often. */
#define ROUND_US (apr_time_from_sec(1) / 10)
/* A stream that nothing was heard of for so long may stand still. */
#define MOVING_US apr_time_from_sec(5)

void bytestream_limit(bytestream_t *stream, bytestream_end_t *find_end, void *baton,
                      apr_time_t deadline_us)
{
    stream->find_end = find_end;
    stream->find_end_baton = baton;
    stream->deadline_us = deadline_us;
}

int bytestream_is_moving(const bytestream_t *stream)
{
    return apr_time_now() - stream->moved_us < MOVING_US;
}

jf_err_t *bytestream_breathe(bytestream_t *stream)
{
    apr_time_t now_us = apr_time_now();
    if (now_us - stream->idled_us < ROUND_US) {
        return NULL;
    }
    stream->idled_us = now_us;
    client_idle(stream->client);
    if (client_is_interrupted()) {
        return client_interrupted(stream->pool);
    }
    if (stream->deadline_us && now_us >= stream->deadline_us) {
        return jf_err_make(JF_ERR_TOO_LARGE, APR_SUCCESS, stream->pool,
                           "it takes longer than it may: allow more time with --max-time");
    }
    const char *end = stream->find_end ? stream->find_end(stream->find_end_baton) : NULL;
    return end ? jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, stream->pool, "%s", end) : NULL;
}

jf_err_t *bytestream_wait(int *is_ready, bytestream_t *stream, short events, apr_time_t until_us)
{
    struct pollfd waiting = {.fd = stream->fd, .events = events};
    *is_ready = 0;
    for (;;) {
        apr_interval_time_t left_us = until_us - apr_time_now();
        left_us = left_us < 0 ? 0 : left_us;
        left_us = left_us < ROUND_US ? left_us : ROUND_US;
        if (poll(&waiting, 1, (int)apr_time_as_msec(left_us + 999)) > 0) {
            *is_ready = 1;
            return NULL;
        }
        JF_TRY(bytestream_breathe(stream));
        if (apr_time_now() >= until_us) {
            return NULL;
        }
    }
}
