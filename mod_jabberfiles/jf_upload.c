#include "jf_upload.h"

#include <string.h>

#include <openssl/evp.h>

#include "jf_digest.h"
#include "jf_token.h"
#include "jf_units.h"

/* An upload of unknown length asks for this much at first and for twice as much each time, so that
 * a long one costs few transactions and a short one does not block the quota of its owner. */
#define PROMISE_STEP_BYTES_MIN (1 << 20)
#define PROMISE_STEP_BYTES_MAX (64 << 20)

struct jf_upload_t {
    jf_service_t *service;
    const jf_upload_request_t *request;
    apr_pool_t *pool;
    jf_area_t area;
    const char *name; /* of the object and of the promise */
    int is_promised;
    jf_object_t *object; /* NULL: there is none yet */
    char *whole;      /* where a small upload is gathered; NULL: this one is written as it comes */
    EVP_MD_CTX *hash; /* NULL if no digest was announced */
    apr_int64_t written_bytes;
    apr_int64_t promised_bytes;
    apr_int64_t step_bytes;
    int is_over;
};

/* ---- beginning ---- */

jf_err_t *jf_upload_check_size(apr_int64_t size_bytes, int is_growing, apr_int64_t max_file_bytes,
                               apr_pool_t *pool)
{
    if (max_file_bytes == JF_UNLIMITED || size_bytes <= max_file_bytes) {
        return NULL;
    }
    jf_err_t *err = jf_err_make(JF_ERR_TOO_LARGE, APR_SUCCESS, pool,
                                "a file may have up to %" APR_INT64_T_FMT
                                " bytes, this one has %" APR_INT64_T_FMT "%s",
                                max_file_bytes, size_bytes, is_growing ? " or more" : "");
    err->limit_bytes = max_file_bytes;
    err->required_bytes = size_bytes;
    return err;
}

static jf_err_t *check_size(const jf_upload_t *upload, apr_int64_t size_bytes)
{
    const jf_upload_request_t *request = upload->request;
    return jf_upload_check_size(size_bytes, request->length_bytes == JF_LENGTH_UNKNOWN,
                                request->max_file_bytes, upload->pool);
}

static jf_err_t *promise(jf_upload_t *upload, apr_time_t now_us)
{
    const jf_upload_request_t *request = upload->request;
    int is_known = request->length_bytes != JF_LENGTH_UNKNOWN;
    jf_reserve_t reserve = {
        .object = upload->name,
        .jid = request->jid,
        .path = request->path,
        .need_bytes = is_known ? request->length_bytes : 0,
        .want_bytes = is_known ? request->length_bytes : upload->step_bytes,
        .quota_bytes = request->quota_bytes,
        .slot = request->slot,
        .precondition = request->precondition,
        .area = &upload->area,
    };
    JF_TRY(jf_service_instance(&reserve.instance, upload->service, upload->pool));
    JF_TRY(jf_ledger_reserve(&upload->promised_bytes, upload->service->ledger, &reserve, now_us,
                             upload->pool));
    upload->is_promised = 1;
    return NULL;
}

static jf_err_t *start_hash(jf_upload_t *upload)
{
    if (!upload->request->sha256) {
        return NULL;
    }
    upload->hash = EVP_MD_CTX_new();
    if (upload->hash && EVP_DigestInit_ex(upload->hash, EVP_sha256(), NULL)) {
        return NULL;
    }
    return jf_err_make(JF_ERR_IO, APR_ENOMEM, upload->pool, "SHA-256 cannot be computed");
}

static void end(jf_upload_t *upload)
{
    upload->is_over = 1;
    EVP_MD_CTX_free(upload->hash);
    upload->hash = NULL;
}

void jf_upload_abort(jf_upload_t *upload)
{
    if (upload->is_over) {
        return;
    }
    end(upload);
    if (upload->object) {
        jf_store_discard(upload->object);
    }
    if (upload->is_promised) {
        jf_ledger_cancel(upload->service->ledger, upload->name);
    }
}

static apr_status_t abort_cleanup(void *data)
{
    jf_upload_abort(data);
    return APR_SUCCESS;
}

static jf_add_t describe(jf_upload_t *upload, apr_int64_t size_bytes)
{
    const jf_upload_request_t *request = upload->request;
    return (jf_add_t){
        .settle = {.object = upload->name,
                   .size_bytes = size_bytes,
                   .media_type = request->media_type,
                   .sha256 = request->sha256,
                   .slot = request->slot,
                   .precondition = request->precondition,
                   .area = &upload->area},
        .jid = request->jid,
        .path = request->path,
        .quota_bytes = request->quota_bytes,
    };
}

/* A small upload takes nothing from the store before it is whole, so nothing is promised to it, and
 * many of them cost a transaction each instead of two. */
static int is_small(const jf_upload_request_t *request)
{
    return !request->needs_area && request->length_bytes != JF_LENGTH_UNKNOWN &&
           request->length_bytes <= JF_UPLOAD_SMALL_BYTES;
}

static jf_err_t *begin_small(jf_upload_t *upload, apr_time_t now_us)
{
    const jf_upload_request_t *request = upload->request;
    jf_add_t add = describe(upload, request->length_bytes);
    if (request->is_client_waiting) {
        JF_TRY(jf_ledger_foresee(upload->service->ledger, &add, now_us, upload->pool));
    }
    upload->promised_bytes = request->length_bytes;
    upload->whole = apr_palloc(upload->pool, (apr_size_t)request->length_bytes);
    return NULL;
}

static jf_err_t *begin_large(jf_upload_t *upload, apr_time_t now_us)
{
    JF_TRY(promise(upload, now_us));
    return jf_store_new_object(&upload->object, upload->service->store, upload->name, upload->pool);
}

static jf_err_t *begin(jf_upload_t *upload, apr_time_t now_us)
{
    const jf_upload_request_t *request = upload->request;
    JF_TRY(check_size(upload, request->length_bytes));
    JF_TRY(jf_token_object(&upload->name, now_us, upload->pool));
    JF_TRY(is_small(request) ? begin_small(upload, now_us) : begin_large(upload, now_us));
    return start_hash(upload);
}

jf_err_t *jf_upload_begin(jf_upload_t **upload_out, jf_service_t *service,
                          const jf_upload_request_t *request, apr_time_t now_us, apr_pool_t *pool)
{
    jf_upload_t *upload = apr_pcalloc(pool, sizeof(*upload));
    upload->service = service;
    upload->request = request;
    upload->pool = pool;
    upload->step_bytes = PROMISE_STEP_BYTES_MIN;
    /* A pre-cleanup: it must run before the object's own, which lies in the same pool. */
    apr_pool_pre_cleanup_register(pool, upload, abort_cleanup);
    jf_err_t *err = begin(upload, now_us);
    if (err) {
        jf_upload_abort(upload);
        return err;
    }
    *upload_out = upload;
    return NULL;
}

const jf_area_t *jf_upload_area(const jf_upload_t *upload)
{
    return upload->area.id ? &upload->area : NULL;
}

/* ---- writing ---- */

static jf_err_t *extend_promise(jf_upload_t *upload, apr_int64_t size_bytes)
{
    if (upload->request->length_bytes != JF_LENGTH_UNKNOWN) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, upload->pool,
                           "the content has more than the announced %" APR_INT64_T_FMT " bytes",
                           upload->request->length_bytes);
    }
    if (upload->step_bytes < PROMISE_STEP_BYTES_MAX) {
        upload->step_bytes *= 2;
    }
    return jf_ledger_extend(&upload->promised_bytes, upload->service->ledger, upload->name,
                            size_bytes, size_bytes + upload->step_bytes,
                            upload->request->quota_bytes, upload->pool);
}

/* Whether so many bytes more may be written. */
static jf_err_t *admit(jf_upload_t *upload, apr_size_t length)
{
    apr_int64_t size_bytes = upload->written_bytes + (apr_int64_t)length;
    JF_TRY(check_size(upload, size_bytes));
    return size_bytes > upload->promised_bytes ? extend_promise(upload, size_bytes) : NULL;
}

jf_err_t *jf_upload_write(jf_upload_t *upload, const void *data, apr_size_t length)
{
    JF_TRY(admit(upload, length));
    if (upload->hash && !EVP_DigestUpdate(upload->hash, data, length)) {
        return jf_err_make(JF_ERR_IO, APR_EGENERAL, upload->pool, "SHA-256 cannot be computed");
    }
    if (upload->whole) {
        memcpy(upload->whole + upload->written_bytes, data, length);
    } else {
        JF_TRY(jf_store_write(upload->object, data, length));
    }
    upload->written_bytes += (apr_int64_t)length;
    return NULL;
}

jf_err_t *jf_upload_write_pipe(jf_upload_t *upload, int pipe_fd, apr_size_t length)
{
    JF_TRY(admit(upload, length));
    JF_TRY(jf_store_write_pipe(upload->object, pipe_fd, length));
    upload->written_bytes += (apr_int64_t)length;
    return NULL;
}

/* ---- finishing ---- */

static jf_err_t *check_complete(const jf_upload_t *upload)
{
    apr_int64_t announced_bytes = upload->request->length_bytes;
    if (announced_bytes == JF_LENGTH_UNKNOWN || announced_bytes == upload->written_bytes) {
        return NULL;
    }
    return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, upload->pool,
                       "the content has %" APR_INT64_T_FMT " bytes where %" APR_INT64_T_FMT
                       " were announced",
                       upload->written_bytes, announced_bytes);
}

static jf_err_t *check_hash(const jf_upload_t *upload)
{
    unsigned char sha256[EVP_MAX_MD_SIZE];
    if (!upload->hash) {
        return NULL;
    }
    if (!EVP_DigestFinal_ex(upload->hash, sha256, NULL)) {
        return jf_err_make(JF_ERR_IO, APR_EGENERAL, upload->pool, "SHA-256 cannot be computed");
    }
    if (memcmp(sha256, upload->request->sha256, JF_SHA256_BYTES) == 0) {
        return NULL;
    }
    return jf_err_make(JF_ERR_DIGEST, APR_SUCCESS, upload->pool,
                       "the content has the digest %s where %s was announced",
                       jf_digest_format(sha256, upload->pool),
                       jf_digest_format(upload->request->sha256, upload->pool));
}

/* A time beyond what can be counted is never. */
static apr_time_t after(apr_interval_time_t expire_us, apr_time_t now_us)
{
    return expire_us == JF_NEVER || expire_us > APR_INT64_MAX - now_us ? JF_NEVER
                                                                       : now_us + expire_us;
}

static apr_time_t expiry(const jf_upload_request_t *request, apr_time_t now_us)
{
    apr_time_t by_age_us = after(request->expire_us, now_us);
    apr_time_t by_slot_us = request->slot ? request->slot->expires_us : JF_NEVER;
    if (by_age_us == JF_NEVER || by_slot_us == JF_NEVER) {
        return by_age_us == JF_NEVER ? by_slot_us : by_age_us;
    }
    return by_age_us < by_slot_us ? by_age_us : by_slot_us;
}

static jf_err_t *choose_token(const char **token, const jf_upload_t *upload, apr_time_t now_us)
{
    const jf_slot_use_t *slot = upload->request->slot;
    if (!slot) {
        return jf_token_link(token, now_us, upload->pool);
    }
    *token = slot->token;
    return NULL;
}

static jf_err_t *write_whole(jf_upload_t *upload)
{
    JF_TRY(
        jf_store_new_object(&upload->object, upload->service->store, upload->name, upload->pool));
    return jf_store_write(upload->object, upload->whole, (apr_size_t)upload->written_bytes);
}

static jf_err_t *write_object(apr_time_t *written_us, jf_upload_t *upload)
{
    *written_us = apr_time_now();
    if (upload->whole) {
        JF_TRY(write_whole(upload));
    }
    return jf_store_finish(upload->object);
}

static jf_err_t *enter(jf_file_t *file, const char **replaced, int *created, jf_upload_t *upload,
                       apr_time_t written_us, apr_time_t now_us)
{
    jf_ledger_t *ledger = upload->service->ledger;
    jf_add_t add = describe(upload, upload->written_bytes);
    add.written_us = written_us;
    add.settle.expires_us = expiry(upload->request, now_us);
    JF_TRY(choose_token(&add.settle.token, upload, now_us));
    return upload->is_promised
               ? jf_ledger_settle(file, replaced, created, ledger, &add.settle, now_us,
                                  upload->pool)
               : jf_ledger_add(file, replaced, created, ledger, &add, now_us, upload->pool);
}

static jf_err_t *settle(jf_file_t *file, int *created, jf_upload_t *upload, apr_time_t written_us,
                        apr_time_t now_us)
{
    const char *replaced = NULL;
    jf_err_t *err = enter(file, &replaced, created, upload, written_us, now_us);
    if (err && err->code == JF_ERR_UNAVAILABLE) {
        /* A commit that failed halfway may come back when the ledger is next opened. Then its bytes
         * must be there; if it does not, they are an orphan. */
        jf_store_keep(upload->object);
    }
    if (err) {
        return err;
    }
    jf_store_keep(upload->object);
    end(upload);
    if (replaced) {
        /* The upload has succeeded; bytes that cannot be removed now are swept as an orphan later.
         */
        (void)jf_store_remove(upload->service->store, replaced, upload->pool);
    }
    return NULL;
}

jf_err_t *jf_upload_finish(jf_file_t *file, int *created, jf_upload_t *upload, apr_time_t now_us)
{
    apr_time_t written_us;
    jf_err_t *err = check_complete(upload);
    if (!err) {
        err = check_hash(upload);
    }
    if (!err) {
        err = write_object(&written_us, upload);
    }
    if (!err) {
        err = settle(file, created, upload, written_us, now_us);
    }
    if (err) {
        jf_upload_abort(upload);
    }
    return err;
}
