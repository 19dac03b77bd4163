"""Conditional requests: If-Match, If-None-Match and dates, atomic with the change."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

PARALLEL = 16
LONG_AGO = "Sat, 01 Jan 2000 00:00:00 GMT"
FAR_AHEAD = "Fri, 01 Jan 2100 00:00:00 GMT"

# Field and value for a file that exists ("{}" is its tag), and what PUT answers.
ON_EXISTING = (
    ("If-None-Match", "*", 412),
    ("If-None-Match", "{}", 412),
    ("If-None-Match", "W/{}", 412),
    ("If-None-Match", '"other", {}', 412),
    ("If-None-Match", '"other"', 200),
    ("If-Match", "*", 200),
    ("If-Match", "{}", 200),
    ("If-Match", '"other", {}', 200),
    ("If-Match", '"other"', 412),
    ("If-Match", "W/{}", 412),
    ("If-Unmodified-Since", LONG_AGO, 412),
    ("If-Unmodified-Since", FAR_AHEAD, 200),
    ("If-Unmodified-Since", "no date", 200),
    ("If-Modified-Since", FAR_AHEAD, 200),  # has a meaning for GET and HEAD only
)
ON_MISSING = (
    ("If-None-Match", "*", 201),
    ("If-None-Match", '"other"', 201),
    ("If-Match", "*", 412),
    ("If-Match", '"other"', 412),
)


@pytest.mark.valgrind
@pytest.mark.parametrize("field,value,status", ON_EXISTING)
def test_put_over_an_existing_file(owner, field, value, status):
    tag = owner.put("file", b"old").header("ETag")
    assert owner.put("file", b"new", {field: value.format(tag)}).status == status
    assert owner.get("file").body == (b"old" if status == 412 else b"new")


@pytest.mark.parametrize("field,value,status", ON_MISSING)
def test_put_of_a_new_file(owner, field, value, status):
    assert owner.put("file", b"new", {field: value}).status == status
    assert len(owner.listing()["files"]) == (status == 201)


@pytest.mark.parametrize("field,value,status", ON_EXISTING)
def test_delete_of_an_existing_file(owner, field, value, status):
    tag = owner.put("file", b"old").header("ETag")
    expected = 204 if status == 200 else 412
    assert owner.delete("file", {field: value.format(tag)}).status == expected
    assert len(owner.listing()["files"]) == (expected == 412)


def test_if_match_wins_over_a_date(owner):
    tag = owner.put("file", b"old").header("ETag")
    fields = {"If-Match": tag, "If-Unmodified-Since": LONG_AGO}
    assert owner.put("file", b"new", fields).status == 200


def test_both_conditions_must_hold(owner):
    tag = owner.put("file", b"old").header("ETag")
    assert owner.put("file", b"new", {"If-Match": tag, "If-None-Match": tag}).status == 412


def _at_once(server, users, jid, headers):
    """Statuses of PARALLEL uploads of one path that start together."""
    gate = threading.Barrier(PARALLEL)

    def upload(number):
        client = users.client(server, jid)
        gate.wait()
        return client.put("file", b"%d" % number, headers).status

    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(upload, range(PARALLEL)))


@pytest.mark.parametrize("attempt", range(5))
def test_of_parallel_creations_exactly_one_is_201(server, users, owner, attempt):
    statuses = _at_once(server, users, owner.jid, {"If-None-Match": "*"})
    assert sorted(statuses) == [201] + [412] * (PARALLEL - 1)
    assert int(owner.get("file").body) == statuses.index(201)


@pytest.mark.parametrize("attempt", range(5))
def test_of_parallel_changes_of_one_version_exactly_one_is_200(server, users, owner, attempt):
    tag = owner.put("file", b"first").header("ETag")
    statuses = _at_once(server, users, owner.jid, {"If-Match": tag})
    assert sorted(statuses) == [200] + [412] * (PARALLEL - 1)
    assert int(owner.get("file").body) == statuses.index(200)


def test_of_parallel_unconditional_uploads_one_creates_and_all_succeed(server, users, owner,
                                                                       records):
    statuses = _at_once(server, users, owner.jid, {})
    assert sorted(statuses) == [200] * (PARALLEL - 1) + [201]
    assert len(owner.listing()["files"]) == 1
    records.assert_consistent()
