/**
 * Shared by the files of upload slots. Nobody else includes this.
 */
#ifndef JF_SLOT_PRIVATE_H
#define JF_SLOT_PRIVATE_H

#include "jf_slot.h"

#include "jf_digest.h"

/** A JF_ERR_FORBIDDEN. @param text of which nothing comes from the request */
jf_err_t *jf_slot_refuse(const char *text, apr_pool_t *pool);

/**
 * HMAC-SHA256.
 * @param mac JF_SHA256_BYTES bytes.
 * @return 0 if it cannot be computed; then no token is right.
 */
int jf_slot_hmac(unsigned char *mac, const char *key, const char *message, apr_size_t length);

/**
 * jf_slot_verify for one kind of MAC in hex: JF_SLOT_V1, JF_SLOT_V2 or JF_SLOT_TOKEN.
 * @param mac the parameter's value.
 */
jf_err_t *jf_slot_mac_verify(jf_slot_grant_t *grant, jf_slot_kind_t kind, const char *mac,
                             const apr_array_header_t *secrets, const jf_slot_request_t *request,
                             apr_pool_t *pool);

/** jf_slot_verify_delete. @param mac the parameter's value */
jf_err_t *jf_slot_mac_verify_delete(const char **area, const char *mac,
                                    const apr_array_header_t *secrets,
                                    const jf_slot_request_t *request, apr_pool_t *pool);

/** jf_slot_verify for a JSON Web Token. @param token what follows "Bearer" */
jf_err_t *jf_slot_jwt_verify(jf_slot_grant_t *grant, const char *token,
                             const apr_array_header_t *secrets, const jf_slot_request_t *request,
                             apr_time_t now_us, apr_pool_t *pool);

#endif
