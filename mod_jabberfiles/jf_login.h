/**
 * The question "is this the password of this JID?" and its answer, between httpd and jabberfilesd.
 *
 * One connection to a Unix stream socket carries one question and one answer, each a line:
 *
 *     LOGIN base64(JID) base64(password)
 *     accepted | refused REASON | unavailable REASON
 *
 * and the helper closes. Only the user of httpd can open the socket. REASON is for the log:
 * printable, perhaps with words of a foreign server in it, never with the password.
 */
#ifndef JF_LOGIN_H
#define JF_LOGIN_H

#include <apr_time.h>

#include "jf_err.h"

typedef enum {
    JF_LOGIN_ACCEPTED,   /**< the user's server took the password */
    JF_LOGIN_REFUSED,    /**< it did not, or no such user, or the account is closed */
    JF_LOGIN_UNAVAILABLE /**< nobody could say */
} jf_login_verdict_t;

typedef struct jf_login_answer_t {
    jf_login_verdict_t verdict;
    const char *reason; /**< "" if there is nothing to say */
} jf_login_answer_t;

/** How long the helper may take for one login, and how much longer httpd waits for its answer. */
#define JF_LOGIN_DEADLINE_US apr_time_from_sec(10)
#define JF_LOGIN_GRACE_US apr_time_from_sec(1)

/** Longest password that is asked about, and longest line, in bytes. */
#define JF_LOGIN_PASSWORD_BYTES_MAX 1024
#define JF_LOGIN_LINE_BYTES_MAX 8192

/** The question with its newline, in @a pool; wiped when the pool goes. */
char *jf_login_format_question(const char *jid, const char *password, apr_pool_t *pool);

/**
 * Reads a question, without its newline.
 * @param jid, password set to copies in @a pool; the password is wiped when the pool goes.
 * @return JF_ERR_INVALID if it is none.
 */
jf_err_t *jf_login_parse_question(const char **jid, const char **password, const char *line,
                                  apr_pool_t *pool);

/** The answer with its newline, in @a pool; the reason is cut if it is long, and what is not
 * printable ASCII in it becomes '?'.
 */
const char *jf_login_format_answer(const jf_login_answer_t *answer, apr_pool_t *pool);

/** Reads an answer, without its newline. @return JF_ERR_INVALID if it is none. */
jf_err_t *jf_login_parse_answer(jf_login_answer_t *answer, const char *line, apr_pool_t *pool);

/**
 * Asks the helper that listens at @a socket_path; blocks the thread until it has answered, at most
 * JF_LOGIN_DEADLINE_US + JF_LOGIN_GRACE_US. A helper that goes is no error: the verdict is
 * JF_LOGIN_UNAVAILABLE at once. One that is not there is waited for, a second and a half, for
 * httpd's parent may be starting it.
 * @param answer filled in on success; its reason is in @a pool.
 * @return JF_ERR_IO if the socket cannot be used at all.
 */
jf_err_t *jf_login_ask(jf_login_answer_t *answer, const char *socket_path, const char *jid,
                       const char *password, apr_pool_t *pool);

#endif
