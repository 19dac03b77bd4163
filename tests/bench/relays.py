"""Proxies for bytestreams (XEP-0065) that are measured, and what puts a load on them.

All have a name, a port, processes, and a way to activate streams. The Jabber servers' own proxies
and ours are asked over XMPP, by a user of the server, as always."""

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import secrets
import shutil
import subprocess
import time
from pathlib import Path

import processes
from jabber_servers import DOMAIN, make_certificates
from loads import Failed
from servers import Program
from socks5 import stream_hash
from stream_client import StreamClient
from streamer import Streamer
from xmpp_ejabberd import Ejabberd
from xmpp_prosody import Prosody

PROXY = f"proxy.{DOMAIN}"
TARGET = f"bob@{DOMAIN}/desk"
SECRET = "the secret of the benchmark"
ACTIVATIONS_AT_ONCE = 100
SECONDS_TO_ACTIVATE = 120
UNLIMITED = ("streams 20000", "streams-per-jid 20000")
# Who would ask, if the floor had anybody to be asked.
FLOOR_REQUESTER = f"alice@{DOMAIN}/phone"


class ProxyProsody(Prosody):
    """mod_proxy65. The garbage collector is the one that makes it fastest."""

    port_names = (*Prosody.port_names, "proxy")
    _more = """
VirtualHost "*"
    gc = {{ mode = "generational" }}
    network_settings = {{ tcp_backlog = 1024; nagle = false }}
    proxy65_ports = {{ {proxy} }}
    proxy65_interfaces = {{ "127.0.0.1" }}
Component "{name}" "proxy65"
    proxy65_address = "127.0.0.1"
"""

    def _configure(self):
        self.more = self._more.format(**self.ports, name=PROXY)
        super()._configure()


class ProxyEjabberd(Ejabberd):
    """mod_proxy65, without its shaper."""

    port_names = (*Ejabberd.port_names, "proxy")
    _more = """
modules:
  mod_proxy65:
    host: "{name}"
    ip: "127.0.0.1"
    hostname: "127.0.0.1"
    port: {proxy}
    access: all
    shaper: none
    max_connections: infinity
"""

    def _configure(self):
        self.more = self._more.format(**self.ports, name=PROXY)
        super()._configure()


class Processes:
    """What the benchmark wants to know of a server: which processes do its work."""

    def __init__(self, *pids):
        self._pids = pids

    def children(self):
        return list(self._pids)


class Relay:
    """One that is not there: both ends are connected to each other."""

    def __init__(self, name="plain TCP", port=0, pids=()):
        self.name = name
        self.port = port
        self.server = Processes(*pids)
        self._stack = contextlib.ExitStack()

    def close(self):
        self._stack.close()

    def names_of(self, sids):
        """The hashes of streams."""
        return [stream_hash(sid, FLOOR_REQUESTER, TARGET).decode("ascii") for sid in sids]

    def activate(self, sids):
        """Lets streams begin whose ends are all connected."""

    def cpu_seconds(self):
        return sum(map(processes.cpu_seconds, self.server.children()))

    def user_bytes(self):
        """Memory of its processes that is theirs alone; the kernel's for sockets is not in it."""
        kib = 0
        for pid in self.server.children():
            text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
            kib += int(re.search(r"^Anonymous: +(\d+)", text, re.MULTILINE).group(1))
        return kib * 1024


class FloorRelay(Relay):
    """relay_floor.c, which activates nothing."""

    def __init__(self, builddir):
        program = str(Path(builddir) / "tests" / "bench" / "relay_floor")
        made = Program(lambda port: [program, str(port)])
        super().__init__("floor", made.port, made.children())
        self._stack.callback(made.close)


class AskedRelay(Relay):
    """A proxy that a Jabber server leads to."""

    def __init__(self, name, port, pids, xmpp):
        super().__init__(name, port, pids)
        self._stack.callback(xmpp.stop)
        self._client = self._stack.enter_context(StreamClient(xmpp, xmpp.new_user(DOMAIN)))
        # ejabberd's has a resource.
        (self._proxy, *address), = self._client.addresses(PROXY)
        assert address == ["127.0.0.1", port], address

    def names_of(self, sids):
        return [stream_hash(sid, self._client.full_jid, TARGET).decode("ascii") for sid in sids]

    def activate(self, sids):
        self._client.do(self._activate(sids), SECONDS_TO_ACTIVATE)

    async def _activate(self, sids):
        proxy = self._client["xep_0065"]
        for first in range(0, len(sids), ACTIVATIONS_AT_ONCE):
            some = sids[first:first + ACTIVATIONS_AT_ONCE]
            await asyncio.gather(*(
                proxy.activate(self._proxy, sid, TARGET, timeout=SECONDS_TO_ACTIVATE)
                for sid in some))


def jabber_server(kind, directory, **options):
    """One that serves the benchmark's domain."""
    made = kind(directory / kind.name, make_certificates(directory / "ca"), hosts=[DOMAIN],
                **options)
    made.start()
    return made


class OwnProxy(AskedRelay):
    """mod_proxy65 of a Jabber server."""

    def __init__(self, name, kind, directory):
        xmpp = jabber_server(kind, directory)
        super().__init__(name, xmpp.ports["proxy"], [xmpp.process.pid], xmpp)


class OurRelay(AskedRelay):
    """socketstreamer, a component of Prosody, as an account without rights."""

    def __init__(self, env, directory):
        xmpp = jabber_server(Prosody, directory, components={PROXY: SECRET})
        program = shutil.copy(env.streamer, directory)
        streamer = Streamer(env, program, directory / "streamer", xmpp, PROXY, UNLIMITED)
        streamer.start()
        streamer.wait_until_connected()
        super().__init__("socketstreamer", streamer.address()[1], [streamer.process.pid], xmpp)
        self._stack.callback(streamer.close)


RELAYS = {
    "floor": lambda place: FloorRelay(place.env.builddir),
    "socketstreamer": lambda place: OurRelay(place.env, place.new_directory("streamer")),
    "tcp": lambda place: Relay(),
    "prosody": lambda place: OwnProxy("Prosody", ProxyProsody, place.new_directory("prosody")),
    "ejabberd": lambda place: OwnProxy("ejabberd", ProxyEjabberd, place.new_directory("ejabberd")),
}


# The load


@dataclasses.dataclass(frozen=True)
class Carried:
    """What streams carried: `bytes` of each in so many seconds. `moved_bytes` and the processor
    times of clients and server are those of `whole_seconds`, the beginning included."""

    seconds: float
    bytes: list
    moved_bytes: int
    cpu_seconds: float
    server_cpu_seconds: float
    whole_seconds: float

    @property
    def mb_per_second(self):
        return sum(self.bytes) / self.seconds / 1e6

    @property
    def server_cpu_per_gb(self):
        return self.server_cpu_seconds / (self.moved_bytes / 1e9)

    @property
    def client_share(self):
        """The part of the machine that the clients used."""
        return self.cpu_seconds / self.whole_seconds / os.cpu_count()


class Flow:
    """Streams of one relay, `active` of which can carry content."""

    def __init__(self, env, relay, active, idle=0):
        self._relay = relay
        sids = [secrets.token_hex(8) for _ in range(active + idle)]
        program = str(Path(env.builddir) / "tests" / "bench" / "relay_load")
        self._process = subprocess.Popen(
            [program, str(relay.port), str(active), str(idle)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if relay.port:
            self._say("\n".join(relay.names_of(sids)))
        assert self._hear() == "joined\n"
        relay.activate(sids)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._process.stderr.close()

    def _say(self, text):
        try:
            self._process.stdin.write(text + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._fail()

    def _hear(self):
        line = self._process.stdout.readline()
        if not line:
            self._fail()
        return line

    def _fail(self):
        raise Failed(f"{self._relay.name}: {self._process.stderr.read()}")

    def carry(self, seconds):
        """Lets the streams carry what they can."""
        worked, begin = self._relay.cpu_seconds(), time.monotonic()
        self._say(str(seconds))
        said = json.loads(self._hear())
        return Carried(**said, server_cpu_seconds=self._relay.cpu_seconds() - worked,
                       whole_seconds=time.monotonic() - begin)
