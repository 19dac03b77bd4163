/**
 * Trying an account before it is saved.
 */
#ifndef LOGIN_TRIAL_H
#define LOGIN_TRIAL_H

#include "client.h"
#include "xmpp_disco.h"

typedef struct login_trial_t {
    const jf_err_t *jabber_err;      /**< why the Jabber server could not be asked, or NULL */
    const upload_service_t *service; /**< NULL: there is none */
    int has_area;                    /**< the file area has answered */
} login_trial_t;

/**
 * Logs in at the Jabber server of client->account, looks for its upload service, and at the file
 * area if there is one; says what it finds.
 * @return what speaks against saving the account. That the Jabber server cannot be reached does
 * not, if the area works: then it is in trial->jabber_err
 */
jf_err_t *login_trial_run(login_trial_t *trial, client_t *client);

#endif
