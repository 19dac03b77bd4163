/**
 * The ledger: who has an area, which files and links are in it, how many bytes are used and
 * promised.
 *
 * A jf_ledger_t is shared by all threads of one process; every function here may be called by any
 * of them at any time. It is made after the last fork and never crosses one. Reading uses a small
 * set of connections; writing goes through one, which commits what waits in one transaction (group
 * commit). No function holds a transaction when it returns.
 *
 * Times are microseconds since the epoch and are handed in, never taken. JIDs are prepared names of
 * areas (jf_area.h). An area "sha1:HEX" becomes the area of the JID with this hash as soon as that
 * JID is seen: whatever creates the one area takes the other over. Paths are checked (jf_names.h)
 * by the caller. An expired file is treated as if it were not there.
 *
 * Beside the errors named with each function: JF_ERR_BUSY (locked for longer than
 * JF_SQLITE_BUSY_US), JF_ERR_UNAVAILABLE and JF_ERR_DISK_FULL. After any error nothing has changed.
 */
#ifndef JF_LEDGER_H
#define JF_LEDGER_H

#include <apr_proc_mutex.h>
#include <apr_tables.h>
#include <apr_time.h>

#include "jf_err.h"
#include "jf_period.h"

typedef struct jf_ledger_t jf_ledger_t;

typedef enum {
    JF_DURABILITY_FULL,    /**< what was acknowledged survives power loss */
    JF_DURABILITY_RELAXED, /**< what was acknowledged survives the death of the process */
} jf_durability_t;

/** The area's quota comes from the configuration. */
#define JF_QUOTA_DEFAULT (-2)

/** The operator's override of how much is downloaded from an area. */
typedef struct jf_transfer_limit_t {
    apr_int64_t quota_bytes; /**< per period, JF_UNLIMITED or JF_QUOTA_DEFAULT */
    jf_period_t period;      /**< or JF_PERIOD_DEFAULT */
} jf_transfer_limit_t;

typedef struct jf_area_t {
    apr_int64_t id;
    const char *jid;
    apr_int64_t quota_bytes;    /**< the operator's override, JF_UNLIMITED or JF_QUOTA_DEFAULT */
    apr_int64_t used_bytes;     /**< sum of the files */
    apr_int64_t reserved_bytes; /**< promised to uploads in flight */
    apr_int64_t file_count;
    apr_time_t created_us;
    jf_transfer_limit_t transfer;
} jf_area_t;

typedef struct jf_file_t {
    apr_int64_t area_id;
    const char *jid;
    const char *path;  /**< in the area, "docs/report.pdf" */
    const char *token; /**< of the link; survives a replacement of the content */
    const char
        *object; /**< name of the bytes in the store; new with each content, so a strong ETag */
    apr_int64_t size_bytes;
    const char *media_type;
    const unsigned char
        *sha256; /**< JF_SHA256_BYTES bytes if the uploader sent a digest, else NULL */
    apr_time_t created_us;
    apr_time_t expires_us;        /**< or JF_NEVER */
    jf_transfer_limit_t transfer; /**< of its area */
} jf_file_t;

typedef struct jf_totals_t {
    apr_int64_t areas;
    apr_int64_t files;
    apr_int64_t used_bytes;
    apr_int64_t uploads_in_flight;
} jf_totals_t;

/**
 * A condition on the current file, judged in the transaction that changes it. It runs in whichever
 * thread writes for all, so it must only compare.
 */
typedef struct jf_precondition_t {
    int (*holds)(void *baton,
                 const jf_file_t *current); /**< NULL: none. current NULL: no such file */
    void *baton;
} jf_precondition_t;

/* ---- life ---- */

/** Creates the ledger file if there is none and brings its schema up to date. For the parent
 * process. */
jf_err_t *jf_ledger_create(const char *database, apr_pool_t *pool);

/**
 * Makes the ledger object of a process. Connections are opened when they are first needed, so a
 * ledger that cannot be opened shows at first use and is tried again each time.
 * @param ledger lives until jf_ledger_close, not tied to @a pool.
 */
jf_err_t *jf_ledger_open(jf_ledger_t **ledger, const char *database, jf_durability_t durability,
                         apr_pool_t *pool);

/** Closes all connections. No other thread may be in the ledger. */
void jf_ledger_close(jf_ledger_t *ledger);

/**
 * Processes that share @a turn (made before they were forked, robust, with a timed lock) write one
 * after the other by it: a wait for SQLite's lock is polling. That lock stays the one that counts,
 * for processes that do not know @a turn and for one that dies with it.
 * @param turn the caller's; it outlives @a ledger.
 */
void jf_ledger_take_turns(jf_ledger_t *ledger, apr_proc_mutex_t *turn);

/**
 * From now on all writing fails at once with JF_ERR_UNAVAILABLE. For a process that is about to
 * end, perhaps in a signal handler: what it leaves is taken back by jf_sweep.
 */
void jf_ledger_stop(jf_ledger_t *ledger);

/**
 * Keeps a little room on the ledger's disk, so that deleting works when the disk is full
 * (jf_ballast.h).
 * @return JF_ERR_DISK_FULL while there is no room for it, JF_ERR_IO
 */
jf_err_t *jf_ledger_keep_room(jf_ledger_t *ledger, apr_pool_t *pool);

/** The random name that the ledger got when it was created; a copy has the same. */
jf_err_t *jf_ledger_id(const char **id, jf_ledger_t *ledger, apr_pool_t *pool);

/**
 * Copies the ledger into a new file of mode 0600 while it is in use (SQLite's online backup).
 * @return JF_ERR_IO, also if there is a file at @a path already; no half a copy stays behind.
 */
jf_err_t *jf_ledger_backup(jf_ledger_t *ledger, const char *path, apr_pool_t *pool);

/* ---- areas ---- */

/**
 * Says that a JID exists, so that uploads which came with its hash are found under its name. Cheap
 * if there are none.
 */
jf_err_t *jf_ledger_area_meet(jf_ledger_t *ledger, const char *jid, apr_time_t now_us,
                              apr_pool_t *pool);

/** Looks an area up. @return JF_ERR_NOT_FOUND if nothing was ever uploaded or set for @a jid. */
jf_err_t *jf_ledger_area_get(jf_area_t *area, jf_ledger_t *ledger, const char *jid,
                             apr_pool_t *pool);

/** Up to @a limit areas with a JID greater than @a after ("" for the first), sorted; array of
 * jf_area_t. */
jf_err_t *jf_ledger_area_list(apr_array_header_t **areas, jf_ledger_t *ledger, const char *after,
                              int limit, apr_pool_t *pool);

/** Sets the quota of an area: bytes, JF_UNLIMITED or JF_QUOTA_DEFAULT. Creates the area if needed.
 */
jf_err_t *jf_ledger_area_set_quota(jf_ledger_t *ledger, const char *jid, apr_int64_t quota_bytes,
                                   apr_time_t now_us, apr_pool_t *pool);

/** Sets the transfer quota of an area, and its period. Creates the area if needed. */
jf_err_t *jf_ledger_area_set_transfer(jf_ledger_t *ledger, const char *jid,
                                      const jf_transfer_limit_t *transfer, apr_time_t now_us,
                                      apr_pool_t *pool);

/** The JID of an area. @return JF_ERR_NOT_FOUND */
jf_err_t *jf_ledger_area_jid(const char **jid, jf_ledger_t *ledger, apr_int64_t area_id,
                             apr_pool_t *pool);

/**
 * Removes an area with all its rows. Uploads in flight fail when they end.
 * @param objects array of const char *: the objects whose bytes the caller must now remove.
 * @return JF_ERR_NOT_FOUND
 */
jf_err_t *jf_ledger_area_remove(apr_array_header_t **objects, jf_ledger_t *ledger, const char *jid,
                                apr_pool_t *pool);

/** Sums over all areas, for status pages. */
jf_err_t *jf_ledger_totals(jf_totals_t *totals, jf_ledger_t *ledger, apr_pool_t *pool);

/* ---- files ---- */

/** The file behind a link. @return JF_ERR_NOT_FOUND if unknown or expired. */
jf_err_t *jf_ledger_file_by_token(jf_file_t *file, jf_ledger_t *ledger, const char *token,
                                  apr_time_t now_us, apr_pool_t *pool);

/** A file of an area. @return JF_ERR_NOT_FOUND if there is none or it has expired. */
jf_err_t *jf_ledger_file_by_path(jf_file_t *file, jf_ledger_t *ledger, const char *jid,
                                 const char *path, apr_time_t now_us, apr_pool_t *pool);

/**
 * Up to @a limit files whose path starts with @a prefix and sorts after @a after (bytewise; "" for
 * the first page); array of jf_file_t. An area that does not exist has no files.
 */
jf_err_t *jf_ledger_file_list(apr_array_header_t **files, jf_ledger_t *ledger, const char *jid,
                              const char *prefix, const char *after, int limit, apr_time_t now_us,
                              apr_pool_t *pool);

/** Up to @a limit files of all areas, expired ones too, by object name after @a after; for fsck. */
jf_err_t *jf_ledger_file_each(apr_array_header_t **files, jf_ledger_t *ledger, const char *after,
                              int limit, apr_pool_t *pool);

/**
 * Removes a file.
 * @param object set to the object whose bytes the caller must now remove.
 * @return JF_ERR_NOT_FOUND, JF_ERR_PRECONDITION
 */
jf_err_t *jf_ledger_file_remove(const char **object, jf_ledger_t *ledger, const char *jid,
                                const char *path, const jf_precondition_t *precondition,
                                apr_time_t now_us, apr_pool_t *pool);

/** Removes the row that points to @a object, if there is one; for fsck. */
jf_err_t *jf_ledger_file_forget(jf_ledger_t *ledger, const char *object, apr_pool_t *pool);

/**
 * Removes up to @a limit expired files.
 * @param objects array of const char *: the objects whose bytes the caller must now remove.
 */
jf_err_t *jf_ledger_file_expire(apr_array_header_t **objects, jf_ledger_t *ledger, int limit,
                                apr_time_t now_us, apr_pool_t *pool);

/** Whether a file or an upload in flight has @a object. */
jf_err_t *jf_ledger_object_is_known(int *is_known, jf_ledger_t *ledger, const char *object,
                                    apr_pool_t *pool);

/**
 * The same, asked in a transaction: after whatever was being written when it began. An object that
 * is older than JF_ADD_AGE_MAX_US and not known now never will be.
 */
jf_err_t *jf_ledger_object_is_known_for_good(int *is_known, jf_ledger_t *ledger, const char *object,
                                             apr_pool_t *pool);

/* ---- uploads ---- */

/**
 * What an upload by a slot uses up: the upload that ends first has it, and the token becomes the
 * link of the file.
 */
typedef struct jf_slot_use_t {
    const char *token;
    apr_time_t expires_us; /**< the file goes then at the latest, or JF_NEVER */
    apr_time_t forget_us;  /**< nobody can use the token again after that time, or JF_NEVER */
} jf_slot_use_t;

typedef struct jf_reserve_t {
    const char *object;   /**< new and random: it names the reservation */
    const char *instance; /**< of this process, see jf_alive.h */
    const char *jid;
    const char *path;
    apr_int64_t need_bytes;    /**< refuse if not even this fits */
    apr_int64_t want_bytes;    /**< promise up to this, at least need_bytes */
    apr_int64_t quota_bytes;   /**< of the configuration, or JF_UNLIMITED */
    const jf_slot_use_t *slot; /**< or NULL */
    jf_precondition_t precondition;
    jf_area_t *area; /**< set to the area as it was before; NULL: nobody asks */
} jf_reserve_t;

/**
 * Promises bytes to an upload. Files and promises together never exceed the quota; a file that will
 * be replaced counts as given back, for one upload at a time. Creates the area if needed.
 * @param promised_bytes what was promised, need_bytes to want_bytes.
 * @return JF_ERR_QUOTA (with facts), JF_ERR_PRECONDITION, JF_ERR_USED if the slot is used up
 */
jf_err_t *jf_ledger_reserve(apr_int64_t *promised_bytes, jf_ledger_t *ledger,
                            const jf_reserve_t *reserve, apr_time_t now_us, apr_pool_t *pool);

/**
 * Enlarges a promise to @a need_bytes in all, and up to @a want_bytes if there is room.
 * @return JF_ERR_QUOTA (with facts), JF_ERR_NOT_FOUND if the area was removed meanwhile
 */
jf_err_t *jf_ledger_extend(apr_int64_t *promised_bytes, jf_ledger_t *ledger, const char *object,
                           apr_int64_t need_bytes, apr_int64_t want_bytes, apr_int64_t quota_bytes,
                           apr_pool_t *pool);

typedef struct jf_settle_t {
    const char *object;
    const char *token; /**< new and random, or the slot's; used only if the file is new */
    apr_int64_t size_bytes;
    const char *media_type;
    const unsigned char *sha256; /**< or NULL */
    apr_time_t expires_us;       /**< or JF_NEVER */
    const jf_slot_use_t *slot;   /**< or NULL */
    jf_precondition_t precondition;
    jf_area_t *area; /**< set to the area as it is then; NULL: nobody asks */
} jf_settle_t;

/**
 * Turns a promise into a file whose bytes are already durable in the store. With JF_DURABILITY_FULL
 * the row is durable when this returns.
 * @param file the file as it is now.
 * @param replaced the object whose bytes the caller must now remove, or NULL.
 * @param created 1 if there was no such file before, 0 if its content was replaced.
 * @return JF_ERR_PRECONDITION, JF_ERR_USED if the slot is used up; JF_ERR_NOT_FOUND if the area was
 * removed meanwhile; the promise stays until jf_ledger_cancel.
 */
jf_err_t *jf_ledger_settle(jf_file_t *file, const char **replaced, int *created,
                           jf_ledger_t *ledger, const jf_settle_t *settle, apr_time_t now_us,
                           apr_pool_t *pool);

/** A file that nothing was promised to. */
typedef struct jf_add_t {
    jf_settle_t settle;
    const char *jid;
    const char *path;
    apr_int64_t quota_bytes; /**< of the configuration, or JF_UNLIMITED */
    apr_time_t written_us;   /**< when the object was created, by the clock of this machine */
} jf_add_t;

/** So long after it was written an object may become a file; older ones may be swept. */
#define JF_ADD_AGE_MAX_US (apr_time_from_sec(1800))

/**
 * Makes a file whose bytes are already durable in the store, without a promise: judges quota and
 * preconditions and enters the row in one transaction. Creates the area if needed. Otherwise as
 * jf_ledger_settle.
 * @return JF_ERR_QUOTA (with facts), JF_ERR_PRECONDITION, JF_ERR_USED, JF_ERR_IO if the object is
 * too old; then the ledger has not changed.
 */
jf_err_t *jf_ledger_add(jf_file_t *file, const char **replaced, int *created, jf_ledger_t *ledger,
                        const jf_add_t *add, apr_time_t now_us, apr_pool_t *pool);

/**
 * Says early whether jf_ledger_add would refuse, before there is an object. Reads only, so that
 * what other uploads do meanwhile may make it wrong; it never refuses what would be taken now.
 */
jf_err_t *jf_ledger_foresee(jf_ledger_t *ledger, const jf_add_t *add, apr_time_t now_us,
                            apr_pool_t *pool);

/**
 * Takes a promise back; one that is gone is no error. Cannot fail: if the ledger cannot be written
 * now, the promise is remembered and jf_ledger_retry_cancels takes it back later.
 */
void jf_ledger_cancel(jf_ledger_t *ledger, const char *object);

/** Tries again what jf_ledger_cancel could not do. To be called now and then in every process. */
jf_err_t *jf_ledger_retry_cancels(jf_ledger_t *ledger, apr_pool_t *pool);

/** The instances that have promises; array of const char *. */
jf_err_t *jf_ledger_instances(apr_array_header_t **instances, jf_ledger_t *ledger,
                              apr_pool_t *pool);

/**
 * Takes back all promises of an instance that is no more.
 * @param objects array of const char *: their objects, which may have bytes for the caller to
 * remove.
 */
jf_err_t *jf_ledger_cancel_instance(apr_array_header_t **objects, jf_ledger_t *ledger,
                                    const char *instance, apr_pool_t *pool);

/* ---- slots that were granted before the upload (ejabberd's service_url) ---- */

typedef struct jf_slot_t {
    const char *token; /**< new and random */
    const char *jid;
    const char *path;
    apr_int64_t size_bytes;
    const char *media_type;
    apr_time_t expires_us; /**< of the slot: an upload must have begun by then */
} jf_slot_t;

/** So many slots an area may have that are not used. An expired one counts until the next sweep. */
#define JF_SLOTS_PER_AREA_MAX 1000

/**
 * Grants a slot: promises its bytes until it expires or is used. Creates the area if needed.
 * @param quota_bytes of the configuration, or JF_UNLIMITED.
 * @return JF_ERR_QUOTA (with facts), JF_ERR_TOO_MANY
 */
jf_err_t *jf_ledger_slot_grant(jf_ledger_t *ledger, const jf_slot_t *slot, apr_int64_t quota_bytes,
                               apr_time_t now_us, apr_pool_t *pool);

/** The slot of a token. @return JF_ERR_USED; JF_ERR_NOT_FOUND if it was never granted or expired */
jf_err_t *jf_ledger_slot_get(jf_slot_t *slot, jf_ledger_t *ledger, const char *token,
                             apr_time_t now_us, apr_pool_t *pool);

/**
 * Takes the promises of up to @a limit expired slots back, and forgets used slots whose tokens
 * nobody can use again.
 * @param count how many of both went.
 */
jf_err_t *jf_ledger_slot_expire(int *count, jf_ledger_t *ledger, int limit, apr_time_t now_us,
                                apr_pool_t *pool);

/* ---- checking ---- */

/**
 * Checks the database file and compares every area's sums with its rows.
 * @param findings array of const char *, one sentence each, empty if all is well.
 */
jf_err_t *jf_ledger_check(apr_array_header_t **findings, jf_ledger_t *ledger, apr_pool_t *pool);

/** Sets every area's sums to what its rows say. */
jf_err_t *jf_ledger_repair_sums(jf_ledger_t *ledger, apr_pool_t *pool);

#endif
