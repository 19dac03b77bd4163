#include "source_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_file_io.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <openssl/evp.h>

#include "jf_media.h"
#include "jf_names.h"
#include "output.h"

#define STANDARD_INPUT "-"
#define NAME_OF_STANDARD_INPUT "stdin"
#define PIECE_BYTES (256 << 10)
#define WAIT_MS 200

struct source_state_t {
    client_t *client;
    apr_pool_t *pool;
    int is_stream;        /* has neither size nor place */
    int is_digesting;     /* what is read goes into the digest */
    apr_int64_t at_bytes; /* how much of a stream has been read */
    EVP_MD_CTX *sha256;
};

/* ---- digest ---- */

static apr_status_t free_digest(void *baton)
{
    struct source_state_t *state = baton;
    EVP_MD_CTX_free(state->sha256);
    return APR_SUCCESS;
}

static jf_err_t *begin_digest(source_file_t *source)
{
    struct source_state_t *state = source->state;
    state->sha256 = EVP_MD_CTX_new();
    apr_pool_cleanup_register(state->pool, state, free_digest, apr_pool_cleanup_null);
    if (!state->sha256 || !EVP_DigestInit_ex(state->sha256, EVP_sha256(), NULL)) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, state->pool, "libcrypto makes no digest for %s",
                           source->path);
    }
    state->is_digesting = 1;
    return NULL;
}

static jf_err_t *add_to_digest(source_file_t *source, const char *data, size_t size)
{
    struct source_state_t *state = source->state;
    if (!EVP_DigestUpdate(state->sha256, data, size)) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, state->pool, "libcrypto makes no digest for %s",
                           source->path);
    }
    return NULL;
}

static jf_err_t *end_digest(source_file_t *source)
{
    struct source_state_t *state = source->state;
    state->is_digesting = 0;
    if (!EVP_DigestFinal_ex(state->sha256, source->sha256, NULL)) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, state->pool, "libcrypto makes no digest for %s",
                           source->path);
    }
    source->has_digest = 1;
    return NULL;
}

/* ---- reading ---- */

/* A pipe may be silent for hours; the connection to the Jabber server lives on. */
static jf_err_t *wait_for_input(source_file_t *source)
{
    struct source_state_t *state = source->state;
    struct pollfd input = {.fd = source->fd, .events = POLLIN};
    while (poll(&input, 1, WAIT_MS) <= 0) {
        client_idle(state->client);
        if (client_is_interrupted()) {
            return client_interrupted(state->pool);
        }
    }
    return NULL;
}

static jf_err_t *read_some(apr_ssize_t *count, source_file_t *source, char *buffer, size_t size)
{
    if (source->state->is_stream) {
        JF_TRY(wait_for_input(source));
    }
    do {
        *count = read(source->fd, buffer, size);
    } while (*count < 0 && errno == EINTR);
    if (*count < 0) {
        return jf_err_from_system(errno, source->state->pool, "%s cannot be read", source->path);
    }
    return NULL;
}

static jf_err_t *note_piece(source_file_t *source, const char *data, apr_ssize_t count)
{
    struct source_state_t *state = source->state;
    if (state->is_stream) {
        state->at_bytes += count;
    }
    if (!state->is_digesting) {
        return NULL;
    }
    if (count > 0) {
        return add_to_digest(source, data, (size_t)count);
    }
    if (state->is_stream) {
        source->size_bytes = state->at_bytes;
    }
    return end_digest(source);
}

apr_ssize_t source_file_read(void *baton, char *buffer, size_t size, jf_err_t **err)
{
    source_file_t *source = baton;
    apr_ssize_t count;
    *err = read_some(&count, source, buffer, size);
    if (!*err) {
        *err = note_piece(source, buffer, count);
    }
    return *err ? -1 : count;
}

jf_err_t *source_file_seek(source_file_t *source, apr_int64_t offset_bytes, apr_pool_t *pool)
{
    if (source->state->is_stream) {
        return source->state->at_bytes == offset_bytes
                   ? NULL
                   : jf_err_make(JF_ERR_IO, APR_SUCCESS, pool,
                                 "%s cannot be read twice: save it as a file and send that",
                                 source->path);
    }
    if (lseek(source->fd, offset_bytes, SEEK_SET) < 0) {
        return jf_err_from_system(errno, pool, "%s cannot be read", source->path);
    }
    return NULL;
}

/* Reads all of it, for the digest, perhaps into a copy. */
static jf_err_t *read_through(source_file_t *source, apr_file_t *copy)
{
    struct source_state_t *state = source->state;
    char *buffer = apr_palloc(state->pool, PIECE_BYTES);
    jf_err_t *err;
    apr_ssize_t count;
    while ((count = source_file_read(source, buffer, PIECE_BYTES, &err)) > 0) {
        apr_status_t status =
            copy ? apr_file_write_full(copy, buffer, (apr_size_t)count, NULL) : APR_SUCCESS;
        if (status != APR_SUCCESS) {
            return jf_err_from_system(status, state->pool,
                                      "%s does not fit into the directory for temporary files, "
                                      "which TMPDIR names",
                                      source->path);
        }
        client_idle(state->client);
        if (client_is_interrupted()) {
            return client_interrupted(state->pool);
        }
    }
    return count < 0 ? err : NULL;
}

/* ---- opening ---- */

static jf_err_t *refuse_directory(const char *path, apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                       "%s is a directory: pack it first, \"tar -czf %s.tar.gz %s\"", path,
                       jf_names_leaf(path), path);
}

static jf_err_t *describe(source_file_t *source, apr_pool_t *pool)
{
    struct stat info;
    if (fstat(source->fd, &info) != 0) {
        return jf_err_from_system(errno, pool, "%s cannot be read", source->path);
    }
    if (S_ISDIR(info.st_mode)) {
        return refuse_directory(source->path, pool);
    }
    source->state->is_stream = !S_ISREG(info.st_mode) || strcmp(source->path, STANDARD_INPUT) == 0;
    if (!source->state->is_stream) {
        source->size_bytes = info.st_size;
        source->modified_us = apr_time_from_sec(info.st_mtim.tv_sec) + info.st_mtim.tv_nsec / 1000;
    }
    return NULL;
}

static apr_status_t close_descriptor(void *baton)
{
    close(((source_file_t *)baton)->fd);
    return APR_SUCCESS;
}

static jf_err_t *open_descriptor(source_file_t *source, apr_pool_t *pool)
{
    if (strcmp(source->path, STANDARD_INPUT) == 0) {
        source->fd = STDIN_FILENO;
        return NULL;
    }
    source->fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (source->fd < 0) {
        return jf_err_from_system(errno, pool, "%s cannot be opened", source->path);
    }
    apr_pool_cleanup_register(pool, source, close_descriptor, apr_pool_cleanup_null);
    return NULL;
}

static jf_err_t *choose_name(source_file_t *source, const client_t *client, apr_pool_t *pool)
{
    const options_t *options = client->options;
    source->name = options->name ? options->name : jf_names_leaf(source->path);
    if (!options->name && strcmp(source->path, STANDARD_INPUT) == 0) {
        source->name = NAME_OF_STANDARD_INPUT;
        output_note(client, "standard input is called \"%s\"; give it a better name with --name",
                    source->name);
    }
    jf_err_t *err = jf_names_check_path(source->name, pool);
    if (!err && strchr(source->name, '/')) {
        err = jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool, "a name has no slash");
    }
    if (err) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, pool,
                           "\"%s\" cannot be the name of a file: %s; choose one with --name",
                           source->name, err->text);
    }
    const char *known = jf_media_by_name(source->name);
    source->media_type = options->media_type ? options->media_type
                         : known             ? known
                                             : JF_MEDIA_UNKNOWN;
    return NULL;
}

jf_err_t *source_file_open(source_file_t **source_out, client_t *client, const char *path,
                           apr_pool_t *pool)
{
    source_file_t *source = apr_pcalloc(pool, sizeof(*source));
    source->path = path;
    source->size_bytes = -1;
    source->state = apr_pcalloc(pool, sizeof(*source->state));
    source->state->client = client;
    source->state->pool = pool;
    JF_TRY(open_descriptor(source, pool));
    JF_TRY(describe(source, pool));
    JF_TRY(choose_name(source, client, pool));
    JF_TRY(begin_digest(source));
    if (!source->state->is_stream) {
        JF_TRY(read_through(source, NULL));
        JF_TRY(source_file_check(source, pool));
        JF_TRY(source_file_seek(source, 0, pool));
    }
    *source_out = source;
    return NULL;
}

/* ---- later ---- */

jf_err_t *source_file_spool(source_file_t *source, client_t *client, apr_pool_t *pool)
{
    const char *directory;
    apr_file_t *copy;
    apr_os_file_t fd;
    if (!source->state->is_stream) {
        return NULL;
    }
    apr_status_t status = apr_temp_dir_get(&directory, pool);
    char *path =
        apr_pstrcat(pool, status == APR_SUCCESS ? directory : "", "/jabberfiles.XXXXXX", NULL);
    if (status == APR_SUCCESS) {
        status = apr_file_mktemp(&copy, path,
                                 APR_FOPEN_CREATE | APR_FOPEN_EXCL | APR_FOPEN_READ |
                                     APR_FOPEN_WRITE | APR_FOPEN_BINARY,
                                 pool);
    }
    if (status != APR_SUCCESS) {
        return jf_err_from_system(status, pool, "no temporary file can be made in %s",
                                  status == APR_SUCCESS ? directory : path);
    }
    apr_file_remove(path, pool);
    output_note(client, "reading %s to its end: its size has to be known beforehand", source->path);
    JF_TRY(read_through(source, copy));
    apr_os_file_get(&fd, copy);
    source->fd = fd;
    source->state->is_stream = 0;
    return source_file_seek(source, 0, pool);
}

jf_err_t *source_file_check(const source_file_t *source, apr_pool_t *pool)
{
    struct stat info;
    if (source->modified_us == 0) {
        return NULL;
    }
    if (fstat(source->fd, &info) != 0) {
        return jf_err_from_system(errno, pool, "%s cannot be read", source->path);
    }
    apr_time_t modified_us = apr_time_from_sec(info.st_mtim.tv_sec) + info.st_mtim.tv_nsec / 1000;
    if (info.st_size != source->size_bytes || modified_us != source->modified_us) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, pool,
                           "%s has changed while it was read: try again when nobody writes to it",
                           source->path);
    }
    return NULL;
}

shared_file_t *source_file_shared(const source_file_t *source, const char *url, apr_pool_t *pool)
{
    shared_file_t *shared = apr_pcalloc(pool, sizeof(*shared));
    shared->url = apr_pstrdup(pool, url);
    shared->name = apr_pstrdup(pool, source->name);
    shared->media_type = apr_pstrdup(pool, source->media_type);
    shared->size_bytes = source->size_bytes;
    shared->date_us = source->modified_us;
    if (source->has_digest) {
        shared->sha256 = apr_pmemdup(pool, source->sha256, sizeof(source->sha256));
    }
    return shared;
}
