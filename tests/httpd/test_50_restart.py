"""Stop, start and graceful restart: what was acknowledged is there, what runs is finished."""

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from client import area_path
from config import Site
from records import Records, wait_until
from wire import Wire, request_head

CLIENTS = 8
LOAD_SECONDS = 4
SETTLE_SECONDS = 60
# Large enough for bytes to be promised to it.
CONTENT = bytes(range(250)) * 400


def content_of(number):
    """Bytes that differ for each number, up to 40 kB."""
    return hashlib.sha256(b"%d" % number).digest() * (number % 1250)


def upload_until(stop, client, first, acknowledged, failures):
    """Uploads files numbered from `first` on until `stop` is set."""
    number = first
    while not stop.is_set():
        try:
            answer = client.put(f"{number}", content_of(number))
        except OSError as error:
            failures.append(error)
        else:
            assert answer.status == 201, answer.text
            acknowledged.append((client, number, answer.link))
        client.close()
        number += 1


def test_stop_and_start_keep_everything(start_server, users):
    server = start_server()
    owner = users.client(server)
    links = {number: owner.put(f"{number}", content_of(number)).link for number in range(50)}
    before = owner.listing()
    owner.close()
    server.restart()
    assert owner.listing() == before
    for number, link in links.items():
        assert owner.open_link(link).body == content_of(number)
    Records(server).assert_consistent()


def test_graceful_restarts_under_load_lose_nothing(start_server, users):
    server = start_server()
    stop, acknowledged, failures = threading.Event(), [], []
    with ThreadPoolExecutor(CLIENTS) as pool:
        uploads = [pool.submit(upload_until, stop, users.client(server), first * 100_000,
                               acknowledged, failures) for first in range(CLIENTS)]
        try:
            deadline = time.monotonic() + LOAD_SECONDS
            while time.monotonic() < deadline:
                time.sleep(0.5)
                server.graceful()
        finally:
            stop.set()
        for upload in uploads:
            upload.result()
    assert failures == []
    assert len(acknowledged) > CLIENTS
    for client, number, link in acknowledged:
        assert client.open_link(link).body == content_of(number)
    records = Records(server)
    wait_until(lambda: not records.promised_objects(), SETTLE_SECONDS, "a promise is left")
    records.assert_consistent()
    assert records.stored_objects() == records.filed_objects()


def test_upload_that_runs_over_a_graceful_restart_is_stored(start_server, users):
    server = start_server()
    owner = users.client(server)
    with Wire(server) as slow:
        slow.send(request_head("PUT", area_path(owner.jid, "slow"), f"Content-Length: {len(CONTENT)}",
                               client=owner) + CONTENT[:5])
        wait_until(lambda: owner.listing()["reserved_bytes"] == len(CONTENT), 10, "no reservation")
        owner.close()
        server.graceful()
        # Longer than a sweep takes to come by: the old process lives, so does its promise.
        time.sleep(12)
        assert owner.listing()["reserved_bytes"] == len(CONTENT)
        slow.send(CONTENT[5:])
        assert slow.read_answer().status == 201
    assert owner.get("slow").body == CONTENT
    Records(server).assert_consistent()


def test_download_that_runs_over_a_graceful_restart_is_finished(start_server, users):
    server = start_server()
    owner = users.client(server)
    content = b"d" * (16 << 20)
    link = owner.put("big", content).link
    connection = server.connect()
    connection.request("GET", "/files" + link.partition("/files")[2])
    response = connection.getresponse()
    begin = response.read(1000)
    owner.close()
    server.graceful()
    assert begin + response.read() == content


def test_new_configuration_holds_after_a_graceful_restart(start_server, users):
    server = start_server()
    owner = users.client(server)
    assert owner.put("a", bytes(3000)).status == 201
    owner.close()
    server.reconfigure(Site(base_lines="JabberFilesQuota 1000\nJabberFilesExpire 1h"))
    assert owner.listing()["quota_bytes"] == 1000
    assert owner.put("b", b"x").status == 507
    # What is there stays, and may be replaced by something that fits.
    assert len(owner.get("a").body) == 3000
    assert owner.delete("a").status == 204
    assert owner.put("b", bytes(1000)).status == 201
    assert owner.listing()["files"][0]["expires"] is not None


def test_domain_that_is_no_longer_served_is_closed_but_its_links_live(start_server, users):
    server = start_server(Site(domains=("example.org", "second.example")))
    erin = users.client(server, "erin@second.example")
    link = erin.put("a", b"x").link
    erin.close()
    server.reconfigure(Site())
    assert erin.put("b", b"x").status == 403
    assert erin.open_link(link).body == b"x"


def test_restarts_do_not_pile_up_state(start_server, users):
    server = start_server()
    owner = users.client(server)
    for number in range(5):
        assert owner.put(f"{number}", b"x").status == 201
        owner.close()
        server.restart()
    alive = list((server.store / "alive").iterdir())
    assert len(alive) <= 2 * len(server.children()) + 2
