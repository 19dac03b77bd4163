/**
 * The parts of fsck: two that look, and one that repairs what they found.
 *
 * Looking changes nothing and works while httpd runs: what is in flight at the moment is no
 * finding. Repairing begins when all has been seen, so that a store that is not mounted, or belongs
 * to another ledger, is noticed before anything goes.
 */
#ifndef FSCK_H
#define FSCK_H

#include <apr_tables.h>

#include "admin.h"

typedef enum {
    FINDING_LEDGER,  /**< the database, or the sums of an area */
    FINDING_LOST,    /**< a file whose object is missing or of the wrong size */
    FINDING_DAMAGED, /**< a file whose object has other content than was uploaded */
    FINDING_ORPHAN,  /**< an object that no file has */
    FINDING_FOREIGN, /**< what does not belong into the store */
} finding_kind_t;

/** Strings live as long as the run; those that a kind does not have are NULL. */
typedef struct finding_t {
    finding_kind_t kind;
    const char *jid;
    const char *path;
    const char *object;
    const char *message;
    int is_repaired;
} finding_t;

typedef struct fsck_t {
    admin_t *admin;
    apr_array_header_t *findings;                 /**< of finding_t */
    apr_int64_t files;                            /**< in the ledger */
    apr_int64_t objects;                          /**< in the store */
    apr_int64_t matches;                          /**< objects that the ledger knows */
    unsigned char has_directory[JF_STORE_FANOUT]; /**< 1 for a real directory of the store */
} fsck_t;

/** Adds a finding of this kind with a copy of @a message, and returns it. */
finding_t *fsck_add(fsck_t *fsck, finding_kind_t kind, const char *message);

/** The name of a kind, as printed. */
const char *fsck_kind_name(finding_kind_t kind);

/** Looks at every file of the ledger: is its object there, and right? */
jf_err_t *fsck_look_at_files(fsck_t *fsck);

/** Looks at everything in the store: does it belong to the ledger? */
jf_err_t *fsck_look_at_store(fsck_t *fsck);

/** Looks at the database and the sums of the areas. */
jf_err_t *fsck_look_at_ledger(fsck_t *fsck);

/**
 * Repairs what can be repaired and marks it so.
 * @return JF_ERR_PRECONDITION if ledger and store seem to be strangers; then nothing was changed.
 */
jf_err_t *fsck_repair(fsck_t *fsck);

#endif
