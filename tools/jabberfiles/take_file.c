#include "take_file.h"

#include <string.h>

#include <apr_strings.h>

#include "fetch_private.h"
#include "jingle_transport.h"
#include "si_take.h"

/* Unless --max-time says otherwise. */
#define TIME_MAX_US apr_time_from_sec(86400)

/** A file on its way here. */
typedef struct taking_t {
    const take_file_t *take;
    part_file_t *part;
    apr_pool_t *pool;
} taking_t;

static jf_err_t *write_part(void *baton, const char *data, size_t size)
{
    const taking_t *taking = baton;
    return part_file_write(taking->part, data, size);
}

static jf_err_t *verify(const taking_t *taking)
{
    const fetch_t *fetch = taking->take->fetch;
    unsigned char sha256[JF_SHA256_BYTES];
    unsigned char sha3[PART_SHA3_BYTES];
    JF_TRY(part_file_end_digest(sha256, sha3, taking->part));
    if (fetch->file->sha256 && memcmp(sha256, fetch->file->sha256, sizeof(sha256)) != 0) {
        return jf_err_make(JF_ERR_DIGEST, APR_SUCCESS, taking->pool,
                           "%s: what came has another SHA-256 than was promised: nothing of it is "
                           "kept",
                           fetch_label(fetch, fetch->file));
    }
    if (fetch->sha256) {
        memcpy(fetch->sha256, sha256, sizeof(sha256));
    }
    return NULL;
}

/** All bytes, by the transport of the session. */
static jf_err_t *take_bytes(const taking_t *taking)
{
    const fetch_t *fetch = taking->take->fetch;
    apr_time_t deadline_us = fetch_deadline(fetch);
    jingle_intake_t intake = {.client = fetch->client,
                              .session = taking->take->session,
                              .address = taking->take->address,
                              .port = taking->take->port,
                              .sink = {write_part, (void *)taking},
                              .deadline_us =
                                  deadline_us ? deadline_us : apr_time_now() + TIME_MAX_US,
                              .pool = taking->pool};
    intake.progress = progress_begin(fetch->client, fetch_label(fetch, fetch->file),
                                     fetch->file->size_bytes, taking->pool);
    jf_err_t *err = taking->take->stream
                        ? si_take(taking->take->stream, taking->take->connection, &intake)
                        : jingle_transport_put.receive(&intake);
    progress_end(intake.progress, !err);
    return err;
}

/** A part that nobody goes on with: what is there is from another download, or of no use. */
static jf_err_t *open_part(taking_t *taking, const char *path)
{
    const shared_file_t *file = taking->take->fetch->file;
    const part_origin_t origin = {.url = file->url, .size_bytes = file->size_bytes};
    JF_TRY(part_file_open(&taking->part, path, 0, taking->pool));
    JF_TRY(part_file_restart(taking->part, &origin));
    return part_file_check_room(taking->part, file->size_bytes);
}

static jf_err_t *take_into(const char **path, taking_t *taking)
{
    const fetch_t *fetch = taking->take->fetch;
    JF_TRY(open_part(taking, *path));
    JF_TRY(take_bytes(taking));
    JF_TRY(verify(taking));
    return fetch_place_finish(path, taking->part, fetch, fetch->file, fetch->file->date_us,
                              taking->pool);
}

static jingle_reason_t reason_of(const jf_err_t *err)
{
    if (client_is_interrupted()) {
        return JINGLE_CANCEL;
    }
    switch (err->code) {
    case JF_ERR_UNAVAILABLE:
        return JINGLE_FAILED_TRANSPORT;
    case JF_ERR_TOO_LARGE:
        return JINGLE_TIMEOUT;
    default:
        return JINGLE_FAILED_APPLICATION;
    }
}

/** The sender learns of it at once; without randomness for an id the end of the session has to do.
 */
static void tell_sender(const taking_t *taking, const jf_err_t *err)
{
    jingle_session_t *session = taking->take->session;
    if (!session) {
        return; /* a stream has no receipt but its end */
    }
    if (err) {
        jingle_end(session, reason_of(err), NULL);
    } else {
        (void)jingle_confirm(session);
        jingle_end(session, JINGLE_SUCCESS, NULL);
    }
}

jf_err_t *take_file(const char **path_out, const take_file_t *take, apr_pool_t *pool)
{
    const fetch_t *fetch = take->fetch;
    taking_t taking = {.take = take, .pool = pool};
    const char *path = NULL;
    *path_out = NULL;
    JF_TRY(
        fetch_check_limit(fetch, fetch_label(fetch, fetch->file), fetch->file->size_bytes, pool));
    JF_TRY(fetch_place(&path, fetch, fetch->file, pool));
    JF_TRY(fetch_place_check(path, fetch, pool));
    jf_err_t *err = take_into(&path, &taking);
    if (err && taking.part) {
        part_file_remove(taking.part);
    }
    tell_sender(&taking, err);
    *path_out = err ? NULL : path;
    return err;
}
