/**
 * Questions to the person at the terminal.
 */
#ifndef PROMPT_H
#define PROMPT_H

#include "client.h"

/** 1 if there is a person to ask: standard input and standard error are terminals. */
int prompt_is_possible(void);

/**
 * Asks a question that is answered by yes or no, "no" if nothing is typed; idles meanwhile.
 * @param is_yes set to 1 for yes. With --yes it is 1 without asking.
 * @return JF_ERR_INVALID that names --yes if nobody can be asked; client_interrupted
 */
jf_err_t *prompt_confirm(int *is_yes, client_t *client, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Asks for a line of text, @a preset if nothing is typed (may be NULL); idles meanwhile. */
jf_err_t *prompt_line(const char **line, client_t *client, const char *question, const char *preset,
                      apr_pool_t *pool);

/** Asks for a password on the terminal, without echo. */
jf_err_t *prompt_password(const char **password, const char *question, apr_pool_t *pool);

#endif
