#include "admin_account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#define ROOT 0

/* The owner's id; ROOT while there is nothing to lay aside. Belongs to the process, as the rights
 * do. */
static uid_t lowered_uid = ROOT;

static const char *name_of(uid_t uid, apr_pool_t *pool)
{
    const struct passwd *user = getpwuid(uid);
    return user ? apr_pstrdup(pool, user->pw_name) : apr_psprintf(pool, "user %ld", (long)uid);
}

static jf_err_t *refuse(uid_t owner, apr_pool_t *pool)
{
    const char *name = name_of(owner, pool);
    return jf_err_make(JF_ERR_PRECONDITION, APR_SUCCESS, pool,
                       "the store belongs to %s: run this as root, or as %s if %s may read what is "
                       "to be copied",
                       name, name, name);
}

jf_err_t *admin_account_become_owner(const char *directory, apr_pool_t *pool)
{
    struct stat st;
    if (stat(directory, &st) != 0) {
        return jf_err_from_system(errno, pool, "cannot find the store %s", directory);
    }
    if (st.st_uid == geteuid()) {
        return NULL;
    }
    if (geteuid() != ROOT) {
        return refuse(st.st_uid, pool);
    }
    if (setgroups(0, NULL) != 0 || setegid(st.st_gid) != 0 || seteuid(st.st_uid) != 0) {
        return jf_err_from_system(errno, pool, "cannot go on as %s, to whom the store belongs",
                                  name_of(st.st_uid, pool));
    }
    lowered_uid = st.st_uid;
    return NULL;
}

int admin_account_is_root(void)
{
    return lowered_uid != ROOT || geteuid() == ROOT;
}

static void change(uid_t uid)
{
    int saved_errno = errno;
    if (lowered_uid != ROOT && seteuid(uid) != 0) {
        abort();
    }
    errno = saved_errno;
}

void admin_account_raise(void)
{
    change(ROOT);
}

void admin_account_lower(void)
{
    change(lowered_uid);
}

void admin_account_restore(void)
{
    change(ROOT);
    lowered_uid = ROOT;
}
