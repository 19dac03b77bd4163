"""The module's section in server-status."""

import pytest

from client import area_path
from config import Site
from records import wait_until
from wire import Wire, request_head

QUOTA_BYTES = 1000
MAX_FILE_BYTES = 500


@pytest.fixture(scope="module")
def site():
    return Site(base_lines=f"JabberFilesQuota {QUOTA_BYTES}\n"
                           f"JabberFilesMaxFileSize {MAX_FILE_BYTES}")


@pytest.fixture
def status(nobody):
    """Reads the section of ?auto as numbers, without the prefix JabberFiles."""
    def read():
        lines = nobody.request("GET", "/server-status?auto").text.splitlines()
        pairs = (line.split(": ") for line in lines if line.startswith("JabberFiles"))
        return {key.removeprefix("JabberFiles"): int(value) for key, value in pairs}

    return read


@pytest.mark.valgrind
def test_sums_follow_the_uploads(status, new_owner):
    before = status()
    for size_bytes in (100, 200):
        new_owner().put("a", bytes(size_bytes))
    after = status()
    assert (after["Areas"] - before["Areas"], after["Files"] - before["Files"],
            after["Bytes"] - before["Bytes"]) == (2, 2, 300)
    assert after["UploadsInFlight"] == 0


def test_uploads_in_flight_are_counted(server, owner, status):
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "slow"), "Content-Length: 5",
                               client=owner) + b"he")
        wait_until(lambda: status()["UploadsInFlight"] == 1, 5, "the upload is not counted")
        wire.send(b"llo")
        assert wire.read_answer().status == 201
    wait_until(lambda: status()["UploadsInFlight"] == 0, 5, "the upload is still counted")


def test_refusals_are_counted_by_cause_over_all_processes(new_owner, status):
    before = status()
    times = 12
    for _ in range(times):
        owner = new_owner()
        assert owner.put("a", bytes(MAX_FILE_BYTES + 1)).status == 413
        owner.put("a", bytes(MAX_FILE_BYTES))
        owner.put("b", bytes(MAX_FILE_BYTES))
        assert owner.put("c", b"x").status == 507
    after = status()
    grown = {key: after[key] - before.get(key, 0) for key in after
             if key.startswith("Refusals") and after[key] != before.get(key, 0)}
    assert len(grown) == 2
    assert set(grown.values()) == {times}


def test_page_for_people_has_the_section(nobody, owner):
    owner.put("a", b"x")
    page = nobody.request("GET", "/server-status").text
    section = page.partition("Jabber file areas")[2]
    assert section
    assert owner.jid not in section
