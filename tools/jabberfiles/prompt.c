#include "prompt.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <apr_strings.h>

#include "jf_ascii.h"
#include "progress.h"
#include "tool_text.h"

/* A terminal hands out a line at a time, and none that is longer. */
#define LINE_BYTES_MAX 4096

/* So often idle is called while the person thinks. */
#define IDLE_MS 100

int prompt_is_possible(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

static void ask(const char *question, apr_pool_t *pool)
{
    progress_hide();
    fputs(tool_text_visible(question, pool), stderr);
    fflush(stderr);
}

/* Waits for the terminal to have something. @param client NULL: without idling. */
static jf_err_t *wait_for_input(client_t *client, apr_pool_t *pool)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    int ready = 0;
    while (ready <= 0) {
        if (client_is_interrupted()) {
            fputc('\n', stderr);
            return client_interrupted(pool);
        }
        if (client) {
            client_idle(client);
        }
        ready = poll(&input, 1, IDLE_MS);
        if (ready < 0 && errno != EINTR) {
            return jf_err_from_system(errno, pool, "cannot wait for the terminal");
        }
    }
    return NULL;
}

/* @param line set to what was typed, without the line's end. */
static jf_err_t *read_line(const char **line, client_t *client, apr_pool_t *pool)
{
    char buffer[LINE_BYTES_MAX];
    ssize_t length;
    do {
        JF_TRY(wait_for_input(client, pool));
        length = read(STDIN_FILENO, buffer, sizeof(buffer));
    } while (length < 0 && errno == EINTR);
    if (length <= 0) {
        fputc('\n', stderr);
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "the terminal has ended before there was an answer");
    }
    while (length > 0 && strchr("\r\n", buffer[length - 1])) {
        length--;
    }
    *line = apr_pstrmemdup(pool, buffer, (apr_size_t)length);
    return NULL;
}

jf_err_t *prompt_confirm(int *is_yes, client_t *client, const char *fmt, ...)
{
    *is_yes = client->options->is_yes;
    if (*is_yes) {
        return NULL;
    }
    va_list args;
    va_start(args, fmt);
    const char *question = apr_pvsprintf(client->pool, fmt, args);
    va_end(args);
    if (!prompt_is_possible()) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, client->pool,
                           "there is no terminal to ask \"%s\" on; the option --yes answers it",
                           question);
    }
    const char *line = NULL;
    ask(apr_pstrcat(client->pool, question, " [y/N] ", NULL), client->pool);
    JF_TRY(read_line(&line, client, client->pool));
    *is_yes = jf_ascii_lower(line[strspn(line, " \t")]) == 'y';
    return NULL;
}

jf_err_t *prompt_line(const char **line, client_t *client, const char *question, const char *preset,
                      apr_pool_t *pool)
{
    const char *typed = NULL;
    *line = NULL;
    ask(preset ? apr_pstrcat(pool, question, " [", preset, "]: ", NULL)
               : apr_pstrcat(pool, question, ": ", NULL),
        pool);
    JF_TRY(read_line(&typed, client, pool));
    typed += strspn(typed, " \t");
    size_t length = strlen(typed);
    while (length > 0 && strchr(" \t", typed[length - 1])) {
        length--;
    }
    *line = length > 0 ? apr_pstrmemdup(pool, typed, length) : preset;
    return NULL;
}

jf_err_t *prompt_password(const char **password, const char *question, apr_pool_t *pool)
{
    struct termios before;
    *password = NULL;
    if (tcgetattr(STDIN_FILENO, &before) != 0) {
        return jf_err_from_system(errno, pool, "cannot turn the terminal's echo off");
    }
    struct termios silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    /* What was typed before the question was not meant for it, and was shown. */
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) != 0) {
        return jf_err_from_system(errno, pool, "cannot turn the terminal's echo off");
    }
    ask(apr_pstrcat(pool, question, ": ", NULL), pool);
    jf_err_t *err = read_line(password, NULL, pool);
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    fputc('\n', stderr);
    return err;
}
