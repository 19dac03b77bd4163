"""A ledger that is locked, read-only, broken or not there: clear words, no crash, no loss."""

import contextlib
import os
import sqlite3
import time

import pytest

from answer import assert_problem, assert_safe_headers
from client import JSON
from config import Site
from records import BUSY_SECONDS, Records
from server import StartFailed

BUSY_SECONDS_MAX = 15
SWEEP_FAILED = "JF006[024]"
# Large enough for bytes to be promised to it.
CONTENT = bytes(100_000)
CONFIGURATION_FAILED = "AH00016|AH00020"


@contextlib.contextmanager
def locked(server):
    """Holds the write lock of the ledger, as a foreign program may. Longer than the sweep has
    patience, it is for a server of the test's own: the sweep may say that it has failed a moment
    after the lock has been given back, and the next test would have to answer for it."""
    with contextlib.closing(sqlite3.connect(server.store / "ledger.db",
                                            isolation_level=None)) as ledger:
        ledger.execute("BEGIN IMMEDIATE")
        yield
        ledger.execute("ROLLBACK")


def test_locked_ledger_is_503_with_retry_after_and_nothing_is_lost(start_server, users, log):
    log.expect("JF0020")
    log.allow(SWEEP_FAILED)
    server = start_server()
    owner = users.client(server)
    link = owner.put("kept", b"kept").link
    with locked(server):
        started = time.monotonic()
        answer = owner.put("new", b"new", JSON)
        assert time.monotonic() - started < BUSY_SECONDS_MAX * server.env.patience
        assert_problem(answer, 503)
        assert int(answer.header("Retry-After")) > 0
        assert str(server.root) not in answer.text
        assert_safe_headers(answer)
        assert owner.delete("kept").status == 503
        # Readers do not wait for a writer.
        started = time.monotonic()
        assert owner.open_link(link).body == b"kept"
        assert len(owner.listing()["files"]) == 1
        assert time.monotonic() - started < BUSY_SECONDS / 2
    assert owner.put("new", b"new").status == 201
    assert owner.get("kept").body == b"kept"
    Records(server).assert_consistent()


def test_upload_waits_for_a_short_lock(server, owner, log):
    with locked(server):
        connection = server.connect()
        connection.request("PUT", f"/files/{owner.jid}/patient", b"x",
                           {"Authorization": owner.authorization})
        time.sleep(1)
    assert connection.getresponse().status == 201


def test_lock_during_an_upload_loses_nothing(start_server, users, log):
    """The promise is made; the row cannot be written: 503, and the promise goes later."""
    log.expect("JF0020")
    log.allow(SWEEP_FAILED)
    server = start_server()
    owner, records = users.client(server), Records(server)
    owner.put("a", b"old")
    connection = server.connect()
    connection.putrequest("PUT", f"/files/{owner.jid}/a")
    for field in (("Authorization", owner.authorization), ("Content-Length", str(len(CONTENT)))):
        connection.putheader(*field)
    connection.endheaders(CONTENT[:-3])
    while not records.promised_objects():
        time.sleep(0.05)
    with locked(server):
        connection.send(CONTENT[-3:])
        assert connection.getresponse().status == 503
        assert owner.get("a").body == b"old"
    deadline = time.monotonic() + 60
    while records.promised_objects():
        assert time.monotonic() < deadline, "a promise is left"
        time.sleep(0.2)
    assert owner.get("a").body == b"old"
    records.assert_consistent()


def begin_with_files(start_server, users):
    """A server that has been stopped, and the user of its one file."""
    server = start_server()
    owner = users.client(server)
    for number in range(200):
        owner.put(f"{number}", b"kept")
    owner.close()
    server.stop()
    with contextlib.closing(sqlite3.connect(server.store / "ledger.db")) as ledger:
        # All rows move from the log into the file, and the log goes: else it would heal the file.
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return server, owner


def damage_header(path):
    with open(path, "r+b") as file:
        file.write(b"no longer a database")


def damage_everything(path):
    path.write_bytes(os.urandom(path.stat().st_size))


def replace_by_text(path):
    path.write_text("This is not a database.\n" * 100, encoding="ascii")


def truncate(path):
    os.truncate(path, 4096 + 100)


def replace_by_directory(path):
    path.unlink()
    path.mkdir()


def remove_with_journal(path):
    """A new, empty ledger would take every object of the store for garbage."""
    for part in path.parent.glob("ledger.db*"):
        part.unlink()


def foreign_database(path):
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as ledger:
        ledger.execute("CREATE TABLE file (a, b, c)")
        ledger.execute("PRAGMA user_version = 1")
        ledger.commit()


def newer_schema(path):
    with contextlib.closing(sqlite3.connect(path)) as ledger:
        ledger.execute("PRAGMA user_version = 1000")
        ledger.commit()


@pytest.mark.parametrize("damage", [damage_header, damage_everything, replace_by_text, truncate,
                                    replace_by_directory, remove_with_journal, foreign_database,
                                    newer_schema])
def test_broken_ledger_stops_the_start_with_a_clear_message(start_server, users, log, damage):
    server, _ = begin_with_files(start_server, users)
    log.expect(r"JF0003.*ledger\.db")
    log.allow(CONFIGURATION_FAILED)
    damage(server.store / "ledger.db")
    with pytest.raises(StartFailed):
        server.start()


def test_damaged_pages_never_crash_and_never_lie(start_server, users, log):
    """Zeros in the middle: refused at start, or 503 at run time, never an empty area."""
    server, owner = begin_with_files(start_server, users)
    log.allow("JF0003|JF0020")
    log.allow(SWEEP_FAILED)
    log.allow(CONFIGURATION_FAILED)
    path = server.store / "ledger.db"
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(bytes(path.stat().st_size - 4096))
    try:
        server.start()
    except StartFailed:
        return
    for number in (0, 199):
        assert owner.get(f"{number}").status in (200, 503)
    assert owner.put("new", b"x").status in (201, 503)


def test_two_ledgers_for_one_store_stop_the_start(prepare_server, log):
    log.expect(r"JF0003.*belongs to the ledger")
    log.allow(CONFIGURATION_FAILED)
    server = prepare_server(Site(server_lines="""
        <VirtualHost 127.0.0.1:1>
            JabberFilesDatabase store/other.db
        </VirtualHost>"""))
    with pytest.raises(StartFailed):
        server.start()


def test_ledger_in_a_missing_directory_stops_the_start(prepare_server, log):
    log.expect(r"JF0003.*nowhere/ledger\.db")
    log.allow(CONFIGURATION_FAILED)
    server = prepare_server(Site(server_lines="JabberFilesDatabase nowhere/ledger.db"))
    with pytest.raises(StartFailed):
        server.start()


def test_store_that_is_a_file_stops_the_start(prepare_server, log):
    log.expect(r"JF0003.*store")
    log.allow(CONFIGURATION_FAILED)
    server = prepare_server()
    server.store.write_text("not a directory", encoding="ascii")
    with pytest.raises(StartFailed):
        server.start()


def _read_only(directory):
    """A command that makes a directory read-only for its processes, then becomes its arguments."""
    user_options = () if os.geteuid() == 0 else ("--user", "--map-current-user", "--keep-caps")
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    return ("unshare", "--mount", *user_options, "sh", "-c", script, directory)


def test_read_only_store_is_said_at_start_or_is_503(start_server, prepare_server, users, log):
    first, owner = begin_with_files(start_server, users)
    log.expect("JF0003|JF0020")
    log.allow("JF0005")
    log.allow(SWEEP_FAILED)
    log.allow(CONFIGURATION_FAILED)
    server = prepare_server(Site(store=f"../{first.root.name}/store"), _read_only(first.store))
    try:
        server.start()
    except StartFailed:
        return
    client = users.client(server, owner.jid)
    answer = client.put("new", b"x", JSON)
    assert_problem(answer, 503)
    assert answer.header("Retry-After")
    assert client.get("0").status in (200, 503)


def test_ledger_is_usable_by_the_children_of_a_root_parent(server, owner):
    """The parent makes it, the children write it and its companions."""
    assert owner.put("a", b"x").status == 201
    child = os.stat(f"/proc/{server.children()[-1]}")
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        assert (server.store / name).stat().st_uid == child.st_uid
