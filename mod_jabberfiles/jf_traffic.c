#include "jf_traffic_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <apr_strings.h>

static const jf_traffic_size_t full_size = {.accounts = 16384, .listings = 4096, .processes = 1024};

/* ---- locks ----
 * On bytes of the file: one for each of jf_traffic_lock_t, then one for each process. */

#define FIRST_PROCESS 16

/* Those of an open file, where there are such: a process may then open it twice. */
#ifdef F_OFD_SETLKW
#define LOCK_AND_WAIT F_OFD_SETLKW
#define LOCK_OR_FAIL F_OFD_SETLK
#define LOOK_FOR_LOCK F_OFD_GETLK
#else
#define LOCK_AND_WAIT F_SETLKW
#define LOCK_OR_FAIL F_SETLK
#define LOOK_FOR_LOCK F_GETLK
#endif

static int lock_bytes(const jf_traffic_t *traffic, int command, short type, off_t first,
                      off_t count)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = first, .l_len = count};
    int result;
    do {
        result = fcntl(traffic->fd, command, &lock);
    } while (result != 0 && errno == EINTR);
    return result == 0 && (command != LOOK_FOR_LOCK || lock.l_type == F_UNLCK);
}

static off_t byte_of(apr_uint32_t owner)
{
    return FIRST_PROCESS + (off_t)owner - 1;
}

jf_err_t *jf_traffic_lock(const jf_traffic_t *traffic, jf_traffic_lock_t which, apr_pool_t *pool)
{
    apr_thread_mutex_lock(traffic->mutexes[which]);
    if (lock_bytes(traffic, LOCK_AND_WAIT, F_WRLCK, which, 1)) {
        return NULL;
    }
    jf_err_t *err = jf_err_from_system(errno, pool, "cannot lock %s", traffic->path);
    apr_thread_mutex_unlock(traffic->mutexes[which]);
    return err;
}

void jf_traffic_unlock(const jf_traffic_t *traffic, jf_traffic_lock_t which)
{
    lock_bytes(traffic, LOCK_OR_FAIL, F_UNLCK, which, 1);
    apr_thread_mutex_unlock(traffic->mutexes[which]);
}

int jf_traffic_lock_dead(const jf_traffic_t *traffic, apr_uint32_t owner)
{
    return owner != traffic->owner && lock_bytes(traffic, LOCK_OR_FAIL, F_WRLCK, byte_of(owner), 1);
}

void jf_traffic_unlock_dead(const jf_traffic_t *traffic, apr_uint32_t owner)
{
    lock_bytes(traffic, LOCK_OR_FAIL, F_UNLCK, byte_of(owner), 1);
}

/* ---- life ---- */

static const char *path_of(const char *directory, apr_pool_t *pool)
{
    return apr_pstrcat(pool, directory, "/traffic", NULL);
}

/* Takes the first index that no living process has. What the last one who had it has left behind
 * would look like ours from now on. */
static void take_index(jf_traffic_t *traffic)
{
    const jf_traffic_size_t *size = &traffic->map.size;
    for (apr_uint32_t owner = 1; owner <= size->processes; owner++) {
        if (lock_bytes(traffic, LOCK_OR_FAIL, F_WRLCK, byte_of(owner), 1)) {
            jf_traffic_bury_owner(&traffic->map, owner);
            traffic->owner = owner;
            traffic->next_listing =
                (apr_uint32_t)((apr_uint64_t)(owner - 1) * size->listings / size->processes);
            return;
        }
    }
}

static jf_err_t *enter(jf_traffic_t *traffic, apr_pool_t *pool)
{
    JF_TRY(jf_traffic_lock(traffic, JF_LOCK_ACCOUNTS, pool));
    if (lock_bytes(traffic, LOOK_FOR_LOCK, F_WRLCK, FIRST_PROCESS, traffic->map.size.processes)) {
        jf_traffic_bury_all(&traffic->map);
    }
    take_index(traffic);
    jf_traffic_unlock(traffic, JF_LOCK_ACCOUNTS);
    return NULL;
}

static jf_err_t *make_file(const char *directory, jf_ledger_t *ledger,
                           const jf_traffic_size_t *size, apr_pool_t *pool)
{
    const char *id;
    JF_TRY(jf_ledger_id(&id, ledger, pool));
    return jf_traffic_file_create(path_of(directory, pool), directory, id, size, pool);
}

/* A ledger that cannot be asked now is no reason to refuse: jf_traffic_create has asked it. */
static jf_err_t *map_file(jf_traffic_t *traffic, apr_pool_t *pool)
{
    const char *id;
    if (jf_ledger_id(&id, traffic->ledger, pool)) {
        id = NULL;
    }
    return jf_traffic_file_map(&traffic->fd, &traffic->map, traffic->path, id, pool);
}

/* Somebody may have removed the file since the start; then a process that is new makes it again. */
static jf_err_t *open_parts(jf_traffic_t *traffic, const char *directory, apr_pool_t *pool)
{
    for (int i = 0; i < 2; i++) {
        apr_status_t status =
            apr_thread_mutex_create(&traffic->mutexes[i], APR_THREAD_MUTEX_DEFAULT, traffic->pool);
        if (status != APR_SUCCESS) {
            return jf_err_from_system(status, pool, "cannot make a lock");
        }
    }
    if (map_file(traffic, pool)) {
        JF_TRY(make_file(directory, traffic->ledger, &full_size, pool));
        JF_TRY(map_file(traffic, pool));
    }
    return enter(traffic, pool);
}

jf_err_t *jf_traffic_open(jf_traffic_t **traffic_out, const char *directory, jf_ledger_t *ledger,
                          apr_pool_t *pool)
{
    /* Unmanaged: it outlives every pool of the process. */
    apr_pool_t *own;
    apr_pool_create_unmanaged_ex(&own, NULL, NULL);
    jf_traffic_t *traffic = apr_pcalloc(own, sizeof(*traffic));
    traffic->pool = own;
    traffic->ledger = ledger;
    traffic->path = path_of(directory, own);
    traffic->fd = -1;
    jf_err_t *err = open_parts(traffic, directory, pool);
    if (err) {
        jf_traffic_close(traffic);
        return err;
    }
    *traffic_out = traffic;
    return NULL;
}

void jf_traffic_close(jf_traffic_t *traffic)
{
    if (traffic->map.header) {
        munmap(traffic->map.header, traffic->map.bytes);
    }
    if (traffic->fd >= 0) {
        close(traffic->fd);
    }
    apr_pool_destroy(traffic->pool);
}

jf_err_t *jf_traffic_create_sized(const char *directory, jf_ledger_t *ledger,
                                  const jf_traffic_size_t *size, apr_time_t now_us,
                                  apr_pool_t *pool)
{
    jf_traffic_t *traffic;
    jf_traffic_flush_t result;
    JF_TRY(make_file(directory, ledger, size, pool));
    JF_TRY(jf_traffic_open(&traffic, directory, ledger, pool));
    /* What cannot be written now is not lost: it goes with the next flush. */
    (void)jf_traffic_flush(&result, traffic, now_us, pool);
    jf_traffic_close(traffic);
    return NULL;
}

jf_err_t *jf_traffic_create(const char *directory, jf_ledger_t *ledger, apr_time_t now_us,
                            apr_pool_t *pool)
{
    return jf_traffic_create_sized(directory, ledger, &full_size, now_us, pool);
}

/* ---- looking ---- */

/* @a value, or what was shown before if that was more. */
static apr_int64_t never_less(apr_int64_t *shown, apr_int64_t value)
{
    apr_int64_t before = jf_get(shown);
    while (before < value && !jf_set_if(shown, &before, value)) {
    }
    return before < value ? value : before;
}

static apr_int64_t total(const jf_traffic_map_t *map, jf_count_t kind)
{
    apr_int64_t sum = jf_get(&map->header->direct[kind]);
    for (apr_uint32_t i = 0; i < map->size.accounts; i++) {
        sum += jf_get(&map->accounts[i].counted[kind]);
    }
    return never_less(&map->header->shown[kind], sum);
}

void jf_traffic_totals(jf_traffic_totals_t *totals, const jf_traffic_t *traffic)
{
    const jf_traffic_map_t *map = &traffic->map;
    *totals = (jf_traffic_totals_t){
        .sent_bytes = total(map, JF_COUNT_SENT),
        .received_bytes = total(map, JF_COUNT_RECEIVED),
        .downloads = total(map, JF_COUNT_DOWNLOADS),
        .uploads = total(map, JF_COUNT_UPLOADS),
        .accounts_max = map->size.accounts,
    };
    for (apr_uint32_t i = 0; i < map->size.accounts; i++) {
        totals->accounts += jf_get(&map->keys[i]) != 0;
    }
}
