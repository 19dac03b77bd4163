#include "jf_ledger_links.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_thread_mutex.h>

#include "jf_digest.h"

/* A link has its place in one set of a few. At 500 bytes each, all of them take 2 MiB at most
 * times, and never more than 5. */
#define SETS 1024
#define WAYS 4
#define LOCKS 16
#define TEXT_BYTES_MAX 1024

/* One piece of memory: the texts that the file points to are behind it. */
typedef struct entry_t {
    jf_sqlite_stamp_t stamp;
    apr_uint32_t hash;
    size_t bytes;
    jf_file_t file;
    char texts[];
} entry_t;

typedef struct set_t {
    entry_t *ways[WAYS];
    unsigned int next; /* to go when all of them are good */
} set_t;

struct jf_ledger_links_t {
    apr_thread_mutex_t *locks[LOCKS];
    set_t sets[SETS];
};

jf_ledger_links_t *jf_ledger_links_make(apr_pool_t *pool)
{
    jf_ledger_links_t *links = calloc(1, sizeof(*links));
    for (int i = 0; links && i < LOCKS; i++) {
        if (apr_thread_mutex_create(&links->locks[i], APR_THREAD_MUTEX_DEFAULT, pool)) {
            free(links);
            links = NULL;
        }
    }
    return links;
}

void jf_ledger_links_free(jf_ledger_links_t *links)
{
    for (int i = 0; links && i < SETS * WAYS; i++) {
        free(links->sets[i / WAYS].ways[i % WAYS]);
    }
    free(links);
}

/* FNV-1a: tokens are random, so any hash will do; whoever collides only misses. */
static apr_uint32_t hash_of(const char *token)
{
    apr_uint32_t hash = 2166136261U;
    for (; *token; token++) {
        hash = (hash ^ (unsigned char)*token) * 16777619U;
    }
    return hash ^ (hash >> 16);
}

static apr_thread_mutex_t *lock_of(const jf_ledger_links_t *links, apr_uint32_t hash)
{
    return links->locks[hash % LOCKS];
}

/* ---- what is in an entry ---- */

static void add_text(const char **text, char **end)
{
    if (*text) {
        size_t bytes = strlen(*text) + 1;
        *text = memcpy(*end, *text, bytes);
        *end += bytes;
    }
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static size_t texts_bytes(const jf_file_t *file)
{
    return text_bytes(file->jid) + text_bytes(file->path) + text_bytes(file->token) +
           text_bytes(file->object) + text_bytes(file->media_type) +
           (file->sha256 ? JF_SHA256_BYTES : 0);
}

static entry_t *make_entry(const jf_file_t *file, const jf_sqlite_stamp_t *stamp, apr_uint32_t hash)
{
    size_t bytes = texts_bytes(file);
    entry_t *entry = bytes <= TEXT_BYTES_MAX ? malloc(sizeof(*entry) + bytes) : NULL;
    if (!entry) {
        return NULL;
    }
    entry->stamp = *stamp;
    entry->hash = hash;
    entry->bytes = sizeof(*entry) + bytes;
    entry->file = *file;
    char *end = entry->texts;
    add_text(&entry->file.jid, &end);
    add_text(&entry->file.path, &end);
    add_text(&entry->file.token, &end);
    add_text(&entry->file.object, &end);
    add_text(&entry->file.media_type, &end);
    if (file->sha256) {
        entry->file.sha256 = memcpy(end, file->sha256, JF_SHA256_BYTES);
    }
    return entry;
}

static const void *moved(const void *text, const entry_t *from, const entry_t *to)
{
    return text ? (const char *)to + ((const char *)text - (const char *)from) : NULL;
}

static void copy_file(jf_file_t *file, const entry_t *entry, apr_pool_t *pool)
{
    const entry_t *copy = apr_pmemdup(pool, entry, entry->bytes);
    *file = copy->file;
    file->jid = moved(file->jid, entry, copy);
    file->path = moved(file->path, entry, copy);
    file->token = moved(file->token, entry, copy);
    file->object = moved(file->object, entry, copy);
    file->media_type = moved(file->media_type, entry, copy);
    file->sha256 = moved(file->sha256, entry, copy);
}

/* ---- the table ---- */

static int is_of(const entry_t *entry, apr_uint32_t hash, const char *token)
{
    return entry && entry->hash == hash && strcmp(entry->file.token, token) == 0;
}

int jf_ledger_links_get(jf_file_t *file, jf_ledger_links_t *links, const char *token,
                        const jf_sqlite_stamp_t *stamp, apr_pool_t *pool)
{
    apr_uint32_t hash = hash_of(token);
    const set_t *set = &links->sets[hash % SETS];
    int found = 0;
    apr_thread_mutex_lock(lock_of(links, hash));
    for (int i = 0; i < WAYS && !found; i++) {
        const entry_t *entry = set->ways[i];
        if (is_of(entry, hash, token) && jf_sqlite_stamp_equal(&entry->stamp, stamp)) {
            copy_file(file, entry, pool);
            found = 1;
        }
    }
    apr_thread_mutex_unlock(lock_of(links, hash));
    return found;
}

/* The one of this link, or one that is stale or free, or else each in turn. */
static entry_t **place_for(set_t *set, apr_uint32_t hash, const char *token,
                           const jf_sqlite_stamp_t *stamp)
{
    entry_t **place = NULL;
    for (int i = 0; i < WAYS; i++) {
        entry_t **way = &set->ways[i];
        if (is_of(*way, hash, token)) {
            return way;
        }
        if (!*way || !jf_sqlite_stamp_equal(&(*way)->stamp, stamp)) {
            place = way;
        }
    }
    return place ? place : &set->ways[set->next++ % WAYS];
}

void jf_ledger_links_put(jf_ledger_links_t *links, const jf_file_t *file,
                         const jf_sqlite_stamp_t *stamp)
{
    apr_uint32_t hash = hash_of(file->token);
    entry_t *entry = make_entry(file, stamp, hash);
    if (!entry) {
        return;
    }
    apr_thread_mutex_lock(lock_of(links, hash));
    entry_t **place = place_for(&links->sets[hash % SETS], hash, file->token, stamp);
    entry_t *old = *place;
    *place = entry;
    apr_thread_mutex_unlock(lock_of(links, hash));
    free(old);
}
