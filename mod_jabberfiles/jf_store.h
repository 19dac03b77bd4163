/**
 * The store: the bytes of files as immutable objects, and nothing else.
 *
 * An object is a file objects/ab/abcdef… of mode 0600 with a random name. It is written once and is
 * then only read or removed. No path is ever built from what a client sent, and no symbolic link
 * below the store is followed. The store does not know the ledger; who keeps both in order is
 * jf_upload and jf_sweep.
 *
 * A jf_store_t may be used by all threads of a process; a jf_object_t by one thread at a time.
 */
#ifndef JF_STORE_H
#define JF_STORE_H

#include <apr_time.h>

#include "jf_err.h"

/** Number of directories that the objects are spread over. */
#define JF_STORE_FANOUT 256

typedef struct jf_store_t jf_store_t;
typedef struct jf_object_t jf_object_t;

/** Creates what is missing of a store's directories. @a directory itself must exist. */
jf_err_t *jf_store_create(const char *directory, apr_pool_t *pool);

/**
 * Opens a store that jf_store_create has made.
 * @param is_durable 1: a finished object survives power loss (fsync of file and directory).
 * @param store closed when @a pool is destroyed.
 */
jf_err_t *jf_store_open(jf_store_t **store, const char *directory, int is_durable,
                        apr_pool_t *pool);

/**
 * Ties the store to the ledger @a id: at first by a note in the store, from then on by comparing
 * with it. Swept by a ledger that is not its own, a store would lose everything.
 * @return JF_ERR_UNAVAILABLE if it belongs to another ledger, JF_ERR_DISK_FULL, JF_ERR_IO
 */
jf_err_t *jf_store_bind(const char *directory, const char *id, apr_pool_t *pool);

/** The directory "alive" of the store, for jf_alive.h. */
const char *jf_store_alive_directory(const jf_store_t *store);

/* ---- writing ---- */

/**
 * Creates an empty object under a name of jf_token_hex. It is removed when @a pool is destroyed
 * unless jf_store_keep was called.
 * @return JF_ERR_DISK_FULL, JF_ERR_IO
 */
jf_err_t *jf_store_new_object(jf_object_t **object, jf_store_t *store, const char *name,
                              apr_pool_t *pool);

/** Appends @a length bytes. Small pieces are gathered. @return JF_ERR_DISK_FULL, JF_ERR_IO */
jf_err_t *jf_store_write(jf_object_t *object, const void *data, apr_size_t length);

/**
 * Appends @a length bytes that are in a pipe, all of them there already, without looking at them.
 * @param pipe_fd does not block.
 * @return JF_ERR_DISK_FULL, JF_ERR_IO; then nobody knows how many are left in the pipe.
 */
jf_err_t *jf_store_write_pipe(jf_object_t *object, int pipe_fd, apr_size_t length);

/**
 * Writes out what was gathered, makes the object durable if the store is, and closes it.
 * @return JF_ERR_DISK_FULL, JF_ERR_IO; late errors of fsync and close count.
 */
jf_err_t *jf_store_finish(jf_object_t *object);

/** From now on the object stays. To be called once the ledger has it. */
void jf_store_keep(jf_object_t *object);

/** Closes and removes the object; called by the pool unless it was kept. May be called twice. */
void jf_store_discard(jf_object_t *object);

/* ---- reading and removing ---- */

/** The path of an object's file, in @a pool. */
const char *jf_store_path(const jf_store_t *store, const char *name, apr_pool_t *pool);

/**
 * Makes sure that an object is a regular file of the size that the ledger says, reached without a
 * symbolic link.
 * @return JF_ERR_IO that says what is there instead.
 */
jf_err_t *jf_store_check(const jf_store_t *store, const char *name, apr_int64_t size_bytes,
                         apr_pool_t *pool);

/** The same, and reads all of it into @a content. @return JF_ERR_IO */
jf_err_t *jf_store_load(void *content, const jf_store_t *store, const char *name,
                        apr_size_t size_bytes, apr_pool_t *pool);

/** Opens an object for reading; the caller closes the descriptor. @return JF_ERR_IO */
jf_err_t *jf_store_open_object(int *fd, const jf_store_t *store, const char *name,
                               apr_pool_t *pool);

/**
 * Removes an object; one that is gone is no error.
 * @return JF_ERR_IO, also for a name that jf_token_hex has not made: it might lead out of the
 * store.
 */
jf_err_t *jf_store_remove(const jf_store_t *store, const char *name, apr_pool_t *pool);

/** What a walk sees. A name that is no object name is reported too, with is_object 0. */
typedef struct jf_store_entry_t {
    const char *name;
    int is_object;
    apr_int64_t size_bytes;
    apr_time_t modified_us;
} jf_store_entry_t;

/** Called for each entry; an error ends the walk. @a pool is cleared before the next entry. */
typedef jf_err_t *jf_store_visit_t(void *baton, const jf_store_entry_t *entry, apr_pool_t *pool);

/** Visits what lies in one of the JF_STORE_FANOUT directories, in no order. */
jf_err_t *jf_store_walk(const jf_store_t *store, int directory, jf_store_visit_t *visit,
                        void *baton, apr_pool_t *pool);

#endif
