"""httpd as the upload service of a Jabber server: each must know the other's port."""

import dataclasses
import secrets

from config import BASE, Site
from jabber_site import jabber_site


def slot_secret(directory, name):
    """A new secret in a file that only httpd's parent reads; returns the file and the text."""
    directory.mkdir(mode=0o700, exist_ok=True)
    path, text = directory / f"{name}.secret", secrets.token_hex(32)
    path.write_text(f"{text}\n", encoding="ascii")
    path.chmod(0o600)
    return path, text


@dataclasses.dataclass(frozen=True)
class SlotSite:
    """A Jabber server and the httpd that stores its users' files."""

    server: object
    xmpp: object


class SlotSites:
    """Starts such pairs for one test file. httpd comes first and has its port; then the Jabber
    server is started, and httpd gets the configuration that names that one's port."""

    def __init__(self, fleet, program, start_own_xmpp):
        self._fleet = fleet
        self._program = program
        self._start_own_xmpp = start_own_xmpp
        self._servers = []

    def new_server(self):
        """An httpd that runs, with a configuration that is to be replaced."""
        server = self._fleet.prepare(Site())
        self._servers.append(server)
        server.start()
        return server

    def start(self, kind, config, secret_kinds, hosts, served=None, base_lines="", **fields):
        """`config` is text for the Jabber server that may name {url}, {port} and each secret.
        `secret_kinds` has the kind of each secret. Of `hosts`, those in `served` have areas."""
        server = self.new_server()
        texts = {}
        for name, secret_kind in secret_kinds.items():
            path, texts[name] = slot_secret(server.root / "secrets", name)
            base_lines += f'\nJabberFilesSlotSecret {secret_kind} "{path}"\n'
        more = config.format(url=server.url(BASE), port=server.port, **texts)
        xmpp = self._start_own_xmpp(kind, f"{kind.name}-{server.port}", hosts=hosts, more=more)
        server.reconfigure(jabber_site(
            self._program, *(xmpp.domain_line(host) for host in served or hosts),
            base_lines=base_lines, **fields))
        return SlotSite(server, xmpp)

    def close(self):
        self._fleet.retire(self._servers)
