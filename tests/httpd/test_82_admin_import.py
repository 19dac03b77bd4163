"""jabberfiles-admin import: what other upload servers have comes over, and old links go on."""

import email.utils
import os
import re
import time

import pytest

from config import Site, base_location
from docroot import OLD_BASE, assert_all_served, get, random_part, sha1_of
from slots import (encode_aiohttp, encode_ejabberd, encode_file_share, encode_libsoup,
                   encode_prosody, encode_raw)

DAY_SECONDS = 86400
OCTETS = "application/octet-stream"
# What ejabberd leaves of names: letters and digits of all scripts, "_", "." and "-".
EJABBERD_NAMES = {"bar.jpg": "image/jpeg", "my_file_100_.txt": "text/plain; charset=utf-8",
                  "très_cool.JPG": "image/jpeg", "日本語_写真.png": "image/png",
                  ".._.._etc_passwd": OCTETS, "noending": OCTETS, "page.html": OCTETS,
                  "a.pdf": "application/pdf", "x" * 251 + ".mp4": "video/mp4"}
# Prosody keeps all but slashes.
PROSODY_NAMES = ("bar.jpg", "my file+100%.txt", "très cool.jpg", "a?b#c&d=e.txt",
                 "back\\slash~tilde'quote\".txt", "%41%2f%252f.txt", "+", "semi;colon,@at.txt",
                 "日本語 写真.png", "e\u0301.txt", "...", "CON", "🎉.gif", "(1)*!$:.bin")


@pytest.fixture(scope="module")
def site(users):
    return Site(server_lines=base_location(OLD_BASE, users.path))


def import_ejabberd(admin, docroot, *options, status=0):
    return admin.json("import", "--layout", "ejabberd", *options, docroot.root, status=status)


def import_filer(admin, docroot, area, *options, status=0):
    return admin.json("import", "--layout=filer", f"--area={area}", *options, docroot.root,
                      status=status)


def counts(report):
    """Files imported, there already, removed since, too old, refused."""
    return [report[f"{what}_count"] for what in ("file", "there", "removed", "expired")] \
        + [len(report["failures"])]


def rows(records, query):
    return records.query("SELECT file.*, jid FROM file JOIN area ON area.id = area_id"
                         f" WHERE {query} ORDER BY token")


# Old URLs


@pytest.mark.valgrind
def test_ejabberds_urls_lead_to_the_files(server, admin, docroot, owner, nobody):
    types = {docroot.add(f"{sha1_of(owner.jid)}/{random_part()}/{name}"): media_type
             for name, media_type in EJABBERD_NAMES.items()}
    report = import_ejabberd(admin, docroot)
    assert report == {"directory": str(docroot.root), "dry_run": False, "failures": [],
                      "file_count": len(types), "imported_bytes": docroot.size_bytes(),
                      "there_count": 0, "removed_count": 0, "expired_count": 0}
    for encode in (encode_ejabberd, encode_libsoup, encode_aiohttp, encode_prosody):
        assert_all_served(nobody, docroot, encode)
    for path, content in docroot.files.items():
        answer = get(server, f"{OLD_BASE}/{encode_raw(path)}")
        assert (answer.status, answer.body) == (200, content), path
        assert answer.header("Content-Type") == types[path]
        head = get(server, f"{OLD_BASE}/{encode_raw(path)}", "HEAD")
        assert (head.status, head.header("Content-Length")) == (200, str(len(content)))


@pytest.mark.parametrize("encode", [encode_prosody, encode_file_share, encode_libsoup,
                                    encode_aiohttp])
def test_prosodys_urls_lead_to_the_files(admin, docroot, area, nobody, encode):
    for name in PROSODY_NAMES:
        docroot.add(f"{random_part()}/{name}")
    assert counts(import_filer(admin, docroot, area)) == [len(PROSODY_NAMES), 0, 0, 0, 0]
    assert_all_served(nobody, docroot, encode)
    assert {file["path"].rpartition("/")[2] for file in admin.json("ls", area)["files"]} \
        == set(PROSODY_NAMES)
    assert admin.json("usage", area)["used_bytes"] == docroot.size_bytes()


def test_url_without_name_or_with_another_leads_nowhere(admin, docroot, area, nobody):
    path = docroot.add("RANDOM/name.txt")
    user = docroot.add("user/RANDOM/name.txt")
    import_filer(admin, docroot, area, status=1)
    import_ejabberd(admin, docroot, status=1)
    for target in (path, user):
        assert nobody.request("GET", f"{OLD_BASE}/{target}").status == 200
        assert nobody.request("GET", f"/files/{target}").status == 200
        directory = target.rpartition("/")[0]
        for other in (directory, directory + "/", directory + "/other.txt", target + "/",
                      target + "x", target.lower(), f"x/{target}"):
            assert nobody.request("GET", f"{OLD_BASE}/{other}").status in (400, 404), other


def test_list_and_links_of_the_area(admin, docroot, owner):
    """What was imported is a file like any other: listed, linked and deleted by its owner."""
    path = docroot.add(f"{sha1_of(owner.jid)}/{random_part()}/ü.txt", b"hello")
    import_ejabberd(admin, docroot)
    entry, = owner.listing()["files"]
    assert re.fullmatch(r"chat/\d{4}-\d\d-\d\d/\d{6}-[0-9a-f]{16}/ü\.txt", entry["path"])
    assert entry["link"].endswith("/files/" + encode_libsoup(path).replace("%2F", "/"))
    assert owner.open_link(entry["link"]).body == b"hello"
    assert owner.delete(entry["path"]).status == 204
    assert owner.open_link(entry["link"]).status == 404
    assert owner.used_bytes() == 0


def test_time_of_a_file_is_kept(admin, docroot, area, nobody):
    for path, age_seconds in (("new/a", 0), ("old/b", 1000 * DAY_SECONDS), ("epoch/c", 0),
                              ("before/d", 0), ("future/e", -1000 * DAY_SECONDS)):
        docroot.add(path, age_seconds=age_seconds)
    os.utime(docroot.root / "epoch/c", (0, 0))
    os.utime(docroot.root / "before/d", (0, -5))
    assert counts(import_filer(admin, docroot, area)) == [5, 0, 0, 0, 0]
    for path in docroot.files:
        answer = nobody.request("GET", f"{OLD_BASE}/{path}")
        served = email.utils.parsedate_to_datetime(answer.header("Last-Modified")).timestamp()
        wanted = min(max((docroot.root / path).stat().st_mtime, 0), time.time())
        assert abs(served - wanted) < 60, path
    days = {file["path"][5:15] for file in admin.json("ls", area)["files"]}
    old = time.gmtime((docroot.root / "old/b").stat().st_mtime)
    assert {"1970-01-01", time.strftime("%Y-%m-%d", old)} <= days


def test_empty_and_large_files(admin, docroot, area, nobody):
    """Also larger than the configuration allows to upload."""
    for number, size_bytes in enumerate((0, 1, 65535, 65536, 65537, 101 << 20)):
        docroot.add(f"size{number}/x.bin", bytes([number]) * size_bytes)
    assert counts(import_filer(admin, docroot, area)) == [6, 0, 0, 0, 0]
    assert_all_served(nobody, docroot, encode_prosody)


def test_tree_without_files(admin, docroot, area):
    assert counts(import_filer(admin, docroot, area)) == [0] * 5
    (docroot.root / "a" / "b").mkdir(parents=True)
    assert counts(import_ejabberd(admin, docroot)) == [0] * 5
    assert admin.error("usage", area, status=3)["code"] == "not_found"


# Areas


@pytest.mark.valgrind
def test_hash_of_a_stranger_becomes_her_area_when_she_logs_in(admin, docroot, owner, nobody):
    docroot.fill(sha1_of(owner.jid), 3, 1000)
    import_ejabberd(admin, docroot)
    before = admin.json("usage", f"sha1:{sha1_of(owner.jid).upper()}")
    assert (before["area"], before["file_count"]) == (f"sha1:{sha1_of(owner.jid)}", 3)
    assert admin.error("usage", owner.jid, status=3)["code"] == "not_found"
    listing = owner.listing()
    assert listing["used_bytes"] == docroot.size_bytes() and len(listing["files"]) == 3
    assert admin.json("usage", owner.jid)["file_count"] == 3
    assert f"sha1:{sha1_of(owner.jid)}" not in admin("areas")
    assert_all_served(nobody, docroot, encode_ejabberd)


def test_hash_of_an_acquaintance_is_her_area_at_once(admin, docroot, owner):
    owner.put("mine", b"12345")
    docroot.fill(sha1_of(owner.jid), 3, 1000)
    import_ejabberd(admin, docroot)
    assert owner.used_bytes() == docroot.size_bytes() + 5
    assert len(owner.listing()["files"]) == 4
    assert f"sha1:{sha1_of(owner.jid)}" not in admin("areas")


def test_import_goes_on_after_the_stranger_was_met(admin, docroot, owner):
    docroot.fill(sha1_of(owner.jid), 2, 1000)
    import_ejabberd(admin, docroot)
    owner.listing()
    docroot.fill(sha1_of(owner.jid), 2, 1000)
    assert counts(import_ejabberd(admin, docroot)) == [2, 2, 0, 0, 0]
    assert owner.used_bytes() == docroot.size_bytes()


@pytest.mark.parametrize("user,options,area", [
    ("node1", [], "node:node1"), ("node2", ["--domain", "example.org"], "node2@example.org"),
    ("node3", ["--domain=EXAMPLE.org."], "node3@example.org"),
    ("no_de4", ["--domain", "example.org"], "node:no_de4"),
    ("Node5", ["--domain", "example.org"], "node:Node5"),
    ("nöde6", ["--domain", "example.org"], "nöde6@example.org"),
    ("A" * 40, ["--domain", "example.org"], f"node:{'A' * 40}"),
    ("d" * 39, ["--domain", "example.org"], f"{'d' * 39}@example.org"),
    ("e" * 40, ["--domain", "example.org"], f"sha1:{'e' * 40}")])
def test_user_without_hash(admin, docroot, nobody, user, options, area):
    docroot.fill(user, 2, 100)
    assert counts(import_ejabberd(admin, docroot, *options)) == [2, 0, 0, 0, 0]
    assert admin.json("usage", area)["file_count"] == 2
    assert_all_served(nobody, docroot, encode_ejabberd)


@pytest.mark.parametrize("options,area", [
    ([], "slots:import"), (["--area", "slots:Prosody"], "slots:Prosody"),
    (["--area=IMPORTS@example.org"], "imports@example.org"), (["--area", "node:x"], "node:x")])
def test_area_of_files_without_user(admin, docroot, options, area):
    docroot.fill(None, 2, 100)
    admin("import", "--layout", "filer", *options, docroot.root)
    assert admin.json("usage", area)["used_bytes"] == docroot.size_bytes()


@pytest.mark.parametrize("options", [
    [], ["--layout"], ["--layout", "nginx"], ["--layout", "filer", "--domain", "example.org"],
    ["--layout", "ejabberd", "--area", "slots:x"], ["--layout", "filer", "--area", "no area"],
    ["--layout", "filer", "--area", "a@example.org/phone"], ["--layout", "filer", "--area", ""],
    ["--layout", "ejabberd", "--domain", "exa mple"], ["--layout", "ejabberd", "--domain", "a@b"],
    ["--layout", "filer", "--expire", "0"], ["--layout", "filer", "--expire", "soon"],
    ["--layout", "filer", "--expire", "-5"], ["--layout", "filer", "--repair"]])
def test_wrong_usage_is_2(admin, docroot, options):
    docroot.add("a/b")
    assert admin.error("import", docroot.root, *options, status=2)["code"] == "usage"


@pytest.mark.parametrize("options", [["--layout=filer"], ["--dry-run"], ["--expire", "5d"]])
def test_options_of_import_are_for_import_only(admin, owner, options):
    assert admin.error("ls", owner.jid, *options, status=2)["code"] == "usage"


def test_root_that_cannot_be_read(admin, tmp_path):
    (tmp_path / "file").touch()
    for name in ("none", "file", "file/none"):
        error = admin.error("import", "--layout", "filer", tmp_path / name, status=1)
        assert error["code"] == "io" and name in error["message"]


# Again


def test_second_import_imports_nothing(admin, docroot, area, records):
    docroot.fill(None, 20, 10_000)
    assert counts(import_filer(admin, docroot, area)) == [20, 0, 0, 0, 0]
    before = rows(records, f"jid = '{area}'"), records.stored_objects()
    assert counts(import_filer(admin, docroot, area)) == [0, 20, 0, 0, 0]
    assert counts(import_filer(admin, docroot, "slots:other")) == [0, 20, 0, 0, 0]
    assert (rows(records, f"jid = '{area}'"), records.stored_objects()) == before
    docroot.fill(None, 3, 10_000)
    assert counts(import_filer(admin, docroot, area)) == [3, 20, 0, 0, 0]


def test_what_was_removed_does_not_come_back(admin, docroot, owner, nobody):
    docroot.fill(sha1_of(owner.jid), 3, 1000)
    import_ejabberd(admin, docroot)
    gone = owner.listing()["files"][0]
    owner.delete(gone["path"])
    assert counts(import_ejabberd(admin, docroot)) == [0, 2, 1, 0, 0]
    assert nobody.request("GET", gone["link"]).status == 404
    admin("remove-area", "--yes", owner.jid)
    assert counts(import_ejabberd(admin, docroot)) == [0, 0, 3, 0, 0]


def test_file_that_grew_gets_its_new_content(admin, docroot, area, nobody):
    path = docroot.add(f"{random_part()}/a.txt", b"first", age_seconds=10)
    import_filer(admin, docroot, area)
    before, = admin.json("ls", area)["files"]
    docroot.add(path, b"first and second", age_seconds=5)
    assert counts(import_filer(admin, docroot, area, "--dry-run")) == [1, 0, 0, 0, 0]
    assert counts(import_filer(admin, docroot, area)) == [1, 0, 0, 0, 0]
    after, = admin.json("ls", area)["files"]
    assert after["path"] == before["path"] and after["link_path"] == before["link_path"]
    assert after["created"] > before["created"]
    assert admin.json("usage", area)["used_bytes"] == 16
    assert_all_served(nobody, docroot, encode_prosody)
    assert counts(import_filer(admin, docroot, area)) == [0, 1, 0, 0, 0]


def test_what_its_owner_replaced_is_not_touched(admin, docroot, owner):
    path = docroot.add(f"{sha1_of(owner.jid)}/{random_part()}/a.txt", b"first", age_seconds=10)
    import_ejabberd(admin, docroot)
    entry, = owner.listing()["files"]
    docroot.add(path, b"grown since", age_seconds=5)
    assert owner.put(entry["path"], b"mine").status == 200
    failure, = import_ejabberd(admin, docroot, status=1)["failures"]
    assert failure["path"] == path
    assert "its link leads to a newer file, of 4 bytes" in failure["message"]
    assert owner.open_link(entry["link"]).body == b"mine"


@pytest.mark.valgrind
def test_dry_run_changes_nothing(admin, docroot, area, records, nobody):
    docroot.fill(None, 5, 1000)
    docroot.add("RANDOM3/old", age_seconds=10 * DAY_SECONDS)
    docroot.add("shallow")
    options = ("--dry-run", "--expire", "9d")
    before = records.query("SELECT * FROM area"), rows(records, "1"), records.stored_objects()
    report = import_filer(admin, docroot, area, *options, status=1)
    assert counts(report) == [5, 0, 0, 1, 1] and report["dry_run"]
    text = admin("import", "--layout", "filer", *options, docroot.root, status=1)
    assert re.fullmatch(r"would import 5 files, .*\n0 are there already, 0 were removed since, "
                        r"1 have expired, 1 are refused\n", text)
    assert (records.query("SELECT * FROM area"), rows(records, "1"), records.stored_objects()) \
        == before
    import_filer(admin, docroot, area, "--expire", "9d", status=1)
    assert counts(import_filer(admin, docroot, area, *options, status=1)) == [0, 5, 0, 1, 1]
    assert nobody.request("GET", f"{OLD_BASE}/RANDOM3/old").status == 404


# Limits


def test_quota_of_the_operator_holds_and_the_default_does_not(admin, docroot, owner, new_owner):
    limited, free = sha1_of(owner.jid), new_owner()
    admin("quota", owner.jid, "1000")
    for number in range(3):
        docroot.add(f"{limited}/r{number}/{number}.bin", bytes(400))
    docroot.add(f"{sha1_of(free.jid)}/{random_part()}/big.bin", bytes(2000))
    report = import_ejabberd(admin, docroot, status=1)
    assert counts(report) == [3, 0, 0, 0, 1]
    assert report["failures"][0]["path"] == f"{limited}/r2/2.bin"
    assert "quota" in report["failures"][0]["message"]
    assert (owner.used_bytes(), free.used_bytes()) == (800, 2000)
    admin("quota", owner.jid, "2000")
    assert counts(import_ejabberd(admin, docroot)) == [1, 3, 0, 0, 0]
    assert owner.used_bytes() == 1200


def test_expiry_counts_from_the_time_of_the_file(admin, docroot, area, nobody):
    young = docroot.add("RANDOM4/young", age_seconds=6 * DAY_SECONDS)
    docroot.add("RANDOM5/old", age_seconds=8 * DAY_SECONDS)
    soon = docroot.add("RANDOM6/soon", age_seconds=7 * DAY_SECONDS - 4)
    assert counts(import_filer(admin, docroot, area, "--expire", "7d")) == [2, 0, 0, 1, 0]
    file = {file["path"].rpartition("/")[2]: file for file in admin.json("ls", area)["files"]}
    when = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + DAY_SECONDS))
    assert file["young"]["expires"][:16] >= time.strftime(
        "%Y-%m-%dT%H:%M", time.gmtime(time.time() + DAY_SECONDS - 120))
    assert file["young"]["expires"][:16] <= when
    deadline = time.monotonic() + 30
    while nobody.request("GET", f"{OLD_BASE}/{soon}").status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert nobody.request("GET", f"{OLD_BASE}/{young}").status == 200
    assert counts(import_filer(admin, docroot, area)) == [1, 1, 1, 0, 0]
