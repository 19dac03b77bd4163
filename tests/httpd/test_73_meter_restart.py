"""The meter over restarts, kills and a ledger that is not there for a while."""

import contextlib
import http.client
import os
import re
import shutil
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from admin import Admin
from client import Client, link_path
from config import Site
from paced_reader import PacedReader
from records import BUSY_SECONDS, wait_until
from server import StartFailed
from traffic_ledger import Traffic, TrafficLedger

FILE_BYTES = 20 << 20
SMALL_FILE_BYTES = 5000
# Progress is looked at each second; a busy machine is a little late.
LOST_SECONDS_MAX = 1.5
LOAD_SECONDS = 3
CLIENTS = 4
SETTLE_SECONDS = 60
KILLED = "AH10392|exit signal Killed"
FLUSH_FAILED, FLUSH_WORKS = "JF0064", "JF0065"


def new_link(users, server, size_bytes):
    """The path of the link of a file in an area of its own, and the area's JID."""
    owner = users.client(server)
    link = link_path(owner.put("film", bytes(size_bytes)).link)
    owner.close()
    return link, owner.jid


class Load:
    """Clients that download small files of a few areas, by link and as fast as they can, and count
    what they have got."""

    def __init__(self, server, users):
        self._server = server
        self._links = [new_link(users, server, SMALL_FILE_BYTES + number) for number in range(3)]
        self._stop = threading.Event()
        self.complete = {jid: 0 for _, jid in self._links}
        self.failures = 0
        self._lock = threading.Lock()

    def _download(self, number):
        while not self._stop.is_set():
            number += 1
            link, jid = self._links[number % len(self._links)]
            client = Client(self._server)
            try:
                answer = client.request("GET", link)
            except (OSError, http.client.HTTPException):
                self.failures += 1
                continue
            finally:
                client.close()
            assert answer.status == 200
            with self._lock:
                self.complete[jid] += 1

    def run(self, disturb):
        """Downloads while `disturb()` runs."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            downloads = [pool.submit(self._download, number) for number in range(CLIENTS)]
            try:
                disturb()
            finally:
                self._stop.set()
            for download in downloads:
                download.result()

    def sent_bytes(self):
        """By JID, what has come."""
        return {jid: self.complete[jid] * (SMALL_FILE_BYTES + number)
                for number, (_, jid) in enumerate(self._links)}


def start_readers(server, users):
    """Some slow downloads that have been going on for so long that some of each was counted; with
    the JIDs of their areas."""
    links = [new_link(users, server, FILE_BYTES) for _ in range(6)]
    readers = [(PacedReader(server, link, FILE_BYTES), jid) for link, jid in links]
    for reader, _ in readers:
        wait_until(reader.got_bytes, SETTLE_SECONDS, "a download does not proceed")
    time.sleep(2 * LOST_SECONDS_MAX)
    return readers


# Orderly ends


def test_graceful_restarts_under_load_lose_nothing(start_server, users):
    server = start_server()
    ledger, load = TrafficLedger(server), Load(server, users)
    slow = [(PacedReader(server, link, FILE_BYTES), jid)
            for link, jid in (new_link(users, server, FILE_BYTES) for _ in range(CLIENTS))]

    def restart():
        deadline = time.monotonic() + LOAD_SECONDS
        while time.monotonic() < deadline:
            time.sleep(LOAD_SECONDS / 6)
            server.graceful()

    load.run(restart)
    assert load.failures == 0
    # These have seen all of the generations.
    for reader, _ in slow:
        assert 0 < reader.got_bytes() < FILE_BYTES
        reader.hurry()
    for reader, jid in slow:
        assert reader.finish() == FILE_BYTES
        ledger.wait_for(jid, sent_bytes=FILE_BYTES, downloads=1, received_bytes=FILE_BYTES)
    for jid, sent_bytes in load.sent_bytes().items():
        ledger.wait_for(jid, sent_bytes=sent_bytes, downloads=load.complete[jid])
    server.stop()
    ledger.assert_still()


def test_old_generation_is_counted_on_its_way(start_server, users):
    """A child that ends gracefully may have downloads for hours."""
    server = start_server()
    ledger = TrafficLedger(server)
    link, jid = new_link(users, server, FILE_BYTES)
    reader = PacedReader(server, link, FILE_BYTES)
    for _ in range(2):
        server.graceful()
        before = reader.got_bytes()
        wait_until(lambda before=before: ledger.of(jid).sent_bytes > before, SETTLE_SECONDS,
                   "the progress of a download is not counted")
    assert reader.got_bytes() < FILE_BYTES
    reader.hurry()
    assert reader.finish() == FILE_BYTES
    ledger.wait_for(jid, sent_bytes=FILE_BYTES, downloads=1)


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_all_is_in_the_ledger_as_soon_as_httpd_has_ended(start_server, users, mpm):
    server = start_server(Site(mpm=mpm))
    for _ in range(3):
        owner = users.client(server)
        link = owner.put("a", bytes(70_000)).link
        for _ in range(5):
            assert owner.open_link(link).status == 200
        owner.close()
        server.stop()
        usage = Admin(server).json("usage", owner.jid)
        assert (usage["sent_bytes"], usage["downloads"]) == (350_000, 5)
        assert (usage["received_bytes"], usage["uploads"]) == (70_000, 1)
        assert usage["transferred_bytes"] == 350_000
        server.start()


def test_what_was_not_written_is_there_after_the_next_start(start_server, users):
    """Killed at once after a download: the table has it, and the ledger gets it."""
    server = start_server()
    ledger = TrafficLedger(server)
    for _ in range(3):
        link, jid = new_link(users, server, 70_000)
        client = Client(server)
        assert client.open_link(link).status == 200
        assert client.open_link(link, headers={"Range": "bytes=0-0"}).status == 206
        # The client may have it all before the server has counted it.
        wait_until(lambda: is_drained(server), SETTLE_SECONDS, "a transfer is still listed")
        server.kill()
        server.start()
        ledger.wait_for(jid, sent_bytes=70_001, downloads=2, received_bytes=70_000, uploads=1)
    server.stop()
    ledger.assert_still()


def test_stop_in_the_middle_loses_at_most_a_second(start_server, users):
    server = start_server()
    ledger = TrafficLedger(server)
    readers = start_readers(server, users)
    moment = time.monotonic()
    server.stop()
    found = {jid: ledger.of(jid).sent_bytes for _, jid in readers}
    for reader, jid in readers:
        reader.hurry()
        assert 0 < reader.got_bytes_at(moment - LOST_SECONDS_MAX) <= found[jid]
        assert found[jid] <= reader.finish() < FILE_BYTES


def is_drained(server):
    connection = server.connect()
    connection.request("GET", "/server-status?auto")
    page = connection.getresponse().read().decode()
    connection.close()
    return "JabberFilesActiveDownloads: 0" in page


# Kills


def assert_counted_until(moment, ledger, readers):
    """All is there that had come a second before the moment, and nothing that never came. Returns
    the time that is missing at most."""
    lost_seconds = []
    for reader, jid in readers:
        least_bytes = reader.got_bytes_at(moment - LOST_SECONDS_MAX)
        assert least_bytes > 0
        found = ledger.wait_for(jid, sent_bytes=range(least_bytes, reader.finish() + 1))
        lost_seconds.append(max(0, moment - reader.moment_of(found.sent_bytes)))
    return max(lost_seconds)


def test_killed_child_loses_at_most_a_second(start_server, users, log, measure):
    log.allow(KILLED)
    server = start_server()
    ledger = TrafficLedger(server)
    readers = start_readers(server, users)
    served = [reader.served_by(server) for reader, _ in readers]
    victim = served[0]
    moment = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    for reader, _ in readers:
        reader.hurry()
    broken = []
    for (reader, jid), child in zip(readers, served):
        got_bytes = reader.finish()
        if child == victim:
            assert got_bytes < FILE_BYTES
            broken.append((reader, jid))
        else:
            assert got_bytes == FILE_BYTES
            ledger.wait_for(jid, sent_bytes=FILE_BYTES, downloads=1)
    lost_seconds = assert_counted_until(moment, ledger, broken)
    measure(f"kill -9 of a child: the last {lost_seconds:.2f} s of its downloads are not counted")
    server.stop()
    ledger.assert_still()


def test_killed_server_loses_at_most_a_second(start_server, users, measure):
    server = start_server()
    ledger, load = TrafficLedger(server), Load(server, users)
    readers, moment = [], None

    def kill():
        nonlocal moment
        readers.extend(start_readers(server, users))
        moment = time.monotonic()
        server.kill()

    load.run(kill)
    server.start()
    lost_seconds = assert_counted_until(moment, ledger, readers)
    measure(f"kill -9 of all: the last {lost_seconds:.2f} s of downloads are not counted")
    # Of each client one download may have been counted when the kill came, and not received.
    for number, (jid, sent_bytes) in enumerate(load.sent_bytes().items()):
        assert load.complete[jid] > 0
        ledger.wait_for(jid, sent_bytes=range(
            sent_bytes - CLIENTS * SMALL_FILE_BYTES,
            sent_bytes + CLIENTS * (SMALL_FILE_BYTES + number) + 1))
    server.stop()
    ledger.assert_still()


# The file of the table


def table_of(server):
    return server.store / "traffic"


def leave_alone(_path):
    pass


def remove(path):
    path.unlink()


def truncate(path):
    os.truncate(path, 5000)


def empty(path):
    os.truncate(path, 0)


def replace_by_noise(path):
    size_bytes = path.stat().st_size
    with open(path, "r+b") as file:
        file.write(os.urandom(size_bytes))


def replace_by_zeros(path):
    size_bytes = path.stat().st_size
    with open(path, "r+b") as file:
        file.write(bytes(size_bytes))


def test_file_that_is_gone_or_broken_is_made_anew(start_server, users):
    server = start_server()
    ledger, client = TrafficLedger(server), Client(server)
    link, jid = new_link(users, server, 70_000)
    downloads = 0
    for damage in (leave_alone, remove, truncate, empty, replace_by_noise, replace_by_zeros):
        assert client.open_link(link).status == 200
        downloads += 1
        before = table_of(server).stat()
        assert before.st_mode & 0o7777 == 0o600
        server.stop()
        assert ledger.of(jid) == Traffic(downloads * 70_000, 70_000, downloads, 1)
        damage(table_of(server))
        server.start()
        after = table_of(server).stat()
        assert (after.st_size, after.st_mode, after.st_uid) \
            == (before.st_size, before.st_mode, before.st_uid), damage.__name__


def test_link_in_its_place_is_not_followed(start_server, users, log):
    server = start_server()
    server.stop()
    other = server.root / "victim"
    other.write_bytes(b"untouched")
    other.chmod(0o666)
    table_of(server).unlink()
    table_of(server).symlink_to(other)
    log.expect(r"JF0003.*store/traffic")
    log.allow("AH00016|AH00020")
    with pytest.raises(StartFailed):
        server.start()
    assert other.read_bytes() == b"untouched"


def test_file_of_another_ledger_is_not_taken_for_this_ones(start_server, users):
    """It has numbers that are in no ledger, for areas of which this one has the same numbers."""
    one, other = start_server(), start_server()
    links = [new_link(users, server, 70_000) for server in (one, other)]
    client = Client(one)
    for _ in range(3):
        assert client.open_link(links[0][0]).status == 200
    with contextlib.closing(sqlite3.connect(one.store / "ledger.db", 10,
                                            isolation_level=None)) as locked:
        locked.execute("BEGIN IMMEDIATE")
        assert client.open_link(links[0][0]).status == 200
        wait_until(lambda: is_drained(one), SETTLE_SECONDS, "a transfer is still listed")
        one.kill()
        locked.execute("ROLLBACK")
    client.close()
    other.stop()
    shutil.copy(table_of(one), table_of(other))
    other.start()
    assert Client(other).open_link(links[1][0]).status == 200
    ledger = TrafficLedger(other)
    ledger.wait_for(links[1][1], sent_bytes=70_000, downloads=1, received_bytes=70_000)
    other.stop()
    ledger.assert_still()
    assert ledger.total().sent_bytes == 70_000
    # The one that it was taken from has not lost anything.
    one.start()
    TrafficLedger(one).wait_for(links[0][1], sent_bytes=280_000, downloads=4)


def test_file_does_not_grow_with_the_number_of_areas(start_server, users):
    server, areas = start_server(), 150
    links = [new_link(users, server, 10)]

    def room():
        found = table_of(server).stat()
        return found.st_size, found.st_blocks

    client = Client(server)
    assert client.open_link(links[0][0]).status == 200
    before = room()
    with ThreadPoolExecutor(CLIENTS) as pool:
        links += pool.map(lambda _: new_link(users, server, 10), range(areas))
    for link, _ in links:
        assert client.open_link(link).status == 200
    client.close()
    assert room() == before
    ledger = TrafficLedger(server)
    for _, jid in links[1:]:
        ledger.wait_for(jid, sent_bytes=10, downloads=1, received_bytes=10, uploads=1)
    server.restart()
    assert room() == before


# The ledger


def test_locked_ledger_does_not_hold_up_downloads_and_loses_nothing(start_server, users, log):
    log.expect(FLUSH_FAILED)
    log.allow("JF006[02]")
    server = start_server()
    ledger = TrafficLedger(server)
    known, known_jid = new_link(users, server, 70_000)
    unknown, unknown_jid = new_link(users, server, 300_000)
    client = Client(server)
    assert client.open_link(known).status == 200
    ledger.wait_for(known_jid, sent_bytes=70_000, downloads=1)
    with contextlib.closing(sqlite3.connect(server.store / "ledger.db",
                                            isolation_level=None)) as locked:
        locked.execute("BEGIN IMMEDIATE")
        downloads = 0
        while not any(FLUSH_FAILED in line for line in log.collect()):
            for link in (known, unknown):
                assert client.open_link(link).status == 200
            downloads += 1
            time.sleep(0.1)
        # It fails once more, and says nothing.
        time.sleep(BUSY_SECONDS + 2)
        locked.execute("ROLLBACK")
    client.close()
    log.wait_for(FLUSH_WORKS, SETTLE_SECONDS)
    ledger.wait_for(known_jid, sent_bytes=70_000 * (downloads + 1), downloads=downloads + 1)
    ledger.wait_for(unknown_jid, sent_bytes=300_000 * downloads, downloads=downloads)
    server.stop()
    ledger.assert_still()
    for tag in (FLUSH_FAILED, FLUSH_WORKS):
        assert len([line for line in log.collect() if re.search(rf"\b{tag}:", line)]) == 1
