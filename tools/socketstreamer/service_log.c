#include "service_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* Two JIDs of the largest size, each twice, and every byte made visible, would be more: then a
 * line is cut. */
#define LINE_BYTES 16384

void service_log(const char *tag, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    int length = snprintf(line, sizeof(line), "%s: ", tag);
    va_start(args, format);
    length += vsnprintf(line + length, sizeof(line) - (size_t)length, format, args);
    va_end(args);
    length = length < LINE_BYTES - 1 ? length : LINE_BYTES - 2;
    line[length] = '\n';
    /* In one piece, and if nobody takes it, it is lost. */
    (void)!write(STDERR_FILENO, line, (size_t)length + 1);
}
