/**
 * Files and recipients, told apart on the command line.
 */
#ifndef CLI_RECIPIENTS_H
#define CLI_RECIPIENTS_H

#include <apr_tables.h>

#include "jf_err.h"

/**
 * Splits arguments into files and recipients. What contains "@" and is no existing file is a
 * Jabber ID; what begins with "/", "./" or "../", and "-", is a file; "xmpp:" before a Jabber ID
 * and "?join" behind it are taken off.
 * @param files of const char *, each once; NULL: every argument is a recipient.
 * @param jids of const char *, prepared bare JIDs, each once.
 * @param may_be_full a JID may have a resource, which then stays as it is.
 * @return JF_ERR_INVALID if there is no file, nobody to send to, or no Jabber ID in what should be
 * one
 */
jf_err_t *cli_split_recipients(apr_array_header_t **files, apr_array_header_t **jids,
                               const char *const *arguments, int count, int may_be_full,
                               apr_pool_t *pool);

#endif
