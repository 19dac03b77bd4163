#include "jf_traffic_private.h"
#include "jf_units.h"

#define MEASURED_US APR_USEC_PER_SEC

/* ---- the list ---- */

/* Looks first where one has become free last. */
static jf_listing_t *claim_listing(jf_traffic_t *traffic)
{
    const jf_traffic_map_t *map = &traffic->map;
    apr_uint32_t start = jf_get(&traffic->next_listing);
    for (apr_uint32_t i = 0; traffic->owner && i < map->size.listings; i++) {
        apr_uint32_t place = (start + i) % map->size.listings;
        apr_uint32_t nobody = 0;
        if (jf_get(&map->owners[place]) == 0 &&
            jf_set_if(&map->owners[place], &nobody, traffic->owner)) {
            jf_set(&traffic->next_listing, place + 1);
            return &map->listings[place];
        }
    }
    return NULL;
}

static void list(const jf_transfer_t *transfer, apr_time_t now_us)
{
    jf_listing_t *listing = transfer->slot;
    if (listing) {
        jf_set(&listing->is_paced, (apr_uint32_t)transfer->request.is_paced);
        jf_set(&listing->area_id, transfer->request.key.area_id);
        jf_set(&listing->size_bytes, transfer->request.size_bytes);
        jf_set(&listing->done_bytes, 0);
        jf_set(&listing->bytes_per_s, 0);
        jf_set(&listing->started_us, now_us);
        jf_set(&listing->measured_us, now_us);
        jf_set(&listing->measured_bytes, 0);
        jf_set(&listing->serial, jf_get(&listing->serial) + 1);
    }
}

static void measure(jf_listing_t *listing, apr_int64_t done_bytes, apr_time_t now_us)
{
    apr_time_t passed_us = now_us - jf_get(&listing->measured_us);
    jf_set(&listing->done_bytes, done_bytes);
    if (passed_us >= MEASURED_US) {
        double bytes = (double)(done_bytes - jf_get(&listing->measured_bytes));
        double bytes_per_s = bytes * (double)APR_USEC_PER_SEC / (double)passed_us;
        jf_set(&listing->bytes_per_s, bytes_per_s > 0 ? (apr_int64_t)bytes_per_s : 0);
        jf_set(&listing->measured_us, now_us);
        jf_set(&listing->measured_bytes, done_bytes);
    }
}

/* ---- what a transfer holds ---- */

/* The list names the account before anything is held there; see jf_traffic_private.h. */
static void hold_account(const jf_transfer_t *transfer)
{
    jf_account_t *account = transfer->account;
    jf_listing_t *listing = transfer->slot;
    if (listing) {
        jf_set(&listing->account, (apr_uint32_t)(account - transfer->traffic->map.accounts) + 1);
        jf_set(&listing->direction, (apr_uint32_t)transfer->request.direction);
    } else {
        jf_add(&account->unlisted, 1);
    }
    jf_account_hold(account, 1);
    if (listing) {
        jf_set(&listing->holds_transfer, 1);
    }
}

static void hold_share(const jf_transfer_t *transfer)
{
    jf_account_t *account = transfer->account;
    jf_listing_t *listing = transfer->slot;
    if (transfer->request.is_paced) {
        jf_account_share(account, transfer->request.direction, 1);
        if (listing) {
            jf_set(&listing->holds_share, 1);
        }
    }
}

/* More is promised first and noted then, less is noted first. */
static void set_promise(jf_transfer_t *transfer, apr_int64_t promised_bytes)
{
    jf_account_t *account = transfer->account;
    jf_listing_t *listing = transfer->slot;
    apr_int64_t more_bytes = promised_bytes - transfer->promised_bytes;
    transfer->promised_bytes = promised_bytes;
    if (more_bytes > 0) {
        jf_account_promise(account, more_bytes);
    }
    if (listing && more_bytes) {
        jf_set(&listing->promised_bytes, promised_bytes);
    }
    if (more_bytes < 0) {
        jf_account_promise(account, more_bytes);
    }
}

static void release(const jf_transfer_t *transfer)
{
    jf_account_t *account = transfer->account;
    jf_listing_t *listing = transfer->slot;
    if (listing) {
        jf_listing_free(&transfer->traffic->map, listing);
        jf_set(&transfer->traffic->next_listing,
               (apr_uint32_t)(listing - transfer->traffic->map.listings));
        return;
    }
    jf_account_promise(account, -transfer->promised_bytes);
    if (transfer->request.is_paced) {
        jf_account_share(account, transfer->request.direction, -1);
    }
    jf_account_hold(account, -1);
    jf_add(&account->unlisted, -1);
}

/* ---- letting in ---- */

static int is_charged(const jf_transfer_request_t *request)
{
    return request->direction == JF_TRANSFER_DOWNLOAD && request->is_charged;
}

static int is_limited(const jf_transfer_request_t *request)
{
    return is_charged(request) && request->quota_bytes != JF_UNLIMITED;
}

static jf_err_t *refuse(apr_int64_t quota_bytes, apr_int64_t used_bytes, apr_pool_t *pool)
{
    jf_err_t *err = jf_err_make(JF_ERR_TRANSFER_QUOTA, APR_SUCCESS, pool,
                                "%" APR_INT64_T_FMT " of %" APR_INT64_T_FMT
                                " bytes of the transfer quota are used",
                                used_bytes, quota_bytes);
    err->limit_bytes = quota_bytes;
    err->used_bytes = used_bytes;
    return err;
}

static jf_err_t *admit(jf_transfer_t *transfer, apr_pool_t *pool)
{
    jf_listing_t *listing = transfer->slot;
    const jf_transfer_request_t *request = &transfer->request;
    apr_int64_t size_bytes = request->size_bytes > 0 ? request->size_bytes : 0;
    apr_int64_t used_bytes;
    if (!jf_account_promise_within(transfer->account, &used_bytes, request->quota_bytes,
                                   size_bytes)) {
        return refuse(request->quota_bytes, used_bytes, pool);
    }
    transfer->promised_bytes = size_bytes;
    if (listing) {
        jf_set(&listing->promised_bytes, size_bytes);
    }
    return NULL;
}

jf_err_t *jf_transfer_begin(jf_transfer_t *transfer, jf_traffic_t *traffic,
                            const jf_transfer_request_t *request, apr_time_t now_us,
                            apr_pool_t *pool)
{
    jf_account_t *account = NULL;
    JF_TRY(jf_account_pin(&account, traffic, &request->key, now_us, pool));
    if (!account) {
        return jf_err_make(JF_ERR_BUSY, APR_SUCCESS, pool,
                           "%s has no room for another area with transfers", traffic->path);
    }
    *transfer = (jf_transfer_t){
        .traffic = traffic,
        .account = account,
        .slot = claim_listing(traffic),
        .request = *request,
    };
    hold_account(transfer);
    jf_account_unpin(account);

    jf_err_t *err = is_limited(request) ? admit(transfer, pool) : NULL;
    if (err) {
        transfer->request.is_paced = 0; /* it has no share yet */
        release(transfer);
        return err;
    }
    hold_share(transfer);
    list(transfer, now_us);
    return NULL;
}

/* ---- on the way ---- */

static void count(const jf_transfer_t *transfer, apr_int64_t more_bytes)
{
    jf_account_t *account = transfer->account;
    if (is_charged(&transfer->request)) {
        jf_account_add(account, JF_COUNT_CHARGED, more_bytes);
    }
    jf_account_add(account,
                   transfer->request.direction == JF_TRANSFER_DOWNLOAD ? JF_COUNT_SENT
                                                                       : JF_COUNT_RECEIVED,
                   more_bytes);
}

static apr_int64_t still_promised(const jf_transfer_request_t *request, apr_int64_t done_bytes)
{
    return is_limited(request) && request->size_bytes > done_bytes
               ? request->size_bytes - done_bytes
               : 0;
}

/* What is charged is added before the promise becomes smaller, and the other way round, so that no
 * byte is in neither. */
static void change(jf_transfer_t *transfer, apr_int64_t done_bytes, apr_int64_t promised_bytes)
{
    apr_int64_t more_bytes = done_bytes - transfer->done_bytes;
    transfer->done_bytes = done_bytes;
    if (promised_bytes > transfer->promised_bytes) {
        set_promise(transfer, promised_bytes);
        count(transfer, more_bytes);
    } else {
        count(transfer, more_bytes);
        set_promise(transfer, promised_bytes);
    }
}

static void touch(const jf_transfer_t *transfer, apr_time_t now_us)
{
    jf_account_t *account = transfer->account;
    jf_set(&account->last_used_us, now_us);
    jf_account_enter_period(transfer->traffic, account, &transfer->request.key, now_us);
}

void jf_transfer_progress(jf_transfer_t *transfer, apr_int64_t done_bytes, apr_time_t now_us)
{
    touch(transfer, now_us);
    change(transfer, done_bytes, still_promised(&transfer->request, done_bytes));
    if (transfer->slot) {
        measure(transfer->slot, done_bytes, now_us);
    }
}

void jf_transfer_expect(jf_transfer_t *transfer, apr_int64_t size_bytes)
{
    jf_listing_t *listing = transfer->slot;
    transfer->request.size_bytes = size_bytes;
    set_promise(transfer, still_promised(&transfer->request, transfer->done_bytes));
    if (listing) {
        jf_set(&listing->size_bytes, size_bytes);
    }
}

void jf_transfer_settle(jf_transfer_t *transfer, apr_int64_t done_bytes, int is_counted,
                        apr_time_t now_us)
{
    transfer->request.quota_bytes = JF_UNLIMITED; /* from now on nothing is promised */
    jf_transfer_progress(transfer, done_bytes, now_us);
    jf_account_add(transfer->account,
                   transfer->request.direction == JF_TRANSFER_DOWNLOAD ? JF_COUNT_DOWNLOADS
                                                                       : JF_COUNT_UPLOADS,
                   is_counted != 0);
}

apr_uint32_t jf_transfer_sharers(const jf_transfer_t *transfer)
{
    apr_uint32_t sharers = jf_account_sharers(transfer->account, transfer->request.direction);
    return sharers ? sharers : 1;
}

void jf_transfer_end(jf_transfer_t *transfer)
{
    release(transfer);
    transfer->account = NULL;
    transfer->slot = NULL;
}

/* ---- looking ---- */

/* @return 0 if there is none, or if it has changed while it was copied */
static int copy(jf_active_t *active, const jf_listing_t *listing)
{
    apr_uint32_t serial = jf_get(&listing->serial);
    *active = (jf_active_t){
        .area_id = jf_get(&listing->area_id),
        .direction = (jf_direction_t)jf_get(&listing->direction),
        .is_paced = jf_get(&listing->is_paced) != 0,
        .size_bytes = jf_get(&listing->size_bytes),
        .done_bytes = jf_get(&listing->done_bytes),
        .bytes_per_s = jf_get(&listing->bytes_per_s),
        .started_us = jf_get(&listing->started_us),
    };
    return (serial & 1) && jf_get(&listing->serial) == serial;
}

apr_array_header_t *jf_traffic_active(const jf_traffic_t *traffic, apr_pool_t *pool)
{
    const jf_traffic_map_t *map = &traffic->map;
    apr_array_header_t *all = apr_array_make(pool, 64, sizeof(jf_active_t));
    for (apr_uint32_t i = 0; i < map->size.listings; i++) {
        jf_active_t active;
        if (jf_get(&map->owners[i]) && copy(&active, &map->listings[i])) {
            APR_ARRAY_PUSH(all, jf_active_t) = active;
        }
    }
    return all;
}
