"""Whose area: ejabberd's hashes and localparts, and when somebody comes to be known."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from admin import Admin
from client import Client, area_path
from slots import (area_sums, assert_settled, grant, grant_ejabberd, new_slot, nothing_changes,
                   sha1_of, signed, site_with_slots)
from wire import Wire

SIZE_BYTES = 1000
QUOTA_BYTES = 10_000


@pytest.fixture(scope="module")
def site(work_dir):
    return site_with_slots(work_dir, base_lines=f"JabberFilesQuota {QUOTA_BYTES}\n")


@pytest.fixture
def hashed(owner):
    """Grants slots of ejabberd to `owner`, whom nobody has seen here."""
    return lambda name="photo.jpg": grant_ejabberd(SIZE_BYTES, sha1_of(owner.jid), name)


def put(nobody, slot):
    assert slot.put(nobody, bytes(SIZE_BYTES)).status == 201
    return slot


# The hash of a JID


def test_files_of_an_unknown_user_wait(server, nobody, records, owner, hashed):
    slot = put(nobody, hashed())
    assert len(nobody.request("GET", slot.target).body) == SIZE_BYTES
    assert area_sums(records, f"sha1:{sha1_of(owner.jid)}") == (SIZE_BYTES, 1)
    assert area_sums(records, owner.jid) is None
    assert_settled(server)


# How somebody comes to be known; each takes the owner, the client and the admin tool.
MEETINGS = {
    "list": lambda owner, nobody, admin: owner.listing(),
    "page": lambda owner, nobody, admin: owner.request("GET", area_path(owner.jid)),
    "folder": lambda owner, nobody, admin: owner.listing("chat/"),
    "get": lambda owner, nobody, admin: owner.get("missing"),
    "head": lambda owner, nobody, admin: owner.head("missing"),
    "put": lambda owner, nobody, admin: owner.put("own", b"own"),
    "delete": lambda owner, nobody, admin: owner.delete("missing"),
    "jwt": lambda owner, nobody, admin:
        grant("jwt", 5, jid=owner.jid).put(nobody, b"hello"),
    "localpart": lambda owner, nobody, admin:
        grant_ejabberd(5, owner.jid.partition("@")[0]).put(nobody, b"hello"),
    "quota": lambda owner, nobody, admin: admin("quota", owner.jid, "5000"),
}


@pytest.mark.parametrize("meeting", MEETINGS)
def test_waiting_files_are_the_users_once_he_is_known(server, nobody, records, owner, hashed,
                                                      admin, meeting):
    names = ("one.jpg", "two.jpg")
    slots = [put(nobody, hashed(name)) for name in names]
    MEETINGS[meeting](owner, nobody, admin)
    used_bytes, file_count = area_sums(records, owner.jid)
    assert used_bytes >= 2 * SIZE_BYTES and file_count >= 2
    assert area_sums(records, f"sha1:{sha1_of(owner.jid)}") is None
    paths = {file["path"].rpartition("/")[2]: file for file in owner.listing()["files"]}
    for name, slot in zip(names, slots):
        assert paths[name]["link"] == server.url(slot.target)
        assert len(nobody.request("GET", slot.target).body) == SIZE_BYTES
        assert slot.put(nobody, bytes(SIZE_BYTES)).status == 409
        assert owner.delete(paths[name]["path"]).status == 204
    assert_settled(server)


def test_first_list_has_the_waiting_files(nobody, owner, hashed):
    """Nothing needs to be asked twice."""
    put(nobody, hashed())
    assert len(owner.listing()["files"]) == 1


def test_later_uploads_of_a_known_user_are_his_at_once(nobody, records, owner, hashed):
    owner.put("own", b"own")
    put(nobody, hashed())
    assert owner.used_bytes() == SIZE_BYTES + 3
    assert area_sums(records, f"sha1:{sha1_of(owner.jid)}") is None


def test_wrong_password_makes_nobody_known(server, nobody, records, owner, hashed):
    put(nobody, hashed())
    assert Client(server, owner.jid, "wrong").get("x").status == 401
    assert Client(server).request("GET", area_path(owner.jid)).status == 401
    assert area_sums(records, owner.jid) is None


def test_another_user_sees_nothing_of_it(nobody, new_owner, hashed):
    slot = put(nobody, hashed())
    other = new_owner()
    assert other.listing()["files"] == []
    assert len(nobody.request("GET", slot.target).body) == SIZE_BYTES


def test_quota_counts_what_waited(nobody, owner, hashed):
    for _ in range(9):
        put(nobody, hashed())
    assert owner.put("own", bytes(QUOTA_BYTES - 9 * SIZE_BYTES + 1)).status == 507
    assert owner.used_bytes() == 9 * SIZE_BYTES
    put(nobody, hashed())
    assert hashed().put(nobody, bytes(SIZE_BYTES)).status == 507


def test_quota_of_a_waiting_area_is_kept(nobody, owner, hashed, admin):
    put(nobody, hashed())
    admin("quota", f"sha1:{sha1_of(owner.jid)}", "1500")
    listing = owner.listing()
    assert (listing["quota_bytes"], listing["used_bytes"]) == (1500, SIZE_BYTES)


def test_upload_in_flight_comes_along(server, nobody, records, owner, hashed):
    slot = hashed()
    with Wire(server) as wire:
        wire.send(slot.head(SIZE_BYTES, "Expect: 100-continue"))
        assert wire.read_answer().status == 100
        # Nothing is promised to a small upload; who is seen meanwhile has its file all the same.
        assert area_sums(records, f"sha1:{sha1_of(owner.jid)}") is None
        assert owner.listing()["reserved_bytes"] == 0
        wire.send(bytes(SIZE_BYTES))
        assert wire.read_answer().status == 201
    listing = owner.listing()
    assert (listing["used_bytes"], listing["reserved_bytes"]) == (SIZE_BYTES, 0)
    assert len(nobody.request("GET", slot.target).body) == SIZE_BYTES
    assert_settled(server)


def test_many_at_once_end_in_one_area(server, records, new_owner):
    """Uploads by hash and by name while the user logs in: no file is lost, none counted twice."""
    for _ in range(5):
        owner = new_owner()
        slots = [slot for _ in range(4) for slot in (
            grant_ejabberd(10, sha1_of(owner.jid)), grant("jwt", 10, jid=owner.jid))]
        with ThreadPoolExecutor(12) as pool:
            lists = [pool.submit(Client(server, owner.jid, owner.password).listing)
                     for _ in range(4)]
            statuses = list(pool.map(lambda slot: slot.put(Client(server), bytes(10)).status,
                                     slots))
        assert statuses == [201] * 8
        assert all(listed.result()["area"] == owner.jid for listed in lists)
        assert area_sums(records, owner.jid) == (80, 8)
        assert area_sums(records, f"sha1:{sha1_of(owner.jid)}") is None
        assert len(owner.listing()["files"]) == 8
    assert_settled(server)


def test_hash_in_another_form_is_no_hash(nobody, owner):
    for user in (sha1_of(owner.jid).upper(), sha1_of(owner.jid)[:-1], sha1_of(owner.jid) + "0"):
        put(nobody, grant_ejabberd(SIZE_BYTES, user))
    assert owner.used_bytes() == 0


# The localpart, with jid_in_url: node


def test_localpart_is_the_user_if_there_is_one_domain(nobody, owner):
    put(nobody, grant_ejabberd(SIZE_BYTES, owner.jid.partition("@")[0]))
    assert owner.used_bytes() == SIZE_BYTES


def test_localpart_with_an_underscore_may_be_anybodys(nobody, records):
    put(nobody, grant_ejabberd(SIZE_BYTES, "user_1"))
    assert area_sums(records, "node:user_1") == (SIZE_BYTES, 1)
    assert area_sums(records, "user_1@example.org") is None


def test_localpart_may_be_anybodys_if_there_are_two_domains(start_server, work_dir, users):
    server = start_server(site_with_slots(work_dir, domains=("example.org", "second.example")))
    erin = users.client(server, "erin@second.example")
    slot = put(Client(server), grant_ejabberd(SIZE_BYTES, "erin"))
    assert erin.listing()["files"] == []
    admin = Admin(server)
    assert len(Client(server).request("GET", slot.target).body) == SIZE_BYTES
    admin("quota", "node:erin", "1000")
    assert grant_ejabberd(1, "erin").put(Client(server), b"x").status == 507
    # The hash is unambiguous there, too.
    put(Client(server), grant_ejabberd(SIZE_BYTES, sha1_of("erin@second.example")))
    assert erin.used_bytes() == SIZE_BYTES
    admin("remove-area", "--yes", "node:erin")
    assert Client(server).request("GET", slot.target).status == 404


# Nobody else's


@pytest.mark.parametrize("user", ["a@b", "juliet@example.org", "@", "slots:v1@"])
def test_first_segment_with_an_at_is_an_area(server, nobody, user):
    """With "@" it is an area of its own, whatever was signed: who wants to write there logs in."""
    slot = grant_ejabberd(SIZE_BYTES, user)
    with nothing_changes(server):
        assert slot.put(nobody, bytes(SIZE_BYTES)).status in (400, 401, 403)


@pytest.mark.parametrize("user", ["slots:v1", "sha1:" + "0" * 40, "node:erin", ".."])
def test_odd_first_segments_lead_nowhere_else(nobody, records, user):
    before = {name: area_sums(records, name) for name in ("slots:v1", "sha1:" + "0" * 40)}
    slot = grant_ejabberd(SIZE_BYTES, user)
    status = slot.put(nobody, bytes(SIZE_BYTES)).status
    assert status in (201, 400, 403, 404, 405)
    assert {name: area_sums(records, name) for name in before} == before
    assert area_sums(records, f"{user}@example.org") is None


@pytest.mark.parametrize("segments", [1, 4, 5])
def test_other_depths_are_no_slots(server, nobody, segments):
    random = "/".join("abcde"[:segments - 1])
    slot = signed(new_slot(1, random=random), "v1") if random else new_slot(1)
    target = f"/files/{slot.encoded}?{slot.query}" if not random else slot.put_target
    with nothing_changes(server):
        assert nobody.request("PUT", target, b"x").status in (403, 404, 405)


@pytest.mark.parametrize("kind", ["v2", "token"])
def test_three_segments_of_the_other_kinds_belong_to_the_secret(nobody, records, owner, kind):
    before = area_sums(records, f"slots:{kind}") or (0, 0)
    slot = grant(kind, SIZE_BYTES, random=f"{sha1_of(owner.jid)}/abc")
    put(nobody, slot)
    assert area_sums(records, f"slots:{kind}") == (before[0] + SIZE_BYTES, before[1] + 1)
    assert owner.used_bytes() == 0


@pytest.mark.parametrize("name", ["slots:v1", "sha1:" + "0" * 40, "node:erin"])
def test_nobody_logs_in_as_such_an_area(server, owner, name):
    for method, path in itertools.product(("GET", "PUT", "DELETE"), ("", "x", "chat/x")):
        for client in (Client(server), owner):
            answer = client.request(method, f"/files/{name}/{path}", b"x")
            assert answer.status in (401, 403, 404, 405)
    assert owner.listing()["files"] == []
