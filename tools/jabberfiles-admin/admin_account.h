/**
 * Whose rights the tool has while it puts files into the store.
 *
 * What is created there must belong to the owner of the store, httpd's user, or httpd cannot read
 * it. But what root wants to have copied may be readable for root alone. So a run by root lays its
 * rights aside before anything of the store is opened, and takes them back for single calls.
 */
#ifndef ADMIN_ACCOUNT_H
#define ADMIN_ACCOUNT_H

#include "jf_err.h"

/**
 * Goes on with the rights of the owner of @a directory, user and group.
 * @return JF_ERR_PRECONDITION naming that user if this is neither that user nor root, JF_ERR_IO
 */
jf_err_t *admin_account_become_owner(const char *directory, apr_pool_t *pool);

/** 1 if root runs this, whatever rights it has at the moment. */
int admin_account_is_root(void);

/** Takes the rights back that the run began with; keeps errno. To be followed by lower at once. */
void admin_account_raise(void);

/** Goes on as the owner; keeps errno. Ends the program if it cannot. */
void admin_account_lower(void);

/** Takes the rights back for good: the store is closed. */
void admin_account_restore(void);

#endif
