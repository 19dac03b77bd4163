#include "jf_sqlite_stamp.h"

#include <stddef.h>
#include <string.h>

/* The header as it is documented. It is there twice; a writer writes the second copy first, and a
 * reader reads the first one first, so that two equal ones are whole. */
typedef struct index_header_t {
    apr_uint32_t version;
    apr_uint32_t unused;
    apr_uint32_t change;
    unsigned char is_init;
    unsigned char is_big_endian;
    apr_uint16_t page_bytes;
    apr_uint32_t last_frame;
    apr_uint32_t page_count;
    apr_uint32_t frame_checksum[2];
    apr_uint32_t salt[2];
    apr_uint32_t checksum[2];
} index_header_t;

_Static_assert(sizeof(index_header_t) == sizeof(jf_sqlite_stamp_t),
               "a stamp is a copy of the header");

#define INDEX_VERSION 3007000
#define INDEX_REGION_BYTES 32768

const void *jf_sqlite_stamp_source(jf_sqlite_t *db)
{
    sqlite3_file *file = NULL;
    void volatile *region = NULL;
    int code = sqlite3_file_control(jf_sqlite_handle(db), "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (code != SQLITE_OK || !file || !file->pMethods || file->pMethods->iVersion < 2 ||
        !file->pMethods->xShmMap) {
        return NULL;
    }
    /* It is there since the connection has read something; 0: never make it. */
    code = file->pMethods->xShmMap(file, 0, INDEX_REGION_BYTES, 0, &region);
    return code == SQLITE_OK ? (const void *)region : NULL;
}

static void copy_words(jf_sqlite_stamp_t *stamp, const apr_uint64_t *words)
{
    for (int i = 0; i < JF_SQLITE_STAMP_WORDS; i++) {
        stamp->words[i] = __atomic_load_n(&words[i], __ATOMIC_RELAXED);
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}

/*
 * With an empty log the header says nothing of the database below it, and a log that was emptied,
 * and read anew after a crash, looks like one that never was. With frames in it, its salt and the
 * sum over all frames name one state and no other.
 */
static int names_a_state(const jf_sqlite_stamp_t *stamp)
{
    index_header_t header;
    memcpy(&header, stamp, sizeof(header));
    return header.version == INDEX_VERSION && header.is_init && header.last_frame > 0;
}

int jf_sqlite_stamp_take(jf_sqlite_stamp_t *stamp, const void *source)
{
    jf_sqlite_stamp_t second;
    const apr_uint64_t *words = source;
    copy_words(stamp, words);
    copy_words(&second, words + JF_SQLITE_STAMP_WORDS);
    return jf_sqlite_stamp_equal(stamp, &second) && names_a_state(stamp);
}

int jf_sqlite_stamp_equal(const jf_sqlite_stamp_t *a, const jf_sqlite_stamp_t *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}
