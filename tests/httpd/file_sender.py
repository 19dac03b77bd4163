"""A chat client that tells others of files: by messages of all kinds and by jabber:iq:oob."""

import base64
import hashlib
import itertools
import re
from xml.sax.saxutils import escape, quoteattr

from records import wait_until
from xmpp_client import ChatClient

SECONDS_TO_ANSWER = 30


def oob(url):
    """jabber:x:oob, as all clients of today send it."""
    return f"<body>{escape(url)}</body><x xmlns='jabber:x:oob'><url>{escape(url)}</url></x>"


def sfs(url, content=b"", **claims):
    """Stateless file sharing; `claims` replaces what is true of the content, None leaves out."""
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode("ascii")
    facts = {"name": url.rpartition("/")[2], "media-type": "application/octet-stream",
             "size": len(content), "sha256": digest, **claims}
    digest = facts.pop("sha256")
    lines = [f"<{key}>{escape(str(value))}</{key}>"
             for key, value in facts.items() if value is not None]
    if digest is not None:
        lines.append(f"<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>{digest}</hash>")
    return f"""<file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'>
        <file xmlns='urn:xmpp:file:metadata:0'>{"".join(lines)}</file>
        <sources><url-data xmlns='http://jabber.org/protocol/url-data' target={quoteattr(url)}/>
        </sources></file-sharing>"""


class FileSender(ChatClient):
    """Sends stanzas as they are given, and sees what is answered."""

    _ids = itertools.count()

    def tell(self, to, content, kind="chat", more=""):
        """Sends a message; `more` has further attributes of it."""
        self.say(f"<message to={quoteattr(to)} type='{kind}' id='m{next(self._ids)}' {more}>"
                      f"{content}</message>")

    def ask_to_fetch(self, to, url):
        """Sends an iq with jabber:iq:oob to a full JID; returns its id."""
        number = f"oob-{next(self._ids)}"
        self.say(f"<iq type='set' to={quoteattr(to)} id='{number}'>"
                      f"<query xmlns='jabber:iq:oob'><url>{escape(url)}</url></query></iq>")
        return number

    def answers(self, number):
        """What was answered so far to the iq of this id."""
        return [text for text in list(self.arrived)
                if text.startswith("<iq") and re.search(f"id=[\"']{number}[\"']", text)]

    def wait_for_answer(self, number):
        return wait_until(lambda: self.answers(number), SECONDS_TO_ANSWER,
                          f"no answer to {number}: {self.arrived}")[0]
