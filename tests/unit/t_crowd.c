#include "t_crowd.h"

#include <ftw.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>
#include <sqlite3.h>

/* Whoever runs as root can be this one for a while. */
#define NOBODY 65534

/* ---- other processes and threads ---- */

static int wait_for(pid_t pid)
{
    int status;
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

int jf_crowd_child(int (*work)(void *baton), void *baton)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(work(baton));
    }
    return wait_for(pid);
}

static int give_away(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return lchown(path, NOBODY, NOBODY);
}

int jf_crowd_plain_child(int (*work)(void *baton), void *baton, const char *directory)
{
    if (geteuid() != 0) {
        return jf_crowd_child(work, baton);
    }
    assert_int_equal(nftw(directory, give_away, 16, FTW_PHYS), 0);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(setgid(NOBODY) == 0 && setuid(NOBODY) == 0 ? work(baton) : 255);
    }
    return wait_for(pid);
}

/* Waits until the parent has closed its end, which it does when all children are there. */
static void wait_for_start(const int start[2])
{
    char nothing;
    close(start[1]);
    while (read(start[0], &nothing, 1) > 0) {
    }
}

int jf_crowd_children(int count, int (*work)(void *baton, int number), void *baton)
{
    pid_t *pids = calloc((size_t)count, sizeof(*pids));
    int start[2];
    assert_non_null(pids);
    assert_int_equal(pipe(start), 0);
    for (int i = 0; i < count; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            wait_for_start(start);
            _exit(work(baton, i));
        }
    }
    close(start[0]);
    close(start[1]);

    int succeeded = 0;
    for (int i = 0; i < count; i++) {
        succeeded += wait_for(pids[i]) == 0;
    }
    free(pids);
    return succeeded;
}

typedef struct thread_t {
    void (*work)(void *baton, int number, apr_pool_t *pool);
    void *baton;
    int number;
    pthread_barrier_t *start;
    pthread_t thread;
} thread_t;

static void *run_thread(void *data)
{
    thread_t *thread = data;
    apr_pool_t *pool;
    apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    pthread_barrier_wait(thread->start);
    thread->work(thread->baton, thread->number, pool);
    apr_pool_destroy(pool);
    return NULL;
}

void jf_crowd_threads(int count, void (*work)(void *baton, int number, apr_pool_t *pool),
                      void *baton)
{
    pthread_barrier_t start;
    thread_t *threads = calloc((size_t)count, sizeof(*threads));
    assert_non_null(threads);
    pthread_barrier_init(&start, NULL, (unsigned)count);
    for (int i = 0; i < count; i++) {
        threads[i] = (thread_t){.work = work, .baton = baton, .number = i, .start = &start};
        assert_int_equal(pthread_create(&threads[i].thread, NULL, run_thread, &threads[i]), 0);
    }
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i].thread, NULL);
    }
    pthread_barrier_destroy(&start);
    free(threads);
}

/* ---- the ledger from outside ---- */

sqlite3 *jf_crowd_stranger(const jf_fixture_t *fixture)
{
    sqlite3 *stranger;
    assert_int_equal(sqlite3_open_v2(fixture->database, &stranger, SQLITE_OPEN_READWRITE, NULL),
                     SQLITE_OK);
    return stranger;
}

void jf_crowd_exec(sqlite3 *stranger, const char *sql)
{
    if (sqlite3_exec(stranger, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(stranger));
    }
}

static sqlite3_stmt *step_to_row(sqlite3 *stranger, const char *sql)
{
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(stranger, sql, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(stranger));
    }
    return stmt;
}

apr_int64_t jf_crowd_number(sqlite3 *stranger, const char *sql)
{
    sqlite3_stmt *stmt = step_to_row(stranger, sql);
    apr_int64_t number = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return number;
}

const char *jf_crowd_text(sqlite3 *stranger, const char *sql, apr_pool_t *pool)
{
    sqlite3_stmt *stmt = step_to_row(stranger, sql);
    const char *text = apr_pstrdup(pool, (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return text;
}
