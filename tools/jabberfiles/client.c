#include "client.h"

#include <errno.h>
#include <signal.h>

#include <apr_time.h>

/* So often idle is called while something is waited for. */
#define IDLE_US apr_time_from_msec(100)

/* What shells say of a program that SIGINT ended. */
#define EXIT_INTERRUPTED 130

static volatile sig_atomic_t is_interrupted;

static void note_signal(int number)
{
    (void)number;
    is_interrupted = 1;
}

void client_catch_signals(void)
{
    /* SA_RESETHAND: the second one ends us as usual. No SA_RESTART: whatever waits shall notice. */
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    sigemptyset(&ignored.sa_mask);
    sigaction(SIGPIPE, &ignored, NULL);
}

int client_is_interrupted(void)
{
    return is_interrupted;
}

jf_err_t *client_interrupted(apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_IO, EINTR, pool, "interrupted");
}

void client_idle(client_t *client)
{
    if (client->idle) {
        client->idle(client->idle_baton);
    }
}

void client_sleep(client_t *client, apr_interval_time_t duration_us)
{
    apr_time_t end_us = apr_time_now() + duration_us;
    while (!is_interrupted) {
        client_idle(client);
        apr_interval_time_t left_us = end_us - apr_time_now();
        if (left_us <= 0) {
            return;
        }
        apr_sleep(left_us < IDLE_US ? left_us : IDLE_US);
    }
}

int client_exit_code(const jf_err_t *err)
{
    if (err->status == EINTR) {
        return EXIT_INTERRUPTED;
    }
    switch (err->code) {
    case JF_ERR_INVALID:
        return CLIENT_USAGE;
    case JF_ERR_NOT_FOUND:
        return CLIENT_NOT_FOUND;
    case JF_ERR_PRECONDITION:
    case JF_ERR_FORBIDDEN:
    case JF_ERR_NO_TOKEN:
    case JF_ERR_USED:
        return CLIENT_REFUSED;
    case JF_ERR_TOO_LARGE:
    case JF_ERR_QUOTA:
    case JF_ERR_DISK_FULL:
    case JF_ERR_TRANSFER_QUOTA:
        return CLIENT_LIMIT;
    case JF_ERR_UNAVAILABLE:
    case JF_ERR_BUSY:
    case JF_ERR_TOO_MANY:
    case JF_ERR_NO_VERDICT:
        return CLIENT_UNAVAILABLE;
    case JF_ERR_DIGEST:
        return CLIENT_MISMATCH;
    case JF_ERR_IO:
    default:
        return CLIENT_FAILED;
    }
}
