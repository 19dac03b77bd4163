"""The configurations in conf/ and doc/tuning.md work as they stand there, but for paths, ports and
the test's CA."""

import re
from pathlib import Path

import pytest

from client import Client, area_path
from config import Site
from curl import Curl
from documents import Document
from environment import give_to_server
from jabber_site import login

TUNING_BLOCKS = {("apache", "mpm"), ("apache", "disks"), ("apache", "http2")}


def lines_of(env, name, xmpp):
    text = (Path(env.srcdir) / "conf" / name).read_text("utf-8")
    text = text.replace("/var/lib/jabberfiles", "${ROOT}/store")
    text, count = re.subn(r"^JabberFilesDomain example.org.*$",
                          f"JabberFilesDomain {xmpp.domain_line()}", text, flags=re.MULTILINE)
    assert count == 1
    return f'JabberFilesDaemon "{env.daemon}"\n{text}'


@pytest.mark.parametrize("name,kind", [
    ("jabberfiles.conf", "prosody"),
    ("jabberfiles-prosody.conf", "prosody"),
    ("jabberfiles-ejabberd.conf", "ejabberd"),
])
def test_users_log_in_with_the_example(start_server, env, request, name, kind):
    xmpp = request.getfixturevalue(kind)
    server = start_server(Site(own_lines=lines_of(env, name, xmpp),
                               modules=("authn_socache", "socache_shmcb")))
    user = xmpp.new_user()
    owner = login(server, user)
    assert owner.put("a.txt", b"content").status == 201
    assert login(server, user, "wrong").put("a.txt", b"other").status == 401
    mark = xmpp.mark()
    assert owner.get("a.txt").body == b"content"
    assert xmpp.events(mark) == []  # the cache of the example works


def ready_threads(server):
    text = Client(server).request("GET", "/server-status?auto").text
    return sum(map(int, re.findall("^(?:Busy|Idle)Workers: (.*)$", text, re.MULTILINE)))


def test_tuning(prepare_server, users, certs, env):
    document = Document(env, "tuning")
    document.assert_blocks(TUNING_BLOCKS)
    disks = document.block("apache", "disks", {"/srv/jabberfiles": "${ROOT}/store",
                                               "/var/lib/jabberfiles": "${ROOT}/fast"})
    settings = document.block("apache", "mpm") + document.block("apache", "http2")
    server = prepare_server(Site(certificates=certs, modules=("http2",), server_lines=settings,
                                 inner_lines=disks))
    (server.root / "fast").mkdir()
    give_to_server(server.root / "fast")
    checked = server.check_config()
    assert checked.returncode == 0
    assert checked.stderr == "Syntax OK\n"  # httpd had nothing to correct
    server.start()
    owner = users.client(server)
    curl = Curl(server, owner)
    assert curl("--http2", "-T", "-", area_path(owner.jid, "a.txt"), body=b"content").status == 201
    assert owner.get("a.txt").body == b"content"
    assert (server.root / "fast" / "ledger.db").exists()
    assert ready_threads(server) == 2400
