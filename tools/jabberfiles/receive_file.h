/**
 * One announced file: shown, looked at, asked about, downloaded.
 *
 * The first contact with the file's host is a HEAD, before the question: so the person sees what
 * the server says and not only what the sender claims. If an iq offers the file at somebody's own
 * machine, the question comes first: that contact shows our address to its owner. Where there is
 * nobody to ask, and nobody has said beforehand whose files are taken, there is no contact at all:
 * a link must not make this machine call on strangers' behalf, nor tell them its address. For
 * the same reason who offers to send a file here directly (take_file.h) learns of this machine's
 * address after a yes only.
 */
#ifndef RECEIVE_FILE_H
#define RECEIVE_FILE_H

#include "contacts.h"
#include "http.h"
#include "inbox.h"
#include "xmpp_session.h"

/** What is fetched without asking a person is at most so large, unless --max-size says otherwise.
 */
#define RECEIVE_UNASKED_BYTES (100 * 1024 * 1024)
/** … and takes so long at most, unless --max-time says otherwise. */
#define RECEIVE_UNASKED_US apr_time_from_sec(3600)

typedef struct receive_t {
    client_t *client;
    http_t *http;
    xmpp_session_t *session;
    const char *own_jid;        /**< prepared bare JID */
    const contacts_t *contacts; /**< or NULL: not known */
    int is_ending;              /**< no more is begun: what is left is told, and declined */
    apr_int64_t saved_count;
} receive_t;

/**
 * Deals with a file to its end and tells the user, also of errors: none of them hinders the next
 * file.
 */
inbox_outcome_t receive_file(receive_t *receive, const incoming_t *incoming,
                             const shared_file_t *file);

#endif
