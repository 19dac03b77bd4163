#include "tool_stdio.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int tool_stdio_open(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) {
        close(fd);
    }
    return fd >= 0;
}

jf_err_t *tool_stdio_flush(apr_pool_t *pool)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return NULL;
    }
    return jf_err_make(JF_ERR_IO, APR_EGENERAL, pool, "cannot write to standard output");
}
