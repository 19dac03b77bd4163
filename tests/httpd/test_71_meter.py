"""The meter: what the ledger says was transferred is what clients and the wire have seen.

Counted is content: no header fields, no TLS, no framing of HTTP/2. Every kind of download has an
area of its own, so that one kind's error cannot hide behind another's.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from byte_proxy import BUFFER_BYTES, ByteProxy
from client import Client, area_path, link_path
from config import Site, base_location
from curl import Curl
from download_kinds import (COMPLETE, CUT, FILE_BYTES, ONE_CONNECTION, TLS_COMPLETE, TLS_CUT,
                            Case)
from downloads import Reader, curl
from traffic_ledger import TrafficLedger
from wire import Wire, request_head
from wire_http2 import Http2Wire
from wire_http2_get import WINDOW_BYTES, Http2Downloads

DOWNLOADS = 20
ERROR_MAX = 0.001
# A record of TLS 1.3 has so much of content, and so much around it.
RECORD_BYTES = 16384
RECORD_OVERHEAD_BYTES = 22
# The handshake, the header of the answer and what mod_http2 does at the beginning of a connection:
# it sends records of 1300 bytes for the first megabyte.
TLS_START_BYTES_MAX = 8 << 10
HTTP2_START_BYTES_MAX = (1 << 20) // 1300 * RECORD_OVERHEAD_BYTES + TLS_START_BYTES_MAX
HTTP2_FRAME_BYTES = 9
SMALL_BYTES = 64 << 10  # so much is counted when it has ended, larger answers on their way
SIZES = (0, 1, SMALL_BYTES - 1, SMALL_BYTES, SMALL_BYTES + 1, 300_000)


@pytest.fixture(scope="module")
def site(users):
    bases = (("/counting", "JabberFilesCountOwner On"), ("/silent", "JabberFilesMeter Off"),
             ("/silent-quota", "JabberFilesMeter Off\nJabberFilesTransferQuota 1G"),
             ("/silent-rate", "JabberFilesMeter Off\nJabberFilesRate 1G"),
             ("/silent-uploads", "JabberFilesMeter Off\nJabberFilesUploadRate 1G"),
             ("/narrow", "JabberFilesQuota 100000\nJabberFilesMaxFileSize 90000"))
    return Site(server_lines="".join(base_location(path, users.path, lines)
                                     for path, lines in bases))


@pytest.fixture(scope="module")
def tls_server(fleet, certs):
    made = fleet.prepare(Site(certificates=certs, http2=True))
    made.start()
    yield made
    fleet.retire([made])


@pytest.fixture(scope="module")
def ledger(server):
    return TrafficLedger(server)


@pytest.fixture(scope="module")
def tls_ledger(tls_server):
    return TrafficLedger(tls_server)


# The figures: downloads of one file in all ways


def settle_complete(case):
    """What is complete is counted to the byte. The proxy has seen the same, and no more."""
    found = case.ledger.wait_for(case.owner.jid, sent_bytes=case.got.content_bytes,
                                 downloads=case.downloads, received_bytes=FILE_BYTES)
    assert case.wire_bytes() - case.got.head_bytes == found.sent_bytes
    return found.sent_bytes, found.sent_bytes


def settle_cut(case):
    """The server's kernel knows what it has sent, and the proxy has taken it in but for what came
    when it had looked for the last time: less than a buffer, for each download."""
    sent_bytes = case.wire_bytes() - case.got.head_bytes
    assert sent_bytes >= case.got.content_bytes
    most_bytes = sent_bytes + case.downloads * BUFFER_BYTES
    found = case.ledger.wait_for(case.owner.jid, downloads=case.downloads,
                                 sent_bytes=range(sent_bytes, most_bytes + 1))
    return found.sent_bytes, sent_bytes


def settle_tls_complete(case):
    """The client knows what was content; the proxy has seen records and frames, too."""
    found = case.ledger.wait_for(case.owner.jid, sent_bytes=case.got.content_bytes,
                                 downloads=case.downloads, received_bytes=FILE_BYTES)
    overhead_bytes = case.wire_bytes() - found.sent_bytes
    assert 0 < overhead_bytes < tls_overhead_bytes_max(found.sent_bytes)
    return found.sent_bytes, case.got.content_bytes


def tls_overhead_bytes_max(content_bytes):
    return HTTP2_START_BYTES_MAX + content_bytes // (RECORD_BYTES // 2) \
        * (RECORD_OVERHEAD_BYTES + HTTP2_FRAME_BYTES)


def settle_tls_cut(case):
    """The wire shows how much there was of content but for the small part that is overhead. What
    mod_http2 and mod_ssl have read of the file and not written is not counted."""
    wire_bytes = case.wire_bytes()
    least_bytes = max(case.got.content_bytes, wire_bytes - tls_overhead_bytes_max(wire_bytes))
    found = case.ledger.wait_for(case.owner.jid, downloads=case.downloads,
                                 sent_bytes=range(least_bytes, wire_bytes + BUFFER_BYTES))
    return found.sent_bytes, wire_bytes * RECORD_BYTES // (RECORD_BYTES + RECORD_OVERHEAD_BYTES)


def test_twenty_downloads_of_one_file(server, tls_server, ledger, tls_ledger, users, measure):
    ways = ((COMPLETE, settle_complete, server, ledger), (CUT, settle_cut, server, ledger),
            (TLS_COMPLETE, settle_tls_complete, tls_server, tls_ledger),
            (TLS_CUT, settle_tls_cut, tls_server, tls_ledger))
    cases = []
    for kinds, settle, on_server, its_ledger in ways:
        for kind in kinds:
            with ByteProxy(on_server) as proxy:
                case = Case(on_server, its_ledger, users, proxy)
                kind(case)
                assert kind not in ONE_CONNECTION or proxy.connection_count() == 1
            cases.append((kind.__name__, settle, case))
    assert sum(case.downloads for _, _, case in cases) == DOWNLOADS
    metered_bytes, seen_bytes = 0, 0
    for name, settle, case in cases:
        metered, seen = settle(case)
        metered_bytes, seen_bytes = metered_bytes + metered, seen_bytes + seen
        measure(f"{name}: {metered} bytes metered, {seen} seen outside, "
                f"{case.got.content_bytes} of them by the client")
    error = abs(metered_bytes - seen_bytes) / seen_bytes
    measure(f"{DOWNLOADS} downloads: {metered_bytes} bytes metered, {seen_bytes} seen, "
            f"difference {100 * error:.5f} %")
    assert error <= ERROR_MAX


# Where connections and answers begin and end


def test_every_size_is_exact(nobody, new_owner, ledger):
    owners = {size_bytes: new_owner() for size_bytes in SIZES}
    for size_bytes, owner in owners.items():
        link = owner.put("a", bytes(size_bytes)).link
        for _ in range(2):
            assert len(nobody.request("GET", link).body) == size_bytes
    for size_bytes, owner in owners.items():
        ledger.wait_for(owner.jid, sent_bytes=2 * size_bytes, downloads=2,
                        received_bytes=size_bytes, uploads=1)


def test_files_of_two_areas_over_one_connection(server, new_owner, ledger):
    owners = new_owner(), new_owner()
    links = [link_path(owner.put(f"{size}", bytes(size)).link)
             for owner, size in zip(owners * 2, (1000, 500_000, 700_000, 30))]
    with ByteProxy(server) as proxy:
        got = curl(proxy.front, *links)
        assert proxy.server_bytes() - got.head_bytes == got.content_bytes == 1_201_030
        assert proxy.connection_count() == 1
    ledger.wait_for(owners[0].jid, sent_bytes=701_000, downloads=2)
    ledger.wait_for(owners[1].jid, sent_bytes=500_030, downloads=2)


def test_pipelined_downloads_are_told_apart(server, new_owner, ledger):
    owners = new_owner(), new_owner()
    sizes = (10, 400_000, 64 * 1024, 1, 2_000_000, 70_000)
    links = [link_path(owner.put(f"{size}", bytes(size)).link)
             for owner, size in zip(owners * 3, sizes)]
    with Reader(server) as reader:
        reader.ask_together(*links)
        for size in sizes:
            status, fields = reader.read_answer()
            assert (status, int(fields["Content-Length"])) == (200, size)
    ledger.wait_for(owners[0].jid, sent_bytes=sum(sizes[0::2]), downloads=3)
    ledger.wait_for(owners[1].jid, sent_bytes=sum(sizes[1::2]), downloads=3)


def cut(server, reader, link, count):
    """Asks for a link, goes away after so many bytes; returns what had been sent to it."""
    reader.ask(link)
    reader.read_head()
    reader.read(count)
    sent_bytes = reader.received_bytes()
    reader.reset()
    return sent_bytes


def test_client_that_leaves_is_charged_with_what_was_sent(server, new_owner, ledger):
    """The smaller ones lie in the server's kernel as a whole when the client goes."""
    sent = {}
    for size_bytes in (100_000, 300_000, 1_000_000, 20_000_000):
        owner = new_owner()
        link = link_path(owner.put("a", bytes(size_bytes)).link)
        with Reader(server) as reader:
            sent[owner.jid] = cut(server, reader, link, 10_000)
        assert sent[owner.jid] < size_bytes
    for jid, sent_bytes in sent.items():
        ledger.wait_for(jid, sent_bytes=sent_bytes, downloads=1)


def test_client_that_leaves_in_a_later_answer(server, new_owner, ledger):
    """What other answers of the connection have sent before is not mistaken for this one's."""
    first, second = new_owner(), new_owner()
    small = link_path(first.put("small", bytes(60_000)).link)
    large = link_path(second.put("large", bytes(5_000_000)).link)
    with Reader(server) as reader:
        for target in (small, large, small):
            reader.ask(target)
            reader.read_answer()
        before = reader.content_bytes
        sent_bytes = cut(server, reader, large, 10_000) - before
    ledger.wait_for(first.jid, sent_bytes=120_000, downloads=2)
    ledger.wait_for(second.jid, sent_bytes=5_000_000 + sent_bytes, downloads=2)


def test_client_that_leaves_in_a_pipelined_answer(server, new_owner, ledger):
    """The small answer is on its way together with the large one."""
    first, second = new_owner(), new_owner()
    small = link_path(first.put("small", bytes(3000)).link)
    large = link_path(second.put("large", bytes(5_000_000)).link)
    with Reader(server) as reader:
        reader.ask_together(small, large)
        reader.read_answer()
        reader.read_head()
        reader.read(10_000)
        sent_bytes = reader.received_bytes() - 3000
        reader.reset()
    ledger.wait_for(first.jid, sent_bytes=3000, downloads=1)
    ledger.wait_for(second.jid, sent_bytes=sent_bytes, downloads=1)


def test_broken_off_ranges(server, owner, ledger):
    """Of a multipart answer what has been sent counts, its framing included."""
    link = link_path(owner.put("a", bytes(5_000_000)).link)
    with Reader(server) as reader:
        reader.ask(link, "Range: bytes=4000000-4999999,0-3999999")
        status, _ = reader.read_head()
        assert status == 206
        reader.read(2_000_000)
        sent_bytes = reader.received_bytes()
        reader.reset()
    ledger.wait_for(owner.jid, sent_bytes=sent_bytes, downloads=1)


# HTTP/2


@pytest.fixture
def http2_link(tls_server, users):
    """The path of the link of a new file of a new area, and the area's JID."""
    def make(size_bytes):
        owner = users.client(tls_server)
        link = link_path(owner.put("film", bytes(size_bytes)).link)
        owner.close()
        return link, owner.jid

    return make


def test_reset_stream_does_not_disturb_its_connection(tls_server, tls_ledger, http2_link):
    (kept, kept_jid), (cancelled, cancelled_jid) = http2_link(1_000_000), http2_link(FILE_BYTES)
    with Http2Downloads(tls_server) as wire:
        wire.get(1, kept)
        wire.get(3, cancelled)
        wire.get(5, kept)
        wire.read_until(3, 500_000)
        wire.cancel(3)
        wire.read_until_ended(1, 5)
        wire.get(7, kept)
        wire.read_until_ended(7)
    assert [wire.content_bytes[stream] for stream in (1, 5, 7)] == 3 * [1_000_000]
    tls_ledger.wait_for(kept_jid, sent_bytes=3_000_000, downloads=3)
    # Nothing that the server had read for the stream was kept back: it all came.
    assert 500_000 <= wire.content_bytes[3] < FILE_BYTES
    tls_ledger.wait_for(cancelled_jid, sent_bytes=wire.content_bytes[3], downloads=1)


def test_connection_that_ends_with_streams_in_progress(tls_server, tls_ledger, http2_link):
    """The windows bound what may be on its way."""
    one, other = http2_link(FILE_BYTES), http2_link(FILE_BYTES)
    with Http2Downloads(tls_server) as wire:
        wire.get(1, one[0])
        wire.get(3, other[0])
        wire.read_until(1, 1_000_000)
        wire.read_until(3, 1_000_000)
    for stream, (_, jid) in ((1, one), (3, other)):
        got_bytes = wire.content_bytes[stream]
        tls_ledger.wait_for(jid, downloads=1,
                            sent_bytes=range(got_bytes, got_bytes + WINDOW_BYTES + 1))


def test_every_size_is_exact_over_http2(tls_server, tls_ledger, http2_link):
    links = {size_bytes: http2_link(size_bytes) for size_bytes in SIZES}
    with Http2Downloads(tls_server) as wire:
        streams = range(1, 1 + 6 * len(links), 2)
        for stream, (link, _) in zip(streams, 3 * list(links.values())):
            wire.get(stream, link)
        wire.read_until_ended(*streams)
    assert sum(wire.content_bytes.values()) == 3 * sum(SIZES)
    for size_bytes, (_, jid) in links.items():
        tls_ledger.wait_for(jid, sent_bytes=3 * size_bytes, downloads=3)


def test_ranges_are_exact_over_http2(tls_server, tls_ledger, http2_link):
    """In any order, next to each other and over each other."""
    got = {}
    for ranges in ("5-1000000", "-1000000", "0-999999,1000000-1999999", "900000-999999,0-99999",
                   "0-299999,100000-199999", "100000-199999,200000-299999,0-99,300000-300009",
                   "0-99999,200000-299999,100000-150000"):
        link, jid = http2_link(2_000_000)
        with Http2Downloads(tls_server) as wire:
            wire.get(1, link, range=f"bytes={ranges}")
            wire.read_until_ended(1)
        assert wire.statuses[1] == 206
        got[jid] = wire.content_bytes[1]
    for jid, content_bytes in got.items():
        tls_ledger.wait_for(jid, sent_bytes=content_bytes, downloads=1)


# What is no download


def test_answers_without_the_file_count_nothing(server, owner, nobody, ledger):
    link = owner.put("a", bytes(200_000)).link
    tag = owner.head("a").header("ETag")
    stranger = Client(server, owner.jid, "wrong")
    answers = [
        nobody.request("HEAD", link),
        nobody.request("GET", link, headers={"If-None-Match": tag}),
        nobody.request("GET", link, headers={"If-Match": '"other"'}),
        nobody.request("GET", link, headers={"Range": "bytes=200000-"}),
        nobody.request("GET", link + "x"),
        stranger.get("a"),
        nobody.request("OPTIONS", link),
        nobody.request("GET", area_path(owner.jid, "a")),
        owner.request("GET", area_path(owner.jid)),
    ]
    assert [answer.status for answer in answers] == [200, 304, 412, 416, 404, 401, 204, 401, 200]
    assert owner.listing()["used_bytes"] == 200_000
    # When this one is counted, all that came before would be, too.
    nobody.request("GET", link, headers={"Range": "bytes=0-6"})
    ledger.wait_for(owner.jid, sent_bytes=7, downloads=1)


# Who pays


def test_own_downloads_are_sent_but_not_charged(owner, nobody, ledger):
    link = owner.put("a", bytes(100_000)).link
    nobody.request("GET", link)
    owner.get("a")
    owner.get("a")
    ledger.wait_for(owner.jid, sent_bytes=300_000, downloads=3)
    ledger.wait_for_charged(owner.jid, 100_000)


def test_own_downloads_are_charged_if_so_configured(server, users, nobody, ledger):
    owner = users.client(server, base="/counting")
    link = owner.put("a", bytes(100_000)).link
    nobody.request("GET", link)
    owner.get("a")
    ledger.wait_for(owner.jid, sent_bytes=200_000, downloads=2)
    ledger.wait_for_charged(owner.jid, 200_000)


# Uploads


def test_uploads_are_counted(owner, ledger):
    owner.put("a", bytes(10))
    owner.put("a", bytes(300_000))
    owner.put("empty", b"")
    owner.put_chunked("b", [bytes(70_000), bytes(1), bytes(29_999)])
    ledger.wait_for(owner.jid, received_bytes=400_010, uploads=4, sent_bytes=0, downloads=0)


def test_uploads_over_http2_are_counted(tls_server, tls_ledger, users):
    owner = users.client(tls_server)
    with Http2Wire(tls_server) as wire:
        wire.put(area_path(owner.jid, "a"), 9000, owner)
        wire.send_body(bytes(9000))
        assert wire.read_status() == 201
    Curl(tls_server, owner)("--http2", "-T", "-", area_path(owner.jid, "b"), body=bytes(300_000))
    tls_ledger.wait_for(owner.jid, received_bytes=309_000, uploads=2)


def test_broken_off_upload_counts_as_far_as_it_came(server, owner, ledger):
    owner.put("a", b"1")
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "b"), "Content-Length: 500000",
                               client=owner) + bytes(200_000))
        wire.finish_sending()
        assert wire.read_answer().status == 400
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "b"), "Transfer-Encoding: chunked",
                               client=owner) + b"186a0\r\n" + bytes(100_000) + b"\r\n")
        wire.finish_sending()
        assert wire.read_answer().status == 400
    ledger.wait_for(owner.jid, received_bytes=300_001, uploads=1)


def test_refused_upload_counts_what_was_read_of_it(server, users, ledger):
    owner = users.client(server, base="/narrow")
    assert owner.put("a", bytes(60_000)).status == 201
    assert owner.put("too large", bytes(90_001)).status == 413
    assert owner.put("no room", bytes(80_000)).status == 507
    ledger.wait_for(owner.jid, received_bytes=60_000, uploads=1)
    # Nobody knows the length of this one, so it is refused when it has come too far.
    assert owner.put_chunked("c", [bytes(30_000), bytes(30_000)]).status == 507
    ledger.wait_for(owner.jid, received_bytes=range(100_001, 120_001), uploads=1)


# Processes


@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
def test_all_processes_count_together(start_server, users, mpm):
    server = start_server(Site(mpm=mpm))
    owner, clients, rounds = users.client(server), 8, 40
    link = owner.put("a", bytes(3000)).link
    gate = threading.Barrier(clients)

    def download(number):
        gate.wait()
        for count in range(rounds):
            answer = owner.open_link(link, headers={"Range": f"bytes=0-{number * 100 + count}"})
            assert len(answer.body) == number * 100 + count + 1

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(download, range(clients)))
    assert len(server.children()) > 1
    wanted = sum(number * 100 + count + 1 for number in range(clients) for count in range(rounds))
    owner.close()
    ledger = TrafficLedger(server)
    ledger.wait_for(owner.jid, sent_bytes=wanted, downloads=clients * rounds)
    server.stop()
    ledger.assert_still()


# JabberFilesMeter


def test_meter_that_is_off_counts_only_what_limits_need(server, users, nobody, ledger):
    wanted = {}
    for base, is_sent, is_received in (("/silent", 0, 0), ("/silent-quota", 1, 0),
                                       ("/silent-rate", 1, 0), ("/silent-uploads", 0, 1)):
        owner = users.client(server, base=base)
        for size_bytes in (100, 300_000):
            link = owner.put(f"{size_bytes}", bytes(size_bytes)).link
            assert len(nobody.request("GET", link).body) == size_bytes
        # The same area where it is metered: when this is counted, all before would be, too.
        metered = users.client(server, owner.jid)
        nobody.request("GET", metered.put("marker", bytes(7)).link)
        wanted[owner.jid] = {
            "sent_bytes": 7 + 300_100 * is_sent, "downloads": 1 + 2 * is_sent,
            "received_bytes": 7 + 300_100 * is_received, "uploads": 1 + 2 * is_received}
    for jid, values in wanted.items():
        ledger.wait_for(jid, **values)


def test_nothing_is_added_when_httpd_ends(server, tls_server, ledger, tls_ledger):
    for ended, its_ledger in ((server, ledger), (tls_server, tls_ledger)):
        ended.stop()
        its_ledger.assert_still()
