/**
 * What every command of jabberfiles, the user's tool, works with.
 *
 * The tool is one process with one thread, but for a login's watchdog (xmpp_watchdog.h). Errors are
 * jf_err_t; client_exit_code says which exit code each stands for.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <apr_pools.h>

#include "account.h"
#include "cli_options.h"
#include "jf_err.h"

/** Exit codes; documented in cli_table.c. */
typedef enum {
    CLIENT_DONE = 0,
    CLIENT_FAILED = 1,      /**< a file could not be read or written; an answer makes no sense */
    CLIENT_USAGE = 2,       /**< wrong usage or configuration; nothing was done */
    CLIENT_NOT_FOUND = 3,   /**< no such link or file */
    CLIENT_REFUSED = 4,     /**< by a server (login, rights), or by our own rules of safety */
    CLIENT_LIMIT = 5,       /**< too large, quota or transfer quota used up, disk full */
    CLIENT_UNAVAILABLE = 6, /**< a server cannot be reached or is busy: worth another try later */
    CLIENT_MISMATCH = 7,    /**< what came is not what was promised: nothing of it was kept */
    CLIENT_PARTLY = 8,      /**< some recipients or files are done, some are not */
    CLIENT_DECLINED = 9,    /**< asked, and the answer was no */
} client_exit_t;

typedef struct client_t {
    apr_pool_t *pool; /**< as long as the program */
    const options_t *options;
    account_t *account;      /**< never NULL; its members may be */
    client_exit_t exit_code; /**< what a command that returns no error sets, if not CLIENT_DONE */

    /** Called several times a second by whatever waits or transfers (transfers, questions, pauses),
     * so that a connection to a Jabber server stays alive meanwhile. NULL: nothing to do. Must not
     * be used from within itself. */
    void (*idle)(void *idle_baton);
    void *idle_baton;
} client_t;

/** A command of the tool. */
typedef jf_err_t *(client_run_t)(client_t *client);

/** Calls client->idle, if there is one. */
void client_idle(client_t *client);

/** Waits so long, idly; ends early when the user interrupts (client_is_interrupted). */
void client_sleep(client_t *client, apr_interval_time_t duration_us);

/** Has SIGINT and SIGTERM noted for client_is_interrupted, and SIGPIPE ignored: libraries write to
 * connections that the other side has closed. */
void client_catch_signals(void);

/** 1 after SIGINT or SIGTERM: transfers and waiting end with an error at once, what is begun is
 * put away tidily. A second signal ends the process as usual. */
int client_is_interrupted(void);

/** The error of work that ends because client_is_interrupted. */
jf_err_t *client_interrupted(apr_pool_t *pool);

/** What an error stands for; 130 for one of client_interrupted. */
int client_exit_code(const jf_err_t *err);

client_run_t cmd_announce;
client_run_t cmd_get;
client_run_t cmd_login;
client_run_t cmd_ls;
client_run_t cmd_put;
client_run_t cmd_quota;
client_run_t cmd_receive;
client_run_t cmd_rm;
client_run_t cmd_send;

#endif
