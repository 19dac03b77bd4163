#include "cli_nearest.h"

#include <string.h>

/* Nobody types a command of this length by mistake. */
#define WORD_BYTES_MAX 64

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* The rows of the table of distances that count: this one, the last and the one before. */
typedef struct rows_t {
    int *now;
    int *last;
    int *before;
} rows_t;

static void fill_row(const rows_t *rows, const char *typed, int i, const char *word, int length)
{
    rows->now[0] = i;
    for (int j = 1; j <= length; j++) {
        int is_same = typed[i - 1] == word[j - 1];
        int best = rows->last[j - 1] + !is_same;
        best = least(best, least(rows->last[j], rows->now[j - 1]) + 1);
        if (i > 1 && j > 1 && typed[i - 1] == word[j - 2] && typed[i - 2] == word[j - 1]) {
            best = least(best, rows->before[j - 2] + 1);
        }
        rows->now[j] = best;
    }
}

/* Damerau's distance. */
static int distance_between(const char *typed, const char *word, apr_pool_t *pool)
{
    int length = (int)strlen(word);
    int *cells = apr_pcalloc(pool, 3 * ((apr_size_t)length + 1) * sizeof(int));
    rows_t rows = {cells, cells + length + 1, cells + 2 * (length + 1)};
    for (int j = 0; j <= length; j++) {
        rows.now[j] = j;
    }
    for (int i = 1; typed[i - 1]; i++) {
        rows = (rows_t){.now = rows.before, .last = rows.now, .before = rows.last};
        fill_row(&rows, typed, i, word, length);
    }
    return rows.now[length];
}

cli_nearest_t cli_nearest_make(const char *typed)
{
    size_t length = strlen(typed);
    /* A third of the letters may be wrong, and one of two. */
    return (cli_nearest_t){.typed = typed,
                           .distance = length < WORD_BYTES_MAX ? (int)(length + 1) / 3 + 1 : 0};
}

void cli_nearest_try(cli_nearest_t *nearest, const char *word, apr_pool_t *pool)
{
    if (nearest->distance == 0) {
        return;
    }
    int distance = distance_between(nearest->typed, word, pool);
    if (distance < nearest->distance) {
        nearest->best = word;
        nearest->distance = distance;
    }
}
