/**
 * Standard input, output and error of a tool.
 */
#ifndef TOOL_STDIO_H
#define TOOL_STDIO_H

#include "jf_err.h"

/**
 * Opens /dev/null in place of those that the caller has closed: a file that is opened later must
 * not become number 1, what we print would end in it.
 * @return 0 if that fails.
 */
int tool_stdio_open(void);

/** Writes what is buffered for standard output. @return JF_ERR_IO if any of it was lost */
jf_err_t *tool_stdio_flush(apr_pool_t *pool);

#endif
