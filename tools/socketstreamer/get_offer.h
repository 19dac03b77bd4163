/**
 * What a one-shot transfer offers: one file at one path that nobody can guess, and what is
 * answered to a request before any byte of the file is known.
 */
#ifndef GET_OFFER_H
#define GET_OFFER_H

#include <microhttpd.h>

#include "jf_err.h"

typedef struct get_offer_t {
    const char *name;        /**< as jf_names_check_path wants it, without slashes */
    const char *path;        /**< "/TOKEN/NAME", not encoded */
    const char *type;        /**< Content-Type */
    const char *disposition; /**< Content-Disposition */
    apr_int64_t size_bytes;  /**< or GET_SIZE_UNKNOWN */
} get_offer_t;

/**
 * Makes an offer in @a pool.
 * @param type media type as the foreign side told it, NULL if it told none; then the name decides.
 * @return JF_ERR_INVALID for a name that no file should have, JF_ERR_IO as of jf_token_nonce
 */
jf_err_t *get_offer_make(get_offer_t **offer, const char *name, const char *type,
                         apr_int64_t size_bytes, apr_pool_t *pool);

/** The URL. @param base what stands before the path, "http://192.0.2.1:8080", no slash at its end
 */
const char *get_offer_url(const get_offer_t *offer, const char *base, apr_pool_t *pool);

/** 1 if this is the path; how much of it was right, the time that it takes does not tell. */
int get_offer_is_path(const get_offer_t *offer, const char *path);

/**
 * A 200 with the file; for HEAD, too. The caller destroys it; NULL if there is no memory.
 * @param reader what gives the content.
 */
struct MHD_Response *get_offer_answer(const get_offer_t *offer, MHD_ContentReaderCallback reader,
                                      void *baton);

/** Any other answer: a line of text that says what is wrong. The same rules. */
struct MHD_Response *get_offer_refusal(unsigned status);

#endif
