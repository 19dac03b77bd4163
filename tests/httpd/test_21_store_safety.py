"""Nothing of the store or the ledger is reachable by URL; what is planted there is not followed."""

import os
import socket
import stat

import pytest

from answer import assert_safe_headers
from client import Client
from config import Site
from records import Records

SECRET = b"root:x:0:0: this must stay on the server\n"
REFUSED = (400, 401, 403, 404, 500, 503)


@pytest.fixture
def secret(server):
    path = server.root / "secret"
    path.write_bytes(SECRET)
    path.chmod(0o644)
    return path


def plant_symlink(path, secret):
    path.symlink_to(secret)


def plant_relative_symlink(path, secret):
    path.symlink_to(os.path.relpath(secret, path.parent))


def plant_fifo(path, secret):
    os.mkfifo(path, 0o666)


def plant_directory(path, secret):
    path.mkdir(mode=0o755)
    (path / "index.html").write_bytes(SECRET)


def plant_socket(path, secret):
    with socket.socket(socket.AF_UNIX) as listener:
        # A socket's path may be too long for bind(); its directory's descriptor is not.
        directory = os.open(path.parent, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{directory}/{path.name}")
        os.close(directory)


def plant_device(path, secret):
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


PLANTS = [plant_symlink, plant_relative_symlink, plant_fifo, plant_directory, plant_socket]
if os.geteuid() == 0:  # nobody else can make a device
    PLANTS.append(plant_device)


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("size_bytes", [5, len(SECRET)])
def test_planted_object_is_not_followed(owner, records, secret, log, plant, size_bytes):
    log.expect("JF0020")
    link = owner.put("victim", bytes(size_bytes)).link
    planted = records.object_of(owner.jid, "victim")
    planted.unlink()
    plant(planted, secret)
    for answer in (owner.open_link(link), owner.get("victim"),
                   owner.open_link(link, headers={"Range": "bytes=0-3"})):
        assert answer.status in REFUSED
        assert SECRET not in answer.body
        assert_safe_headers(answer)
    assert owner.put("victim", b"new").status == 200
    assert owner.open_link(link).body == b"new"
    assert secret.read_bytes() == SECRET


def test_symlinked_directory_of_objects_is_not_followed(server, owner, records, secret, log):
    log.expect("JF0020")
    link = owner.put("victim", bytes(len(SECRET))).link
    planted = records.object_of(owner.jid, "victim")
    elsewhere = server.root / "elsewhere"
    planted.parent.rename(elsewhere)
    (elsewhere / planted.name).write_bytes(SECRET)
    planted.parent.symlink_to(elsewhere)
    assert owner.open_link(link).status in REFUSED
    planted.parent.unlink()
    elsewhere.rename(planted.parent)


def test_missing_object_is_an_error_and_no_crash(owner, records, log):
    log.expect("JF0020")
    link = owner.put("victim", b"12345").link
    records.object_of(owner.jid, "victim").unlink()
    for answer in (owner.open_link(link), owner.get("victim"), owner.open_link(link, "HEAD")):
        assert answer.status in (404, 500, 503)
    assert owner.delete("victim").status == 204
    assert owner.put("victim", b"again").status == 201


STORE_TARGETS = (
    "/files/objects/", "/files/ledger.db", "/files/ledger.db-wal", "/files/alive/",
    "/files/../store/ledger.db", "/files/%2e%2e/store/ledger.db", "/store/ledger.db",
    "/files//ledger.db", "/files/./ledger.db", "/files/x/../../store/ledger.db",
    "/files/{jid}/../objects/", "/files/{jid}/../../store/ledger.db",
    "/files/{jid}/objects/{shard}/{object}", "/files/objects/{shard}/{object}",
    "/files/{shard}/{object}", "/files/{object}/victim", "/files/{object}", "{store}/ledger.db",
    "/files/{store}/ledger.db", "/files/{jid}//{store}/ledger.db",
)


@pytest.mark.parametrize("target", STORE_TARGETS)
def test_no_url_leads_into_the_store(server, owner, records, target):
    owner.put("victim", b"12345")
    name = records.object_of(owner.jid, "victim").name
    target = target.format(jid=owner.jid, shard=name[:2], object=name, store=server.store)
    for client, methods in ((owner, ("GET", "HEAD")),
                            (Client(server), ("GET", "HEAD", "PUT", "DELETE"))):
        for method in methods:
            answer = client.request(method, target, b"x" if method == "PUT" else None)
            assert answer.status in (*REFUSED, 405)
            assert b"SQLite format" not in answer.body
    assert records.object_of(owner.jid, "victim").read_bytes() == b"12345"


def test_store_inside_the_document_root_is_not_served(start_server, users):
    server = start_server(Site(store="htdocs/store", server_lines='Alias "/also" "htdocs/store"'))
    owner = users.client(server)
    owner.put("victim", b"12345")
    name = Records(server).object_of(owner.jid, "victim").name
    for prefix in ("/store", "/also"):
        for path in ("/ledger.db", "/ledger.db-wal", f"/objects/{name[:2]}/{name}", "/",
                     "/objects/", "/alive/"):
            answer = Client(server).request("GET", prefix + path)
            assert answer.status in (403, 404), prefix + path
    assert owner.get("victim").body == b"12345"


def test_files_of_the_store_are_private(server, owner, records):
    owner.put("victim", b"12345")
    path = records.object_of(owner.jid, "victim")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for name in ("ledger.db", "ledger.db-wal"):
        assert stat.S_IMODE((server.store / name).stat().st_mode) & 0o077 == 0


def test_logs_do_not_hold_whole_links_of_failures(server, owner, log):
    link = owner.put("victim", b"12345").link
    token = link.split("/")[-2]
    assert owner.open_link(link.replace("victim", "wrong")).status == 404
    assert owner.open_link(link, "PUT").status == 405
    assert not [line for line in log.collect() if token in line]
