"""Jabber servers with all that a sender of files needs: an upload service of their own, rooms, and
messages kept for those who are offline. Everything is reached over TLS with one authority."""

import contextlib
import dataclasses
import itertools
import ssl
import urllib.request

from fake_xmpp import SECONDS_MAX
from records import wait_until
from xmpp_client import ChatClient
from xmpp_ejabberd import Ejabberd
from xmpp_prosody import Prosody
from xmpp_server import HostCertificates

HOST, ROOMS_HOST, UPLOAD_HOST = "example.org", "rooms.example.org", "upload.example.org"
# The upload services are there; certificates of Jabber servers have no addresses in them.
WEB_HOST = "localhost"
MAX_FILE_BYTES = 8 << 20
# How a room is joined without what was said before.
JOIN = "<x xmlns='http://jabber.org/protocol/muc'><history maxchars='0'/></x>"


class PairProsody(Prosody):
    """mod_http_file_share, mod_muc and mod_offline."""

    port_names = (*Prosody.port_names, "web")
    _more = """
    modules_enabled = {{ "offline" }}
VirtualHost "*"
    http_ports = {{ }}
    https_ports = {{ {web} }}
    https_interfaces = {{ "127.0.0.1" }}
    https_ssl = {{ key = "{key}"; certificate = "{certificate}" }}
Component "{rooms}" "muc"
    muc_room_locking = false
    muc_room_default_persistent = true
    muc_room_default_public = true
Component "{upload}" "http_file_share"
    http_host = "{web_host}"
    http_external_url = "https://{web_host}:{web}/"
    http_file_share_size_limit = {limit}
"""

    def _configure(self):
        pair = self.certificates.pairs[HOST]
        self.more = self._more.format(
            **self.ports, key=self._own_copy(pair.key), rooms=ROOMS_HOST, upload=UPLOAD_HOST,
            certificate=self._own_copy(pair.certificate), web_host=WEB_HOST, limit=MAX_FILE_BYTES)
        super()._configure()


class PairEjabberd(Ejabberd):
    """mod_http_upload, mod_muc and mod_offline."""

    port_names = (*Ejabberd.port_names, "web")
    _more = """
listen:
  - port: {web}
    ip: "127.0.0.1"
    module: ejabberd_http
    tls: true
    request_handlers: {{/up: mod_http_upload}}
modules:
  mod_http_upload:
    host: "{upload}"
    docroot: "{directory}/uploads"
    put_url: "https://{web_host}:{web}/up"
    max_size: {limit}
  mod_muc:
    host: "{rooms}"
    default_room_options: {{persistent: true, public: true}}
"""

    def _configure(self):
        self.more = self._more.format(
            **self.ports, directory=self.directory, rooms=ROOMS_HOST, upload=UPLOAD_HOST,
            web_host=WEB_HOST, limit=MAX_FILE_BYTES)
        super()._configure()


KINDS = {"prosody": PairProsody, "ejabberd": PairEjabberd}


@dataclasses.dataclass(frozen=True)
class Pair:
    """A server, and what the tool must be told to use it."""

    xmpp: object
    _rooms: object = dataclasses.field(default_factory=itertools.count)

    @property
    def name(self):
        return self.xmpp.name

    @property
    def ca(self):
        return self.xmpp.certificates.ca

    @property
    def options(self):
        """For any command of the tool."""
        return ("--connect", f"127.0.0.1:{self.xmpp.ports['c2s']}", "--ca", str(self.ca))

    @staticmethod
    def variables(user):
        """Whose tool it is."""
        return {"JABBERFILES_JID": user.jid, "JABBERFILES_PASSWORD": user.password}

    def new_user(self):
        return self.xmpp.new_user(HOST)

    def new_users(self, count):
        return self.xmpp.new_users(count, HOST)

    def new_room(self, member):
        """A room, which `member` has made and left; it stays."""
        room = f"room{next(self._rooms)}@{ROOMS_HOST}"
        with ChatClient(self.xmpp, member, "maker") as client:
            client.say(f"<presence to='{room}/{member.localpart}'>{JOIN}</presence>")
            wait_until(lambda: any("code=\"110\"" in text or "code='110'" in text
                                   for text in client.arrived),
                       20, f"{room} is not made: {client.arrived}")
        return room

    def download(self, url):
        """The bytes behind a link, fetched as any web client does it."""
        context = ssl.create_default_context(cafile=self.ca)
        with urllib.request.urlopen(url, timeout=SECONDS_MAX, context=context) as answer:
            return answer.read()


class Pairs:
    """Starts such servers when they are asked for, one of each kind."""

    _numbers = itertools.count()

    def __init__(self, directory, authority, kinds=None):
        self._directory = directory
        self._kinds = kinds or KINDS
        certificate = authority.issue(HOST, ROOMS_HOST, UPLOAD_HOST, WEB_HOST)
        self._certificates = HostCertificates(authority.ca, {HOST: certificate})
        self._pairs = {}
        self._stack = contextlib.ExitStack()

    def get(self, kind):
        if kind not in self._pairs:
            directory = self._directory / f"pair{next(self._numbers)}-{kind}"
            server = self._kinds[kind](directory, self._certificates, hosts=[HOST])
            server.start()
            self._stack.callback(server.stop)
            self._pairs[kind] = Pair(server)
        return self._pairs[kind]

    def close(self):
        self._stack.close()
