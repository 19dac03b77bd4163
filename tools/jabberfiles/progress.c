#include "progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <apr_strings.h>

#include "progress_format.h"
#include "tool_text.h"

/* Shorter transfers are not worth a bar. */
#define QUIET_US apr_time_from_msec(500)
/* So often the bar is drawn. */
#define DRAW_US apr_time_from_msec(100)
/* So often a plain line is written, or after each tenth, but not more often than … */
#define LINE_US apr_time_from_sec(10)
#define LINE_LEAST_US apr_time_from_sec(1)
#define LINE_SHARES 10
/* The rate is measured over such a time, and mixed with the earlier ones. */
#define RATE_US apr_time_from_msec(500)
#define RATE_NEW_SHARE 0.3

#define DEFAULT_COLUMNS 80

struct progress_t {
    progress_state_t state;
    int is_silent;
    int is_terminal;
    apr_time_t began_us;
    apr_int64_t began_bytes; /* those of an earlier attempt */
    int has_begun;           /* began_bytes is known */
    apr_time_t shown_us;
    int shown_tenths;
    apr_time_t measured_us;
    apr_int64_t measured_bytes;
    apr_pool_t *pool;
    apr_pool_t *line_pool;
};

/* There is one terminal. */
static int is_bar_drawn;

void progress_hide(void)
{
    if (is_bar_drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        is_bar_drawn = 0;
    }
}

progress_t *progress_begin(const client_t *client, const char *label, apr_int64_t total_bytes,
                           apr_pool_t *pool)
{
    progress_t *progress = apr_pcalloc(pool, sizeof(*progress));
    progress->pool = pool;
    apr_pool_create(&progress->line_pool, pool);
    progress->state.label = tool_text_visible(label, pool);
    progress->state.total_bytes = total_bytes;
    progress->is_silent = client->options->is_quiet || client->options->is_json;
    progress->is_terminal = isatty(STDERR_FILENO);
    progress->began_us = progress->shown_us = progress->measured_us = apr_time_now();
    return progress;
}

static int terminal_columns(void)
{
    struct winsize size = {0};
    /* One less: a full line would move the cursor to the next one. */
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1
                                                                           : DEFAULT_COLUMNS - 1;
}

static void measure(progress_t *progress, apr_time_t now_us)
{
    progress_state_t *state = &progress->state;
    apr_interval_time_t passed_us = now_us - progress->measured_us;
    if (passed_us < RATE_US) {
        return;
    }
    double rate = (double)(state->done_bytes - progress->measured_bytes) * APR_USEC_PER_SEC /
                  (double)passed_us;
    rate = rate < 0 ? 0 : rate;
    state->bytes_per_s = state->bytes_per_s > 0
                             ? state->bytes_per_s * (1 - RATE_NEW_SHARE) + rate * RATE_NEW_SHARE
                             : rate;
    progress->measured_us = now_us;
    progress->measured_bytes = state->done_bytes;
}

static void draw_bar(progress_t *progress, apr_time_t now_us)
{
    if (now_us - progress->shown_us < DRAW_US) {
        return;
    }
    progress->shown_us = now_us;
    apr_pool_clear(progress->line_pool);
    fprintf(stderr, "\r%s\033[K",
            progress_format_bar(&progress->state, terminal_columns(), progress->line_pool));
    fflush(stderr);
    is_bar_drawn = 1;
}

static void write_line(progress_t *progress, apr_time_t now_us)
{
    const progress_state_t *state = &progress->state;
    int tenths = state->total_bytes > 0
                     ? (int)((double)state->done_bytes * LINE_SHARES / (double)state->total_bytes)
                     : 0;
    apr_interval_time_t wait_us = tenths > progress->shown_tenths ? LINE_LEAST_US : LINE_US;
    if (now_us - progress->shown_us < wait_us) {
        return;
    }
    progress->shown_us = now_us;
    progress->shown_tenths = tenths;
    apr_pool_clear(progress->line_pool);
    fprintf(stderr, "%s\n", progress_format_line(state, progress->line_pool));
}

void progress_update(progress_t *progress, apr_int64_t done_bytes)
{
    apr_time_t now_us = apr_time_now();
    progress->state.done_bytes = done_bytes;
    if (!progress->has_begun) {
        progress->has_begun = 1;
        progress->began_bytes = progress->measured_bytes = done_bytes;
    }
    if (progress->is_silent || now_us - progress->began_us < QUIET_US) {
        return;
    }
    measure(progress, now_us);
    if (progress->is_terminal) {
        draw_bar(progress, now_us);
    } else {
        write_line(progress, now_us);
    }
}

void progress_end(progress_t *progress, int is_complete)
{
    apr_interval_time_t elapsed_us = apr_time_now() - progress->began_us;
    progress_hide();
    if (!is_complete || progress->is_silent || elapsed_us < QUIET_US) {
        return;
    }
    progress_state_t *state = &progress->state;
    state->bytes_per_s =
        (double)(state->done_bytes - progress->began_bytes) * APR_USEC_PER_SEC / (double)elapsed_us;
    fprintf(stderr, "%s\n", progress_format_summary(state, elapsed_us, progress->pool));
}
