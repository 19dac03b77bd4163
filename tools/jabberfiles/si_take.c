#include "si_take.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/evp.h>

#include "bytestream.h"
#include "bytestream_proxy.h"

/* A sender whose offer was accepted goes on within this. */
#define STREAM_US apr_time_from_sec(60)
#define LOOK_US (apr_time_from_sec(1) / 4)
/* One streamhost that does not answer must not cost the sender's patience. */
#define HOST_US apr_time_from_sec(5)

typedef struct taking_t {
    si_offer_t *offer;
    xmpp_session_t *session;
    const jingle_intake_t *intake;
    int is_own_known;             /* our own server was asked for its relay, … */
    const bytestream_host_t *own; /* … which is this one, or there is none */
    bytestream_t *stream;
    EVP_MD_CTX *md5; /* NULL: nobody has told one, or a better digest */
} taking_t;

static jf_err_t *give_up(const taking_t *taking, const char *why)
{
    return jf_err_make(JF_ERR_UNAVAILABLE, APR_SUCCESS, taking->intake->pool, "%s", why);
}

/* ---- the stream ---- */

static jf_err_t *wait_for_hosts(const taking_t *taking)
{
    const si_offer_t *offer = taking->offer;
    apr_time_t end_us = apr_time_now() + STREAM_US;
    while (offer->state == SI_ACCEPTED && !offer->is_gone && apr_time_now() < end_us) {
        JF_TRY(xmpp_session_run(taking->session, LOOK_US));
    }
    if (offer->state == SI_OFFERED) {
        return NULL;
    }
    return give_up(taking, offer->is_gone ? "the sender has gone offline"
                                          : "the sender has not gone on with its offer");
}

/* 1 for the address of the relay of our own server, as that itself tells it; it is asked once. */
static jf_err_t *is_own_proxy(int *is_own, taking_t *taking, const bytestream_host_t *host)
{
    const char *failure = NULL;
    if (!taking->is_own_known) {
        JF_TRY(
            bytestream_proxy_find(&taking->own, &failure, taking->session, taking->intake->pool));
        taking->is_own_known = 1;
    }
    const bytestream_host_t *own = taking->own;
    *is_own = own && strcmp(own->host, host->host) == 0 && own->port == host->port;
    return NULL;
}

/* An address that no sender may name may still be that of our own server's relay. */
static jf_err_t *try_host(taking_t *taking, const bytestream_host_t *host, const char *hash)
{
    apr_pool_t *pool = taking->intake->pool;
    bytestream_call_t call = {.client = taking->intake->client,
                              .host = host,
                              .hash = hash,
                              .is_trusted = taking->intake->client->options->allows_private,
                              .most_us = HOST_US};
    jf_err_t *err = bytestream_open(&taking->stream, &call, pool);
    if (!err || err->code != JF_ERR_FORBIDDEN) {
        return err;
    }
    JF_TRY(is_own_proxy(&call.is_trusted, taking, host));
    return call.is_trusted ? bytestream_open(&taking->stream, &call, pool) : err;
}

/* In the sender's order. */
static jf_err_t *connect_stream(taking_t *taking)
{
    si_offer_t *offer = taking->offer;
    char computed[BYTESTREAM_HASH_CHARS + 1];
    const char *hash = offer->dstaddr ? offer->dstaddr : computed;
    if (!bytestream_hash(computed, offer->sid, offer->peer, xmpp_session_jid(taking->session))) {
        return give_up(taking, "this machine has no SHA-1, by which relays know streams");
    }
    jf_err_t *err = NULL;
    for (int i = 0; i < offer->hosts->nelts; i++) {
        const bytestream_host_t *host = &APR_ARRAY_IDX(offer->hosts, i, bytestream_host_t);
        err = try_host(taking, host, hash);
        if (!err) {
            si_use_host(offer, host->jid);
            return NULL;
        }
        if (client_is_interrupted()) {
            return err;
        }
    }
    return err;
}

/* ---- the bytes ---- */

/* Where the stream stands still, the sender's presence says whether there is any hope. */
static const char *find_end(void *baton)
{
    const taking_t *taking = baton;
    return taking->offer->is_gone && !bytestream_is_moving(taking->stream)
               ? "the sender has gone offline"
               : NULL;
}

static jf_err_t *write_bytes(void *baton, const char *data, size_t size)
{
    const taking_t *taking = baton;
    const take_sink_t *sink = &taking->intake->sink;
    if (taking->md5 && !EVP_DigestUpdate(taking->md5, data, size)) {
        return jf_err_make(JF_ERR_IO, APR_SUCCESS, taking->intake->pool, "MD5 fails");
    }
    return sink->write(sink->baton, data, size);
}

static jf_err_t *begin_md5(taking_t *taking)
{
    if (!taking->offer->md5 || taking->offer->file->sha256) {
        return NULL;
    }
    taking->md5 = EVP_MD_CTX_new();
    return taking->md5 && EVP_DigestInit_ex(taking->md5, EVP_md5(), NULL)
               ? NULL
               : jf_err_make(JF_ERR_IO, APR_SUCCESS, taking->intake->pool,
                             "this machine has no MD5, by which the sender describes the file");
}

static jf_err_t *check_md5(const taking_t *taking)
{
    unsigned char md5[EVP_MAX_MD_SIZE] = {0};
    if (taking->md5 && (!EVP_DigestFinal_ex(taking->md5, md5, NULL) ||
                        memcmp(md5, taking->offer->md5, SI_MD5_BYTES) != 0)) {
        return jf_err_make(JF_ERR_DIGEST, APR_SUCCESS, taking->intake->pool,
                           "what came has another MD5 than was promised: nothing of it is kept");
    }
    return NULL;
}

static jf_err_t *take_bytes(taking_t *taking)
{
    const jingle_intake_t *intake = taking->intake;
    const take_sink_t sink = {write_bytes, taking};
    JF_TRY(begin_md5(taking));
    bytestream_limit(taking->stream, find_end, taking, intake->deadline_us);
    JF_TRY(bytestream_receive(taking->stream, taking->offer->file->size_bytes, &sink,
                              intake->progress));
    return check_md5(taking);
}

jf_err_t *si_take(si_offer_t *offer, xmpp_session_t *session, const jingle_intake_t *intake)
{
    taking_t taking = {.offer = offer, .session = session, .intake = intake};
    if (offer->is_gone) {
        return give_up(&taking, "the sender has gone offline");
    }
    si_accept(offer);
    jf_err_t *err = wait_for_hosts(&taking);
    if (!err) {
        err = connect_stream(&taking);
    }
    if (!err) {
        err = take_bytes(&taking);
    }
    if (taking.stream) {
        bytestream_close(taking.stream);
    }
    EVP_MD_CTX_free(taking.md5);
    return err;
}
