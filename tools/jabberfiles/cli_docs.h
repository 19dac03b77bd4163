/**
 * Man page and completions of shells, made from cli_table when the tool is built.
 */
#ifndef CLI_DOCS_H
#define CLI_DOCS_H

/** Prints the man page, in the language of mdoc(7). */
void cli_docs_print_man(void);

/** Prints the completion for bash. */
void cli_docs_print_bash(void);

/** Prints the completion for zsh. */
void cli_docs_print_zsh(void);

#endif
