/**
 * What the two halves of the server share: serve_http.c, its life, and serve_answer.c, its answers.
 */
#ifndef SERVE_PRIVATE_H
#define SERVE_PRIVATE_H

#include <sys/socket.h>

#include <apr_time.h>
#include <microhttpd.h>

#include "serve_http.h"

struct serve_http_t {
    const source_file_t *source;
    struct MHD_Daemon *daemon;
    int epoll_fd;
    const char *path; /**< as libmicrohttpd hands it over, escapes resolved */
    const char *url;
    const char *etag;
    char modified[APR_RFC822_DATE_LEN]; /**< "" if unknown */
    const char *disposition;
    const char *media_type;
    const char *digest;
    int has_receiver;
    struct sockaddr_storage receiver;
    apr_int64_t sent_bytes;
    apr_int64_t reached_bytes;
    jf_err_t *err; /**< why nobody gets it any more, or NULL */
    apr_pool_t *pool;
};

/** Answers a request; a handler of libmicrohttpd, its baton the server. */
enum MHD_Result serve_answer(void *baton, struct MHD_Connection *connection, const char *path,
                             const char *method, const char *version, const char *body,
                             size_t *body_bytes, void **request);

#endif
