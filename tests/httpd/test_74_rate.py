"""JabberFilesRate: the downloads of an area share its rate, whatever processes they are in."""

import os
import signal
import time

import pytest

from client import area_path, link_path
from config import Site, base_location
from paced import Crowd, Download, dial, dial_child
from paced_http2 import Http2Downloads
from records import wait_until
from wire import Wire, request_head

RATE = 4 << 20
LOW_RATE = 1 << 20
FILE_BYTES = 80 << 20
SMALL_BYTES = 100_000
# A change is noticed in other processes ten times a second.
NOTICE_SECONDS = 0.3
UNLIMITED = "JabberFilesQuota unlimited\nJabberFilesMaxFileSize unlimited\n"
THREE_CHILDREN = "StartServers 3\nServerLimit 3\nMaxRequestWorkers 48\nMaxKeepAliveRequests 0\n"


def rates_site(users, **more):
    """BASE has RATE, /low has LOW_RATE, /free has none."""
    return Site(base_lines=f"{UNLIMITED}JabberFilesRate {RATE}",
                inner_lines=base_location("/low", users.path,
                                          f"{UNLIMITED}JabberFilesRate {LOW_RATE}")
                + base_location("/free", users.path, UNLIMITED), **more)


@pytest.fixture(scope="module")
def site(users):
    return rates_site(users, server_lines=THREE_CHILDREN)


@pytest.fixture
def crowd(env):
    with Crowd(env.patience) as members:
        yield members


@pytest.fixture
def big(owner):
    """The path of a link to a file that takes twenty seconds."""
    return link_path(owner.put("big", bytes(FILE_BYTES)).link)


def assert_even(rates):
    """Each has its share, give or take what may lie in a buffer."""
    share = sum(rates) / len(rates)
    assert all(share * 0.8 < rate < share * 1.2 for rate in rates), rates


# One area


@pytest.mark.parametrize("count", [1, 4, 15])
def test_downloads_share_the_rate_over_all_processes(server, crowd, big, measure, count):
    children = server.children()
    assert len(children) == 3
    for number in range(count):
        crowd.add(Download(dial_child(server, children[number % 3]), big))
    time.sleep(NOTICE_SECONDS)
    rates = crowd.assert_rate(RATE, seconds=2)
    assert_even(rates)
    measure(f"{count} downloads of an area at {RATE} bytes/s take {sum(rates):.0f} bytes/s, each "
            f"{min(rates):.0f} to {max(rates):.0f}")


@pytest.mark.parametrize("process, ending", [("same", "complete"), ("another", "complete"),
                                             ("another", "broken off")])
def test_shares_follow_when_a_download_begins_and_ends(server, crowd, owner, big, process, ending):
    children = server.children()
    size_bytes = 2 * RATE if ending == "complete" else FILE_BYTES
    second = link_path(owner.put("second", bytes(size_bytes)).link)
    connection = dial_child(server, children[0 if process == "same" else 1])
    lasting = crowd.add(Download(dial_child(server, children[0]), big))
    crowd.assert_rate(RATE, [lasting], seconds=1)
    passing = crowd.add(Download(connection, second))
    time.sleep(NOTICE_SECONDS)
    assert_even(crowd.assert_rate(RATE, [lasting, passing], seconds=1))
    assert not passing.is_over
    if ending == "complete":
        crowd.wait(passing)
    else:
        crowd.drop(passing)
    time.sleep(NOTICE_SECONDS)
    crowd.assert_rate(RATE, [lasting], seconds=1)


@pytest.mark.parametrize("size_bytes", [10_000, 250_000])
def test_many_small_files_in_a_row_have_the_rate_together(server, crowd, users, measure,
                                                          size_bytes):
    friend = users.client(server, base="/low")
    link = link_path(friend.put("small", bytes(size_bytes)).link)
    connection = dial(server)
    count = 2 * LOW_RATE // size_bytes
    begin = time.monotonic()
    for _ in range(count):
        crowd.wait(crowd.add(Download(connection, link)))
    rate = count * size_bytes / (time.monotonic() - begin)
    measure(f"{count} files of {size_bytes} bytes one after the other at {LOW_RATE} bytes/s: "
            f"{rate:.0f} bytes/s")
    assert rate < LOW_RATE * 1.1


def test_connection_is_fast_again_after_a_paced_download(server, crowd, users, measure):
    friend = users.client(server, base="/low")
    slow = friend.put("slow", bytes(LOW_RATE)).link
    friend.put("fast", bytes(FILE_BYTES))
    connection = dial(server)
    crowd.wait(crowd.add(Download(connection, link_path(slow))))
    begin = time.monotonic()
    fast = crowd.add(Download(connection, area_path(friend.jid, "fast", "/free"), friend))
    crowd.wait(fast)
    rate = FILE_BYTES / (time.monotonic() - begin)
    measure(f"unlimited after a paced download on the same connection: {rate:.0f} bytes/s")
    assert rate > 2 * LOW_RATE


# Several areas


def test_areas_do_not_disturb_each_other(server, crowd, users, big):
    neighbour = users.client(server, base="/low")
    low = link_path(neighbour.put("low", bytes(FILE_BYTES)).link)
    stranger = users.client(server, base="/free")
    free = link_path(stranger.put("free", bytes(FILE_BYTES)).link)
    busy = [crowd.add(Download(dial(server), big)) for _ in range(5)]
    slow = [crowd.add(Download(dial(server), low)) for _ in range(2)]
    time.sleep(NOTICE_SECONDS)
    crowd.assert_rate(RATE, busy)
    crowd.assert_rate(LOW_RATE, slow)
    before = sum(member.passed_bytes() for member in busy)
    crowd.wait(crowd.add(Download(dial(server), free)))
    assert sum(member.passed_bytes() for member in busy) - before < FILE_BYTES / 2
    crowd.assert_rate(RATE, busy)
    crowd.assert_rate(LOW_RATE, slow)


# TLS and HTTP/2


@pytest.fixture(scope="module")
def secure_server(fleet, users, certs):
    made = fleet.prepare(rates_site(users, certificates=certs, http2=True))
    made.start()
    yield made
    fleet.retire([made])


@pytest.fixture
def secure_big(secure_server, users):
    return link_path(users.client(secure_server).put("big", bytes(FILE_BYTES)).link)


@pytest.fixture
def secure_low(secure_server, users):
    client = users.client(secure_server, base="/low")
    return link_path(client.put("low", bytes(FILE_BYTES)).link)


def test_tls(secure_server, crowd, secure_big):
    for _ in range(3):
        crowd.add(Download(dial(secure_server, "http/1.1"), secure_big))
    time.sleep(NOTICE_SECONDS)
    assert_even(crowd.assert_rate(RATE))


def test_http2_stream(secure_server, crowd, secure_big):
    crowd.add(Http2Downloads(dial(secure_server, "h2"), [secure_big]))
    time.sleep(NOTICE_SECONDS)
    crowd.assert_rate(RATE)


def test_http2_streams_of_an_area_share_its_rate(secure_server, crowd, secure_big):
    two = crowd.add(Http2Downloads(dial(secure_server, "h2"), [secure_big] * 2))
    one = crowd.add(Http2Downloads(dial(secure_server, "h2"), [secure_big]))
    time.sleep(NOTICE_SECONDS)
    assert crowd.assert_rate(RATE)[0] == pytest.approx(RATE * 2 / 3, rel=0.1)
    assert all(two.received_bytes.values()) and all(one.received_bytes.values())
    crowd.drop(one)
    time.sleep(NOTICE_SECONDS)
    crowd.assert_rate(RATE, [two])


def test_http2_streams_of_two_areas_have_both_rates(secure_server, crowd, secure_big, secure_low):
    mixed = crowd.add(Http2Downloads(dial(secure_server, "h2"), [secure_big, secure_low]))
    time.sleep(NOTICE_SECONDS)
    crowd.assert_rate(RATE + LOW_RATE)
    assert all(mixed.received_bytes.values())


def test_small_files_in_a_row_over_http2(secure_server, crowd, users):
    friend = users.client(secure_server, base="/low")
    link = link_path(friend.put("small", bytes(SMALL_BYTES)).link)
    count = 2 * LOW_RATE // SMALL_BYTES
    begin = time.monotonic()
    crowd.wait(crowd.add(Http2Downloads(dial(secure_server, "h2"), [link] * count, at_once=1,
                                        window_bytes=1 << 20)))
    assert count * SMALL_BYTES / (time.monotonic() - begin) < LOW_RATE * 1.1


# Processes


class DoomedDownload(Download):
    """One whose server dies."""

    def work(self):
        try:
            super().work()
        except (EOFError, ConnectionResetError):
            self.is_over = True


def test_killed_process_gives_its_shares_back(start_server, users, crowd):
    server = start_server(rates_site(users, server_lines=THREE_CHILDREN))
    link = link_path(users.client(server).put("big", bytes(FILE_BYTES)).link)
    victim, heir = server.children()[:2]
    doomed = [crowd.add(DoomedDownload(dial_child(server, victim), link)) for _ in range(3)]
    lasting = crowd.add(Download(dial_child(server, heir), link))
    time.sleep(NOTICE_SECONDS)
    crowd.assert_rate(RATE / 4, [lasting])
    # The clients stay: nobody but the kernel tells the others that the process is no more.
    os.kill(victim, signal.SIGKILL)
    crowd.wait(*doomed)
    crowd.assert_rate(RATE, [lasting])


def test_process_that_ends_gracefully_keeps_sharing(start_server, users, crowd):
    server = start_server(rates_site(users, server_lines=THREE_CHILDREN))
    link = link_path(users.client(server).put("big", bytes(FILE_BYTES)).link)
    old = crowd.add(Download(dial(server), link))
    time.sleep(NOTICE_SECONDS)
    crowd.assert_rate(RATE, [old], seconds=1)
    before = server.children()
    server.graceful()
    young = wait_until(lambda: set(server.children()) - set(before), 10, "no new process")
    new = crowd.add(Download(dial_child(server, young.pop()), link))
    time.sleep(NOTICE_SECONDS)
    assert_even(crowd.assert_rate(RATE, [old, new], seconds=1))
    crowd.drop(new)
    time.sleep(NOTICE_SECONDS)
    crowd.assert_rate(RATE, [old], seconds=1)


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_other_mpms(start_server, users, crowd, mpm):
    server = start_server(rates_site(users, mpm=mpm))
    link = link_path(users.client(server).put("big", bytes(FILE_BYTES)).link)
    for _ in range(3):
        crowd.add(Download(dial(server), link))
    time.sleep(NOTICE_SECONDS)
    assert_even(crowd.assert_rate(RATE))


def read_status(server):
    """The values of server-status?auto."""
    with Wire(server) as wire:
        wire.send(request_head("GET", "/server-status?auto"))
        text = wire.read_answer("GET").text
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


def test_downloads_keep_no_thread(start_server, users, crowd, measure):
    count, threads = 30, 8
    tuning = f"ThreadsPerChild {threads}\nMaxRequestWorkers {threads}\n" \
        "AsyncRequestWorkerFactor 8\nMinSpareThreads 1\n"
    server = start_server(rates_site(users, single_child=True, server_lines=tuning))
    link = link_path(users.client(server).put("big", bytes(FILE_BYTES)).link)
    for _ in range(count):
        crowd.add(Download(dial(server), link))
    time.sleep(NOTICE_SECONDS)
    assert min(crowd.rates(2)) > 0
    status = read_status(server)
    measure(f"{status['JabberFilesActiveDownloads']} paced downloads, {threads} threads: "
            f"{status['IdleWorkers']} idle")
    assert int(status["JabberFilesActiveDownloads"]) == count
    assert int(status["IdleWorkers"]) >= threads // 2


def test_status_tells_the_rate(server, crowd, big):
    for _ in range(5):
        crowd.add(Download(dial(server), big))

    def is_told():
        told = int(read_status(server)["JabberFilesDownloadRate"])
        return told == pytest.approx(RATE, rel=0.1)

    wait_until(is_told, 20 * server.env.patience, "the status does not tell the rate")
