#include "part_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>
#include <jansson.h>

#include "jf_ascii.h"

/* Tells our files from others, and from those of versions to come. */
#define MARK "jabberfiles_part"
#define VERSION 1
/* URLs and tags are shorter; more is none of ours. */
#define SIDECAR_BYTES_MAX (128 << 10)

static int is_printable(const char *text)
{
    for (; *text; text++) {
        if (!jf_ascii_is_printable(*text)) {
            return 0;
        }
    }
    return 1;
}

int part_file_is_strong_etag(const char *etag)
{
    size_t length = strlen(etag);
    return length >= 2 && etag[0] == '"' && strchr(etag + 1, '"') == etag + length - 1 &&
           !strchr(etag, ' ') && is_printable(etag);
}

static jf_err_t *not_ours(const char *path, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_PRECONDITION, APR_SUCCESS, pool,
                       "%s is in the way, and from no download of this tool: move it, or choose "
                       "another name with -o",
                       path);
}

/** A text member in @a pool; NULL if it is missing, null, or could not be sent to a server. */
static const char *member(const json_t *object, const char *name, apr_pool_t *pool)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && is_printable(text) ? apr_pstrdup(pool, text) : NULL;
}

/** @return 0 if @a object is not what part_sidecar_write wrote */
static int read_members(part_origin_t *origin, const json_t *object, apr_pool_t *pool)
{
    if (json_integer_value(json_object_get(object, MARK)) != VERSION) {
        return 0;
    }
    const char *url = json_string_value(json_object_get(object, "url"));
    const json_t *size = json_object_get(object, "size_bytes");
    if (!url || !json_is_integer(size)) {
        return 0;
    }
    origin->url = apr_pstrdup(pool, url);
    origin->size_bytes = json_integer_value(size);
    origin->last_modified = member(object, "last_modified", pool);
    const char *etag = member(object, "etag", pool);
    origin->etag = etag && part_file_is_strong_etag(etag) ? etag : NULL;
    return 1;
}

jf_err_t *part_sidecar_read(part_origin_t *origin, const char *path, apr_pool_t *pool)
{
    memset(origin, 0, sizeof(*origin));
    origin->size_bytes = -1;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) {
        return NULL;
    }
    struct stat found;
    int is_ours = fd >= 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode) &&
                  found.st_uid == geteuid() && found.st_size <= SIDECAR_BYTES_MAX;
    if (is_ours) {
        json_t *object = json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
        is_ours = read_members(origin, object, pool);
        json_decref(object);
    }
    if (fd >= 0) {
        close(fd);
    }
    return is_ours ? NULL : not_ours(path, pool);
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *make_members(const part_origin_t *origin)
{
    return json_pack("{s:i, s:o, s:o, s:o, s:I}", MARK, VERSION, "url", text_or_null(origin->url),
                     "etag", text_or_null(origin->etag), "last_modified",
                     text_or_null(origin->last_modified), "size_bytes",
                     (json_int_t)origin->size_bytes);
}

/** Writes and closes. @return 0 if that fails, with errno */
static int write_all(int fd, const json_t *object)
{
    int is_written = json_dumpfd(object, fd, JSON_COMPACT) == 0;
    int is_closed = close(fd) == 0;
    return is_written && is_closed;
}

jf_err_t *part_sidecar_write(const char *path, const part_origin_t *origin, apr_pool_t *pool)
{
    json_t *object = make_members(origin);
    if (!object) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "the link is not valid UTF-8");
    }
    char *draft = apr_pstrcat(pool, path, ".XXXXXX", NULL);
    int fd = mkostemp(draft, O_CLOEXEC);
    int is_done = fd >= 0 && write_all(fd, object) && rename(draft, path) == 0;
    apr_status_t status = errno;
    json_decref(object);
    if (is_done) {
        return NULL;
    }
    if (fd >= 0) {
        unlink(draft);
    }
    return jf_err_from_system(status, pool, "%s cannot be written", path);
}

const char *part_file_url(const char *destination, apr_pool_t *pool)
{
    part_origin_t origin;
    jf_err_t *err =
        part_sidecar_read(&origin, apr_pstrcat(pool, destination, ".part.json", NULL), pool);
    return err ? NULL : origin.url;
}
