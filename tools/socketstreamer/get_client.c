#include "get_client.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "get_timer.h"
#include "jf_socket.h"
#include "jf_units.h"
#include "relay_address.h"

/* Whether the last bytes have arrived, nothing tells: it is looked at, soon and then less often. */
#define FIRST_LOOK_US APR_TIME_C(1000)
#define LAST_LOOK_US APR_TIME_C(100000)

struct get_client_t {
    get_client_news_fn *news;
    void *baton;
    int fd;
    const char *address;
    struct event *stir;
    struct event *look;
    apr_interval_time_t idle_timeout_us;
    apr_interval_time_t look_us;
    int unread_bytes; /* at the last look */
    apr_time_t moved_us;
};

/* ---- does the client stay? ---- */

static int is_connected(const get_client_t *client)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof(info);
    return getsockopt(client->fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
           info.tcpi_state != TCP_CLOSE;
}

/* A client that ends its side of the connection counts as gone, too: nobody who wants an answer
 * does that, and it is all that one sees of one who has closed. A reset shows as something to read,
 * and so does what a client says before its time: that is left alone. */
static void on_stir(evutil_socket_t fd, short what, void *data)
{
    get_client_t *client = data;
    (void)fd;
    if ((what & EV_CLOSED) || !is_connected(client)) {
        client->news(client->baton, 0);
    }
}

void get_client_watch(get_client_t *client, int is_on)
{
    if (is_on) {
        event_add(client->stir, NULL);
    } else {
        event_del(client->stir);
    }
}

void get_client_break(get_client_t *client)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    /* The HTTP library would send FIN, which is the end of an answer in HTTP/1.0; this sends RST.
     * It fails where there is nothing left to break. */
    (void)connect(client->fd, &none, sizeof(none));
}

/* ---- has it got everything? ---- */

static int is_patient(get_client_t *client, int unread_bytes)
{
    apr_time_t now_us = apr_time_now();
    if (unread_bytes != client->unread_bytes) {
        client->unread_bytes = unread_bytes;
        client->moved_us = now_us;
    }
    return client->idle_timeout_us == JF_NEVER ||
           now_us - client->moved_us < client->idle_timeout_us;
}

static void on_look(evutil_socket_t fd, short what, void *data)
{
    get_client_t *client = data;
    int unread_bytes = 0;
    (void)fd;
    (void)what;
    if (ioctl(client->fd, SIOCOUTQ, &unread_bytes) != 0 || unread_bytes == 0) {
        client->news(client->baton, 1);
    } else if (!is_connected(client) || !is_patient(client, unread_bytes)) {
        client->news(client->baton, 0);
    } else {
        get_timer_start(client->look, client->look_us);
        client->look_us = client->look_us < LAST_LOOK_US ? 2 * client->look_us : LAST_LOOK_US;
    }
}

void get_client_drain(get_client_t *client)
{
    get_client_watch(client, 0);
    shutdown(client->fd, SHUT_WR);
    client->look_us = FIRST_LOOK_US;
    client->unread_bytes = 0;
    client->moved_us = apr_time_now();
    get_timer_start(client->look, 0);
}

/* ---- life ---- */

static const char *address_of(int fd, apr_pool_t *pool)
{
    relay_address_t peer = {.length = sizeof(peer.socket)};
    getpeername(fd, (struct sockaddr *)&peer.socket, &peer.length);
    return relay_address_text(&peer, pool);
}

static apr_status_t destroy(void *data)
{
    get_client_t *client = data;
    event_free(client->stir);
    event_free(client->look);
    close(client->fd);
    return APR_SUCCESS;
}

get_client_t *get_client_create(int fd, struct event_base *base,
                                apr_interval_time_t idle_timeout_us, get_client_news_fn *news,
                                void *baton, apr_pool_t *pool)
{
    get_client_t *client = apr_pcalloc(pool, sizeof(*client));
    client->fd = jf_socket_share(fd);
    if (client->fd < 0) {
        return NULL;
    }
    client->news = news;
    client->baton = baton;
    client->address = address_of(client->fd, pool);
    client->stir =
        event_new(base, client->fd, EV_READ | EV_CLOSED | EV_ET | EV_PERSIST, on_stir, client);
    client->look = evtimer_new(base, on_look, client);
    client->idle_timeout_us = idle_timeout_us;
    apr_pool_cleanup_register(pool, client, destroy, apr_pool_cleanup_null);
    return client;
}

const char *get_client_address(const get_client_t *client)
{
    return client->address;
}
