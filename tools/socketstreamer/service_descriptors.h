/**
 * How many files and sockets the process may have open.
 */
#ifndef SERVICE_DESCRIPTORS_H
#define SERVICE_DESCRIPTORS_H

#include <apr.h>

/** Raises the limit as far as it may be raised, and logs a warning if that is not enough for so
 * many streams. */
void service_descriptors_prepare(apr_int64_t streams);

#endif
