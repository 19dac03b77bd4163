#include "http_retry.h"

#include "output.h"

#include <apr_general.h>

#define ATTEMPTS_MAX 6
#define FIRST_WAIT_US apr_time_from_sec(1)
#define LONGEST_WAIT_US apr_time_from_sec(30)
#define LONGEST_RETRY_AFTER_US apr_time_from_sec(120)

static int is_worth_it(int status)
{
    static const int statuses[] = {408, 425, 429, 500, 502, 503, 504};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
        if (status == statuses[i]) {
            return 1;
        }
    }
    return 0;
}

/* A server that comes back does not want all its clients in the same moment. */
static apr_interval_time_t with_chance(apr_interval_time_t wait_us)
{
    unsigned char chance = 0;
    apr_generate_random_bytes(&chance, 1);
    return wait_us + wait_us * chance / (4 * 255);
}

static apr_interval_time_t back_off(int attempts)
{
    apr_interval_time_t wait_us = FIRST_WAIT_US;
    for (int i = 1; i < attempts && wait_us < LONGEST_WAIT_US; i++) {
        wait_us *= 2;
    }
    return with_chance(wait_us < LONGEST_WAIT_US ? wait_us : LONGEST_WAIT_US);
}

/* @return a negative number if it is not worth waiting */
static apr_interval_time_t wait_after(const http_answer_t *answer, int attempts)
{
    apr_time_t now_us = apr_time_now();
    apr_time_t at_us = http_answer_retry_at(answer, now_us);
    if (!is_worth_it(answer->status) || (answer->status == 429 && !at_us)) {
        return -1;
    }
    if (!at_us) {
        return back_off(attempts);
    }
    apr_interval_time_t wait_us = at_us > now_us ? at_us - now_us : 0;
    /* A server that says "now" each time would be asked without end or pause. */
    if (wait_us < FIRST_WAIT_US) {
        wait_us = FIRST_WAIT_US;
    }
    return wait_us <= LONGEST_RETRY_AFTER_US ? wait_us : -1;
}

static void tell(client_t *client, const http_answer_t *answer, const jf_err_t *err,
                 apr_interval_time_t wait_us)
{
    int seconds = (int)apr_time_sec(wait_us + APR_USEC_PER_SEC / 2);
    if (answer) {
        output_note(client, "the server answers %d; trying again in %d s", answer->status, seconds);
    } else {
        output_note(client, "%s; trying again in %d s", err->text, seconds);
    }
}

int http_retry_wait(http_retry_t *retry, client_t *client, const http_answer_t *answer,
                    const jf_err_t *err)
{
    apr_interval_time_t wait_us = -1;
    retry->attempts++;
    if (retry->attempts >= ATTEMPTS_MAX || client_is_interrupted()) {
        return 0;
    }
    if (answer) {
        wait_us = wait_after(answer, retry->attempts);
    } else if (err && err->code == JF_ERR_UNAVAILABLE) {
        wait_us = back_off(retry->attempts);
    }
    if (wait_us < 0) {
        return 0;
    }
    tell(client, answer, err, wait_us);
    client_sleep(client, wait_us);
    return !client_is_interrupted();
}

void http_retry_reset(http_retry_t *retry)
{
    retry->attempts = 0;
}
