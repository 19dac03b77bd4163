#include "mod_jabberfiles_wire.h"

#include <ap_mpm.h>
#include <http_connection.h>
#include <http_ssl.h>

/*
 * A paced download over TLS must not hold a thread. httpd writes what is in clear asynchronously,
 * but mod_ssl encrypts a whole answer at once, and the thread that does it waits for the client
 * again and again. So a filter in front of mod_ssl keeps a paced answer back and lets little pieces
 * of it through, each when the one before it has left. "When" comes from an asynchronous MPM: to
 * complete the writing of an answer it calls the last filter of the connection with nothing to
 * write, and another filter of ours is the last.
 */
#define HOLD_FILTER "JABBERFILES_HOLD"
#define RESUME_FILTER "JABBERFILES_RESUME"
/* Three records of TLS: less than what makes the core's filter wait for the client. */
#define PIECE_BYTES (3 * 16384)

struct jfm_feed_t {
    ap_filter_t *hold;
    apr_bucket_brigade *held;
    apr_bucket_brigade *rest; /* empty but while a piece is cut off */
    apr_pool_t *pool;         /* of what is held */
    int is_on;                /* the answer on its way is paced */
};

static ap_filter_rec_t *hold_filter;
static ap_filter_rec_t *resume_filter;

static int is_holding(const jfm_feed_t *feed)
{
    return !APR_BRIGADE_EMPTY(feed->held);
}

static apr_status_t pass_all(jfm_feed_t *feed)
{
    apr_status_t status = ap_pass_brigade(feed->hold->next, feed->held);
    apr_brigade_cleanup(feed->held);
    apr_pool_clear(feed->pool);
    feed->is_on = 0;
    return status;
}

static apr_status_t pass_piece(const jfm_feed_t *feed)
{
    apr_bucket *cut;
    apr_status_t status = apr_brigade_partition(feed->held, PIECE_BYTES, &cut);
    if (status != APR_SUCCESS && status != APR_INCOMPLETE) {
        return status;
    }
    apr_brigade_split_ex(feed->held, cut, feed->rest);
    status = ap_pass_brigade(feed->hold->next, feed->held);
    apr_brigade_cleanup(feed->held);
    APR_BRIGADE_CONCAT(feed->held, feed->rest);
    return status;
}

/* As much as the connection takes now. */
static apr_status_t feed_connection(jfm_feed_t *feed)
{
    conn_rec *c = feed->hold->c;
    apr_status_t status = APR_SUCCESS;
    while (status == APR_SUCCESS && is_holding(feed) && !c->data_in_output_filters) {
        status = pass_piece(feed);
    }
    if (!is_holding(feed)) {
        apr_pool_clear(feed->pool);
        feed->is_on = 0;
    } else if (status == APR_SUCCESS) {
        c->data_in_output_filters = 1;
    }
    return status;
}

/* ---- the filters ---- */

static int has_flush(const apr_bucket_brigade *bb)
{
    const apr_bucket *b = APR_BRIGADE_FIRST(bb);
    while (b != APR_BRIGADE_SENTINEL(bb) && !APR_BUCKET_IS_FLUSH(b)) {
        b = APR_BUCKET_NEXT(b);
    }
    return b != APR_BRIGADE_SENTINEL(bb);
}

/* The MPM has had enough of a client that takes nothing, and must not wait for it now. */
static int is_given_up(const apr_bucket_brigade *bb)
{
    return !APR_BRIGADE_EMPTY(bb) && AP_BUCKET_IS_EOC(APR_BRIGADE_FIRST(bb));
}

static apr_status_t hold(ap_filter_t *filter, apr_bucket_brigade *bb)
{
    jfm_feed_t *feed = filter->ctx;
    if (!feed->is_on && !is_holding(feed)) {
        return ap_pass_brigade(filter->next, bb);
    }
    if (filter->c->aborted || is_given_up(bb)) {
        apr_brigade_cleanup(bb);
        return APR_ECONNABORTED;
    }
    int is_urgent = has_flush(bb);
    apr_status_t status = ap_save_brigade(filter, &feed->held, &bb, feed->pool);
    if (status != APR_SUCCESS) {
        return status;
    }
    return is_urgent ? pass_all(feed) : feed_connection(feed);
}

/* Behind the core's filter, which passes nothing on: only the MPM calls it. */
static apr_status_t resume(ap_filter_t *filter, apr_bucket_brigade *bb)
{
    jfm_feed_t *feed = filter->ctx;
    ap_filter_t *core = filter->c->output_filters;
    while (core->next != filter) {
        core = core->next;
    }
    apr_status_t status = core->frec->filter_func.out_func(core, bb);
    if (status != APR_SUCCESS || filter->c->aborted || !is_holding(feed)) {
        return status;
    }
    return feed_connection(feed);
}

/* ---- setting up ---- */

/* Some <Location> has a rate; other connections are left alone. */
static int is_expected;

void jfm_feed_pre_config(void)
{
    is_expected = 0;
}

void jfm_feed_expect(void)
{
    is_expected = 1;
}

static int is_mpm_async(void)
{
    int is_async;
    return ap_mpm_query(AP_MPMQ_IS_ASYNC, &is_async) == APR_SUCCESS && is_async;
}

void jfm_register_feed(void)
{
    hold_filter = ap_register_output_filter(HOLD_FILTER, hold, NULL,
                                            (ap_filter_type)(AP_FTYPE_CONNECTION + 3));
    resume_filter = ap_register_output_filter(RESUME_FILTER, resume, NULL,
                                              (ap_filter_type)(AP_FTYPE_NETWORK + 1));
}

jfm_feed_t *jfm_feed_create(conn_rec *c)
{
    if (!is_expected || !is_mpm_async() || !ap_ssl_conn_is_ssl(c)) {
        return NULL;
    }
    jfm_feed_t *feed = apr_pcalloc(c->pool, sizeof(*feed));
    apr_pool_create(&feed->pool, c->pool);
    feed->held = apr_brigade_create(c->pool, c->bucket_alloc);
    feed->rest = apr_brigade_create(c->pool, c->bucket_alloc);
    feed->hold = ap_add_output_filter_handle(hold_filter, feed, NULL, c);
    ap_add_output_filter_handle(resume_filter, feed, NULL, c);
    return feed;
}

void jfm_feed_start(jfm_feed_t *feed)
{
    if (feed) {
        feed->is_on = 1;
    }
}
