#include "admin_content.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "jf_digest.h"

#define BLOCK_BYTES 65536

typedef struct reading_t {
    const jf_file_t *file;
    int object_fd;
    int copy_fd;
    EVP_MD_CTX *hash; /* NULL if there is nothing to compare with */
    apr_pool_t *pool;
} reading_t;

static jf_err_t *copy_block(const reading_t *reading, const char *block, size_t length)
{
    while (reading->copy_fd != ADMIN_CONTENT_NO_COPY && length > 0) {
        ssize_t written = write(reading->copy_fd, block, length);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return jf_err_from_system(errno, reading->pool, "cannot write the copy");
        }
        block += written;
        length -= (size_t)written;
    }
    return NULL;
}

static jf_err_t *no_hash(apr_pool_t *pool)
{
    return jf_err_make(JF_ERR_IO, APR_EGENERAL, pool, "SHA-256 cannot be computed");
}

static jf_err_t *read_blocks(const reading_t *reading)
{
    char block[BLOCK_BYTES];
    apr_int64_t read_bytes = 0;
    for (;;) {
        ssize_t length = read(reading->object_fd, block, sizeof(block));
        if (length < 0 && errno == EINTR) {
            continue;
        }
        if (length < 0) {
            return jf_err_from_system(errno, reading->pool, "object %s cannot be read",
                                      reading->file->object);
        }
        if (length == 0) {
            break;
        }
        if (reading->hash && !EVP_DigestUpdate(reading->hash, block, (size_t)length)) {
            return no_hash(reading->pool);
        }
        JF_TRY(copy_block(reading, block, (size_t)length));
        read_bytes += length;
    }
    if (read_bytes != reading->file->size_bytes) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, reading->pool,
                           "object %s gave %" APR_INT64_T_FMT
                           " bytes, the ledger says %" APR_INT64_T_FMT,
                           reading->file->object, read_bytes, reading->file->size_bytes);
    }
    return NULL;
}

static jf_err_t *compare_hash(const reading_t *reading)
{
    unsigned char sha256[EVP_MAX_MD_SIZE];
    if (!EVP_DigestFinal_ex(reading->hash, sha256, NULL)) {
        return no_hash(reading->pool);
    }
    if (memcmp(sha256, reading->file->sha256, JF_SHA256_BYTES) == 0) {
        return NULL;
    }
    return jf_err_make(JF_ERR_DIGEST, APR_SUCCESS, reading->pool,
                       "object %s has other content than was uploaded: its SHA-256 differs",
                       reading->file->object);
}

static jf_err_t *read_hashed(reading_t *reading)
{
    reading->hash = EVP_MD_CTX_new();
    jf_err_t *err = reading->hash && EVP_DigestInit_ex(reading->hash, EVP_sha256(), NULL)
                        ? read_blocks(reading)
                        : no_hash(reading->pool);
    if (!err) {
        err = compare_hash(reading);
    }
    EVP_MD_CTX_free(reading->hash);
    return err;
}

jf_err_t *admin_content_read(const jf_store_t *store, const jf_file_t *file, int copy_fd,
                             apr_pool_t *pool)
{
    reading_t reading = {.file = file, .copy_fd = copy_fd, .pool = pool};
    JF_TRY(jf_store_check(store, file->object, file->size_bytes, pool));
    JF_TRY(jf_store_open_object(&reading.object_fd, store, file->object, pool));
    jf_err_t *err = file->sha256 ? read_hashed(&reading) : read_blocks(&reading);
    close(reading.object_fd);
    return err;
}
