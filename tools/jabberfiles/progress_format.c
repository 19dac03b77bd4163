#include "progress_format.h"

#include <string.h>

#include <apr_strings.h>
#include <unistr.h>

#include "jf_units.h"
#include "tool_text.h"

#define MIN_BAR_COLUMNS 6
#define MAX_BAR_COLUMNS 40
#define MIN_LABEL_COLUMNS 8

/* Nobody waits for this. */
#define LONGEST_S (100.0 * 3600)

/* Cuts a visible text to so many columns, with "…" where something is missing. */
static const char *cut(const char *text, int columns, apr_pool_t *pool)
{
    if (tool_text_width(text) <= columns) {
        return text;
    }
    char *shorter = apr_pstrdup(pool, text);
    while (*shorter && tool_text_width(shorter) > columns - 1) {
        const uint8_t *end = (const uint8_t *)shorter + strlen(shorter);
        ucs4_t last;
        const uint8_t *previous = u8_prev(&last, end, (const uint8_t *)shorter);
        shorter[previous ? (size_t)(previous - (const uint8_t *)shorter) : 0] = '\0';
    }
    return columns > 0 ? apr_pstrcat(pool, shorter, "…", NULL) : "";
}

static const char *format_duration(double seconds, apr_pool_t *pool)
{
    int all = (int)(seconds + 0.5);
    return all < 3600 ? apr_psprintf(pool, "%d:%02d", all / 60, all % 60)
                      : apr_psprintf(pool, "%d:%02d:%02d", all / 3600, all / 60 % 60, all % 60);
}

static const char *format_rate(double bytes_per_s, apr_pool_t *pool)
{
    return apr_pstrcat(pool, jf_units_format_bytes((apr_int64_t)bytes_per_s, pool), "/s", NULL);
}

/* 100 only when all is there. */
static int percent(const progress_state_t *state)
{
    if (state->total_bytes <= 0) {
        return state->total_bytes == 0 ? 100 : -1;
    }
    double share = (double)state->done_bytes / (double)state->total_bytes;
    return share >= 1 ? 100 : (int)(share * 100);
}

static const char *format_sizes(const progress_state_t *state, const char *of, apr_pool_t *pool)
{
    const char *done = jf_units_format_bytes(state->done_bytes, pool);
    return state->total_bytes < 0
               ? done
               : apr_pstrcat(pool, done, of, jf_units_format_bytes(state->total_bytes, pool), NULL);
}

static const char *format_left(const progress_state_t *state, apr_pool_t *pool)
{
    if (state->total_bytes < 0 || state->bytes_per_s <= 0) {
        return "";
    }
    double left_s = (double)(state->total_bytes - state->done_bytes) / state->bytes_per_s;
    return left_s < 0 || left_s > LONGEST_S
               ? ""
               : apr_pstrcat(pool, "  ", format_duration(left_s, pool), " left", NULL);
}

/* " [===>  ]", or nothing if the room or the size is missing. */
static const char *format_track(int share, int columns, apr_pool_t *pool)
{
    int inner = columns - 3 < MAX_BAR_COLUMNS ? columns - 3 : MAX_BAR_COLUMNS;
    if (share < 0 || inner < MIN_BAR_COLUMNS) {
        return "";
    }
    char *track = apr_palloc(pool, (apr_size_t)inner + 1);
    int filled = inner * share / 100;
    memset(track, ' ', (size_t)inner);
    memset(track, '=', (size_t)filled);
    if (filled < inner) {
        track[filled] = '>';
    }
    track[inner] = '\0';
    return apr_pstrcat(pool, " [", track, "]", NULL);
}

const char *progress_format_bar(const progress_state_t *state, int columns, apr_pool_t *pool)
{
    int share = percent(state);
    const char *percentage = share < 0 ? "" : apr_psprintf(pool, " %3d %%", share);
    const char *sizes = apr_pstrcat(pool, "  ", format_sizes(state, "/", pool), NULL);
    const char *rate = state->bytes_per_s > 0
                           ? apr_pstrcat(pool, "  ", format_rate(state->bytes_per_s, pool), NULL)
                           : "";
    const char *left = format_left(state, pool);
    const char *parts[] = {percentage, left, rate, sizes};
    int room = columns;
    /* What comes later in the list is left out first. */
    for (int i = 0; i < 4; i++) {
        int width = (int)strlen(parts[i]);
        int fits = room - width >= MIN_LABEL_COLUMNS;
        room -= fits ? width : 0;
        parts[i] = fits ? parts[i] : "";
    }
    int label_columns = room - MIN_BAR_COLUMNS - 3 > MIN_LABEL_COLUMNS ? room / 2 : room;
    const char *label = cut(state->label, label_columns, pool);
    const char *track = format_track(share, room - tool_text_width(label), pool);
    return apr_pstrcat(pool, label, parts[0], track, parts[3], parts[2], parts[1], NULL);
}

const char *progress_format_line(const progress_state_t *state, apr_pool_t *pool)
{
    int share = percent(state);
    return apr_pstrcat(pool, state->label, ": ",
                       share < 0 ? "" : apr_psprintf(pool, "%d %%, ", share),
                       format_sizes(state, " of ", pool), state->bytes_per_s > 0 ? ", " : "",
                       state->bytes_per_s > 0 ? format_rate(state->bytes_per_s, pool) : "", NULL);
}

const char *progress_format_summary(const progress_state_t *state, apr_interval_time_t elapsed_us,
                                    apr_pool_t *pool)
{
    double elapsed_s = (double)elapsed_us / APR_USEC_PER_SEC;
    return apr_pstrcat(pool, state->label, ": ", jf_units_format_bytes(state->done_bytes, pool),
                       " in ", format_duration(elapsed_s, pool), state->bytes_per_s > 0 ? ", " : "",
                       state->bytes_per_s > 0 ? format_rate(state->bytes_per_s, pool) : "", NULL);
}
