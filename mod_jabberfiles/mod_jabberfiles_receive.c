#include "mod_jabberfiles_body.h"

#include <string.h>

#include "jf_digest.h"

/* ---- what the header says; nothing is read before all of it is checked ---- */

int jfm_check_content_fields(request_rec *r)
{
    const char *coding = apr_table_get(r->headers_in, "Content-Encoding");
    if (apr_table_get(r->headers_in, "Content-Range")) {
        return jfm_refuse_invalid(r, "Content-Range: a file is uploaded as a whole, not in parts");
    }
    if (coding && strcasecmp(coding, "identity") != 0) {
        jfm_set_header(r, "Accept-Encoding", "identity");
        return HTTP_UNSUPPORTED_MEDIA_TYPE;
    }
    return OK;
}

static jf_err_t *read_length(apr_int64_t *length_bytes, request_rec *r)
{
    const char *field = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t value;
    *length_bytes = JF_LENGTH_UNKNOWN;
    if (!field || apr_table_get(r->headers_in, "Transfer-Encoding")) {
        return NULL;
    }
    if (!ap_parse_strict_length(&value, field)) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, r->pool,
                           "Content-Length: takes the number of bytes in decimal digits");
    }
    *length_bytes = value;
    return NULL;
}

/* Without a content coding, Content-Digest and Repr-Digest speak of the same bytes. */
static jf_err_t *read_digest(const unsigned char **sha256, request_rec *r)
{
    static const char *const fields[] = {"Repr-Digest", "Content-Digest"};
    unsigned char *found = apr_palloc(r->pool, 2 * JF_SHA256_BYTES);
    int count = 0;
    for (int i = 0; i < 2; i++) {
        const char *field = apr_table_get(r->headers_in, fields[i]);
        int is_there = 0;
        if (field) {
            JF_TRY(jf_digest_parse(found + count * JF_SHA256_BYTES, &is_there, field, r->pool));
        }
        count += is_there;
    }
    if (count == 2 && memcmp(found, found + JF_SHA256_BYTES, JF_SHA256_BYTES) != 0) {
        return jf_err_make(JF_ERR_INVALID, APR_SUCCESS, r->pool,
                           "Repr-Digest and Content-Digest contradict each other");
    }
    *sha256 = count ? found : NULL;
    return NULL;
}

jf_err_t *jfm_describe_content(jf_upload_request_t *upload, request_rec *r)
{
    JF_TRY(read_length(&upload->length_bytes, r));
    return read_digest(&upload->sha256, r);
}

/* ---- reading the content ---- */

/* How long the bytes of a fast stream gather. Long enough for some hundred KB, short enough for
 * nobody to notice at the end of an upload. */
#define GATHER_US 250
/* Whoever had to wait for less than this has a fast stream. */
#define SHORT_WAIT_US 1000

static apr_status_t read_piece(request_rec *r, apr_bucket_brigade *bb, apr_read_type_e block,
                               apr_off_t bytes)
{
    return ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, block, bytes);
}

static int is_nothing(apr_status_t status, const apr_bucket_brigade *bb)
{
    return APR_STATUS_IS_EAGAIN(status) || (status == APR_SUCCESS && APR_BRIGADE_EMPTY(bb));
}

static apr_status_t wait_for_piece(int *is_fast, request_rec *r, apr_bucket_brigade *bb,
                                   apr_off_t bytes)
{
    apr_time_t begin_us = apr_time_now();
    apr_status_t status = read_piece(r, bb, APR_BLOCK_READ, bytes);
    *is_fast = apr_time_now() - begin_us < SHORT_WAIT_US;
    return status;
}

/* An HTTP/2 stream is fed by the thread that reads the connection. To be woken by it for each few
 * KB, and to wake it in turn for each that was taken, costs more than the bytes. So where a fast
 * stream has nothing now, it is looked at again a moment later before anybody waits for it. */
static apr_status_t read_stream(int *is_fast, request_rec *r, apr_bucket_brigade *bb,
                                apr_off_t bytes)
{
    apr_status_t status = read_piece(r, bb, APR_NONBLOCK_READ, bytes);
    if (is_nothing(status, bb) && *is_fast) {
        apr_sleep(GATHER_US);
        status = read_piece(r, bb, APR_NONBLOCK_READ, bytes);
    }
    if (is_nothing(status, bb)) {
        return wait_for_piece(is_fast, r, bb, bytes);
    }
    *is_fast = 1;
    return status;
}

static apr_status_t read_content(int *is_fast, request_rec *r, apr_bucket_brigade *bb,
                                 apr_off_t bytes)
{
    int is_stream = r->connection->master != NULL;
    return is_stream ? read_stream(is_fast, r, bb, bytes)
                     : read_piece(r, bb, APR_BLOCK_READ, bytes);
}

/* ---- writing it ---- */

/* What one turn did. */
typedef struct turn_t {
    int seen_eos;
    apr_int64_t received_bytes;
} turn_t;

static jf_err_t *write_pipe(turn_t *turn, jf_upload_t *upload, apr_bucket *b)
{
    turn->received_bytes += (apr_int64_t)b->length;
    JF_TRY(jf_upload_write_pipe(upload, jfm_pipe_fd(b), b->length));
    jfm_pipe_was_emptied(b);
    return NULL;
}

static jf_err_t *write_bytes(turn_t *turn, jf_upload_t *upload, apr_bucket *b, apr_pool_t *pool)
{
    const char *data;
    apr_size_t length;
    apr_status_t status = apr_bucket_read(b, &data, &length, APR_BLOCK_READ);
    if (status != APR_SUCCESS) {
        return jf_err_from_system(status, pool, "cannot read the content");
    }
    turn->received_bytes += (apr_int64_t)length;
    return jf_upload_write(upload, data, length);
}

static jf_err_t *write_brigade(turn_t *turn, jf_upload_t *upload, apr_bucket_brigade *bb,
                               apr_pool_t *pool)
{
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        if (APR_BUCKET_IS_EOS(b)) {
            turn->seen_eos = 1;
            return NULL;
        }
        if (APR_BUCKET_IS_METADATA(b)) {
            continue;
        }
        JF_TRY(jfm_pipe_fd(b) >= 0 ? write_pipe(turn, upload, b)
                                   : write_bytes(turn, upload, b, pool));
    }
    return NULL;
}

/* A client that goes away in the middle is its own affair; what it sent is dropped. */
static int broken_off(request_rec *r, const jf_upload_request_t *upload, apr_status_t status)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, status, r, JFLOGNO(0030) "%s/%s: upload broken off",
                  upload->jid, upload->path);
    return ap_map_http_request_error(status, HTTP_BAD_REQUEST);
}

static int receive(request_rec *r, const jf_upload_request_t *request, jf_upload_t *upload,
                   jfm_upload_meter_t *meter)
{
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    turn_t turn = {0};
    int is_fast = 0;
    while (!turn.seen_eos) {
        apr_status_t status = read_content(&is_fast, r, bb, jfm_meter_piece_bytes(meter));
        if (status != APR_SUCCESS) {
            return broken_off(r, request, status);
        }
        turn.received_bytes = 0;
        jf_err_t *err = write_brigade(&turn, upload, bb, r->pool);
        apr_brigade_cleanup(bb);
        jfm_meter_received(meter, turn.received_bytes);
        if (err) {
            return jfm_refuse(r, err);
        }
    }
    jfm_request(r)->body_was_taken = 1;
    return OK;
}

/* From the first byte to the row in the ledger. */
static int take(jf_file_t *file, int *created, request_rec *r, const jf_upload_request_t *request,
                jf_upload_t *upload, jfm_upload_meter_t *meter)
{
    jfm_body_t *body = jfm_body_begin(r, request->length_bytes, request->sha256 != NULL);
    int status = receive(r, request, upload, meter);
    jfm_body_end(body);
    if (status != OK) {
        /* At once, and not when the pool goes: the client may try again before that. */
        jf_upload_abort(upload);
        return status;
    }
    jf_err_t *err = jf_upload_finish(file, created, upload, apr_time_now());
    return err ? jfm_refuse(r, err) : OK;
}

/* What a small upload that came to nothing has sent is counted where there is an area already. */
static const jf_area_t *area_of(jf_area_t *found, const jf_upload_t *upload, request_rec *r,
                                const jf_upload_request_t *request, int is_file)
{
    const jf_area_t *area = jf_upload_area(upload);
    if (is_file || request->needs_area) {
        return area;
    }
    return jf_ledger_area_get(found, jfm_request(r)->server->service->ledger, request->jid, r->pool)
               ? NULL
               : found;
}

static int receive_metered(jfm_received_t *received, request_rec *r,
                           const jf_upload_request_t *request, jf_upload_t *upload)
{
    jfm_upload_meter_t meter;
    jf_area_t found;
    jfm_meter_upload(&meter, r, jf_upload_area(upload), request->length_bytes);
    int status = take(&received->file, &received->created, r, request, upload, &meter);
    jfm_meter_upload_end(&meter, area_of(&found, upload, r, request, status == OK), status == OK);
    if (status == OK) {
        received->area = jf_upload_area(upload);
    }
    return status;
}

int jfm_receive(jfm_received_t *received, request_rec *r, jf_upload_request_t *request)
{
    jf_upload_t *upload;
    request->needs_area = jfm_has_upload_rate(r, request->jid);
    /* A stream may be refused at any time without harm to its connection. */
    request->is_client_waiting = r->expecting_100 || r->connection->master;
    jf_err_t *err = jf_upload_begin(&upload, jfm_request(r)->server->service, request,
                                    r->request_time, r->pool);
    if (err) {
        return jfm_refuse(r, err);
    }
    int status = receive_metered(received, r, request, upload);
    if (status != OK) {
        return status;
    }
    const jf_file_t *file = &received->file;
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  JFLOGNO(0031) "%s/%s: %s, %" APR_INT64_T_FMT " bytes in %" APR_TIME_T_FMT " ms",
                  file->jid, file->path, received->created ? "created" : "replaced",
                  file->size_bytes, apr_time_as_msec(apr_time_now() - r->request_time));
    return OK;
}

int jfm_answer_upload(request_rec *r, const jf_file_t *file, int created, const char *location)
{
    r->status = created ? HTTP_CREATED : HTTP_OK;
    apr_table_setn(r->headers_out, "Location", location);
    apr_table_setn(r->headers_out, "ETag", jfm_etag(file, r->pool));
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    ap_set_content_type(r, "text/plain; charset=utf-8");
    ap_rvputs(r, jfm_link_url(r, file), "\n", NULL);
    return OK;
}
