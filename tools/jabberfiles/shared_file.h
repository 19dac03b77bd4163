/**
 * A file that somebody shares by a link, as far as it is known. All texts may come from strangers:
 * none is safe as a path or for a terminal.
 */
#ifndef SHARED_FILE_H
#define SHARED_FILE_H

#include <apr_time.h>

#include "jf_digest.h"

typedef struct shared_file_t {
    const char *url;
    const char *name;              /**< or NULL */
    const char *media_type;        /**< or NULL */
    const char *description;       /**< or NULL */
    apr_int64_t size_bytes;        /**< or -1 */
    apr_time_t date_us;            /**< last modification, or 0 */
    const unsigned char *sha256;   /**< JF_SHA256_BYTES bytes, or NULL */
    const unsigned char *sha3_256; /**< 32 bytes, or NULL */
    int is_attachment;             /**< the sender says: not to be shown or fetched by itself */
} shared_file_t;

#endif
