"""Fixtures. `server` and `site` belong to a test file: a file that wants another server defines
its own `site`. `start_server` starts more servers for one test. `log` judges every test's error
logs, also of tests that do not name it."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest

import certificates
import environment
from admin import Admin
from area_tool import make_tool, scripted_areas
from client import Client
from config import Site
from curl import Curl
from docroot import Docroot, random_part
from errorlog import LogWatch
from fake_xmpp import FakeXmpp
from file_sender import FileSender
from jabber_pair import KINDS, Pairs
from jabberfilesd import Jabberfilesd
from receiver import Receiver
from records import Records
from server import Server
from users import Users
from xmpp_certificates import Authority
from xmpp_ejabberd import Ejabberd
from xmpp_prosody import Prosody
from xmpp_server import make_host_certificates

MEASUREMENTS = pytest.StashKey()
FLEET = pytest.StashKey()


def pytest_configure(config):
    config.addinivalue_line("markers", "valgrind: part of the request mix run under valgrind")
    config.stash[MEASUREMENTS] = []


def pytest_collection_modifyitems(config, items):
    if os.environ.get("JF_TEST_VALGRIND") != "1":
        return
    chosen = [item for item in items if item.get_closest_marker("valgrind")]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    fleet = item.config.stash.get(FLEET, None)
    if report.failed and fleet:
        for server in fleet.servers:
            report.sections.append((f"error log of {server.root.name}", server.log.tail()))


def pytest_terminal_summary(terminalreporter, config):
    if config.stash[MEASUREMENTS]:
        terminalreporter.section("measured")
        for line in config.stash[MEASUREMENTS]:
            terminalreporter.write_line(line)


class Fleet:
    """The servers of the run, and the watch of the test that runs now."""

    def __init__(self, env, work_dir, users):
        self.env = env
        self.servers = []
        self.watch = None
        self._work_dir = work_dir
        self._users = users
        self._made = 0

    def prepare(self, site, wrapper=()):
        """A server that has not been started."""
        self._made += 1
        root = self._work_dir / f"server{self._made}"
        server = Server(self.env, root, site, self._users.path, wrapper)
        self.servers.append(server)
        return server

    def retire(self, servers):
        """Ends servers. Their last lines are judged with the test that runs, or at once."""
        for server in servers:
            server.close()
        if self.watch is None:
            LogWatch(servers, self.env.patience).verify()
            self.forget_ended()

    def forget_ended(self):
        self.servers[:] = [server for server in self.servers if server.is_running()]


@pytest.fixture(scope="session")
def env():
    return environment.load()


@pytest.fixture(scope="session")
def work_dir():
    """Not pytest's tmp_path: that is closed to the account of httpd's children."""
    path = Path(tempfile.mkdtemp(prefix="jabberfiles-test."))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def users(env, work_dir):
    return Users(env, work_dir / "users")


@pytest.fixture(scope="session")
def certs(work_dir):
    directory = work_dir / "certificates"
    directory.mkdir()
    return certificates.make(directory)


@pytest.fixture(scope="session")
def fleet(env, work_dir, users, pytestconfig):
    made = Fleet(env, work_dir, users)
    pytestconfig.stash[FLEET] = made
    yield made
    made.retire(made.servers)


@pytest.fixture(autouse=True)
def log(fleet):
    """What this test's error logs may say: log.expect("JF0012"), log.allow(regex)."""
    watch = LogWatch(fleet.servers, fleet.env.patience)
    fleet.watch = watch
    yield watch
    fleet.watch = None
    try:
        watch.verify()
    finally:
        fleet.forget_ended()


@pytest.fixture
def prepare_server(fleet, log):
    """Makes servers for one test that start themselves when the test says so."""
    mine = []

    def prepare(site=Site(), wrapper=()):
        mine.append(fleet.prepare(site, wrapper))
        return mine[-1]

    yield prepare
    fleet.retire(mine)


@pytest.fixture
def start_server(prepare_server):
    """Starts servers for one test."""
    def start(site=Site(), wrapper=()):
        server = prepare_server(site, wrapper)
        server.start()
        return server

    return start


@pytest.fixture(scope="module")
def site():
    return Site()


@pytest.fixture(scope="module")
def server(fleet, site):
    made = fleet.prepare(site)
    made.start()
    yield made
    fleet.retire([made])


@pytest.fixture
def new_owner(server, users):
    """Makes clients of users that have nothing yet."""
    return lambda: users.client(server)


@pytest.fixture
def owner(new_owner):
    return new_owner()


@pytest.fixture
def nobody(server):
    """A client without login."""
    return Client(server)


@pytest.fixture
def curl(server, owner):
    """curl with the login of `owner`."""
    return Curl(server, owner)


@pytest.fixture
def curl_nobody(server):
    return Curl(server)


@pytest.fixture
def records(server):
    return Records(server)


@pytest.fixture(scope="session")
def measure(pytestconfig):
    """Adds a line to the summary at the end of the run."""
    return pytestconfig.stash[MEASUREMENTS].append


# The user's tool


@pytest.fixture
def tool(server, owner, tmp_path):
    """With the account of `owner`."""
    return make_tool(server, owner, tmp_path / "home")


@pytest.fixture
def start_script(env, owner, tmp_path):
    """Starts a scripted server, and returns it and a tool with an area there."""
    with scripted_areas(env, owner, tmp_path / "home") as start:
        yield start


# jabberfiles-admin, and what it imports


@pytest.fixture
def admin(server):
    return Admin(server)


@pytest.fixture
def docroot(tmp_path):
    """The directory of another upload server."""
    return Docroot(tmp_path / "docroot")


@pytest.fixture
def area():
    """The name of an area that no other test has."""
    return f"slots:{random_part()}"


# Jabber servers. The real ones are started when the first test asks for them.


@pytest.fixture(scope="session")
def authority(work_dir):
    """The certificate authority of the Jabber servers."""
    directory = work_dir / "xmpp-certificates"
    directory.mkdir()
    return Authority(directory)


@pytest.fixture(scope="session")
def stranger(authority):
    """An authority that nobody trusts."""
    return Authority(authority.ca.parent, "stranger")


@pytest.fixture(scope="session")
def certificates_of_hosts(authority, stranger):
    return make_host_certificates(authority, stranger)


@contextlib.contextmanager
def xmpp_starter(work_dir, certificates_of_hosts):
    """Yields a function that starts Jabber servers, which stop at the end."""
    started = []

    def start(kind, name=None, **options):
        server = kind(work_dir / (name or kind.name), certificates_of_hosts, **options)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def start_xmpp(work_dir, certificates_of_hosts):
    """Starts Jabber servers for the whole run."""
    with xmpp_starter(work_dir, certificates_of_hosts) as start:
        yield start


@pytest.fixture(scope="module")
def start_own_xmpp(work_dir, certificates_of_hosts):
    """Starts Jabber servers for one test file, each with a name of its own."""
    with xmpp_starter(work_dir, certificates_of_hosts) as start:
        yield start


@pytest.fixture(scope="session")
def prosody(start_xmpp):
    return start_xmpp(Prosody)


@pytest.fixture(scope="session")
def ejabberd(start_xmpp):
    return start_xmpp(Ejabberd)


@pytest.fixture(scope="session")
def pairs(work_dir, authority):
    """Jabber servers with all that a sender of files needs."""
    made = Pairs(work_dir, authority)
    yield made
    made.close()


@pytest.fixture(params=sorted(KINDS))
def pair(request, pairs):
    """One of them after the other."""
    return pairs.get(request.param)


@pytest.fixture
def receiver(env, tmp_path, prosody):
    """Bob, who waits for files."""
    return Receiver(env, tmp_path / "bob", prosody, prosody.new_user())


@pytest.fixture
def alice(prosody):
    """Announces files."""
    with FileSender(prosody, prosody.new_user()) as sender:
        yield sender


@pytest.fixture(scope="session")
def program(env, work_dir):
    """jabberfilesd where the account of httpd's children may come to."""
    return shutil.copy(env.daemon, work_dir)


@pytest.fixture
def fake_server(authority):
    """Makes Jabber servers that follow a script, for one test."""
    made = []

    def make(script, domain="example.org", pair=None, **options):
        made.append(FakeXmpp(script, pair or authority.issue(domain), domain, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def start_daemon(env):
    """Starts jabberfilesd alone, for one test."""
    started = []

    def start(domains, **options):
        started.append(Jabberfilesd(env, domains, **options))
        return started[-1]

    yield start
    for daemon in started:
        daemon.close()
