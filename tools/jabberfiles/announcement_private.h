/**
 * The namespaces of announcements, for those who write and those who read them.
 */
#ifndef ANNOUNCEMENT_PRIVATE_H
#define ANNOUNCEMENT_PRIVATE_H

#define NS_OOB "jabber:x:oob"
#define NS_IQ_OOB "jabber:iq:oob"
#define NS_SFS "urn:xmpp:sfs:0"
#define NS_FILE_METADATA "urn:xmpp:file:metadata:0"
#define NS_URL_DATA "http://jabber.org/protocol/url-data"
#define NS_FALLBACK "urn:xmpp:fallback:0"
#define NS_STANZA_ID "urn:xmpp:sid:0"
#define NS_REFERENCE "urn:xmpp:reference:0"
#define NS_SIMS "urn:xmpp:sims:1"

#endif
