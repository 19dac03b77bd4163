"""Expiry and sweeping: links end at once, rows and bytes within a minute."""

import os
import time
from datetime import datetime, timezone

import pytest

from client import JSON
from config import Site, base_location
from records import wait_until

LIFE_SECONDS = 3
SWEPT_SECONDS = 60
ORPHAN_AGE_SECONDS = 3600


@pytest.fixture(scope="module")
def site(users):
    return Site(base_lines=f"JabberFilesExpire {LIFE_SECONDS}\nJabberFilesQuota 1000",
                server_lines=base_location("/kept", users.path))


@pytest.fixture
def expired(owner, records):
    """An expired file: link, object, tag. The answer to the upload is some seconds old."""
    answer = owner.put("brief.txt", bytes(900), {"Content-Type": "text/plain"})
    stored = records.object_of(owner.jid, "brief.txt")
    assert owner.open_link(answer.link).status == 200
    time.sleep(LIFE_SECONDS + 0.1)
    return answer.link, stored, answer.header("ETag")


def test_expired_link_is_404_at_once_in_every_form(owner, nobody, expired):
    link, _, tag = expired
    unknown = nobody.request("GET", "/files/AAAAAAAAAAAAAAAAAAAAAA/brief.txt")
    for headers in ({}, {"Range": "bytes=0-5"}, {"If-None-Match": tag}, {"If-None-Match": "*"}):
        for answer in (nobody.request("GET", link, headers=headers),
                       nobody.request("HEAD", link, headers=headers)):
            assert answer.status == 404
            assert sorted(answer.headers.keys()) == sorted(unknown.headers.keys())
        assert owner.get("brief.txt", headers).status == 404
    assert owner.delete("brief.txt").status == 404
    assert owner.listing()["files"] == []


def test_bytes_and_row_of_an_expired_file_go(owner, expired, records):
    _, stored, _ = expired
    wait_until(lambda: stored.name not in records.filed_objects(), SWEPT_SECONDS, "row is left")
    wait_until(lambda: not stored.exists(), SWEPT_SECONDS, "object is left")
    assert owner.used_bytes() == 0


def test_name_of_an_expired_file_is_free_at_once(owner, expired, records):
    old_link, stored, _ = expired
    answer = owner.put("brief.txt", b"again", {"If-None-Match": "*"})
    assert answer.status == 201
    assert owner.open_link(answer.link).body == b"again"
    assert answer.link != old_link
    assert owner.open_link(old_link).status == 404
    wait_until(lambda: not stored.exists(), SWEPT_SECONDS, "object is left")


def test_room_of_an_expired_file_comes_back(owner, expired):
    wait_until(lambda: owner.put("next.txt", bytes(900)).status == 201, SWEPT_SECONDS,
               "the quota does not get its room back")


def test_list_says_when_a_file_goes(owner, users, server):
    owner.put("brief.txt", b"x")
    entry, = owner.listing()["files"]
    times = [datetime.fromisoformat(entry[key].replace("Z", "+00:00"))
             for key in ("created", "expires")]
    assert abs((times[1] - times[0]).total_seconds() - LIFE_SECONDS) <= 1
    assert abs((times[0] - datetime.now(timezone.utc)).total_seconds()) < 5
    kept = users.client(server, base="/kept")
    kept.put("long.txt", b"x")
    assert kept.listing()["files"][0]["expires"] is None


def test_replacing_gives_a_new_life(owner):
    link = owner.put("brief.txt", b"old").link
    time.sleep(LIFE_SECONDS * 0.6)
    assert owner.put("brief.txt", b"new").status == 200
    time.sleep(LIFE_SECONDS * 0.6)
    assert owner.open_link(link).body == b"new"


def test_download_that_began_in_time_is_finished(server, owner, nobody):
    link = owner.put("brief.txt", bytes(1000)).link
    connection = server.connect()
    connection.request("GET", "/files" + link.partition("/files")[2])
    response = connection.getresponse()
    time.sleep(LIFE_SECONDS + 0.5)
    assert nobody.request("GET", link, headers=JSON).status == 404
    assert response.read() == bytes(1000)


def test_objects_without_a_row_are_swept_when_they_are_old(server, users, records):
    kept = users.client(server, base="/kept")
    link = kept.put("kept.txt", b"kept").link
    known = records.object_of(kept.jid, "kept.txt")
    old, young = ("ab" + character * 30 for character in "01")
    for name, age_seconds in ((old, 2 * ORPHAN_AGE_SECONDS), (young, ORPHAN_AGE_SECONDS // 2)):
        path = records.object_path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"orphan")
        os.utime(path, (time.time() - age_seconds,) * 2)
    for path in (known.parent, known):
        os.utime(path, (time.time() - 2 * ORPHAN_AGE_SECONDS,) * 2)
    wait_until(lambda: old not in records.stored_objects(), SWEPT_SECONDS, "the orphan is left")
    assert young in records.stored_objects()
    assert kept.open_link(link).body == b"kept"


def test_sweeping_does_not_stop_requests(server, users, records):
    """While thousands of objects are swept, no request waits long."""
    for shard in range(16):
        directory = records.object_path(f"{shard:02x}" + "0" * 30).parent
        directory.mkdir(exist_ok=True)
        for number in range(250):
            path = directory / (f"{shard:02x}{number:030x}")
            path.touch()
            os.utime(path, (time.time() - 2 * ORPHAN_AGE_SECONDS,) * 2)
    client = users.client(server, base="/kept")
    slowest_seconds, deadline = 0, time.monotonic() + SWEPT_SECONDS
    while len(records.stored_objects()) > 1000:
        assert time.monotonic() < deadline, "the orphans are left"
        started = time.monotonic()
        assert client.put("probe", b"x").status in (200, 201)
        slowest_seconds = max(slowest_seconds, time.monotonic() - started)
    assert slowest_seconds < 4


def end_of(owner, name):
    """How many seconds from now a file goes."""
    found = next(each for each in owner.listing()["files"] if each["path"] == name)
    end = datetime.strptime(found["expires"], "%Y-%m-%dT%H:%M:%S.%fZ")
    return (end.replace(tzinfo=timezone.utc) - datetime.now(timezone.utc)).total_seconds()


def test_owner_may_ask_for_an_earlier_end(owner):
    assert owner.put("soon", b"x", {"JabberFiles-Expire": "1"}).status == 201
    assert 0 < end_of(owner, "soon") <= 1


@pytest.mark.parametrize("wish", ["7d", "never"])
def test_owner_cannot_ask_for_a_later_end(owner, wish):
    assert owner.put("late", b"x", {"JabberFiles-Expire": wish}).status == 201
    assert 0 < end_of(owner, "late") <= LIFE_SECONDS


@pytest.mark.parametrize("wish", ["soon", "-1", "0", "1.5d", ""])
def test_senseless_end_is_refused_before_anything_is_stored(owner, wish):
    answer = owner.put("odd", b"x", {"JabberFiles-Expire": wish})
    assert answer.status == 400
    assert owner.listing()["files"] == []
