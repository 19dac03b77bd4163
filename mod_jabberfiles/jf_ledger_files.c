#include "jf_ledger_private.h"

#include <string.h>

#include <apr_strings.h>

#include "jf_digest.h"
#include "jf_units.h"

/* ---- rows ---- */

void jf_ledger_read_file_row(jf_file_t *file, sqlite3_stmt *stmt, apr_pool_t *pool)
{
    file->area_id = sqlite3_column_int64(stmt, 0);
    file->jid = jf_sqlite_text(stmt, 1, pool);
    file->path = jf_sqlite_text(stmt, 2, pool);
    file->token = jf_sqlite_text(stmt, 3, pool);
    file->object = jf_sqlite_text(stmt, 4, pool);
    file->size_bytes = sqlite3_column_int64(stmt, 5);
    file->media_type = jf_sqlite_text(stmt, 6, pool);
    const void *sha256 = sqlite3_column_blob(stmt, 7);
    file->sha256 = sha256 ? apr_pmemdup(pool, sha256, JF_SHA256_BYTES) : NULL;
    file->created_us = sqlite3_column_int64(stmt, 8);
    file->expires_us =
        sqlite3_column_type(stmt, 9) == SQLITE_NULL ? JF_NEVER : sqlite3_column_int64(stmt, 9);
    file->transfer = jf_ledger_read_transfer(stmt, 10);
}

static jf_err_t *collect_files(apr_array_header_t *files, sqlite3_stmt *stmt, apr_pool_t *pool)
{
    for (;;) {
        int has_row;
        JF_TRY(jf_sqlite_step(&has_row, stmt, pool));
        if (!has_row) {
            return NULL;
        }
        jf_ledger_read_file_row(apr_array_push(files), stmt, pool);
    }
}

jf_err_t *jf_ledger_collect_texts(apr_array_header_t **texts, sqlite3_stmt *stmt, apr_pool_t *pool)
{
    *texts = apr_array_make(pool, 8, sizeof(const char *));
    for (;;) {
        int has_row;
        JF_TRY(jf_sqlite_step(&has_row, stmt, pool));
        if (!has_row) {
            return NULL;
        }
        APR_ARRAY_PUSH(*texts, const char *) = jf_sqlite_text(stmt, 0, pool);
    }
}

int jf_ledger_is_expired(const jf_file_t *file, apr_time_t now_us)
{
    return file->expires_us != JF_NEVER && file->expires_us <= now_us;
}

jf_err_t *jf_ledger_judge(const jf_precondition_t *precondition, const jf_file_t *current,
                          apr_pool_t *pool)
{
    if (!precondition->holds || precondition->holds(precondition->baton, current)) {
        return NULL;
    }
    return jf_err_make(JF_ERR_PRECONDITION, APR_SUCCESS, pool,
                       current ? "the file is there and not the one that the condition names"
                               : "there is no such file");
}

/* ---- finding ---- */

static jf_err_t *step_to_file(int *found, jf_file_t *file, sqlite3_stmt *stmt, apr_pool_t *pool)
{
    JF_TRY(jf_sqlite_step(found, stmt, pool));
    if (*found) {
        jf_ledger_read_file_row(file, stmt, pool);
        sqlite3_reset(stmt);
    }
    return NULL;
}

jf_err_t *jf_ledger_find_path(int *found, jf_file_t *file, jf_sqlite_t *db, const char *jid,
                              const char *path, apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_FILE_BY_PATH, pool, "ss", jid, path));
    return step_to_file(found, file, stmt, pool);
}

jf_err_t *jf_ledger_find_in_area(int *found, jf_file_t *file, jf_sqlite_t *db, apr_int64_t area_id,
                                 const char *path, apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_FILE_IN_AREA, pool, "is", area_id, path));
    return step_to_file(found, file, stmt, pool);
}

static jf_err_t *no_such_file(apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_NOT_FOUND, APR_SUCCESS, pool, "there is no such file");
}

jf_err_t *jf_ledger_file_by_path(jf_file_t *file, jf_ledger_t *ledger, const char *jid,
                                 const char *path, apr_time_t now_us, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    int found = 0;
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = jf_ledger_find_path(&found, file, db, jid, path, pool);
    jf_ledger_read_end(ledger, db);
    if (!err && (!found || jf_ledger_is_expired(file, now_us))) {
        err = no_such_file(pool);
    }
    return err;
}

static jf_err_t *find_token(jf_file_t *file, jf_sqlite_t *db, const char *token, apr_time_t now_us,
                            apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    int found;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_FILE_BY_TOKEN, pool, "si", token, now_us));
    JF_TRY(step_to_file(&found, file, stmt, pool));
    return found ? NULL : no_such_file(pool);
}

static jf_err_t *read_token(jf_file_t *file, jf_ledger_t *ledger, const char *token,
                            apr_time_t now_us, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = find_token(file, db, token, now_us, pool);
    jf_ledger_read_end(ledger, db);
    return err;
}

/* What is remembered counts only as long as the ledger's stamp is the one that it was read under.
 * So it is taken before the row is read, and must be the same afterwards. */
jf_err_t *jf_ledger_file_by_token(jf_file_t *file, jf_ledger_t *ledger, const char *token,
                                  apr_time_t now_us, apr_pool_t *pool)
{
    jf_sqlite_stamp_t before, after;
    int has_stamp = jf_ledger_stamp(&before, ledger);
    if (has_stamp && jf_ledger_links_get(file, ledger->links, token, &before, pool)) {
        return jf_ledger_is_expired(file, now_us) ? no_such_file(pool) : NULL;
    }
    JF_TRY(read_token(file, ledger, token, now_us, pool));
    if (!has_stamp) {
        jf_ledger_watch(ledger, pool);
    } else if (jf_ledger_stamp(&after, ledger) && jf_sqlite_stamp_equal(&before, &after)) {
        jf_ledger_links_put(ledger->links, file, &before);
    }
    return NULL;
}

/* ---- lists ---- */

/* The first string after all that start with a prefix: its last byte plus one. Paths are UTF-8, so
 * no byte is 0xff: the sum never overflows, and 0xff itself is behind all of them. */
static const char *end_of_prefix(const char *prefix, apr_pool_t *pool)
{
    apr_size_t length = strlen(prefix);
    if (length == 0) {
        return "\xff";
    }
    char *end = apr_pstrdup(pool, prefix);
    end[length - 1]++;
    return end;
}

jf_err_t *jf_ledger_file_list(apr_array_header_t **files, jf_ledger_t *ledger, const char *jid,
                              const char *prefix, const char *after, int limit, apr_time_t now_us,
                              apr_pool_t *pool)
{
    jf_sqlite_t *db;
    sqlite3_stmt *stmt;
    *files = apr_array_make(pool, 16, sizeof(jf_file_t));
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = jf_sqlite_start(&stmt, db, JF_STMT_FILE_LIST, pool, "ssssii", jid, prefix,
                                    end_of_prefix(prefix, pool), after, now_us, (apr_int64_t)limit);
    if (!err) {
        err = collect_files(*files, stmt, pool);
    }
    jf_ledger_read_end(ledger, db);
    return err;
}

jf_err_t *jf_ledger_file_each(apr_array_header_t **files, jf_ledger_t *ledger, const char *after,
                              int limit, apr_pool_t *pool)
{
    jf_sqlite_t *db;
    sqlite3_stmt *stmt;
    *files = apr_array_make(pool, 16, sizeof(jf_file_t));
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err =
        jf_sqlite_start(&stmt, db, JF_STMT_FILE_EACH, pool, "si", after, (apr_int64_t)limit);
    if (!err) {
        err = collect_files(*files, stmt, pool);
    }
    jf_ledger_read_end(ledger, db);
    return err;
}

static jf_err_t *is_object_known(int *is_known, jf_sqlite_t *db, const char *object,
                                 apr_pool_t *pool)
{
    sqlite3_stmt *stmt;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_OBJECT_KNOWN, pool, "s", object));
    return jf_sqlite_step(is_known, stmt, pool);
}

jf_err_t *jf_ledger_object_is_known(int *is_known, jf_ledger_t *ledger, const char *object,
                                    apr_pool_t *pool)
{
    jf_sqlite_t *db;
    JF_TRY(jf_ledger_read_begin(&db, ledger, pool));
    jf_err_t *err = is_object_known(is_known, db, object, pool);
    jf_ledger_read_end(ledger, db);
    return err;
}

typedef struct know_t {
    const char *object;
    int is_known;
} know_t;

static jf_err_t *know_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    know_t *know = baton;
    return is_object_known(&know->is_known, db, know->object, pool);
}

jf_err_t *jf_ledger_object_is_known_for_good(int *is_known, jf_ledger_t *ledger, const char *object,
                                             apr_pool_t *pool)
{
    know_t know = {object, 0};
    JF_TRY(jf_ledger_write(ledger, JF_COMMIT_LAZY, know_op, &know, pool));
    *is_known = know.is_known;
    return NULL;
}

/* ---- removal ---- */

typedef struct remove_file_t {
    const char *jid;
    const char *path;
    const jf_precondition_t *precondition;
    apr_time_t now_us;
    const char *object;
} remove_file_t;

static jf_err_t *remove_file_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    remove_file_t *removal = baton;
    jf_file_t file;
    int found;
    JF_TRY(jf_ledger_find_path(&found, &file, db, removal->jid, removal->path, pool));
    if (!found || jf_ledger_is_expired(&file, removal->now_us)) {
        JF_TRY(jf_ledger_judge(removal->precondition, NULL, pool));
        return no_such_file(pool);
    }
    JF_TRY(jf_ledger_judge(removal->precondition, &file, pool));
    removal->object = file.object;
    return jf_sqlite_run(NULL, db, JF_STMT_FILE_DELETE, pool, "is", file.area_id, removal->path);
}

jf_err_t *jf_ledger_file_remove(const char **object, jf_ledger_t *ledger, const char *jid,
                                const char *path, const jf_precondition_t *precondition,
                                apr_time_t now_us, apr_pool_t *pool)
{
    remove_file_t removal = {jid, path, precondition, now_us, NULL};
    JF_TRY(jf_ledger_write_freeing(ledger, remove_file_op, &removal, pool));
    *object = removal.object;
    return NULL;
}

static jf_err_t *forget_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    return jf_sqlite_run(NULL, db, JF_STMT_FILE_DELETE_OBJECT, pool, "s", (const char *)baton);
}

jf_err_t *jf_ledger_file_forget(jf_ledger_t *ledger, const char *object, apr_pool_t *pool)
{
    return jf_ledger_write_freeing(ledger, forget_op, apr_pstrdup(pool, object), pool);
}

typedef struct expire_t {
    int limit;
    apr_time_t now_us;
    apr_array_header_t *objects;
} expire_t;

static jf_err_t *expire_op(jf_sqlite_t *db, void *baton, apr_pool_t *pool)
{
    expire_t *expire = baton;
    sqlite3_stmt *stmt;
    JF_TRY(jf_sqlite_start(&stmt, db, JF_STMT_FILE_EXPIRED, pool, "ii", expire->now_us,
                           (apr_int64_t)expire->limit));
    JF_TRY(jf_ledger_collect_texts(&expire->objects, stmt, pool));
    for (int i = 0; i < expire->objects->nelts; i++) {
        JF_TRY(jf_sqlite_run(NULL, db, JF_STMT_FILE_DELETE_OBJECT, pool, "s",
                             APR_ARRAY_IDX(expire->objects, i, const char *)));
    }
    return NULL;
}

jf_err_t *jf_ledger_file_expire(apr_array_header_t **objects, jf_ledger_t *ledger, int limit,
                                apr_time_t now_us, apr_pool_t *pool)
{
    expire_t expire = {limit, now_us, NULL};
    /* Durable before the bytes go: a row without an object must not come back with the power. */
    JF_TRY(jf_ledger_write_freeing(ledger, expire_op, &expire, pool));
    *objects = expire.objects;
    return NULL;
}
