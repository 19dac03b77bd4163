"""The module loads, serves, and comes back, under every MPM."""

import re
import subprocess

import pytest

from config import Site
from curl import Curl
from records import Records

CONTENT = b"first light\n"


@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
def test_upload_and_download_survive_a_restart(start_server, users, mpm):
    server = start_server(Site(mpm=mpm))
    owner = users.client(server)
    link = owner.put("light.txt", CONTENT).link
    assert owner.open_link(link).body == CONTENT
    owner.close()
    assert server.stop() == 0
    server.start()
    assert owner.open_link(link).body == CONTENT
    assert owner.get("light.txt").body == CONTENT


@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
def test_graceful_restart_keeps_links(start_server, users, mpm):
    server = start_server(Site(mpm=mpm))
    owner = users.client(server)
    link = owner.put("light.txt", CONTENT).link
    owner.close()
    server.graceful()
    assert owner.open_link(link).body == CONTENT
    assert owner.put("second.txt", CONTENT).status == 201


def test_module_exports_one_symbol(env):
    listing = subprocess.run(["nm", "--dynamic", "--defined-only", env.module], check=True,
                             text=True, capture_output=True).stdout
    assert re.findall(r" [A-Z] (\S+)$", listing, re.MULTILINE) == ["jabberfiles_module"]


def test_loaded_but_not_configured_it_changes_nothing(start_server):
    plain = start_server(Site(with_module=False, server_lines="Header always unset Date",
                              modules=("headers",)))
    loaded = start_server(Site(
        with_module=False, modules=("headers",),
        server_lines=f'Header always unset Date\nLoadModule jabberfiles_module "{plain.env.module}"'
    ))
    for path in ("/ready.txt", "/files/alice@example.org/x", "/nothing"):
        answers = [Curl(server)(server.url(path)) for server in (plain, loaded)]
        assert [answer.status for answer in answers] == [answers[0].status] * 2
        assert answers[0].headers.keys() == answers[1].headers.keys()
        assert answers[0].body.replace(str(plain.port).encode(), str(loaded.port).encode()) \
            == answers[1].body


def test_second_server_on_the_same_store_reads_and_adds(start_server, prepare_server, users):
    first = start_server()
    owner = users.client(first)
    owner.put("a.txt", CONTENT)
    second = prepare_server(Site(store=f"../{first.root.name}/store"))
    second.start()
    guest = users.client(second, owner.jid)
    assert guest.get("a.txt").body == CONTENT
    assert guest.put("b.txt", CONTENT).status == 201
    assert [entry["path"] for entry in owner.listing()["files"]] == ["a.txt", "b.txt"]
    Records(first).assert_consistent()
