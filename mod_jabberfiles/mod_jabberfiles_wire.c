#include "mod_jabberfiles_wire.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <apr_portable.h>
#include <http_ssl.h>

#include "jf_socket.h"
#include "jf_units.h"

/* Half of the second that may be lost if everything is killed. */
#define SAMPLE_US apr_time_from_msec(500)

TAILQ_HEAD(downloads_t, jfm_download_t);

/* Of this process. The mutex is no pool's: threads may come here until the process is gone. */
static struct {
    pthread_mutex_t mutex;
    struct downloads_t downloads; /* those whose content flows, or drains */
    apr_time_t sampled_us;
    volatile int is_ending;
} wires = {.mutex = PTHREAD_MUTEX_INITIALIZER,
           .downloads = TAILQ_HEAD_INITIALIZER(wires.downloads)};

int jfm_wire_lock(void)
{
    if (wires.is_ending) {
        return 0;
    }
    pthread_mutex_lock(&wires.mutex);
    return 1;
}

void jfm_wire_unlock(void)
{
    pthread_mutex_unlock(&wires.mutex);
}

/* In prefork a child may end inside a signal handler that has interrupted the owner of the lock. */
static apr_status_t stop(void *data)
{
    (void)data;
    wires.is_ending = 1;
    return APR_SUCCESS;
}

void jfm_wire_child_init(apr_pool_t *pchild)
{
    apr_pool_pre_cleanup_register(pchild, NULL, stop);
}

/* ---- pacing ---- */

static int is_paced(const jfm_download_t *download)
{
    return download->rate_bytes_per_s != JF_UNLIMITED;
}

static void pace(jfm_wire_t *wire)
{
    if (wire->fd >= 0 && wire->wanted_bytes_per_s != wire->paced_bytes_per_s) {
        (void)jf_socket_pace(wire->fd, wire->wanted_bytes_per_s);
        wire->paced_bytes_per_s = wire->wanted_bytes_per_s;
    }
}

static void want(jfm_wire_t *wire, apr_int64_t share_bytes_per_s)
{
    wire->wanted_bytes_per_s = wire->wanted_bytes_per_s == JF_UNLIMITED
                                   ? share_bytes_per_s
                                   : wire->wanted_bytes_per_s + share_bytes_per_s;
}

static apr_int64_t share_of(const jfm_download_t *download)
{
    apr_int64_t share = download->rate_bytes_per_s / jf_transfer_sharers(&download->transfer);
    return share > 0 ? share : 1;
}

/* How many share an area's rate changes with downloads of other processes, too. */
static void share_out(void)
{
    jfm_download_t *download;
    TAILQ_FOREACH(download, &wires.downloads, link)
    {
        download->wire->wanted_bytes_per_s = JF_UNLIMITED;
    }
    TAILQ_FOREACH(download, &wires.downloads, link)
    {
        if (is_paced(download)) {
            want(download->wire, share_of(download));
        }
    }
    TAILQ_FOREACH(download, &wires.downloads, link)
    {
        pace(download->wire);
    }
}

/* ---- connections ---- */

static jfm_wire_t *wire_of(const conn_rec *c)
{
    const conn_rec *master = c->master ? c->master : c;
    return ap_get_module_config(master->conn_config, &jabberfiles_module);
}

static void lose_downloads(const jfm_wire_t *wire)
{
    jfm_download_t *next;
    for (jfm_download_t *download = TAILQ_FIRST(&wires.downloads); download; download = next) {
        next = TAILQ_NEXT(download, link);
        if (download->wire == wire) {
            jfm_download_lose(download, apr_time_now());
            jfm_wire_remove(download);
        }
    }
}

static apr_status_t end_wire(void *data)
{
    jfm_wire_t *wire = data;
    if (wire->fd < 0) {
        free(wire);
        return APR_SUCCESS;
    }
    if (jfm_wire_lock()) {
        lose_downloads(wire);
        close(wire->fd);
        free(wire);
        jfm_wire_unlock();
    }
    return APR_SUCCESS;
}

/* Here and not with the first download: a stream of HTTP/2 runs in another thread than its
 * connection, whose pool is not its own. */
int jfm_wire_pre_connection(conn_rec *c, void *socket)
{
    (void)socket;
    if (c->master || !jfm_stores() || jfm_stores()->nelts == 0) {
        return DECLINED;
    }
    jfm_wire_t *wire = calloc(1, sizeof(*wire));
    if (wire) {
        wire->fd = -1;
        wire->paced_bytes_per_s = JF_UNLIMITED;
        ap_set_module_config(c->conn_config, &jabberfiles_module, wire);
        apr_pool_cleanup_register(c->pool, wire, end_wire, apr_pool_cleanup_null);
        wire->feed = jfm_feed_create(c);
    }
    return DECLINED;
}

/* A descriptor of our own stays the connection's, whenever httpd closes its one. */
static void open_wire(jfm_wire_t *wire, conn_rec *c)
{
    conn_rec *master = c->master ? c->master : c;
    apr_os_sock_t fd;
    if (wire->fd < 0 && apr_os_sock_get(&fd, ap_get_conn_socket(master)) == APR_SUCCESS) {
        wire->fd = jf_socket_share(fd);
        wire->is_tls = ap_ssl_conn_is_ssl(master);
    }
}

void jfm_wire_remove(jfm_download_t *download)
{
    jfm_wire_t *wire = download->wire;
    int was_paced = is_paced(download);
    TAILQ_REMOVE(&wires.downloads, download, link);
    jfm_download_free(download);
    if (was_paced) {
        wire->wanted_bytes_per_s = JF_UNLIMITED;
        share_out();
        pace(wire);
    }
}

static void remove_drained(void)
{
    jfm_download_t *next;
    for (jfm_download_t *download = TAILQ_FIRST(&wires.downloads); download; download = next) {
        next = TAILQ_NEXT(download, link);
        if (jfm_download_is_drained(download)) {
            jfm_wire_remove(download);
        }
    }
}

void jfm_wire_add(jfm_download_t *download, conn_rec *c)
{
    jfm_wire_t *wire = wire_of(c);
    if (!wire) {
        return;
    }
    open_wire(wire, c);
    if (wire->fd < 0) {
        return;
    }
    download->wire = wire;
    remove_drained();
    TAILQ_INSERT_TAIL(&wires.downloads, download, link);
    if (is_paced(download)) {
        share_out();
    }
}

/* ---- ten times a second ---- */

static void sample(apr_time_t now_us)
{
    jfm_download_t *download;
    if (now_us - wires.sampled_us < SAMPLE_US && now_us >= wires.sampled_us) {
        return;
    }
    wires.sampled_us = now_us;
    TAILQ_FOREACH(download, &wires.downloads, link)
    {
        if (!download->is_draining) {
            jf_transfer_progress(&download->transfer, jfm_download_position(download), now_us);
        }
    }
}

void jfm_wire_tick(apr_time_t now_us)
{
    /* Never waits: the child may be ending in a thread that has the lock and waits for this one. */
    if (wires.is_ending || pthread_mutex_trylock(&wires.mutex) != 0) {
        return;
    }
    if (!TAILQ_EMPTY(&wires.downloads)) {
        remove_drained();
        share_out();
        sample(now_us);
    }
    jfm_wire_unlock();
}
