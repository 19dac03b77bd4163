/**
 * The error object of the library: a code for the caller, a sentence for the log.
 *
 * A function that can fail returns NULL on success or a jf_err_t allocated from
 * the pool it was given. The error lives as long as that pool and is never freed
 * by itself. Errors are made where the facts are known and handed up unchanged;
 * the httpd glue maps codes to HTTP in one place.
 */
#ifndef JF_ERR_H
#define JF_ERR_H

#include <apr_errno.h>
#include <apr_pools.h>

typedef enum {
    JF_ERR_INVALID = 1,    /**< input is wrong; the text says what would be right */
    JF_ERR_NOT_FOUND,      /**< no such area, file or link (or it has expired) */
    JF_ERR_PRECONDITION,   /**< the caller's precondition does not hold */
    JF_ERR_DIGEST,         /**< content differs from the digest that was announced */
    JF_ERR_TOO_LARGE,      /**< one file above the limit for one file */
    JF_ERR_QUOTA,          /**< the area's disk quota would be exceeded */
    JF_ERR_DISK_FULL,      /**< the file system has no room */
    JF_ERR_BUSY,           /**< the ledger was locked for longer than we wait */
    JF_ERR_UNAVAILABLE,    /**< the ledger cannot be opened, written or trusted */
    JF_ERR_IO,             /**< an operating system call failed */
    JF_ERR_FORBIDDEN,      /**< not allowed in this way, whoever asks */
    JF_ERR_TOO_MANY,       /**< too many attempts, worth another one later */
    JF_ERR_NO_VERDICT,     /**< nobody could say whether the password is right */
    JF_ERR_NO_TOKEN,       /**< a slot, and nothing that says who may use it */
    JF_ERR_USED,           /**< the slot was used up by another upload */
    JF_ERR_TRANSFER_QUOTA, /**< the area's transfer quota is used up for this period */
} jf_err_code_t;

/** "Not a number that this error knows about", for the facts below. */
#define JF_FACT_NONE (-1)

typedef struct jf_err_t {
    jf_err_code_t code;
    apr_status_t status;        /**< cause as APR status, APR_SUCCESS if none */
    const char *text;           /**< one sentence without newline; may name paths of the server */
    apr_int64_t limit_bytes;    /**< the limit that was hit, or JF_FACT_NONE */
    apr_int64_t used_bytes;     /**< what was used of it, or JF_FACT_NONE */
    apr_int64_t required_bytes; /**< what was asked for, or JF_FACT_NONE */
} jf_err_t;

/**
 * Makes an error in @a pool.
 * @param status APR_SUCCESS, or the cause; its text is not added to @a fmt.
 */
jf_err_t *jf_err_make(jf_err_code_t code, apr_status_t status, apr_pool_t *pool, const char *fmt,
                      ...) __attribute__((format(printf, 4, 5)));

/**
 * Makes an error of a failed system call: JF_ERR_DISK_FULL for ENOSPC and EDQUOT,
 * JF_ERR_IO for everything else. The text of @a status is appended.
 */
jf_err_t *jf_err_from_system(apr_status_t status, apr_pool_t *pool, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Copies @a err with its text into @a pool; NULL stays NULL. */
jf_err_t *jf_err_copy(const jf_err_t *err, apr_pool_t *pool);

/** The first of two errors, for work that goes on after one; NULL if there is none. */
jf_err_t *jf_err_first(jf_err_t *first, jf_err_t *second);

/** Returns from the calling function with the error of @a expr, if it has one. */
#define JF_TRY(expr)                    \
    do {                                \
        jf_err_t *jf_try_err_ = (expr); \
        if (jf_try_err_) {              \
            return jf_try_err_;         \
        }                               \
    } while (0)

#endif
