"""What the tests of announcements share: a link to announce, and what a client got of it."""

import base64
import hashlib
import xml.etree.ElementTree as ElementTree

from http_script import HttpScript, serve
from records import wait_until

NAME = "hello.txt"
CONTENT = b"hello world\n"
SHA256 = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
MEDIA_TYPE = "text/plain"
ARRIVE_SECONDS = 20

NAMESPACES = {
    "client": "jabber:client", "oob": "jabber:x:oob", "sfs": "urn:xmpp:sfs:0",
    "file": "urn:xmpp:file:metadata:0", "url": "http://jabber.org/protocol/url-data",
    "hash": "urn:xmpp:hashes:2", "fallback": "urn:xmpp:fallback:0", "sid": "urn:xmpp:sid:0",
    "reference": "urn:xmpp:reference:0", "sims": "urn:xmpp:sims:1",
    "jingle": "urn:xmpp:jingle:apps:file-transfer:5",
}


def web_with_file():
    """A web server with one file, which says what it is."""
    fields = {"Content-Type": MEDIA_TYPE, "Repr-Digest": f"sha-256=:{SHA256}:",
              "Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT"}
    return HttpScript([serve(CONTENT, fields)])


def elements(client, name="message"):
    """The stanzas of a kind that a chat client got."""
    # slixmpp leaves the namespace of the stream out.
    found = [ElementTree.fromstring(f"<stream xmlns='jabber:client'>{text}</stream>")[0]
             for text in list(client.arrived)]
    return [element for element in found if element.tag == f"{{jabber:client}}{name}"]


def bodies(client):
    return [element.findtext("client:body", None, NAMESPACES) for element in elements(client)
            if element.find("client:body", NAMESPACES) is not None]


def wait_for_bodies(client, count=1):
    """The messages with a body, when so many are there."""
    wait_until(lambda: len(bodies(client)) >= count, ARRIVE_SECONDS,
               f"too few messages: {client.arrived}")
    return [element for element in elements(client)
            if element.find("client:body", NAMESPACES) is not None]


def names_of(element):
    """The children that were sent; servers add some of their own."""
    added = ("urn:xmpp:delay", "jabber:x:delay", "urn:xmpp:mam:tmp", "urn:xmpp:hints",
             "http://jabber.org/protocol/muc#user", "urn:xmpp:occupant-id:0")
    return [child.tag for child in element
            if child.tag[1:].partition("}")[0] not in added
            and child.tag != "{urn:xmpp:sid:0}stanza-id"]


def in_ns(prefix, name):
    return f"{{{NAMESPACES[prefix]}}}{name}"


def check_announcement(message, url, description=None):
    """Exactly the elements that old and new clients need, and nothing else."""
    # ejabberd's offline storage puts the body last.
    assert sorted(names_of(message)) == sorted(
        [in_ns("client", "body"), in_ns("oob", "x"), in_ns("sfs", "file-sharing"),
         in_ns("fallback", "fallback"), in_ns("sid", "origin-id")])
    assert message.findtext("client:body", None, NAMESPACES) == url
    x = message.find("oob:x", NAMESPACES)
    assert [(child.tag, child.text) for child in x] == [(in_ns("oob", "url"), url)]
    assert message.find("sid:origin-id", NAMESPACES).get("id") == message.get("id")
    fallback = message.find("fallback:fallback", NAMESPACES)
    assert fallback.get("for") == "urn:xmpp:sfs:0"
    assert [(child.tag, child.attrib) for child in fallback] == [(in_ns("fallback", "body"), {})]
    check_sharing(message.find("sfs:file-sharing", NAMESPACES), url, description)


def check_sharing(sharing, url, description):
    assert sharing.get("disposition") == "inline"
    assert [child.tag for child in sharing] == [in_ns("file", "file"), in_ns("sfs", "sources")]
    told = {child.tag: child.text for child in sharing.find("file:file", NAMESPACES)}
    wanted = {in_ns("file", "media-type"): MEDIA_TYPE, in_ns("file", "name"): NAME,
              in_ns("file", "size"): str(len(CONTENT)),
              in_ns("file", "date"): "2026-11-22T10:00:00.000Z", in_ns("hash", "hash"): SHA256}
    if description is not None:
        wanted[in_ns("file", "desc")] = description
    assert told == wanted
    assert sharing.find("file:file/hash:hash", NAMESPACES).get("algo") == "sha-256"
    sources = sharing.find("sfs:sources", NAMESPACES)
    assert [(child.tag, child.get("target")) for child in sources] == \
        [(in_ns("url", "url-data"), url)]
