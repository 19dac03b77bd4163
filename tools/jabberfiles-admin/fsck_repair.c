#include "fsck.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "jf_token.h"

/* ---- the ledger ---- */

static int has_text(const apr_array_header_t *texts, const char *text)
{
    for (int i = 0; i < texts->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(texts, i, const char *), text) == 0) {
            return 1;
        }
    }
    return 0;
}

/* A damaged database stays damaged, and its complaints come back; sums do not. */
static jf_err_t *repair_ledger(fsck_t *fsck)
{
    jf_ledger_t *ledger = fsck->admin->service->ledger;
    apr_array_header_t *left;
    JF_TRY(jf_ledger_repair_sums(ledger, fsck->admin->pool));
    JF_TRY(jf_ledger_check(&left, ledger, fsck->admin->pool));
    for (int i = 0; i < fsck->findings->nelts; i++) {
        finding_t *finding = &APR_ARRAY_IDX(fsck->findings, i, finding_t);
        if (finding->kind == FINDING_LEDGER) {
            finding->is_repaired = !has_text(left, finding->message);
        }
    }
    return NULL;
}

static int has_ledger_findings(const fsck_t *fsck)
{
    for (int i = 0; i < fsck->findings->nelts; i++) {
        if (APR_ARRAY_IDX(fsck->findings, i, finding_t).kind == FINDING_LEDGER) {
            return 1;
        }
    }
    return 0;
}

/* ---- files and objects ---- */

/* Where a directory is missing, or a link stands for it, the objects may well be somewhere. */
static int can_repair(const fsck_t *fsck, const finding_t *finding)
{
    char prefix[3] = "";
    if (finding->kind != FINDING_LOST && finding->kind != FINDING_ORPHAN) {
        return 0;
    }
    if (!jf_token_is_hex(finding->object)) {
        return 1;
    }
    apr_cpystrn(prefix, finding->object, sizeof(prefix));
    return fsck->has_directory[strtol(prefix, NULL, 16)];
}

static jf_err_t *repair_finding(const finding_t *finding, jf_service_t *service, apr_pool_t *pool)
{
    int is_known = 0;
    if (finding->kind == FINDING_LOST) {
        JF_TRY(jf_ledger_file_forget(service->ledger, finding->object, pool));
    } else {
        JF_TRY(
            jf_ledger_object_is_known_for_good(&is_known, service->ledger, finding->object, pool));
    }
    if (is_known) {
        return NULL;
    }
    /* Another name got into the ledger by other hands, and leads who knows where. */
    return jf_token_is_hex(finding->object) ? jf_store_remove(service->store, finding->object, pool)
                                            : NULL;
}

static void repair_objects(fsck_t *fsck)
{
    apr_pool_t *each;
    apr_pool_create(&each, fsck->admin->pool);
    for (int i = 0; i < fsck->findings->nelts; i++) {
        finding_t *finding = &APR_ARRAY_IDX(fsck->findings, i, finding_t);
        if (!can_repair(fsck, finding)) {
            continue;
        }
        apr_pool_clear(each);
        jf_err_t *err = repair_finding(finding, fsck->admin->service, each);
        finding->is_repaired = !err;
        if (err) {
            finding->message =
                apr_pstrcat(fsck->admin->pool, finding->message, "; ", err->text, NULL);
        }
    }
    apr_pool_destroy(each);
}

jf_err_t *fsck_repair(fsck_t *fsck)
{
    if (fsck->files > 0 && fsck->matches == 0) {
        return jf_err_make(JF_ERR_PRECONDITION, APR_SUCCESS, fsck->admin->pool,
                           "nothing was repaired: of %" APR_INT64_T_FMT
                           " files in the ledger not one has its object in the store; is %s the "
                           "right store, and mounted?",
                           fsck->files, fsck->admin->options->store);
    }
    /* Before a row goes: its size is taken from a sum that must not fall below zero. */
    if (has_ledger_findings(fsck)) {
        JF_TRY(repair_ledger(fsck));
    }
    repair_objects(fsck);
    return NULL;
}
