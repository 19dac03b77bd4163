#include "fuzz.h"

#include <string.h>

#include <apr_escape.h>
#include <apr_strings.h>

#include "jf_names.h"

static void check_escape(const char *path, apr_pool_t *pool)
{
    const char *escaped = jf_names_escape(path, pool);
    FUZZ_CHECK(strspn(escaped, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                               "-._~/%") == strlen(escaped));
    const char *unescaped = apr_punescape_url(pool, escaped, "", "", 0);
    FUZZ_CHECK(unescaped && strcmp(unescaped, path) == 0);
}

/** A path that is accepted leads nowhere else and can be shown. */
static void check_path(const char *path, apr_pool_t *pool)
{
    FUZZ_CHECK(!jf_names_check_path(path, pool));
    FUZZ_CHECK(fuzz_is_clean_utf8(path));
    FUZZ_CHECK(strlen(path) <= JF_NAME_PATH_BYTES_MAX);
    const char *framed = apr_pstrcat(pool, "/", path, "/", NULL);
    FUZZ_CHECK(!strstr(framed, "//") && !strstr(framed, "/./") && !strstr(framed, "/../"));
}

/** The same name written in its plain form means the same. */
static void check_again(const jf_name_t *name, const char *plain, apr_pool_t *pool)
{
    jf_name_t again;
    FUZZ_CHECK(!jf_names_parse(&again, plain, pool));
    FUZZ_CHECK(again.kind == name->kind);
    if (name->kind == JF_NAME_LINK) {
        FUZZ_CHECK(strcmp(again.token, name->token) == 0);
        FUZZ_CHECK(strcmp(again.leaf, name->leaf) == 0);
    } else {
        FUZZ_CHECK(strcmp(again.jid, name->jid) == 0);
        FUZZ_CHECK(strcmp(again.path, name->path) == 0);
    }
}

static void check_area(const jf_name_t *name, apr_pool_t *pool)
{
    FUZZ_CHECK(strchr(name->jid, '@') && !strchr(name->jid, '/'));
    FUZZ_CHECK(!name->token);
    check_again(name, apr_pstrcat(pool, "/", name->jid, "/", name->path, NULL), pool);
    size_t length = strlen(name->path);
    if (name->kind == JF_NAME_FILE) {
        FUZZ_CHECK(!name->slash_missing);
        FUZZ_CHECK(strcmp(name->leaf, jf_names_leaf(name->path)) == 0);
        check_path(name->path, pool);
    } else if (length > 0) {
        FUZZ_CHECK(!name->slash_missing && !name->leaf);
        FUZZ_CHECK(name->path[length - 1] == '/');
        check_path(apr_pstrmemdup(pool, name->path, length - 1), pool);
    }
}

static void check_link(const jf_name_t *name, apr_pool_t *pool)
{
    FUZZ_CHECK(!name->jid && !name->path);
    size_t first_length = strcspn(name->token, "/");
    const char *slash = name->token + first_length;
    FUZZ_CHECK(!memchr(name->token, '@', first_length) && !strchr(name->leaf, '/'));
    FUZZ_CHECK(*slash == '\0' || !strchr(slash + 1, '/'));
    check_path(name->token, pool);
    check_path(name->leaf, pool);
    check_again(name, apr_pstrcat(pool, "/", name->token, "/", name->leaf, NULL), pool);
}

void fuzz_one(const char *text, apr_pool_t *pool)
{
    check_escape(text, pool);
    jf_err_t *refusal = jf_names_check_path(text, pool);
    fuzz_check_refusal(refusal);
    if (!refusal) {
        check_path(text, pool);
    }

    jf_name_t name;
    jf_err_t *err = jf_names_parse(&name, text, pool);
    fuzz_check_refusal(err);
    if (err) {
        return;
    }
    switch (name.kind) {
    case JF_NAME_FOLDER:
    case JF_NAME_FILE:
        check_area(&name, pool);
        break;
    case JF_NAME_LINK:
        check_link(&name, pool);
        break;
    case JF_NAME_SLOT_SERVICE:
        FUZZ_CHECK(strcmp(text, "/.slot") == 0);
        FUZZ_CHECK(!name.jid && !name.path && !name.token && !name.leaf);
        break;
    case JF_NAME_BASE:
    case JF_NAME_OTHER:
        FUZZ_CHECK(!name.jid && !name.path && !name.token && !name.leaf);
        break;
    }
}
