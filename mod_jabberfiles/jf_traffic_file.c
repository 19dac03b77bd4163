#include "jf_traffic_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#define HEADER_BYTES 4096
#define ACCOUNTS_MAX (1U << 22)
#define LISTINGS_MAX (1U << 20)
#define PROCESSES_MAX (1U << 16)

_Static_assert(sizeof(jf_traffic_header_t) <= HEADER_BYTES, "the header is too large");

/* ---- layout ---- */

static int is_sane(const jf_traffic_size_t *size)
{
    return size->accounts >= JF_TRAFFIC_WINDOW && size->accounts <= ACCOUNTS_MAX &&
           (size->accounts & (size->accounts - 1)) == 0 && size->listings <= LISTINGS_MAX &&
           size->listings % 16 == 0 && size->processes > 0 && size->processes <= PROCESSES_MAX;
}

/* Where the parts begin; what is looked through most comes first and is dense. */
typedef struct layout_t {
    apr_size_t keys;
    apr_size_t owners;
    apr_size_t listings;
    apr_size_t accounts;
    apr_size_t end;
} layout_t;

static layout_t layout_of(const jf_traffic_size_t *size)
{
    layout_t layout = {.keys = HEADER_BYTES};
    layout.owners = layout.keys + size->accounts * sizeof(apr_uint64_t);
    layout.listings = layout.owners + size->listings * sizeof(apr_uint32_t);
    layout.accounts = layout.listings + size->listings * sizeof(jf_listing_t);
    layout.end = layout.accounts + size->accounts * sizeof(jf_account_t);
    return layout;
}

static off_t bytes_of(const jf_traffic_size_t *size)
{
    return (off_t)layout_of(size).end;
}

static jf_traffic_map_t map_of(char *base, const jf_traffic_size_t *size)
{
    layout_t layout = layout_of(size);
    return (jf_traffic_map_t){
        .header = (jf_traffic_header_t *)base,
        .keys = (apr_uint64_t *)(base + layout.keys),
        .owners = (apr_uint32_t *)(base + layout.owners),
        .listings = (jf_listing_t *)(base + layout.listings),
        .accounts = (jf_account_t *)(base + layout.accounts),
        .size = *size,
        .bytes = layout.end,
    };
}

/* ---- is it the right one? ---- */

static int is_header(const jf_traffic_header_t *header, const char *ledger_id)
{
    return strncmp(header->magic, JF_TRAFFIC_MAGIC, sizeof(header->magic)) == 0 &&
           header->version == JF_TRAFFIC_VERSION && header->account_size == sizeof(jf_account_t) &&
           header->listing_size == sizeof(jf_listing_t) && is_sane(&header->size) &&
           (!ledger_id || strncmp(header->ledger_id, ledger_id, JF_TRAFFIC_ID_SIZE) == 0);
}

static int is_whole(int fd, const jf_traffic_header_t *header)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_size == bytes_of(&header->size);
}

static int is_regular(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* Without O_NONBLOCK a FIFO in its place would be waited for. */
static jf_err_t *open_file(int *fd_out, const char *path, apr_pool_t *pool)
{
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return jf_err_from_system(errno, pool, "cannot open %s", path);
    }
    if (!is_regular(fd)) {
        close(fd);
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool, "%s is no regular file", path);
    }
    *fd_out = fd;
    return NULL;
}

static int reads_header(jf_traffic_header_t *header, int fd)
{
    return pread(fd, header, sizeof(*header), 0) == (ssize_t)sizeof(*header);
}

/* ---- making it ---- */

/* Empty where nobody says. */
static void read_boot_id(char *id, apr_size_t size)
{
    apr_size_t length = 0;
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file) {
        length = fread(id, 1, size - 1, file);
        fclose(file);
    }
    id[length] = '\0';
}

/* Nobody has made sure that the file's pages reach the disk in any order. When the system has gone
 * down meanwhile, the ledger knows better. */
static int is_same(const jf_traffic_header_t *header, const jf_traffic_header_t *wanted)
{
    return is_header(header, wanted->ledger_id) &&
           strncmp(header->boot_id, wanted->boot_id, JF_TRAFFIC_ID_SIZE) == 0 &&
           memcmp(&header->size, &wanted->size, sizeof(header->size)) == 0;
}

static jf_err_t *check(int *fits, const char *path, const jf_traffic_header_t *wanted,
                       apr_pool_t *pool)
{
    int fd;
    jf_traffic_header_t header;
    *fits = 0;
    jf_err_t *err = open_file(&fd, path, pool);
    if (err) {
        return APR_STATUS_IS_ENOENT(err->status) ? NULL : err;
    }
    *fits = reads_header(&header, fd) && is_same(&header, wanted) && is_whole(fd, &header);
    close(fd);
    return NULL;
}

static int fill(int fd, const jf_traffic_header_t *header)
{
    int error = posix_fallocate(fd, 0, bytes_of(&header->size));
    if (error) {
        return error;
    }
    return pwrite(fd, header, sizeof(*header), 0) == (ssize_t)sizeof(*header) ? 0 : errno;
}

/* It gets its name when it is complete, so nobody ever maps half of it. */
static jf_err_t *make(const char *path, const jf_traffic_header_t *header, apr_pool_t *pool)
{
    const char *unfinished = apr_pstrcat(pool, path, ".new", NULL);
    unlink(unfinished);
    int fd = open(unfinished, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return jf_err_from_system(errno, pool, "cannot create %s", unfinished);
    }
    int error = fill(fd, header);
    if (!error && rename(unfinished, path) != 0) {
        error = errno;
    }
    if (error) {
        unlink(unfinished);
    }
    close(fd);
    return error ? jf_err_from_system(error, pool, "cannot make %s", path) : NULL;
}

static jf_err_t *make_unless_it_fits(const char *path, const jf_traffic_header_t *header,
                                     apr_pool_t *pool)
{
    int fits = 0;
    JF_TRY(check(&fits, path, header, pool));
    return fits ? NULL : make(path, header, pool);
}

jf_err_t *jf_traffic_file_create(const char *path, const char *directory, const char *ledger_id,
                                 const jf_traffic_size_t *size, apr_pool_t *pool)
{
    jf_traffic_header_t header = {
        .magic = JF_TRAFFIC_MAGIC,
        .version = JF_TRAFFIC_VERSION,
        .account_size = sizeof(jf_account_t),
        .listing_size = sizeof(jf_listing_t),
        .size = *size,
    };
    apr_cpystrn(header.ledger_id, ledger_id, sizeof(header.ledger_id));
    read_boot_id(header.boot_id, sizeof(header.boot_id));

    /* Two that start at the same time must not replace each other's. */
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) != 0) {
        jf_err_t *err = jf_err_from_system(errno, pool, "cannot lock %s", directory);
        if (fd >= 0) {
            close(fd);
        }
        return err;
    }
    jf_err_t *err = make_unless_it_fits(path, &header, pool);
    close(fd);
    return err;
}

/* ---- mapping it ---- */

static jf_err_t *map_file(jf_traffic_map_t *map, int fd, const char *path, const char *ledger_id,
                          apr_pool_t *pool)
{
    jf_traffic_header_t header;
    if (!reads_header(&header, fd) || !is_header(&header, ledger_id) || !is_whole(fd, &header)) {
        return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, pool,
                           "%s is not what belongs to this ledger and this version", path);
    }
    void *base = mmap(NULL, layout_of(&header.size).end, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        return jf_err_from_system(errno, pool, "cannot map %s", path);
    }
    *map = map_of(base, &header.size);
    return NULL;
}

jf_err_t *jf_traffic_file_map(int *fd_out, jf_traffic_map_t *map, const char *path,
                              const char *ledger_id, apr_pool_t *pool)
{
    int fd;
    JF_TRY(open_file(&fd, path, pool));
    jf_err_t *err = map_file(map, fd, path, ledger_id, pool);
    if (err) {
        close(fd);
        return err;
    }
    *fd_out = fd;
    return NULL;
}
