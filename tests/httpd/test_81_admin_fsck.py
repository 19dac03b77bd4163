"""jabberfiles-admin export and fsck: the bytes of the store against what the ledger says."""

import base64
import hashlib
import itertools
import os
import re
import threading
import time

import pytest

from admin import Admin, ledger_editor, upload_in_flight
from records import Records

ORPHAN_AGE_SECONDS = 3600
ORPHAN = "00112233445566778899aabbccddeeff"


@pytest.fixture
def place(start_server, log):
    """A server of our own: what a test damages is not the next test's trouble."""
    # It is stopped so soon after an answer that a worker may find the pollset closed.
    log.allow("AH03093")
    return start_server()


@pytest.fixture
def admin(place):
    return Admin(place)


@pytest.fixture
def owner(place, users):
    return users.client(place)


@pytest.fixture
def records(place):
    return Records(place)


@pytest.fixture
def edit(place):
    return ledger_editor(place)


def digest_of(content):
    encoded = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return {"Repr-Digest": f"sha-256=:{encoded}:"}


def tree(directory):
    """Path and content of every file below a directory."""
    return {str(path.relative_to(directory)): path.read_bytes()
            for path in directory.rglob("*") if path.is_file()}


# Export


FILES = {"a.txt": b"hello", "docs/deep/er/b": bytes(range(256)) * 1000, "docs/c": b"",
         "docs/ü 日本.txt": b"x" * 65536, "-rf": b"y" * 65537, "we\\ird$(x)`": b"z",
         "l" * 255: b"long", "...": b"dots", ".hidden/..x": b"h"}


@pytest.mark.valgrind
def test_export_is_byte_identical(admin, owner, tmp_path):
    for path, content in FILES.items():
        assert owner.put(path, content, digest_of(content)).status == 201
    uploaded = time.time()
    report = admin.json("export", owner.jid, tmp_path / "out")
    assert report == {"area": owner.jid, "directory": str(tmp_path / "out"),
                      "file_count": len(FILES), "failures": [],
                      "copied_bytes": sum(map(len, FILES.values()))}
    assert tree(tmp_path / "out") == FILES
    for path in (tmp_path / "out").rglob("*"):
        assert path.stat().st_mode & 0o77 == 0
    admin("export", owner.jid, tmp_path / "second")
    created = {file["path"]: file["created"] for file in admin.json("ls", owner.jid)["files"]}
    copied = (tmp_path / "second" / "a.txt").stat().st_mtime
    assert abs(copied - uploaded) < 60
    assert time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(copied)) == created["a.txt"][:20]


def test_export_of_one_area_only_and_into_a_directory_that_is_there(admin, owner, place, users,
                                                                     tmp_path):
    other = users.client(place)
    owner.put("mine", b"mine")
    other.put("yours", b"yours")
    (tmp_path / "yours").write_bytes(b"was there before")
    assert admin("export", owner.jid, tmp_path) == f"copied 1 files, 4 bytes, to {tmp_path}\n"
    assert tree(tmp_path) == {"mine": b"mine", "yours": b"was there before"}


def failures(admin, *args):
    return {failure["path"] for failure in admin.json(*args, status=1)["failures"]}


def test_export_never_overwrites_and_never_follows(admin, owner, tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    for directory in (out, elsewhere, out / "kept"):
        directory.mkdir()
    (out / "there").write_bytes(b"precious")
    (out / "kept" / "keep").write_bytes(b"precious")
    (out / "dangling").symlink_to(elsewhere / "made")
    (out / "folder").symlink_to(elsewhere)
    (out / "isfile").write_bytes(b"precious")
    for path in ("there", "dangling", "folder/x", "isfile/x", "kept", "fine", "kept/fine"):
        assert owner.put(path, b"new").status == 201
    assert failures(admin, "export", owner.jid, out) \
        == {"there", "dangling", "folder/x", "isfile/x", "kept"}
    assert list(elsewhere.iterdir()) == []
    assert tree(out) == {"there": b"precious", "kept/keep": b"precious", "isfile": b"precious",
                         "fine": b"new", "kept/fine": b"new"}


ESCAPES = ("../escaped", "/tmp-escaped", "a/../../escaped", "..", ".", "a//b", "a/", "a\x1bb")


@pytest.mark.parametrize("path", ESCAPES)
def test_export_stays_inside_whatever_the_ledger_says(admin, owner, edit, tmp_path, path):
    owner.put("bad", b"bad")
    owner.put("good", b"good")
    edit("UPDATE file SET path = ? WHERE path = 'bad'", path)
    assert failures(admin, "export", owner.jid, tmp_path) == {path}
    assert tree(tmp_path) == {"good": b"good"}
    assert not (tmp_path.parent / "escaped").exists() and not os.path.exists("/tmp-escaped")


def test_export_of_replaced_files_has_one_whole_version_of_each(admin, owner, tmp_path):
    """While their owner replaces them all the time."""
    versions, stop = [bytes([n]) * 300_000 for n in range(4)], threading.Event()
    paths = [f"{n}.bin" for n in range(4)]
    for path in paths:
        owner.put(path, versions[0])

    def replace():
        for version in itertools.cycle(versions):
            if stop.is_set():
                return
            for path in paths:
                assert owner.put(path, version).status == 200

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for number in range(10):
            admin("export", owner.jid, tmp_path / str(number))
            copied = tree(tmp_path / str(number))
            assert sorted(copied) == paths and set(copied.values()) <= set(versions)
            assert kinds(admin.json("fsck")) == []
    finally:
        stop.set()
        thread.join()


def test_export_leaves_no_bad_copy(admin, owner, records, tmp_path):
    content = b"0123456789" * 1000
    for path in ("short", "changed", "missing", "good"):
        owner.put(path, content, digest_of(content))
    os.truncate(records.object_of(owner.jid, "short"), 500)
    records.object_of(owner.jid, "changed").write_bytes(content[::-1])
    records.object_of(owner.jid, "missing").unlink()
    done = admin.run("export", owner.jid, tmp_path)
    assert done.returncode == 1
    assert done.stdout == f"copied 1 files, 9.8 KiB (10000 bytes), to {tmp_path}\n".encode()
    for path in ("short", "changed", "missing"):
        assert f"jabberfiles-admin: {path}: ".encode() in done.stderr
    assert tree(tmp_path) == {"good": content}


# Findings


def kinds(report):
    return sorted(finding["kind"] for finding in report["findings"])


def test_fsck_of_a_sound_store_finds_nothing(admin, owner):
    owner.put("a", b"hello", digest_of(b"hello"))
    owner.put("a", b"replaced")
    assert admin.json("fsck", "--deep") == {"files": 1, "objects": 1, "findings": []}
    assert admin("fsck") == "1 files, 1 objects: 0 findings, 0 repaired\n"


def test_work_in_progress_is_no_finding(place, admin, owner, records):
    owner.put("a", b"hello")
    young = records.object_path(ORPHAN)
    young.touch()
    with upload_in_flight(place, owner, "b", 100000) as wire:
        promised, = records.promised_objects()
        long_ago = time.time() - 2 * ORPHAN_AGE_SECONDS
        os.utime(records.object_path(promised), (long_ago, long_ago))
        assert admin.json("fsck", "--repair") == {"files": 1, "objects": 3, "findings": []}
        wire.send(bytes(50000))
        assert wire.read_answer().status == 201
    assert young.exists()
    assert owner.get("b").body == bytes(100000)


def damage_missing(path):
    path.unlink()


def damage_truncated(path):
    os.truncate(path, 3)


def damage_grown(path):
    path.write_bytes(path.read_bytes() + b"more")


def damage_symlink(path):
    content = path.with_name("content")
    path.rename(content)
    path.symlink_to(content)
    content.rename(path.parent.parent.parent / "content")


def damage_fifo(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.valgrind
@pytest.mark.parametrize("damage", [damage_missing, damage_truncated, damage_grown,
                                    damage_symlink, damage_fifo])
def test_lost_file_is_reported_and_forgotten(admin, owner, records, damage):
    link = owner.put("docs/lost", b"content", digest_of(b"content")).link
    kept = owner.put("kept", b"kept").link
    stored = records.object_of(owner.jid, "docs/lost")
    damage(stored)
    done = admin.run("fsck")
    assert done.returncode == 1
    assert re.search(rf"^lost +{re.escape(owner.jid)} docs/lost: ", done.stdout.decode())
    assert owner.listing()["used_bytes"] == 11
    finding, = admin.json("fsck", "--deep", "--repair")["findings"]
    assert finding.pop("message")
    assert finding == {"kind": "lost", "area": owner.jid, "path": "docs/lost",
                       "object": stored.name, "repaired": True}
    assert admin.json("fsck", "--deep") == {"files": 1, "objects": 1, "findings": []}
    assert not os.path.lexists(stored)
    assert owner.open_link(link).status == 404
    assert owner.open_link(kept).body == b"kept"
    records.assert_consistent()
    assert owner.used_bytes() == 4


def test_directory_in_place_of_an_object_is_left(admin, owner, records):
    owner.put("a", b"content")
    owner.put("b", b"content")
    stored = records.object_of(owner.jid, "a")
    stored.unlink()
    stored.mkdir()
    assert kinds(admin.json("fsck", status=1)) == ["lost"]
    finding, = admin.json("fsck", "--repair", status=1)["findings"]
    assert finding["kind"] == "lost" and "cannot be removed" in finding["message"]
    assert kinds(admin.json("fsck", status=1)) == ["foreign"]
    assert stored.is_dir()


def test_damaged_content_is_found_by_deep_only_and_left(admin, owner, records):
    owner.put("a", b"content", digest_of(b"content"))
    owner.put("b", b"content")
    for path in ("a", "b"):
        records.object_of(owner.jid, path).write_bytes(b"CONTENT")
    assert admin.json("fsck", "--repair")["findings"] == []
    for _ in range(2):
        finding, = admin.json("fsck", "--deep", "--repair", status=1)["findings"]
        assert (finding["kind"], finding["path"], finding["repaired"]) == ("damaged", "a", False)
    admin("rm", owner.jid, "a")
    assert admin.json("fsck", "--deep")["findings"] == []


@pytest.mark.valgrind
def test_orphan_is_removed(admin, owner, records):
    owner.put("a", b"content")
    orphan = records.object_path(ORPHAN)
    orphan.write_bytes(b"nobody's")
    long_ago = time.time() - ORPHAN_AGE_SECONDS - 5
    os.utime(orphan, (long_ago, long_ago))
    assert "orphan   object " + ORPHAN in admin("fsck", status=1)
    assert orphan.exists()
    finding, = admin.json("fsck", "--repair")["findings"]
    assert (finding["kind"], finding["object"], finding["repaired"]) == ("orphan", ORPHAN, True)
    assert not orphan.exists()
    assert admin.json("fsck")["findings"] == []
    assert owner.get("a").body == b"content"


@pytest.mark.parametrize("sums", ["used_bytes = 0", "used_bytes = used_bytes + 5",
                                  "file_count = 0", "reserved_bytes = 7",
                                  "used_bytes = 0, file_count = 0"])
def test_wrong_sums_are_corrected_even_with_lost_files(admin, owner, records, edit, sums):
    owner.put("a", b"content")
    owner.put("b", b"lost")
    records.object_of(owner.jid, "b").unlink()
    edit(f"UPDATE area SET {sums} WHERE jid = ?", owner.jid)
    found = admin.json("fsck", status=1)
    assert kinds(found) == ["ledger", "lost"]
    assert owner.jid in found["findings"][0]["message"]
    assert all(finding["repaired"] for finding in admin.json("fsck", "--repair")["findings"])
    assert admin.json("fsck")["findings"] == []
    usage = admin.json("usage", owner.jid)
    assert (usage["used_bytes"], usage["file_count"], usage["reserved_bytes"]) == (7, 1, 0)


def test_foreign_entries_are_reported_and_left(place, admin, owner, records):
    owner.put("a", b"content")
    objects = place.store / "objects"
    wrong_place = objects / "ff" / ORPHAN
    plants = [objects / "00" / "lost+found", objects / "readme", objects / "0", objects / "AB",
              wrong_place]
    for path in plants[:2]:
        path.write_bytes(b"foreign")
    for path in plants[2:4]:
        path.mkdir()
    wrong_place.write_bytes(b"foreign")
    long_ago = time.time() - 2 * ORPHAN_AGE_SECONDS
    os.utime(wrong_place, (long_ago, long_ago))
    for _ in range(2):
        findings = admin.json("fsck", "--repair", status=1)["findings"]
        assert {finding["kind"] for finding in findings} == {"foreign"}
        assert {finding["message"].split(" ")[0] for finding in findings} == set(map(str, plants))
    assert all(path.exists() for path in plants)
    records.assert_consistent()


# A store that is not the ledger's


def everything(place, records):
    return records.query("SELECT * FROM file"), tree(place.store / "objects")


def test_repair_refuses_an_empty_store(place, admin, owner, records, tmp_path):
    for path in ("a", "b"):
        owner.put(path, b"content")
    before = everything(place, records)
    empty = tmp_path / "not-mounted"
    for number in range(256):
        (empty / "objects" / f"{number:02x}").mkdir(parents=True)
    database = place.store / "ledger.db"
    done = admin.run("--store", empty, "--database", database, "fsck", "--repair")
    assert done.returncode == 1 and b"nothing was repaired" in done.stderr
    assert b"mounted?" in done.stderr
    assert everything(place, records) == before
    assert admin.json("fsck")["findings"] == []


def test_repair_refuses_the_store_of_another_ledger(place, admin, owner, start_server, users,
                                                    records):
    other = start_server()
    users.client(other).put("b", b"other")
    owner.put("a", b"content")
    long_ago = time.time() - 2 * ORPHAN_AGE_SECONDS
    for path in (place.store / "objects").glob("??/*"):
        os.utime(path, (long_ago, long_ago))
    before = everything(place, records)
    found = admin.json("--database", other.store / "ledger.db", "fsck", "--repair", status=1)
    assert kinds(found) == ["lost", "orphan"]
    assert not any(finding["repaired"] for finding in found["findings"])
    assert everything(place, records) == before


def test_missing_or_linked_directory_costs_no_file(place, admin, owner, records, edit):
    for number in range(20):
        owner.put(str(number), b"content")
    move_to_next_directory(records.object_of(owner.jid, "7"), edit)
    before = records.query("SELECT * FROM file")
    moved, linked = [records.object_of(owner.jid, path).parent for path in distinct(records, owner)]
    moved.rename(place.store / "moved")
    linked.rename(place.store / "linked")
    linked.symlink_to(place.store / "linked")
    for _ in range(2):
        findings = admin.json("fsck", "--repair", status=1)["findings"]
        assert {"foreign", "lost"} == {finding["kind"] for finding in findings}
        assert not any(finding["repaired"] for finding in findings)
    assert records.query("SELECT * FROM file") == before
    linked.unlink()
    (place.store / "linked").rename(linked)
    (place.store / "moved").rename(moved)
    assert admin.json("fsck")["findings"] == []


def move_to_next_directory(stored, edit):
    """Objects of about the same time lie in one directory."""
    other = f"{(int(stored.name[:2], 16) + 1) % 256:02x}{stored.name[2:]}"
    stored.rename(stored.parent.parent / other[:2] / other)
    edit("UPDATE file SET object = ? WHERE object = ?", other, stored.name)


def distinct(records, owner):
    """Two paths whose objects lie in different directories."""
    directories = {}
    for number in range(20):
        directories.setdefault(records.object_of(owner.jid, str(number)).parent, str(number))
    return list(directories.values())[:2]


def test_object_name_of_a_forged_ledger_leads_nowhere(place, admin, owner, edit):
    victim = place.root / "victim"
    victim.write_bytes(b"precious")
    for path in ("a", "b"):
        owner.put(path, b"content")
    edit("UPDATE file SET object = '../../../victim' WHERE path = 'a'")
    admin.json("fsck", "--repair")
    assert victim.read_bytes() == b"precious"
    assert [file["path"] for file in admin.json("ls", owner.jid)["files"]] == ["b"]


def test_damaged_database_is_reported(place, admin, owner, tmp_path):
    for number in range(300):
        owner.put(f"{number}", b"x")
    admin("backup", tmp_path / "copy.db")
    content = bytearray((tmp_path / "copy.db").read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle:middle + 4096] = bytes(4096)
    (tmp_path / "copy.db").write_bytes(content)
    done = admin.run("--database", tmp_path / "copy.db", "fsck")
    assert done.returncode == 1
    assert b"ledger" in done.stdout + done.stderr
