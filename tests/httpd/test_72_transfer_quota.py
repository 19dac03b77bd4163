"""The transfer quota: nothing is sent when it is used up, what was let in is finished, and who goes
away gives back what was promised.

The period is a month where a test does not wait for its end.
"""

import os
import re
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest

from admin import Admin
from answer import assert_problem, assert_safe_headers
from client import JSON, link_path
from config import Site, base_location
from downloads import Reader
from records import wait_until
from traffic_ledger import TrafficLedger
from wire_http2_get import Http2Downloads

QUOTA_BYTES = 1 << 20
ORIGIN = {"Origin": "https://web.example.org"}
SETTLE_SECONDS = 30
CLOCK_SECONDS = 2
SHORT_PERIOD_SECONDS = 3
HTML = "text/html; charset=utf-8"


@pytest.fixture(scope="module")
def site(users):
    bases = (("/counting", f"JabberFilesTransferQuota {QUOTA_BYTES}\nJabberFilesCountOwner On"),
             ("/short", f"JabberFilesTransferQuota 1000 {SHORT_PERIOD_SECONDS}"),
             ("/nothing", "JabberFilesTransferQuota 0 day"), ("/free", ""))
    return Site(base_lines=f"JabberFilesTransferQuota {QUOTA_BYTES} month",
                server_lines="".join(base_location(path, users.path, lines)
                                     for path, lines in bases))


@pytest.fixture(scope="module")
def ledger(server):
    return TrafficLedger(server)


@pytest.fixture
def used_up(owner):
    """The link of a file whose area has nothing left."""
    link = owner.put("holiday.jpg", bytes(QUOTA_BYTES)).link
    assert owner.open_link(link).status == 200
    return link


def seconds_left():
    """Until the end of the calendar's month in UTC."""
    now = datetime.now(timezone.utc)
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return ((first + timedelta(days=32)).replace(day=1) - now).total_seconds()


def is_let_in(owner, link):
    """Asks without downloading: HEAD is promised the file and gives it back at once."""
    status = owner.open_link(link, "HEAD").status
    assert status in (200, 429)
    return status == 200


def wait_until_let_in(server, owner, link):
    wait_until(lambda: is_let_in(owner, link), SETTLE_SECONDS * server.env.patience,
               "a promise is left")


# The refusal


@pytest.mark.valgrind
def test_refusal_explains_itself_to_people_and_to_programs(owner, used_up):
    for fields in ({}, JSON, {"Range": "bytes=0-0"}, {"Range": "bytes=-1"}):
        before = seconds_left()
        answer = owner.open_link(used_up, headers={**ORIGIN, **fields})
        after = seconds_left()
        assert answer.status == 429
        assert after - CLOCK_SECONDS <= int(answer.header("Retry-After")) \
            <= before + CLOCK_SECONDS
        assert_safe_headers(answer)
        assert "Retry-After" in answer.header("Access-Control-Expose-Headers")
        assert len(answer.body) < 2000
        if fields == JSON:
            problem = assert_problem(answer, 429)
            assert "transfer quota" in problem["detail"]
            # How much others download is none of a friend's business.
            assert problem.keys() == {"type", "title", "status", "detail"}
        else:
            assert answer.header("Content-Type") == HTML
            assert "transfer quota" in answer.text


def test_refusal_of_head_has_no_content(owner, used_up):
    answer = owner.open_link(used_up, "HEAD", ORIGIN)
    assert (answer.status, answer.body) == (429, b"")
    assert abs(int(answer.header("Retry-After")) - seconds_left()) <= CLOCK_SECONDS
    assert_safe_headers(answer)


def test_refusal_names_the_end_of_the_period(owner, used_up):
    detail = owner.open_link(used_up, headers=JSON).json()["detail"]
    end = datetime.now(timezone.utc) + timedelta(seconds=seconds_left() + 1)
    assert end.strftime("until %Y-%m-%dT00:00:00") in detail


def test_refusal_tells_the_owner_how_much_is_used(server, users):
    owner = users.client(server, base="/counting")
    owner.put("a", bytes(QUOTA_BYTES + 1))
    assert owner.get("a").status == 200
    problem = assert_problem(owner.get("a", JSON), 429)
    assert problem["transfer_quota_bytes"] == QUOTA_BYTES
    assert problem["transferred_bytes"] == QUOTA_BYTES + 1


def test_refusal_is_logged_as_information_and_without_the_jid(owner, used_up, log):
    log.collect()
    seen = len(log.lines)
    assert owner.open_link(used_up).status == 429
    log.wait_for(r"\[jabberfiles:info\].*429.*transfer quota")
    lines = [line for line in log.lines[seen:] if "429" in line]
    assert lines
    for line in lines:
        assert "[jabberfiles:info]" in line
        assert owner.jid not in line and used_up.rsplit("/", 1)[1] not in line
        assert link_path(used_up).split("/")[2] not in line


def test_refusal_has_a_cause_of_its_own_in_server_status(owner, nobody, used_up):
    def refusals():
        page = nobody.request("GET", "/server-status?auto").text
        causes = re.findall(r"^JabberFilesRefusals(\w+): (\d+)$", page, re.MULTILINE)
        return {cause: int(number) for cause, number in causes}

    before = refusals()
    for method in ("GET", "HEAD", "GET"):
        assert owner.open_link(used_up, method).status == 429
    assert refusals() == {**before, "TransferQuota": before["TransferQuota"] + 3}


def test_refusal_over_http2(start_server, users, certs):
    server = start_server(Site(certificates=certs, http2=True,
                               base_lines=f"JabberFilesTransferQuota {QUOTA_BYTES}"))
    owner = users.client(server)
    link = link_path(owner.put("a", bytes(QUOTA_BYTES)).link)
    with Http2Downloads(server) as wire:
        for stream, status, content_bytes in ((1, 200, QUOTA_BYTES), (3, 429, None)):
            wire.get(stream, link)
            wire.read_until_ended(stream)
            assert wire.statuses[stream] == status
            assert content_bytes in (None, wire.content_bytes[stream])


# What is let in


def test_quota_is_exact_to_the_byte(owner, ledger):
    """One byte is left, so one more file is let in, whatever its size; then none is."""
    almost = owner.put("almost", bytes(QUOTA_BYTES - 1)).link
    large = owner.put("large", bytes(3 * QUOTA_BYTES)).link
    empty = owner.put("empty", b"").link
    statuses = [owner.open_link(link).status for link in (almost, large, large, empty)]
    assert statuses == [200, 200, 429, 429]
    ledger.wait_for_charged(owner.jid, 4 * QUOTA_BYTES - 1)
    assert owner.listing()["transferred_bytes"] == 4 * QUOTA_BYTES - 1


def test_what_is_not_sent_is_not_charged(owner, ledger):
    """Refused conditions, answers without content, and the part of a range that is left out."""
    link = owner.put("a", bytes(3 * QUOTA_BYTES)).link
    tag = owner.head("a").header("ETag")
    for fields, status in (({"If-None-Match": tag}, 304), ({"If-Match": '"other"'}, 412),
                           ({"Range": f"bytes={3 * QUOTA_BYTES}-"}, 416)):
        for _ in range(3):
            assert owner.open_link(link, headers=fields).status == status
    for _ in range(3):
        assert owner.open_link(link, "HEAD").status == 200
        assert owner.open_link(link, headers={"Range": "bytes=5-104"}).status == 206
    ledger.wait_for_charged(owner.jid, 300)
    assert is_let_in(owner, link)


def test_download_in_progress_is_finished(server, owner, ledger):
    """Two are let in, since the first one's promise leaves room; both overshoot and both end."""
    size_bytes = QUOTA_BYTES * 3 // 4
    link = link_path(owner.put("a", bytes(size_bytes)).link)
    with Reader(server) as first, Reader(server) as second:
        for reader in (first, second):
            reader.ask(link)
            assert reader.read_head()[0] == 200
        assert not is_let_in(owner, link)
        for reader in (first, second):
            reader.read(size_bytes)
    ledger.wait_for_charged(owner.jid, 2 * size_bytes)
    assert not is_let_in(owner, link)


def test_part_of_a_file_is_promised_as_a_part(server, owner, ledger):
    """Or a film that is larger than what is left could not be watched piece by piece."""
    link = link_path(owner.put("a", bytes(20 * QUOTA_BYTES)).link)
    half = QUOTA_BYTES // 2
    with Reader(server) as first, Reader(server) as second:
        for reader, is_room_left in ((first, True), (second, False)):
            reader.ask(link, f"Range: bytes=0-{half - 1}")
            assert reader.read_head()[0] == 206
            reader.read(1000)
            assert is_let_in(owner, link) == is_room_left
        second.reset()
        wait_until_let_in(server, owner, link)
        first.read(half - 1000)
    ledger.wait_for(owner.jid, sent_bytes=range(half + 1000, 2 * half), downloads=2)


def test_parallel_downloads_overshoot_by_less_than_one_of_them(server, owner, ledger):
    size_bytes, downloads = 200_000, 15
    link = link_path(owner.put("a", bytes(size_bytes)).link)
    gate = threading.Barrier(downloads)

    def download(_):
        with Reader(server) as reader:
            gate.wait()
            reader.ask(link)
            status, fields = reader.read_head()
            # Nobody gets on before all have been told.
            gate.wait()
            reader.read(int(fields["Content-Length"]))
            return status

    with ThreadPoolExecutor(downloads) as pool:
        statuses = list(pool.map(download, range(downloads)))
    admitted = QUOTA_BYTES // size_bytes + 1
    assert sorted(statuses) == [200] * admitted + [429] * (downloads - admitted)
    ledger.wait_for_charged(owner.jid, admitted * size_bytes)
    assert 0 <= admitted * size_bytes - QUOTA_BYTES < size_bytes


def test_areas_have_quotas_of_their_own(server, new_owner, used_up):
    other = new_owner()
    link = other.put("a", bytes(QUOTA_BYTES)).link
    assert other.open_link(used_up).status == 429
    assert other.open_link(link).status == 200


def test_quota_of_nothing_lets_nothing_in(server, users):
    owner = users.client(server, base="/nothing")
    for content in (b"", b"1", bytes(300_000)):
        link = owner.put("a", content).link
        for method in ("GET", "HEAD"):
            answer = owner.open_link(link, method)
            assert answer.status == 429
            assert 0 < int(answer.header("Retry-After")) <= 86400
        assert owner.get("a").body == content


# Who counts


def test_owner_gets_at_the_own_files_and_is_not_charged(owner, used_up, ledger):
    for _ in range(3):
        assert owner.get("holiday.jpg").status == 200
    # A login does not make the link the owner's.
    assert owner.request("GET", used_up).status == 429
    ledger.wait_for(owner.jid, sent_bytes=4 * QUOTA_BYTES, downloads=4)
    assert ledger.charged_bytes(owner.jid) == QUOTA_BYTES


def test_owner_counts_if_so_configured(server, users, ledger):
    owner = users.client(server, base="/counting")
    link = owner.put("a", bytes(QUOTA_BYTES * 2 // 3)).link
    assert owner.get("a").status == 200
    assert owner.open_link(link).status == 200
    assert owner.get("a").status == 429
    assert owner.head("a").status == 429
    assert owner.open_link(link).status == 429
    assert owner.listing()["transferred_bytes"] == QUOTA_BYTES * 2 // 3 * 2
    assert owner.put("b", b"x").status == 201
    ledger.wait_for_charged(owner.jid, QUOTA_BYTES * 2 // 3 * 2)


# Periods


def test_downloads_work_again_when_the_period_has_ended(server, users):
    """Exactly when Retry-After says so."""
    owner = users.client(server, base="/short")
    link = owner.put("a", bytes(1000)).link
    # A period may end between two requests; the next one is as good.
    answer = wait_until(lambda: refusal_of(owner, link), SETTLE_SECONDS, "never refused")
    retry_seconds = int(answer.header("Retry-After"))
    assert 1 <= retry_seconds <= SHORT_PERIOD_SECONDS
    time.sleep(retry_seconds)
    assert owner.open_link(link).status == 200


def refusal_of(owner, link):
    answer = owner.open_link(link)
    return answer if answer.status == 429 else None


# For single areas


def test_override_holds_at_once(server, owner):
    admin = Admin(server)
    link = owner.put("a", bytes(1000)).link
    for terms, lets_in in ((("100", "month"), True), (("100", "month"), False), (("1001",), True),
                           (("1000", "month"), False), (("unlimited",), True),
                           (("0", "week"), False), (("default",), True)):
        admin("transfer-quota", owner.jid, *terms)
        assert is_let_in(owner, link) == lets_in, terms
        if terms == ("100", "month"):
            owner.open_link(link)
    assert owner.open_link(link).status == 200


def test_override_may_be_stricter_or_looser_than_the_configuration(server, users):
    admin = Admin(server)
    free, bound = users.client(server, base="/free"), users.client(server, base="/nothing")
    links = [owner.put("a", bytes(1000)).link for owner in (free, bound)]
    assert [is_let_in(free, link) for link in links] == [True, False]
    admin("transfer-quota", free.jid, "0")
    admin("transfer-quota", bound.jid, "1001", "3600")
    assert [is_let_in(free, link) for link in links] == [False, True]
    answer = bound.open_link(links[1])
    assert answer.status == 200
    answer = free.open_link(links[1])
    # One byte was left.
    assert answer.status == 200
    answer = free.open_link(links[1])
    assert answer.status == 429 and int(answer.header("Retry-After")) <= 3600


def test_own_period_is_counted_by_itself(server, owner, ledger):
    """What a month has seen is not charged to a day, and it is still there afterwards."""
    admin = Admin(server)
    link = owner.put("a", bytes(QUOTA_BYTES)).link
    assert owner.open_link(link).status == 200
    assert not is_let_in(owner, link)
    admin("transfer-quota", owner.jid, "default", "15551999")
    assert owner.open_link(link).status == 200
    assert not is_let_in(owner, link)
    admin("transfer-quota", owner.jid, "default")
    assert not is_let_in(owner, link)
    ledger.wait_for(owner.jid, sent_bytes=2 * QUOTA_BYTES, downloads=2)


# Promises


def test_broken_off_download_gives_its_promise_back(server, owner):
    link = link_path(owner.put("a", bytes(20 * QUOTA_BYTES)).link)
    for leave in (Reader.reset, Reader.close):
        with Reader(server) as reader:
            reader.ask(link)
            assert reader.read_head()[0] == 200
            reader.read(1000)
            assert not is_let_in(owner, link)
            leave(reader)
        wait_until_let_in(server, owner, link)


def test_broken_off_stream_gives_its_promise_back(start_server, users, certs):
    server = start_server(Site(certificates=certs, http2=True,
                               base_lines=f"JabberFilesTransferQuota {QUOTA_BYTES}"))
    owner = users.client(server)
    link = link_path(owner.put("a", bytes(20 * QUOTA_BYTES)).link)
    with Http2Downloads(server) as wire:
        wire.get(1, link)
        wire.read_until(1, 1000)
        assert not is_let_in(owner, link)
        wire.cancel(1)
        wait_until_let_in(server, owner, link)
        wire.get(3, link)
        wire.read_until(3, 1000)
        assert not is_let_in(owner, link)
    wait_until_let_in(server, owner, link)
    owner.close()


@pytest.mark.parametrize("is_every_child_killed", [False, True], ids=["one", "all"])
def test_killed_children_give_their_promises_back(start_server, users, log,
                                                  is_every_child_killed):
    log.allow("AH10392")  # httpd is surprised that all its children die at once
    log.allow("exit signal Killed")
    server = start_server(Site(base_lines=f"JabberFilesTransferQuota {QUOTA_BYTES}"))
    owner = users.client(server)
    link = link_path(owner.put("a", bytes(20 * QUOTA_BYTES)).link)
    owner.close()
    with Reader(server) as reader:
        reader.ask(link)
        assert reader.read_head()[0] == 200
        reader.read(1000)
        assert not is_let_in(owner, link)
        for child in server.children() if is_every_child_killed else [reader.served_by(server)]:
            os.kill(child, signal.SIGKILL)
        wait_until_let_in(server, owner, link)


def test_quota_holds_over_restarts(start_server, users):
    server = start_server(Site(base_lines=f"JabberFilesTransferQuota {QUOTA_BYTES}"))
    owner = users.client(server)
    link = owner.put("a", bytes(QUOTA_BYTES)).link
    assert owner.open_link(link).status == 200
    for again in (server.graceful, server.restart, lambda: (server.kill(), server.start())):
        owner.close()
        again()
        assert not is_let_in(owner, link)


def test_promise_holds_over_a_graceful_restart(start_server, users):
    """The old process is alive and so is its download."""
    server = start_server(Site(base_lines=f"JabberFilesTransferQuota {QUOTA_BYTES}"))
    owner = users.client(server)
    link = link_path(owner.put("a", bytes(20 * QUOTA_BYTES)).link)
    owner.close()
    with Reader(server) as reader:
        reader.ask(link)
        reader.read_head()
        server.graceful()
        assert not is_let_in(owner, link)
        reader.reset()
    wait_until_let_in(server, owner, link)


def test_quota_holds_for_real_clients_too(server, owner, used_up):
    done = subprocess.run(["curl", "-q", "-sS", "--fail-with-body", "--noproxy", "*", used_up],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 22
    assert "transfer quota" in done.stdout
