"""jabberfiles-admin on a server that runs: what it shows, sets and removes."""

import contextlib
import os
import re
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from admin import Admin, ledger_editor, upload_in_flight
from environment import server_account
from records import wait_until

MANY = 2500  # more rows than the tool reads at once
UNKNOWN = "nobody.ever@example.org"


@pytest.fixture
def edit(server):
    return ledger_editor(server)


# The command line


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["areas", "--help"], ["--help", "quota"],
                                  ["--help", "transfer-quota"]])
def test_help_is_no_error(admin, args):
    text = admin(*args)
    assert text.startswith("Usage: jabberfiles-admin")
    assert "--json" in text and "Exit codes:" in text


def test_version(admin, server):
    assert admin("--version") == f"jabberfiles-admin {server.env.version}\n"


def help_words(text):
    return set(re.findall(r"^  ([a-z-]+)", text, re.MULTILINE)), \
        set(re.findall(r"^  --([a-z-]+)", text, re.MULTILINE))


def test_manual_and_help_have_the_same_commands_and_options(admin, server):
    manual = Path(server.env.srcdir, "tools/jabberfiles-admin/jabberfiles-admin.8").read_text()
    commands, options = help_words(admin("--help"))
    commands = {word for word in commands if not word.startswith("-")}
    assert len(commands) == 12 and len(options) == 14
    assert set(re.findall(r"^\.It Cm ([a-z-]+) ?(?:Ar|$)", manual.partition(".Sh IMPORT")[0],
                          re.MULTILINE)) == commands
    assert set(re.findall(r"^\.It (?:Fl h , )?Fl -([a-z-]+)", manual, re.MULTILINE)) == options
    for command in commands:
        assert f"\n.Cm {command}\n" in manual.partition(".Sh DESCRIPTION")[0]


@pytest.mark.parametrize("args", [
    [], ["frobnicate"], ["--frobnicate", "areas"], ["-x", "areas"], ["--store"],
    ["--json=yes", "areas"], ["areas", "x"], ["usage"], ["usage", "a@example.org", "b"],
    ["rm", "a@example.org"], ["quota", "a@example.org"], ["quota", "a@example.org", "12 apples"],
    ["quota", "a@example.org", "-5"], ["quota", "a@example.org", "5", "day"], ["areas", "--yes"], ["ls", "--repair", "a@example.org"],
    ["usage", "example.org"], ["usage", "a@example.org/phone"], ["usage", "a b@example.org"],
    ["ls", "@example.org"], ["ls", os.fsdecode(b"\xff@example.org")], ["rm", "x", "y"],
    ["ls", "sha1:"], ["ls", f"sha1:{'g' * 40}"], ["ls", f"sha1:{'a' * 41}"], ["ls", "node:"],
    ["ls", "slots:"], ["ls", "slots:a/b"], ["ls", "slots:a@example.org"], ["ls", "SLOTS:a"]])
def test_wrong_usage_is_2(admin, args):
    assert "Try \"jabberfiles-admin --help\"" in admin.complaint(*args, status=2)
    if "--json=yes" not in args:
        error = admin.error(*args, status=2) if args != ["--store"] \
            else admin.error("areas", *args, status=2)
        assert error["code"] == "usage" and error["message"]


@pytest.mark.parametrize("command", [["usage"], ["ls"], ["rm"], ["remove-area", "--yes"],
                                     ["export"], ["traffic"]])
def test_unknown_area_is_3(admin, tmp_path, command):
    more = {"rm": ["x"], "export": [tmp_path / "out"]}.get(command[0], [])
    assert admin.complaint(*command, UNKNOWN, *more, status=3)
    assert admin.error(*command, UNKNOWN, *more, status=3)["code"] == "not_found"
    assert not (tmp_path / "out").exists()


def test_missing_store_or_ledger_is_told_and_not_created(server, tmp_path):
    (tmp_path / "empty").mkdir()
    for args in (["--store", tmp_path / "none"], ["--store", tmp_path / "empty"],
                 ["--database", tmp_path / "none.db"]):
        for command in (["areas"], ["fsck", "--repair"], ["quota", "a@example.org", "5"]):
            assert "No such file" in Admin(server).complaint(*args, *command, status=1)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert list((tmp_path / "empty").iterdir()) == []


def test_foreign_database_is_refused_and_not_changed(admin, tmp_path):
    foreign = tmp_path / "foreign.db"
    with contextlib.closing(sqlite3.connect(foreign)) as database:
        database.execute("CREATE TABLE diary (page TEXT)")
        database.commit()
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database at all" * 100)
    for path in (foreign, garbage):
        before = path.read_bytes()
        for command in (["areas"], ["quota", "a@example.org", "5"], ["fsck", "--repair"]):
            assert admin.error("--database", path, *command, status=1)["code"] == "ledger"
        assert path.read_bytes() == before


def test_options_win_over_the_environment(server, owner, tmp_path):
    owner.put("a", b"12345")
    lost = Admin(server, JABBERFILES_STORE=str(tmp_path),
                 JABBERFILES_DATABASE=str(tmp_path / "x.db"))
    assert lost.complaint("areas", status=1)
    found = lost.json("usage", owner.jid, "--store", server.store,
                      "--database", server.store / "ledger.db")
    assert found["used_bytes"] == 5
    by_variable = Admin(server, JABBERFILES_DATABASE=str(server.store / "ledger.db"))
    assert by_variable.json("usage", owner.jid)["used_bytes"] == 5


def test_output_that_cannot_be_written_is_an_error(admin):
    with open("/dev/full", "wb") as full:
        for args in (["areas"], ["areas", "--json"], ["--help"]):
            assert admin.run(*args, stdout=full).returncode == 1


# What it shows


@pytest.mark.valgrind
def test_usage_of_an_area(server, admin, owner):
    owner.put("a", bytes(3000))
    owner.put("b", bytes(72))
    with upload_in_flight(server, owner, "c", 102400):
        usage = admin.json("usage", owner.jid)
        assert usage["created"].endswith("Z")
        expected = {"area": owner.jid, "file_count": 2, "used_bytes": 3072,
                    "reserved_bytes": 102400, "quota": "default", "quota_bytes": None}
        assert usage == {**usage, **expected}
        text = admin("usage", owner.jid)
    assert re.search(r"^area +" + re.escape(owner.jid), text, re.MULTILINE)
    assert re.search(r"^used +3 KiB \(3072 bytes\)$", text, re.MULTILINE)
    assert re.search(r"^reserved +100 KiB \(102400 bytes\)$", text, re.MULTILINE)
    assert re.search(r"^quota +default", text, re.MULTILINE)


def test_jid_is_prepared(admin, owner):
    owner.put("a", b"x")
    local, _, domain = owner.jid.partition("@")
    for written in (owner.jid.upper(), f"{local}@EXAMPLE.org."):
        assert admin.json("usage", written)["area"] == owner.jid


@pytest.mark.parametrize("name", [f"sha1:{'0A' * 20}", "node:Some_Body", "slots:ü b.jpg"])
def test_area_without_jid(admin, tmp_path, name):
    """It takes its name wherever a JID is taken."""
    known = name.lower() if name.startswith("sha1:") else name
    assert admin.json("quota", name, "5M")["area"] == known
    assert admin.json("usage", name)["quota_bytes"] == 5 << 20
    assert admin.json("ls", name) == {"area": known, "files": []}
    assert admin.json("export", name, tmp_path / "out")["area"] == known
    assert admin.error("rm", name, "x", status=3)["code"] == "not_found"
    assert known in admin("areas")
    assert admin.json("remove-area", "--yes", name)["area"] == known
    assert admin.error("usage", name, status=3)["code"] == "not_found"


def test_areas_lists_everybody(admin, new_owner):
    owners = [new_owner() for _ in range(3)]
    for count, owner in enumerate(owners, start=1):
        for number in range(count):
            owner.put(str(number), bytes(100))
    by_name = {area["area"]: area for area in admin.json("areas")["areas"]}
    assert list(by_name) == sorted(by_name)
    assert [by_name[owner.jid]["used_bytes"] for owner in owners] == [100, 200, 300]
    lines = admin("areas").splitlines()
    assert lines[0].split() == ["AREA", "FILES", "USED", "RESERVED", "QUOTA", "CREATED"]
    assert len(lines) == len(by_name) + 1
    line, = [line for line in lines if line.startswith(owners[1].jid + " ")]
    assert line.split()[1:4] == ["2", "200", "bytes"]
    assert len({line.index(word) + len(word) for line, word in ((lines[0], "USED"),
                                                                (line, "200 bytes"))}) == 1


@pytest.mark.valgrind
def test_ls_says_what_the_list_of_the_module_says(admin, owner):
    owner.put("docs/ü 日本.txt", b"12345", {"Content-Type": "text/plain"})
    owner.put("b", b"", {"Content-Type": "image/png"})
    entries = owner.listing()["files"]
    files = admin.json("ls", owner.jid)["files"]
    assert len(files) == 2
    for file, entry in zip(files, entries):
        for key in ("path", "size_bytes", "content_type", "expires"):
            assert file[key] == entry[key]
        assert file["created"][:19] == entry["created"][:19]
        assert entry["link"].endswith("/files/" + file["link_path"])
    table = admin("ls", owner.jid)
    assert table.splitlines()[0].split() == ["SIZE", "CREATED", "EXPIRES", "TYPE", "PATH", "LINK"]
    assert re.search(r"^ *5 bytes +\S+Z +never +text/plain +docs/ü 日本\.txt +" +
                     re.escape(files[1]["link_path"]) + "$", table, re.MULTILINE)


def test_lists_longer_than_a_page(start_server):
    server = start_server()
    with contextlib.closing(sqlite3.connect(server.store / "ledger.db", 10)) as ledger:
        ledger.execute("INSERT INTO area (jid, created_us) VALUES ('long@example.org', 0)")
        ledger.executemany(
            "INSERT INTO file (area_id, path, token, object, size_bytes, media_type, created_us)"
            " VALUES ((SELECT id FROM area WHERE jid = 'long@example.org'), ?, ?, ?, 1, 'a/b', 0)",
            [(f"{n:05}", f"t{n}", f"{n:032x}") for n in range(MANY)])
        ledger.executemany("INSERT INTO area (jid, created_us) VALUES (?, 0)",
                           [(f"{n:05}@example.org",) for n in range(MANY)])
        ledger.commit()
    admin = Admin(server)
    assert [file["path"] for file in admin.json("ls", "long@example.org")["files"]] \
        == [f"{n:05}" for n in range(MANY)]
    assert len(admin.json("areas")["areas"]) == MANY + 1
    assert len(admin("areas").splitlines()) == MANY + 2
    lost = {finding["path"] for finding in admin.json("fsck", status=1)["findings"]}
    assert lost == {f"{n:05}" for n in range(MANY)}


HOSTILE_PATHS = ("a\x1b[31mred", "bell\x07", "two\nlines", "c1\u009b31m", "gpj.\u202eexe",
                 "del\x7f", "back\\slash", "line\u2028separator")


@pytest.mark.parametrize("path", HOSTILE_PATHS)
def test_terminal_gets_no_control_characters(admin, owner, edit, path):
    owner.put("plain", b"x")
    edit("UPDATE file SET path = ?, media_type = ? WHERE path = 'plain' AND area_id ="
         " (SELECT id FROM area WHERE jid = ?)", path, path, owner.jid)
    assert admin.json("ls", owner.jid)["files"][0]["path"] == path
    done = admin.run("ls", owner.jid)
    assert len(done.stdout.splitlines()) == 2
    printed = done.stdout + admin.run("rm", owner.jid, path + "x").stderr
    for shown in printed.decode("utf-8"):
        assert shown == "\n" or shown.isprintable()
    assert admin.json("rm", owner.jid, path)["path"] == path


def test_path_that_is_no_utf8_is_shown(admin, owner, edit):
    owner.put("plain", b"x")
    edit("UPDATE file SET path = CAST(x'61ff62' AS TEXT) WHERE path = 'plain' AND area_id ="
         " (SELECT id FROM area WHERE jid = ?)", owner.jid)
    assert r" a\xffb " in admin("ls", owner.jid)
    assert admin.json("ls", owner.jid)["files"][0]["path"] == r"a\xffb"
    assert admin.run("rm", owner.jid, os.fsdecode(b"a\xffb")).returncode == 0


# What it sets and removes


@pytest.mark.valgrind
def test_quota_holds_from_the_next_upload_on(admin, owner):
    assert owner.put("a", bytes(1000)).status == 201
    assert admin.json("quota", owner.jid, "1500")["quota_bytes"] == 1500
    assert owner.put("b", bytes(501)).status == 507
    assert owner.put("b", bytes(500)).status == 201
    assert owner.listing()["quota_bytes"] == 1500
    assert "1.5 KiB (1536 bytes)" in admin("quota", owner.jid, "1.5K")
    assert owner.put("c", bytes(36)).status == 201
    assert owner.put("d", b"x").status == 507
    assert admin.json("quota", owner.jid, "0")["quota_bytes"] == 0
    assert owner.put("d", b"x").status == 507
    assert owner.get("a").status == 200
    assert admin.json("quota", owner.jid, "unlimited")["quota"] == "unlimited"
    assert owner.put("d", bytes(100000)).status == 201
    assert admin.json("quota", owner.jid, "default")["quota"] == "default"
    assert owner.listing()["quota_bytes"] == 500 << 20


def test_quota_can_be_set_before_the_first_upload(admin, owner):
    area = admin.json("quota", owner.jid.upper(), "10")
    assert (area["area"], area["file_count"], area["quota"]) == (owner.jid, 0, "limited")
    assert owner.put("a", bytes(11)).status == 507
    assert owner.put("a", bytes(10)).status == 201


@pytest.mark.valgrind
def test_rm_ends_the_link(admin, owner, nobody, records):
    link = owner.put("docs/a.txt", b"gone").link
    kept = owner.put("a.txt", b"kept").link
    stored = records.object_of(owner.jid, "docs/a.txt")
    assert admin("rm", owner.jid, "docs/a.txt") == f"removed docs/a.txt of {owner.jid}\n"
    assert nobody.request("GET", link).status == 404
    assert nobody.request("GET", kept).status == 200
    assert not stored.exists()
    assert owner.used_bytes() == 4
    assert admin.error("rm", owner.jid, "docs/a.txt", status=3)["code"] == "not_found"
    assert admin.error("rm", owner.jid, "docs", status=3)["code"] == "not_found"


def rows_of(records, jid):
    return records.query("SELECT id FROM area WHERE jid = ?", jid)


@pytest.mark.valgrind
def test_remove_area_leaves_nothing(admin, owner, new_owner, nobody, records):
    other = new_owner()
    kept = other.put("kept", b"kept").link
    links = [owner.put(path, path.encode()).link for path in ("a", "b/c", "b/d")]
    stored = [records.object_of(owner.jid, path) for path in ("a", "b/c", "b/d")]
    area_id = rows_of(records, owner.jid)[0][0]
    admin("quota", owner.jid, "1M")
    removed = admin.json("remove-area", "--yes", owner.jid)
    assert removed == {"area": owner.jid, "file_count": 3, "used_bytes": 7, "removed": True}
    assert [nobody.request("GET", link).status for link in links] == [404, 404, 404]
    assert nobody.request("GET", kept).status == 200
    assert not any(path.exists() for path in stored)
    assert rows_of(records, owner.jid) == []
    assert records.query("SELECT path FROM file WHERE area_id = ?", area_id) == []
    assert owner.listing()["quota_bytes"] == 500 << 20


def test_remove_area_asks_on_a_terminal_and_only_there(admin, owner, records):
    owner.put("a", b"x")
    assert "--yes" in admin.complaint("remove-area", owner.jid, status=2)
    for typed in (b"no\n", b"\n", b"y\n", b"yesterday\n", b"\x04"):
        done = admin.answer(typed, "remove-area", owner.jid)
        assert done.returncode == 1 and b"nothing was removed" in done.stderr
        assert owner.jid.encode() in done.stderr
    assert owner.get("a").status == 200
    assert admin.answer(b"yes\n", "remove-area", owner.jid).returncode == 0
    assert rows_of(records, owner.jid) == []


def test_upload_in_flight_fails_when_its_area_goes(server, admin, owner, records, log):
    owner.put("a", b"x")
    with upload_in_flight(server, owner, "big", 100_000) as wire:
        admin("remove-area", "--yes", owner.jid)
        log.allow(r"JF\d{4}")
        wire.send(bytes(50_000))
        assert wire.read_answer().status >= 400
    assert rows_of(records, owner.jid) == []
    assert records.stored_objects() == records.filed_objects()


# Beside httpd


def test_it_leaves_no_trace_among_the_living(server, admin, owner):
    owner.put("a", b"x")
    before = sorted(path.name for path in (server.store / "alive").iterdir())
    for command in (["areas"], ["quota", owner.jid, "5M"], ["fsck"]):
        admin(*command)
    assert sorted(path.name for path in (server.store / "alive").iterdir()) == before


def owners_below(directory):
    return {path.lstat().st_uid for path in directory.rglob("*")} | {directory.stat().st_uid}


def empty_journal(server):
    """Makes SQLite remove its side files, so that the next who writes must create them."""
    with contextlib.closing(sqlite3.connect(server.store / "ledger.db")) as ledger:
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert not (server.store / "ledger.db-wal").exists()


def test_httpd_can_use_what_the_operator_touched_while_it_was_down(start_server, users, tmp_path):
    server = start_server()
    owner, admin = users.client(server), Admin(server)
    link = owner.put("a", b"kept").link
    owner.put("b", b"gone")
    owner.close()
    server.stop()
    empty_journal(server)
    admin("quota", owner.jid, "8")
    admin("rm", owner.jid, "b")
    admin("backup", tmp_path / "copy.db")
    assert admin.json("fsck", "--repair")["findings"] == []
    assert len(owners_below(server.store)) == 1
    server.start()
    assert owner.put("c", b"1234").status == 201
    assert owner.put("d", b"1").status == 507
    assert owner.open_link(link).body == b"kept"


def test_httpds_own_account_can_run_it(server, owner):
    program = server.root / "jabberfiles-admin"
    shutil.copy(server.env.admin, program)
    admin = Admin(server, program, server_account())
    owner.put("a", b"x")
    assert admin.json("quota", owner.jid, "5M")["quota_bytes"] == 5 << 20
    assert admin.json("ls", owner.jid)["files"][0]["path"] == "a"
    assert admin.json("fsck")["findings"] == []
    admin("rm", owner.jid, "a")
    assert owner.get("a").status == 404


# Backup


def check_backup(path, at_least):
    with contextlib.closing(sqlite3.connect(path)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        paths = {row[0] for row in copy.execute("SELECT path FROM file")}
        assert copy.execute("SELECT sum(used_bytes) FROM area").fetchone() \
            == copy.execute("SELECT sum(size_bytes) FROM file").fetchone()
    assert paths >= at_least


def test_backup_is_whole_while_uploads_run(server, admin, new_owner, tmp_path):
    acknowledged, stop = set(), threading.Event()

    def upload(number, client):
        for count in range(10000):
            if stop.is_set():
                return
            assert client.put(f"{number}.{count}", bytes(count)).status == 201
            acknowledged.add(f"{number}.{count}")

    threads = [threading.Thread(target=upload, args=(number, new_owner())) for number in range(8)]
    for thread in threads:
        thread.start()
    try:
        for number in range(5):
            wait_until(lambda: len(acknowledged) > 50 * number, 30, "uploads are stuck")
            before = set(acknowledged)
            done = admin.json("backup", tmp_path / f"{number}.db")
            assert done["size_bytes"] == (tmp_path / f"{number}.db").stat().st_size
            check_backup(tmp_path / f"{number}.db", before)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert (tmp_path / "0.db").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in sorted(tmp_path.iterdir())] == [f"{n}.db" for n in range(5)]


def test_backup_can_be_used_in_place_of_the_ledger(server, admin, owner, tmp_path):
    owner.put("a", b"12345")
    admin("backup", tmp_path / "copy.db")
    owner.delete("a")
    assert admin.json("--database", tmp_path / "copy.db", "usage", owner.jid)["used_bytes"] == 5


def test_backup_never_overwrites(admin, tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "empty").touch()
    for name in ("precious", "link", "empty", "none/x", "."):
        assert admin.error("backup", tmp_path / name, status=1)["code"] == "io"
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / "empty").read_bytes() == b""
    assert not (tmp_path / "elsewhere").exists()
