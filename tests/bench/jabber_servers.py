"""The upload services of Jabber servers, each with its own store."""

import base64
import itertools
import re
import socket
from urllib.parse import urlsplit

from slots import OCTETS, new_slot, signed
from stores import AREAS, Store
from loads import HOST, Request
from xmpp_certificates import Authority
from xmpp_ejabberd import Ejabberd
from xmpp_prosody import Prosody
from xmpp_server import HostCertificates

DOMAIN, UPLOAD_DOMAIN = "example.org", "upload.example.org"
SECRET = "the secret of the benchmark"
SIZE_MAX = 1 << 40
SLOTS_AT_ONCE = 200
PIECE_BYTES = 1 << 16


def make_certificates(directory):
    """Nobody asks for one here, but the servers do not start without."""
    directory.mkdir()
    authority = Authority(directory)
    return HostCertificates(authority.ca, {DOMAIN: authority.issue(DOMAIN, UPLOAD_DOMAIN)})


class UploadProsody(Prosody):
    """mod_http_file_share. The garbage collector is the one that makes it fastest."""

    port_names = (*Prosody.port_names, "web")
    _more = """
VirtualHost "*"
    gc = {{ mode = "generational" }}
    network_settings = {{ tcp_backlog = 1024; nagle = false }}
    http_ports = {{ {web} }}
    http_interfaces = {{ "127.0.0.1" }}
    https_ports = {{ }}
Component "{upload}" "http_file_share"
    http_host = "{host}"
    http_file_share_secret = "{secret}"
    http_file_share_size_limit = {size_max}
    http_file_share_daily_quota = {size_max}
"""

    def _configure(self):
        self.more = self._more.format(**self.ports, upload=UPLOAD_DOMAIN, host=HOST,
                                      secret=SECRET, size_max=SIZE_MAX)
        super()._configure()


class UploadEjabberd(Ejabberd):
    """mod_http_upload."""

    port_names = (*Ejabberd.port_names, "web")
    _more = """
listen:
  - port: {web}
    ip: "127.0.0.1"
    module: ejabberd_http
    request_handlers: {{/up: mod_http_upload}}
modules:
  mod_http_upload:
    host: "{upload}"
    docroot: "{directory}/uploads"
    put_url: "http://{host}:{web}/up"
    max_size: infinity
"""

    def _configure(self):
        self.more = self._more.format(**self.ports, directory=self.directory, host=HOST,
                                      upload=UPLOAD_DOMAIN)
        super()._configure()


class JabberServer:
    """As the servers of the other stores are: a port, processes, an end."""

    def __init__(self, xmpp):
        xmpp.start()
        self._xmpp = xmpp
        self.port = xmpp.ports["web"]
        self.close = xmpp.stop

    def children(self):
        """The processes that work."""
        return [self._xmpp.process.pid]


class ProsodyStore(Store):
    """Slots are what Prosody would have signed."""

    name = "prosody"

    def __init__(self, directory):
        xmpp = UploadProsody(directory / "prosody", make_certificates(directory / "ca"),
                             hosts=[DOMAIN])
        super().__init__("Prosody", JabberServer(xmpp), xmpp.directory / "data")

    def _put_request(self, serial, size_bytes):
        slot = signed(new_slot(size_bytes, "file.bin", content_type=OCTETS, base="/file_share",
                               jid=f"user{serial % AREAS}@{DOMAIN}"), "jwt", SECRET.encode())
        return Request(slot.target, tuple(f"{key}: {value}"
                                          for key, value in slot.fields().items()))


class EjabberdStore(Store):
    """Slots are asked for over XMPP, many at once."""

    name = "ejabberd"

    def __init__(self, directory):
        xmpp = UploadEjabberd(directory / "ejabberd", make_certificates(directory / "ca"),
                              hosts=[DOMAIN])
        super().__init__("ejabberd", JabberServer(xmpp), xmpp.directory / "uploads")
        self._users = [Asker(xmpp.ports["plain"], user) for user in xmpp.new_users(AREAS, DOMAIN)]

    def put_requests(self, count, size_bytes):
        each = -(-count // len(self._users))
        slots = [user.slots(each, size_bytes) for user in self._users]
        return list(itertools.islice(itertools.chain(*zip(*slots)), count))

    def get_request(self, put_request):
        return Request(put_request.target)


class Asker:
    """An XMPP client that can do nothing but ask for slots, and that fast."""

    def __init__(self, port, user):
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._numbers = itertools.count()
        login = base64.b64encode(f"\0{user.localpart}\0{user.password}".encode()).decode("ascii")
        self._open_stream()
        self._say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"
                  f"{login}</auth>", r"<success")
        self._open_stream()
        self._say("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
                  r"</iq>")

    def _open_stream(self):
        self._say(f"<stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client'"
                  " xmlns:stream='http://etherx.jabber.org/streams'>", r"</stream:features>")

    def _say(self, text, awaited, count=1):
        """Says it and returns what is said until `awaited` has come so often."""
        self._socket.sendall(text.encode("utf-8"))
        heard = b""
        while len(re.findall(awaited.encode(), heard)) < count:
            piece = self._socket.recv(PIECE_BYTES)
            assert piece, f"ejabberd has ended the stream: {heard.decode()}"
            heard += piece
        return heard.decode("utf-8")

    def _question(self, size_bytes):
        return f"<iq type='get' to='{UPLOAD_DOMAIN}' id='{next(self._numbers)}'>" \
            "<request xmlns='urn:xmpp:http:upload:0' filename='file.bin'" \
            f" size='{size_bytes}' content-type='{OCTETS}'/></iq>"

    def slots(self, count, size_bytes):
        """Requests that put into so many slots."""
        found = []
        while len(found) < count:
            asked = min(SLOTS_AT_ONCE, count - len(found))
            text = "".join(self._question(size_bytes) for _ in range(asked))
            urls = re.findall(r"<put url='([^']+)'", self._say(text, r"</iq>", asked))
            assert len(urls) == asked, "ejabberd grants no slot"
            found += [Request(urlsplit(url).path, (f"Content-Type: {OCTETS}",)) for url in urls]
        return found
