"""The servers that are measured.

All keep their files in one file system, below one directory. None writes an access log. Those that
are httpd have the modules and limits of a stock Debian server, and as many threads as there are
clients; no child begins or ends during a measurement."""

import contextlib
import subprocess
from pathlib import Path

import jabber_servers
import large_ledger
from bench_server import QUIET_LOG
from config import Site
from environment import give_to_server, server_account
from ports import free_port
from processes import children_of
from records import wait_until
from slots import OCTETS, secret_lines
from stores import Areas, Folders, OneArea, Slots, make_folders

START_SECONDS = 20
UNLIMITED = "JabberFilesQuota unlimited\nJabberFilesMaxFileSize unlimited\n"
TUNING = """\
StartServers 2
ServerLimit 2
ThreadsPerChild 64
MaxRequestWorkers 128
MinSpareThreads 1
MaxSpareThreads 128
MaxKeepAliveRequests 0
"""
LARGE_AREA, LARGE_AREA_FILES = "boundless@example.org", 100_000
LARGE_LEDGER_FILES = 1_000_000
ONE_CHILD = "StartServers 1\nServerLimit 1\nMaxRequestWorkers 64\n"


class Program:
    """A server that is one command, on a port of its own. `command(port)` makes it."""

    def __init__(self, command):
        with free_port() as self.port:
            self._process = subprocess.Popen(command(self.port), stdin=subprocess.DEVNULL)
            wait_until(self._listens, START_SECONDS, "the server does not serve")

    def _listens(self):
        assert self._process.poll() is None, "the server has ended"
        state = Path("/proc/net/tcp").read_text("ascii")
        return f"0100007F:{self.port:04X} 00000000:0000 0A" in state

    def children(self):
        """The processes that work."""
        return [self._process.pid, *children_of(self._process.pid)]

    def close(self):
        self._process.terminate()
        self._process.wait()


def start_nginx(directory, certificates=None):
    """nginx with its own dav module and a buffer for small uploads, which it is fastest with."""
    make_folders(directory / "root" / "dav")
    temp = directory / "temp"
    temp.mkdir()
    give_to_server(temp)
    account = server_account()
    user_line = f"user {account[0]} {account[1]};" if account else ""
    tls_lines = f"ssl_certificate {certificates.certificate}; " \
        f"ssl_certificate_key {certificates.key};" if certificates else ""

    def command(port):
        (directory / "nginx.conf").write_text(f"""\
daemon off; worker_processes auto; pid {directory}/pid; error_log {directory}/error.log; {user_line}
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
    default_type {OCTETS}; client_max_body_size 0; client_body_buffer_size 256k;
    client_body_temp_path {temp};
    server {{
        listen 127.0.0.1:{port} {"ssl http2" if certificates else ""}; {tls_lines}
        root {directory}/root;
        location /dav {{ dav_methods PUT; }}
    }}
}}
""", encoding="utf-8")
        return ["nginx", "-p", str(directory), "-e", str(directory / "error.log"),
                "-c", str(directory / "nginx.conf")]

    return Program(command)


# All of them by name


class Servers:
    """Starts the servers of one row. Methods without an underscore make stores, and a row names
    those that it wants. The stores of a row share its servers, which end with it."""

    def __init__(self, place, tls=False):
        self._place = place
        self._certificates = place.certificates() if tls else None
        self._http2 = tls
        self._servers = {}
        self._dav_files = None
        self._stack = contextlib.ExitStack()

    def stores(self, names):
        """The stores with these names."""
        return [getattr(self, name)() for name in names]

    def close(self):
        self._stack.close()

    def _server(self, key, start):
        if key not in self._servers:
            self._servers[key] = start()
            self._stack.callback(self._servers[key].close)
        return self._servers[key]

    def _directory(self, name):
        return self._place.new_directory(name)

    def _start_httpd(self, **lines):
        server_lines = QUIET_LOG + TUNING + lines.pop("server_lines", "")
        return self._place.start(Site(certificates=self._certificates, http2=self._http2,
                                      access_log=False, server_lines=server_lines, **lines))

    # Apache's own

    def _dav(self):
        self._dav_files = make_folders(self._directory("dav"))
        locks = self._directory("locks")
        give_to_server(locks)
        return self._start_httpd(with_module=False, modules=("dav", "dav_fs"), server_lines=f"""\
Alias /dav "{self._dav_files}"
Alias /static "{self._dav_files}"
Alias /sendfile "{self._dav_files}"
DavLockDB "{locks}/locks"
LimitRequestBody 0
<Directory "{self._dav_files}">
    Require all granted
</Directory>
<Location /dav>
    Dav On
</Location>
<Location /sendfile>
    EnableSendfile On
</Location>
""")

    def mod_dav(self):
        server = self._server("dav", self._dav)
        return Folders("mod_dav", server, self._dav_files, "/dav")

    def core(self):
        """What mod_dav has taken, served by httpd's core."""
        server = self._server("dav", self._dav)
        return Folders("Apache core", server, self._dav_files, "/dav", "/static")

    def core_sendfile(self):
        """The same as the module has its files sent."""
        server = self._server("dav", self._dav)
        return Folders("Apache core, sendfile", server, self._dav_files, "/dav", "/sendfile")

    # The module

    def _jabberfiles(self, key="", lines="JabberFilesDurability relaxed\n"):
        return self._server(f"jabberfiles {key}", lambda: self._start_httpd(
            base_lines=secret_lines(self._directory("secrets"), ("v2",)) + UNLIMITED,
            server_lines=lines))

    def areas(self):
        return Areas("jabberfiles, areas", self._jabberfiles(), self._place.users)

    def slots(self):
        return Slots("jabberfiles, slots", self._jabberfiles())

    def _durable(self):
        return self._jabberfiles("durable", "JabberFilesDurability full\n")

    def durable_areas(self):
        return Areas("jabberfiles, areas", self._durable(), self._place.users)

    def durable_slots(self):
        return Slots("jabberfiles, slots", self._durable())

    def one_child(self):
        """For looking at its memory."""
        return Areas("one child", self._jabberfiles("one child", ONE_CHILD), self._place.users)

    def small_area(self):
        return OneArea("a new area", self._jabberfiles(), self._place.users)

    def large_area(self):
        server = self._jabberfiles()
        owner = self._place.users.client(server, LARGE_AREA)
        large_ledger.fill(server, [owner], LARGE_AREA_FILES)
        return OneArea("100 000 files", server, self._place.users, owner,
                       large_ledger.middle_of(LARGE_AREA_FILES))

    def small_ledger(self):
        return Slots("a new ledger", self._jabberfiles())

    def large_ledger(self):
        server = self._jabberfiles("large")
        store = Slots("1 000 000 files", server)
        large_ledger.fill(server, Areas("", server, self._place.users).owners, LARGE_LEDGER_FILES)
        return store

    # Others

    def nginx(self):
        directory = self._directory("nginx")
        server = self._server("nginx", lambda: start_nginx(directory, self._certificates))
        return Folders("nginx", server, directory / "root" / "dav", "/dav")

    def _floor(self, sync):
        files = make_folders(self._directory("floor") / "files")
        program = Path(self._place.env.builddir) / "tests" / "bench" / "floor"
        server = self._server(f"floor {sync}", lambda: Program(
            lambda port: [str(program), str(port), str(files), sync]))
        return Folders("floor", server, files, "")

    def floor(self):
        return self._floor("none")

    def durable_floor(self):
        return self._floor("full")

    def prosody(self):
        return self._peer(jabber_servers.ProsodyStore)

    def ejabberd(self):
        return self._peer(jabber_servers.EjabberdStore)

    def _peer(self, kind):
        store = kind(self._directory(kind.name))
        self._stack.callback(store.server.close)
        return store
