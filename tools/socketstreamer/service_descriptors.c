#include "service_descriptors.h"

#include <sys/resource.h>

#include "relay_streams.h"
#include "service_log.h"

/* Beside those of streams: sockets to listen, the Jabber server, the log, the counters. */
#define OTHER_DESCRIPTORS 64

void service_descriptors_prepare(apr_int64_t streams)
{
    struct rlimit limit = {0, 0};
    apr_int64_t wanted = relay_streams_descriptors(streams) + OTHER_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < (rlim_t)wanted) {
        service_log("JF0203",
                    "%" APR_INT64_T_FMT " streams need %" APR_INT64_T_FMT
                    " open files, and only %" APR_INT64_T_FMT
                    " are allowed: raise LimitNOFILE, or lower streams",
                    streams, wanted, (apr_int64_t)limit.rlim_cur);
    }
}
