#include "receive_file.h"

#include <string.h>

#include <apr_file_info.h>
#include <apr_strings.h>

#include "fetch.h"
#include "http_guard.h"
#include "http_url.h"
#include "jf_names.h"
#include "jf_units.h"
#include "output.h"
#include "prompt.h"
#include "save_name.h"
#include "serve_address.h"
#include "take_file.h"
#include "tool_text.h"

typedef struct job_t {
    receive_t *receive;
    const incoming_t *incoming;
    fetch_t fetch;
    const shared_file_t *seen; /* what the server says; before the HEAD, what is claimed */
    unsigned char sha256[JF_SHA256_BYTES]; /* of what was downloaded */
    const char *who;                       /* as lines name the sender */
    const char *what;                      /* as lines name the file */
    int is_friend;                         /* --auto-from names the sender */
    const char *distrust;                  /* why it is not taken without asking, or NULL */
    int is_agreed;                         /* the person has said yes to it, knowing its size */
    const char *address;                   /* of this machine, that an offer's sender will see */
    apr_port_t port;                       /* to listen on; 0: any */
    apr_pool_t *pool;
} job_t;

static const options_t *options_of(const job_t *job)
{
    return job->receive->client->options;
}

/* ---- whose file it is ---- */

static int is_named(const apr_array_header_t *jids, const char *sender)
{
    for (int i = 0; jids && sender && i < jids->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(jids, i, const char *), sender) == 0) {
            return 1;
        }
    }
    return 0;
}

static int is_stranger(const job_t *job)
{
    const char *sender = job->incoming->sender;
    return !sender || !(job->is_friend || strcmp(sender, job->receive->own_jid) == 0 ||
                        contacts_have(job->receive->contacts, sender));
}

static const char *name_sender(const job_t *job)
{
    const char *sender = job->incoming->sender ? job->incoming->sender : job->incoming->from;
    return is_stranger(job) ? apr_pstrcat(job->pool, sender, " (a stranger)", NULL) : sender;
}

static const char *name_file(const shared_file_t *file, apr_pool_t *pool)
{
    const char *name = file->name ? file->name : save_name_from_url(file->url, pool);
    return name ? name : file->url;
}

/* ---- what is told ---- */

/* 1 if the sender would send the file here itself. */
static int is_offer(const job_t *job)
{
    return job->incoming->offer || job->incoming->stream;
}

/* Where the file can be had another time: not what is only offered. */
static const char *link_of(const job_t *job)
{
    return is_offer(job) ? NULL : job->fetch.file->url;
}

static const char *mention_link(const job_t *job)
{
    const char *link = link_of(job);
    return link ? apr_pstrcat(job->pool, "; the link is ", link, NULL) : "";
}

static json_t *json_text_or_null(const char *text, apr_pool_t *pool)
{
    return text ? tool_text_json(text, pool) : json_null();
}

/* What all objects about a file have. Where members of an object cannot be added for lack of
 * memory, the rest is told. */
static json_t *make_object(const job_t *job, const char *type)
{
    const shared_file_t *file = job->seen;
    json_t *object = json_object();
    json_object_set_new(object, "type", json_string(type));
    json_object_set_new(object, "from", tool_text_json(job->incoming->from, job->pool));
    json_object_set_new(object, "url", json_text_or_null(link_of(job), job->pool));
    json_object_set_new(object, "name", json_text_or_null(file->name, job->pool));
    json_object_set_new(object, "media_type", json_text_or_null(file->media_type, job->pool));
    json_object_set_new(object, "size_bytes",
                        file->size_bytes < 0 ? json_null() : json_integer(file->size_bytes));
    return object;
}

static void tell_announced(const job_t *job)
{
    apr_time_t sent_us = job->incoming->sent_us;
    json_t *object = make_object(job, "announcement");
    json_object_set_new(object, "is_stranger", json_boolean(is_stranger(job)));
    json_object_set_new(object, "sent",
                        tool_text_json_time(sent_us > 0 ? sent_us : JF_NEVER, job->pool));
    output_json(job->receive->client, object);

    output_note(job->receive->client, "%s %s %s%s%s", job->incoming->from,
                is_offer(job) ? "offers" : "announces", job->what,
                is_stranger(job) ? "; you do not know the sender" : "",
                sent_us > 0 ? apr_psprintf(job->pool, " (sent %s)",
                                           jf_units_format_time(sent_us, job->pool))
                            : "");
}

static inbox_outcome_t tell_declined(const job_t *job, const char *reason)
{
    json_t *object = make_object(job, "declined");
    json_object_set_new(object, "reason", tool_text_json(reason, job->pool));
    output_json(job->receive->client, object);
    output_result(job->receive->client, "%s from %s: declined: %s%s", job->what, job->who, reason,
                  mention_link(job));
    return INBOX_REFUSED;
}

static inbox_outcome_t tell_failed(const job_t *job, const jf_err_t *err)
{
    if (options_of(job)->is_json) {
        json_t *object = make_object(job, "failed");
        json_object_set_new(object, "reason", tool_text_json(err->text, job->pool));
        output_json(job->receive->client, object);
    } else {
        output_warn(job->receive->client, "%s from %s: not received: %s%s", job->what, job->who,
                    err->text, mention_link(job));
    }
    return INBOX_FAILED;
}

static inbox_outcome_t tell_saved(const job_t *job, const char *path)
{
    apr_finfo_t found = {.size = 0};
    apr_status_t status = apr_stat(&found, path, APR_FINFO_SIZE, job->pool);
    apr_int64_t size_bytes = status == APR_SUCCESS ? found.size : job->seen->size_bytes;
    json_t *object = make_object(job, "file");
    json_object_set_new(object, "path", tool_text_json(path, job->pool));
    json_object_set_new(object, "size_bytes", json_integer(size_bytes));
    json_object_set_new(object, "sha256", tool_text_json_sha256(job->fetch.sha256, job->pool));
    output_json(job->receive->client, object);
    output_result(job->receive->client, "%s from %s: saved as %s (%s)", jf_names_leaf(path),
                  job->who, path, jf_units_format_bytes(size_bytes, job->pool));
    job->receive->saved_count++;
    if (job->receive->saved_count == options_of(job)->count) {
        job->receive->is_ending = 1;
    }
    return INBOX_FETCHED;
}

/* An interrupted transfer says nothing about the file: the sender may try again. */
static inbox_outcome_t end_with(const job_t *job, const jf_err_t *err)
{
    if (client_is_interrupted()) {
        return tell_declined(job, "interrupted");
    }
    if (err->code == JF_ERR_TOO_LARGE) {
        return tell_declined(job, err->text);
    }
    return tell_failed(job, err);
}

/* ---- whether it is wanted ---- */

/* What a friend sends in the clear somebody on the way may have replaced (XEP-0447). */
static const char *find_distrust(const job_t *job)
{
    const shared_file_t *file = job->fetch.file;
    if (!job->is_friend) {
        return "nobody can be asked here, and --auto-from does not name the sender";
    }
    if (!http_url_is_private(file->url) && !file->sha256) {
        return "nobody can be asked here, and the link is neither encrypted nor comes with a "
               "digest";
    }
    return NULL;
}

static int is_person_asked(const job_t *job)
{
    return !options_of(job)->is_yes && prompt_is_possible();
}

/* Why what nobody is asked about is not taken, or NULL; from here on the limits hold for it. */
static const char *find_objection(job_t *job)
{
    fetch_t *fetch = &job->fetch;
    if (fetch->max_size_bytes == JF_UNLIMITED) {
        fetch->max_size_bytes = RECEIVE_UNASKED_BYTES;
    }
    if (fetch->max_time_us == JF_NEVER) {
        fetch->max_time_us = RECEIVE_UNASKED_US;
    }
    if (job->seen->size_bytes < 0) {
        return "its size is unknown, and nobody can be asked";
    }
    if (job->seen->size_bytes > fetch->max_size_bytes) {
        return apr_psprintf(job->pool,
                            "%s is more than the %s that are taken unasked; --max-size "
                            "allows more",
                            jf_units_format_bytes(job->seen->size_bytes, job->pool),
                            jf_units_format_bytes(fetch->max_size_bytes, job->pool));
    }
    return NULL;
}

/* Who sees this machine's address; what is at a link is asked for beforehand. */
static const char *mention_address(const job_t *job)
{
    if (job->address) {
        return apr_psprintf(job->pool, ", to whom this machine shows its address %s", job->address);
    }
    return is_offer(job) ? ", to whom, or whose relay, this machine shows its address" : "";
}

/* Asks the person, who has said nothing about this sender. */
static jf_err_t *ask(int *is_yes, const job_t *job)
{
    apr_int64_t size_bytes = job->seen->size_bytes;
    fetch_show(job->receive->client, job->seen, job->pool);
    return prompt_confirm(is_yes, job->receive->client, "Download %s (%s) from %s%s?", job->what,
                          size_bytes < 0 ? "of unknown size"
                                         : jf_units_format_bytes(size_bytes, job->pool),
                          job->who, mention_address(job));
}

static inbox_outcome_t download(const job_t *job)
{
    const char *path = NULL;
    const take_file_t take = {.session = job->incoming->offer,
                              .stream = job->incoming->stream,
                              .connection = job->receive->session,
                              .fetch = &job->fetch,
                              .address = job->address,
                              .port = job->port};
    jf_err_t *err = is_offer(job) ? take_file(&path, &take, job->pool)
                                  : fetch_download(&path, job->receive->http, &job->fetch,
                                                   job->seen, job->pool);
    return err ? end_with(job, err) : tell_saved(job, path);
}

/* What is to be known before the decision: of a link what the server says, of an offer the address
 * that it will show. */
static jf_err_t *look(job_t *job)
{
    const jingle_session_t *offer = job->incoming->offer;
    shared_file_t *seen = NULL;
    if (job->incoming->stream) {
        return NULL; /* who will see the address is known when the sender names a relay */
    }
    if (offer && offer->state == JINGLE_ENDED) {
        return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, job->pool,
                           "the sender has taken it back");
    }
    if (offer && options_of(job)->listen) {
        return serve_address_parse(&job->address, &job->port, options_of(job)->listen, job->pool);
    }
    if (offer) {
        return xmpp_session_local_address(&job->address, job->receive->session, job->pool);
    }
    JF_TRY(fetch_look(&seen, job->receive->http, &job->fetch, job->pool));
    job->seen = seen;
    return NULL;
}

/* The machine that an iq says to call on, if the person may decide about that, or NULL. It has an
 * address and no name, so it is somebody's own and no web server. */
static const char *machine_of(const job_t *job)
{
    const char *address =
        job->incoming->iq ? http_url_address(job->fetch.file->url, job->pool) : NULL;
    int is_askable = address && job->distrust && is_person_asked(job) &&
                     (options_of(job)->allows_private || http_guard_may_be_agreed(address));
    return is_askable ? address : NULL;
}

/* Asks before that machine is called on, since its owner then sees our address; what is agreed to
 * may be in a private network. */
static jf_err_t *ask_to_call(int *is_yes, job_t *job, const char *address)
{
    const shared_file_t *file = job->fetch.file;
    if (file->description && strcmp(file->description, job->what) != 0) {
        output_note(job->receive->client, "  text  %s", file->description);
    }
    JF_TRY(prompt_confirm(is_yes, job->receive->client,
                          "Download %s (%s) that %s offers at %s? The machine there will see the "
                          "address of this one.",
                          job->what,
                          file->size_bytes < 0 ? "of unknown size"
                                               : jf_units_format_bytes(file->size_bytes, job->pool),
                          job->who, address));
    if (*is_yes) {
        job->fetch.agreed_address = address;
        job->is_agreed = file->size_bytes >= 0;
    }
    return NULL;
}

/* 1 if the person has said yes to just this: the server's words do not differ from the sender's. */
static int is_as_agreed(const job_t *job)
{
    const shared_file_t *file = job->fetch.file;
    return job->is_agreed && job->seen->size_bytes == file->size_bytes &&
           strcmp(job->seen->name, save_name_make(job->what, job->pool)) == 0;
}

/* After the look. */
static inbox_outcome_t decide(job_t *job)
{
    apr_int64_t asked_max_bytes = job->fetch.max_size_bytes;
    apr_interval_time_t asked_max_us = job->fetch.max_time_us;
    if (is_as_agreed(job)) {
        return download(job);
    }
    if (!job->distrust || options_of(job)->is_yes) {
        const char *objection = find_objection(job);
        if (!objection) {
            return download(job);
        }
        if (!is_person_asked(job)) {
            return tell_declined(job, objection);
        }
        job->fetch.max_size_bytes = asked_max_bytes;
        job->fetch.max_time_us = asked_max_us;
    }
    int is_yes = 0;
    jf_err_t *err = ask(&is_yes, job);
    if (err) {
        return end_with(job, err);
    }
    return is_yes ? download(job) : tell_declined(job, "you said no");
}

/* First contact. */
static inbox_outcome_t call(job_t *job)
{
    const char *machine = machine_of(job);
    int is_yes = 1;
    jf_err_t *err = machine ? ask_to_call(&is_yes, job, machine) : NULL;
    if (!err && !is_yes) {
        return tell_declined(job, "you said no");
    }
    if (!err) {
        err = look(job);
    }
    return err ? end_with(job, err) : decide(job);
}

inbox_outcome_t receive_file(receive_t *receive, const incoming_t *incoming,
                             const shared_file_t *file)
{
    const options_t *options = receive->client->options;
    job_t job = {
        .receive = receive,
        .incoming = incoming,
        .fetch = {.client = receive->client,
                  .file = file,
                  .directory = options->directory,
                  .may_overwrite = options->may_overwrite,
                  .is_renaming = !options->may_overwrite,
                  .max_size_bytes = options->max_size_bytes,
                  .max_time_us = options->max_time_us},
        .seen = file,
        .is_friend = is_named(options->auto_from, incoming->sender),
        .pool = incoming->pool,
    };
    job.fetch.sha256 = job.sha256;
    job.what = name_file(file, job.pool);
    job.who = name_sender(&job);
    job.distrust = find_distrust(&job);
    tell_announced(&job);
    if (receive->is_ending || client_is_interrupted()) {
        return tell_declined(&job, "the end came before it");
    }
    if (job.distrust && !options->is_yes && !prompt_is_possible()) {
        return tell_declined(&job, job.distrust);
    }
    return call(&job);
}
