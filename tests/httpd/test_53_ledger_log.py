"""The ledger's write-ahead log is copied into the ledger beside the uploads, and stays short."""

import contextlib
import sqlite3
import struct

from records import Records, wait_until

MIB = 1 << 20
# More than the 8192 pages from which on there is something to copy.
LONG_BYTES = 40 * MIB
SECONDS_MAX = 30
LOG_CANNOT_BE_COPIED = "JF0068.*journal grows"


def log_number(server):
    """How often the log was begun, by its header (https://www.sqlite.org/walformat.html)."""
    with open(server.store / "ledger.db-wal", "rb") as log:
        return struct.unpack(">I", log.read(16)[12:])[0]


def write_long_log(server):
    """Somebody writes much into the ledger, and does not look after the log."""
    with contextlib.closing(sqlite3.connect(server.store / "ledger.db", timeout=10,
                                            isolation_level=None)) as ledger:
        ledger.execute("PRAGMA wal_autocheckpoint = 0")
        ledger.execute("CREATE TABLE IF NOT EXISTS ballast (content BLOB)")
        ledger.execute("INSERT INTO ballast VALUES (zeroblob(?))", (LONG_BYTES,))


def copy_log(server):
    with contextlib.closing(sqlite3.connect(server.store / "ledger.db", timeout=10,
                                            isolation_level=None)) as ledger:
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def wait_for_another_log(server, owner, number):
    """A log begins with the first upload after it was copied."""
    def is_another():
        assert owner.put("next", b"x").status in (200, 201)
        return log_number(server) != number

    wait_until(is_another, SECONDS_MAX * server.env.patience, "the log is not copied")


def test_long_log_is_copied_beside_the_uploads(start_server, users, log):
    server = start_server()
    owner = users.client(server)
    link = owner.put("first", b"first").link
    for _ in range(2):
        number = log_number(server)
        write_long_log(server)
        wait_for_another_log(server, owner, number)
    assert (server.store / "ledger.db").stat().st_size > 2 * LONG_BYTES
    assert (server.store / "ledger.db-wal").stat().st_size < 2 * LONG_BYTES
    assert owner.open_link(link).body == b"first"
    Records(server).assert_consistent()


def test_log_that_cannot_be_copied_is_said_and_harms_nobody(start_server, users, log):
    log.expect(LOG_CANNOT_BE_COPIED)
    # The log fits, the ledger that it belongs into does not.
    size_max_bytes = LONG_BYTES + LONG_BYTES // 2
    server = start_server(wrapper=("prlimit", f"--fsize={size_max_bytes}"))
    owner = users.client(server)
    link = owner.put("first", b"first").link
    write_long_log(server)
    copy_log(server)
    write_long_log(server)
    assert owner.put("second", b"second").status == 201
    log.wait_for(LOG_CANNOT_BE_COPIED, SECONDS_MAX)
    assert owner.put("third", b"third").status == 201
    assert owner.open_link(link).body == b"first"

    copy_log(server)
    assert owner.put("fourth", b"fourth").status == 201
    assert len(owner.listing()["files"]) == 4
    Records(server).assert_consistent()
