"""What BASE/.slot refuses, with the status of which ejabberd makes the right error for its user."""

import pytest

from answer import assert_problem, assert_safe_headers
from client import JSON
from config import Site
from slots import (ask_slot, encode_ejabberd, grant, new_slot, nothing_changes, open_slot_service,
                   signed, slot_query, site_with_slots)

SIZE_BYTES = 10
QUOTA_BYTES = 10_000
MAX_FILE_BYTES = 8_000
TAG_BYTES = 16
SLOTS_PER_AREA_MAX = 1000


@pytest.fixture(scope="module")
def site(work_dir):
    return site_with_slots(work_dir, base_lines="JabberFilesSlotService On\n"
                     f"JabberFilesQuota {QUOTA_BYTES}\nJabberFilesMaxFileSize {MAX_FILE_BYTES}\n",
                     inner_lines=open_slot_service())


def ask(client, **parameters):
    """The answer to a question whose parameters are right but for those given."""
    query = slot_query(**{"jid": client.jid, "name": "a.jpg", "size": SIZE_BYTES, **parameters})
    return client.request("GET", f"/files/.slot?{query}", headers=JSON)


# What ejabberd tells its users


def test_over_quota_is_402(server, owner):
    owner.put("own", bytes(6000))
    with nothing_changes(server):
        problem = assert_problem(ask(owner, size=4001), 402)
        assert (problem["quota_bytes"], problem["used_bytes"], problem["required_bytes"]) \
            == (QUOTA_BYTES, 6000, 4001)
    assert ask(owner, size=4000).status == 200


@pytest.mark.parametrize("size,status", [
    (MAX_FILE_BYTES, 200), (MAX_FILE_BYTES + TAG_BYTES, 200), (MAX_FILE_BYTES + TAG_BYTES + 1, 413),
    (10**12, 413), (2**63 - 1, 413)])
def test_too_large_is_413(owner, size, status):
    answer = ask(owner, size=size)
    assert answer.status == status
    if status == 413:
        assert_problem(answer, 413)


@pytest.mark.parametrize("jid", ["romeo@montague.tld", "juliet@sub.example.org", "a@example.com",
                                 "juliet@example.org.evil.example"])
def test_stranger_is_403(server, owner, jid):
    with nothing_changes(server):
        assert_problem(ask(owner, jid=jid), 403)


def test_too_many_open_slots_are_402(server, owner, new_owner):
    slots = [ask_slot(owner, owner.jid, 1) for _ in range(SLOTS_PER_AREA_MAX)]
    with nothing_changes(server):
        assert_problem(ask(owner, size=1), 402)
    assert ask(new_owner(), size=1).status == 200
    assert slots[0].put(owner, b"x").status == 201
    assert ask(owner, size=1).status == 200
    assert ask(owner, size=1).status == 402
    assert owner.listing()["reserved_bytes"] == SLOTS_PER_AREA_MAX


# Nonsense


BAD_PARAMETERS = (
    *(("jid", value) for value in (None, "", "juliet", "example.org", "@example.org", "juliet@",
                                   "juliet@example.org/phone", "a b@example.org", "a@b@example.org",
                                   "juliet@example.org\0", "juliet@example.org\n", "\udcff@x")),
    *(("name", value) for value in (None, "", ".", "..", "a/b", "/a", "a/", "../../etc/passwd",
                                    "a\nb", "nl\r\nX-Evil: 1.jpg", "a\0b", "\x7f", "a\u2028b",
                                    "photo\u202egpj.exe", "a" * 256, "é" * 128, "\udcff")),
    *(("size", value) for value in (None, "", "-5", "-1", "+5", "1e3", "0x10", "5.0", "5,0", " 5",
                                    "5 ", "ten", "9" * 30, "18446744073709551626", "5\0", "５")),
)


@pytest.mark.parametrize("parameter,value", BAD_PARAMETERS, ids=ascii)
def test_missing_or_bad_parameter_is_400(server, owner, parameter, value):
    with nothing_changes(server):
        answer = ask(owner, **{parameter: value})
        assert_problem(answer, 400)
        assert answer.header("X-Evil") is None
        assert_safe_headers(answer)


@pytest.mark.parametrize("query", ["", "jid", "jid=&name=&size=", "x=y", "&&&", "=", "%6aid=a@b.c",
                                   "jid={jid};name=a;size=5", "jid={jid}&name=%zz&size=5",
                                   "jid={jid}&name=%&size=5", "jid={jid}&name=a%0&size=5",
                                   "jid={jid}&name=a&size=5&size=5",
                                   "jid={jid}&name=a&size=5&size=6",
                                   "jid={jid}&name=a&name=b&size=5",
                                   "jid={jid}&jid=x@example.org&name=a&size=5",
                                   "jid={jid}&name=a&size=5&content_type=a/b&content_type=c/d"])
def test_question_in_another_form_is_400(server, owner, query):
    with nothing_changes(server):
        target = f"/files/.slot?{query.format(jid=encode_ejabberd(owner.jid))}"
        assert_problem(owner.request("GET", target, headers=JSON), 400)


def test_unknown_parameters_are_left_alone(owner):
    assert ask(owner, future="x", content_type=None).status == 200


def test_question_without_a_query_is_400(owner):
    assert_problem(owner.request("GET", "/files/.slot", headers=JSON), 400)


@pytest.mark.parametrize("path", [".slot/", ".slot/x", ".slots", ".Slot", ".slo"])
def test_service_has_one_url(server, owner, path):
    with nothing_changes(server):
        answer = owner.request("GET", f"/files/{path}?{slot_query(owner.jid, 'a', 1)}")
        assert answer.status == 404


@pytest.mark.parametrize("content_type", ["text/plain\r\nX-Evil: 1", "textplain", "a/" + "b" * 500,
                                          "", "\udcff/x"])
def test_type_is_no_header(owner, content_type):
    slot = ask_slot(owner, owner.jid, SIZE_BYTES, content_type=content_type)
    answer = slot.but(content_type="").put(owner, bytes(SIZE_BYTES))
    assert answer.status == 201
    got = owner.open_link(slot.target)
    assert got.header("Content-Type") == "application/octet-stream"
    assert got.header("X-Evil") is None


# Beside signed slots


def test_slot_of_the_service_needs_no_token(owner, nobody):
    slot = ask_slot(owner, owner.jid, SIZE_BYTES)
    assert slot.put(nobody, bytes(SIZE_BYTES)).status == 201
    assert slot.put(nobody, bytes(SIZE_BYTES)).status == 409


def test_wrong_token_is_no_help_at_a_slot_of_the_service(owner, nobody):
    """Whoever brings a token is judged by it."""
    slot = ask_slot(owner, owner.jid, SIZE_BYTES)
    for kind in ("jwt", "v2", "token", "v1"):
        wrong = signed(slot, kind, b"another secret")
        assert wrong.put(nobody, bytes(SIZE_BYTES)).status == 403
    assert slot.put(nobody, bytes(SIZE_BYTES)).status == 201


def test_used_signed_slot_is_not_open_without_a_token(server, nobody):
    slot = grant("v1", SIZE_BYTES)
    assert slot.put(nobody, bytes(SIZE_BYTES)).status == 201
    with nothing_changes(server):
        assert slot.but(query="").put(nobody, bytes(SIZE_BYTES)).status in (401, 403, 409)


def test_link_of_a_file_is_no_slot(server, owner, nobody):
    link = owner.put("own", b"own").link
    with nothing_changes(server):
        assert nobody.request("PUT", link, b"x").status in (401, 403, 409)
    assert owner.open_link(link).body == b"own"


def test_promises_hold_against_signed_uploads(owner, nobody):
    slot = ask_slot(owner, owner.jid, 6000)
    assert grant("jwt", 4001, jid=owner.jid).put(nobody, bytes(4001)).status == 507
    assert grant("jwt", 4000, jid=owner.jid).put(nobody, bytes(4000)).status == 201
    assert slot.put(nobody, bytes(6000)).status == 201


def test_service_alone_refuses_tokens(start_server, users):
    """Without a secret, a token is none."""
    server = start_server(Site(base_lines="JabberFilesSlotService On\n",
                               inner_lines=open_slot_service()))
    nobody = users.client(server)
    for kind in ("v1", "v2", "token"):
        assert grant(kind, SIZE_BYTES).put(nobody, bytes(SIZE_BYTES)).status == 403


def test_refusals_are_counted_by_cause(owner, nobody):
    def counters():
        lines = nobody.request("GET", "/server-status?auto").text.splitlines()
        pairs = (line.split(": ") for line in lines if line.startswith("JabberFilesRefusals"))
        return {name.removeprefix("JabberFilesRefusals"): int(count) for name, count in pairs}

    used = grant("v1", SIZE_BYTES)
    used.put(nobody, bytes(SIZE_BYTES))
    before = counters()
    refusals = [used.put(nobody, bytes(SIZE_BYTES)).status,
                ask(owner, size=6000).status, ask(owner, size=4001).status,
                ask(owner, size=MAX_FILE_BYTES + TAG_BYTES + 1).status, ask(owner, size="x").status,
                ask(owner, jid="a@evil.example").status,
                new_slot(1).put(nobody, b"x").status]
    assert refusals == [409, 200, 402, 413, 400, 403, 401]
    after = counters()
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} \
        == {"UsedSlot": 1, "Quota": 1, "TooLarge": 1, "BadRequest": 1, "Forbidden": 1,
            "Unauthorized": 1}
