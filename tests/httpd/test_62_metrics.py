"""The page for Prometheus: its form and its numbers."""

import contextlib
import socket
import time
from pathlib import Path

import pytest

from admin import ledger_editor
from client import Client, area_path, link_path
from config import Site, base_location
from records import wait_until
from scrape import (KINDS, METRICS, METRICS_LINES, METRICS_WITH_JIDS, OPENMETRICS,
                    OPENMETRICS_TYPE, TEXT_TYPE, Scrape, kinds_of, scrape)
from wire import Wire, request_head

COUNTERS = ("sent_bytes_total", "received_bytes_total", "downloads_total", "uploads_total")
# More than sockets on one machine take in one go, paced or not.
SLOW_BYTES = 2 << 20
# They do take that much.
HELD_BYTES = 1 << 20
SETTLE_SECONDS = 10


@pytest.fixture(scope="module")
def site(users):
    return Site(server_lines=METRICS_LINES
                + base_location("/slow", users.path, "JabberFilesRate 10K"))


@pytest.fixture
def counters(nobody):
    """Reads the counters of traffic."""
    def read():
        page = scrape(nobody)
        return {name: page.value(name) for name in COUNTERS}

    return read


@pytest.fixture
def expect_growth(counters):
    """Waits until the counters have grown by so much, and by no more."""
    before = counters()

    def expect(**growth):
        deadline = time.monotonic() + SETTLE_SECONDS
        wanted = {name: before[name] + growth.get(name, 0) for name in COUNTERS}
        while counters() != wanted and time.monotonic() < deadline:
            time.sleep(0.1)
        assert counters() == wanted

    return expect


# Form


@pytest.mark.valgrind
def test_openmetrics(nobody, owner):
    owner.put("x", b"x")
    answer = nobody.request("GET", METRICS, headers=OPENMETRICS)
    assert answer.header("Content-Type") == OPENMETRICS_TYPE
    assert answer.text.endswith("\n# EOF\n")
    page = Scrape(answer)
    assert kinds_of(page) == {**KINDS, "build": "info"}
    units = {name: family.unit for name, family in page.families.items() if family.unit}
    assert units == {f"jabberfiles_{name}": "bytes_per_second" if "second" in name else "bytes"
                     for name in KINDS if "bytes" in name}


@pytest.mark.valgrind
def test_text_format(nobody, owner):
    owner.put("x", b"x")
    for headers in ({}, {"Accept": "text/plain;version=0.0.4"}, {"Accept": "*/*"}):
        answer = nobody.request("GET", METRICS, headers=headers)
        assert answer.header("Content-Type") == TEXT_TYPE
        assert "# EOF" not in answer.text and "# UNIT" not in answer.text
        assert "# TYPE jabberfiles_sent_bytes_total counter\n" in answer.text
        assert kinds_of(Scrape(answer)) == {**KINDS, "build_info": "gauge"}


def test_every_family_has_a_help_and_comes_before_its_samples(nobody):
    for family in scrape(nobody, METRICS_WITH_JIDS).families.values():
        assert family.documentation.endswith(".")


def test_reference_names_every_metric(nobody, owner, env):
    owner.put("x", b"x")
    reference = (Path(env.srcdir) / "doc" / "directives.md").read_text("utf-8")
    for name, *labels in scrape(nobody, METRICS_WITH_JIDS).samples:
        assert f"`{name}" in reference
        assert all(label in reference for label, _ in labels)


def test_both_forms_say_the_same(nobody, owner):
    link = owner.put("x", b"12345").link
    owner.open_link(link)
    assert owner.get("missing").status == 404

    def is_same():
        return scrape(nobody).samples == scrape(nobody, headers={}).samples

    wait_until(is_same, SETTLE_SECONDS, "the two forms differ")


def test_page_is_not_cached_and_varies(nobody):
    answer = nobody.request("GET", METRICS)
    assert answer.header("Cache-Control") == "no-store"
    assert "accept" in answer.header("Vary").lower()


def test_head_has_no_content(nobody):
    answer = nobody.request("HEAD", METRICS, headers=OPENMETRICS)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("Content-Type") == OPENMETRICS_TYPE


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
def test_other_methods_are_405(nobody, method):
    answer = nobody.request(method, METRICS)
    assert answer.status == 405
    assert {"GET", "HEAD"} <= set(answer.header("Allow").replace(" ", "").split(","))


def test_version_is_told(nobody, env):
    assert scrape(nobody).value("build_info", version=env.version) == 1


# Numbers


def test_sums_follow_the_ledger(nobody, new_owner):
    before = scrape(nobody)
    for size_bytes in (100, 200):
        new_owner().put("a", bytes(size_bytes))
    after = scrape(nobody)
    grown = [after.value(name) - before.value(name) for name in ("areas", "files", "stored_bytes")]
    assert grown == [2, 2, 300]
    assert after.value("uploads_in_flight") == 0
    assert after.value("ledger_up") == 1


def test_uploads_count_what_was_received(owner, expect_growth):
    owner.put("small", bytes(1000))
    owner.put("large", bytes(300_000))
    owner.put("small", bytes(500))
    owner.put_chunked("chunked", [bytes(100), bytes(7)])
    assert owner.put("small", b"refused", {"If-None-Match": "*"}).status == 412
    expect_growth(received_bytes_total=301_614, uploads_total=4)


def test_downloads_count_what_was_sent(owner, nobody, expect_growth):
    small, large = owner.put("small", bytes(1000)), owner.put("large", bytes(300_000))
    assert len(nobody.request("GET", small.link).body) == 1000
    assert len(nobody.request("GET", large.link).body) == 300_000
    assert len(owner.get("small").body) == 1000
    assert nobody.request("GET", large.link, headers={"Range": "bytes=5-104"}).status == 206
    # Nothing of this has content of a file.
    assert nobody.request("HEAD", large.link).status == 200
    assert nobody.request("GET", small.link,
                          headers={"If-None-Match": small.header("ETag")}).status == 304
    assert nobody.request("GET", large.link, headers={"Range": "bytes=300000-"}).status == 416
    assert nobody.request("GET", large.link + "x").status == 404
    expect_growth(sent_bytes_total=302_100, downloads_total=4, received_bytes_total=301_000,
                  uploads_total=2)


def test_ranges_of_one_answer_count_with_their_boundaries(owner, nobody, expect_growth):
    link = owner.put("x", bytes(1000)).link
    answer = nobody.request("GET", link, headers={"Range": "bytes=0-9,100-109"})
    assert answer.header("Content-Type").startswith("multipart/byteranges")
    expect_growth(sent_bytes_total=len(answer.body), downloads_total=1,
                  received_bytes_total=1000, uploads_total=1)


def test_empty_files_count_as_downloads(owner, nobody, expect_growth):
    link = owner.put("empty", b"").link
    assert nobody.request("GET", link).status == 200
    expect_growth(downloads_total=1, uploads_total=1)


def test_active_transfers_are_shown(server, users, nobody):
    owner = users.client(server, base="/slow")
    link = owner.put("big", bytes(SLOW_BYTES)).link

    def active(direction):
        return scrape(nobody).value("active_transfers", direction=direction)

    with Wire(server) as download, Wire(server) as upload:
        download.send(request_head("GET", link_path(link)))
        upload.send(request_head("PUT", area_path(owner.jid, "new", "/slow"),
                                 f"Content-Length: {SLOW_BYTES}", client=owner) + b"x")
        wait_until(lambda: (active("download"), active("upload")) == (1, 1), SETTLE_SECONDS,
                   "the transfers are not listed")
        assert scrape(nobody).value("uploads_in_flight") == 1
        wait_until(lambda: scrape(nobody).value("transfer_rate_bytes_per_second",
                                                direction="download") > 0,
                   SETTLE_SECONDS, "the download has no rate")
    wait_until(lambda: (active("download"), active("upload")) == (0, 0), SETTLE_SECONDS,
               "the transfers stay listed")
    assert scrape(nobody).value("transfer_rate_bytes_per_second", direction="download") == 0


@contextlib.contextmanager
def unread_download(server, path):
    """A download that the kernels of both sides hold, most of it on the server's."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(request_head("GET", path))
    yield
    # Unread bytes make it a reset.
    connection.close()


def test_counter_stands_still_when_an_estimate_was_too_high(server, nobody, owner, counters):
    """What the kernel has taken is counted as sent until the client breaks off."""
    link = owner.put("x", bytes(HELD_BYTES)).link
    before = counters()["sent_bytes_total"]

    def transferred():
        return scrape(nobody, METRICS_WITH_JIDS).value("area_transferred_bytes", area=owner.jid)

    with unread_download(server, link_path(link)):
        wait_until(lambda: transferred() == HELD_BYTES, SETTLE_SECONDS, "not counted")
        assert counters()["sent_bytes_total"] == before + HELD_BYTES
    wait_until(lambda: transferred() < HELD_BYTES, SETTLE_SECONDS, "not corrected")
    assert counters()["sent_bytes_total"] == before + HELD_BYTES
    server.graceful()
    nobody.close()
    assert counters()["sent_bytes_total"] == before + HELD_BYTES


def test_counters_go_on_over_restarts(start_server, users):
    server = start_server(Site(server_lines=METRICS_LINES))
    link = users.client(server).put("x", bytes(1000)).link
    Client(server).request("GET", link)

    def sums():
        page = scrape(Client(server))
        return [page.value(name) for name in COUNTERS]

    wait_until(lambda: sums() == [1000, 1000, 1, 1], SETTLE_SECONDS, "not counted")
    for restart in (server.graceful, server.restart):
        restart()
        assert sums() == [1000, 1000, 1, 1]


@pytest.mark.parametrize("cause,refuse", [
    ("not_found", lambda owner: owner.get("missing")),
    ("bad_request", lambda owner: owner.put("x", b"x", {"Content-Range": "bytes 0-0/1"})),
    ("forbidden", lambda owner: owner.request("GET", area_path("alice@example.org"))),
    ("precondition", lambda owner: owner.put("x", b"x", {"If-Match": '"none"'})),
])
def test_refusals_have_a_cause(nobody, owner, cause, refuse):
    before = scrape(nobody)
    assert refuse(owner).status >= 400
    after = scrape(nobody)
    grown = {key: value - before.samples[key] for key, value in after.samples.items()
             if key[0] == "jabberfiles_refusals_total" and value != before.samples[key]}
    assert grown == {("jabberfiles_refusals_total", ("cause", cause)): 1}


def test_transfer_quota_is_a_cause_of_its_own(start_server, users):
    server = start_server(Site(server_lines=METRICS_LINES,
                               base_lines="JabberFilesTransferQuota 0"))
    nobody = Client(server)
    link = users.client(server).put("x", b"x").link
    assert nobody.request("GET", link).status == 429
    page = scrape(nobody)
    assert page.value("refusals_total", cause="transfer_quota") == 1
    assert page.value("refusals_total", cause="too_many") == 0


# Trouble


@contextlib.contextmanager
def unreadable_ledger(server):
    """A ledger without its areas."""
    execute = ledger_editor(server)
    execute("ALTER TABLE area RENAME TO hidden")
    yield
    execute("ALTER TABLE hidden RENAME TO area")


def test_ledger_that_cannot_be_read_leaves_the_rest(start_server, users, log):
    log.expect("JF0101")
    log.allow("JF00[05]0|JF00[69].|JF0100|JF0020")
    server = start_server(Site(server_lines=METRICS_LINES, single_child=True))
    owner = users.client(server)
    owner.put("x", b"x")
    with unreadable_ledger(server):
        page = scrape(Client(server), METRICS_WITH_JIDS)
        assert page.value("ledger_up") == 0
        assert not page.has("areas") and not page.has("stored_bytes")
        assert page.value("refusals_total", cause="not_found") == 0
        assert page.has("sent_bytes_total")
        assert not page.areas("area_stored_bytes")
    wait_until(lambda: scrape(Client(server)).value("ledger_up") == 1, SETTLE_SECONDS,
               "the ledger stays down")
    assert scrape(Client(server)).value("areas") == 1
