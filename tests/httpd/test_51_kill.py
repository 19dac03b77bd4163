"""kill -9 in the middle of everything: no acknowledged file is lost, no promise stays."""

import hashlib
import http.client
import itertools
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from client import area_path
from records import Records, wait_until
from wire import Wire, request_head

UPLOADS = 1000
CLIENTS = 16
KILLS_MIN = 5
SETTLE_SECONDS = 60


def content_of(jid, number):
    """Bytes that differ for each user and number, up to 100 kB."""
    return hashlib.sha256(f"{jid} {number}".encode()).digest() * (number * 37 % 3000)


class Load:
    """Clients that upload numbered files until they are told to stop. Every fourth upload
    replaces the one before it."""

    def __init__(self, server, users):
        self._clients = [users.client(server) for _ in range(CLIENTS)]
        self._stop = threading.Event()
        self._attempted = {}
        self._acknowledged = {}
        self.acknowledged_count = 0

    def _upload(self, client):
        for number in itertools.count():
            if self._stop.is_set():
                return
            file = client, f"{number - number % 4 // 3}"
            self._attempted[file] = number
            try:
                answer = client.put(file[1], content_of(client.jid, number))
            except (OSError, http.client.HTTPException):
                continue
            assert answer.status in (200, 201), answer.text
            self._acknowledged[file] = number, answer.link
            self.acknowledged_count += 1

    def run(self, disturb):
        """Uploads while `disturb()` runs."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            uploads = [pool.submit(self._upload, client) for client in self._clients]
            try:
                disturb()
            finally:
                self._stop.set()
            for upload in uploads:
                upload.result()
        # A kept connection may lead to a child that was killed after its last answer.
        for client in self._clients:
            client.close()

    def check(self):
        """Every acknowledged file is there and whole; one whose replacement got no answer may
        hold the old or the new content."""
        for (client, path), (number, link) in self._acknowledged.items():
            wanted = [content_of(client.jid, n) for n in (number, self._attempted[client, path])]
            for answer in (client.get(path), client.open_link(link)):
                assert answer.status == 200 and answer.body in wanted, path
        for client in self._clients:
            listing = client.listing()
            assert listing["used_bytes"] == sum(entry["size_bytes"] for entry in listing["files"])
            assert listing["reserved_bytes"] == 0


def test_thousand_uploads_while_a_child_is_killed_each_second(start_server, users):
    server = start_server()
    load, kills = Load(server, users), 0

    def kill_children():
        nonlocal kills
        while load.acknowledged_count < UPLOADS or kills < KILLS_MIN:
            time.sleep(1)
            children = server.children()
            if children:
                os.kill(random.choice(children), signal.SIGKILL)
                kills += 1

    load.run(kill_children)
    records = Records(server)
    wait_until(lambda: not records.promised_objects(), SETTLE_SECONDS, "a promise is left")
    load.check()
    records.assert_consistent()
    records.assert_only_young_orphans()


def start_uploads(server, owner):
    """Four connections in the middle of uploads of 1 MiB, "part0" to "part3"."""
    wires = [Wire(server) for _ in range(4)]
    for number, wire in enumerate(wires):
        wire.send(request_head("PUT", area_path(owner.jid, f"part{number}"),
                               f"Content-Length: {1 << 20}", client=owner) + bytes(1 << 19))
    # The one that replaces a file counts only its difference.
    wait_until(lambda: owner.listing()["reserved_bytes"] > 3 << 20, 10, "no reservations")
    return wires


def test_whole_server_killed_in_the_middle_of_uploads(start_server, users):
    server = start_server()
    owner = users.client(server)
    link = owner.put("part0", b"the old one").link
    kept = owner.put("kept", bytes(10_000)).link
    with_old = owner.used_bytes()
    wires = start_uploads(server, owner)
    owner.close()
    server.kill()
    for wire in wires:
        wire.reset()
    server.start()
    records = Records(server)
    wait_until(lambda: not records.promised_objects(), SETTLE_SECONDS, "a promise is left")
    assert owner.open_link(link).body == b"the old one"
    assert owner.open_link(kept).body == bytes(10_000)
    assert owner.used_bytes() == with_old
    records.assert_consistent()
    records.assert_only_young_orphans()


@pytest.mark.parametrize("attempt", range(3))
def test_whole_server_killed_under_load(start_server, users, attempt):
    server = start_server()
    load = Load(server, users)

    def kill_server():
        wait_until(lambda: load.acknowledged_count > 50, 60, "no uploads succeed")
        time.sleep(random.random() / 2)
        server.kill()

    load.run(kill_server)
    server.start()
    records = Records(server)
    wait_until(lambda: not records.promised_objects(), SETTLE_SECONDS, "a promise is left")
    load.check()
    records.assert_consistent()
    records.assert_only_young_orphans()


def test_killed_children_do_not_keep_their_promises(start_server, users, log):
    log.allow("AH10392")  # httpd is surprised that all its children die at once
    server = start_server()
    owner = users.client(server)
    wires = start_uploads(server, owner)
    owner.close()
    for child in server.children():
        os.kill(child, signal.SIGKILL)
    wait_until(lambda: not Records(server).promised_objects(), SETTLE_SECONDS,
               "promises of dead children are left")
    for wire in wires:
        wire.reset()
    assert owner.listing()["reserved_bytes"] == 0
    assert owner.listing()["files"] == []
