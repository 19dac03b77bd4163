"""jabberfiles-admin import: hostile and broken trees, as root and not, interrupted and crowded."""

import contextlib
import json
import os
import pwd
import random
import shutil
import socket
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from admin import Admin
from config import Site, base_location
from docroot import OLD_BASE, Docroot, assert_all_served, content_of, random_part, sha1_of
from environment import server_account
from records import Records, wait_until
from slots import encode_ejabberd, encode_prosody

KILLS = 12
KILLS_MIN = 4  # that come before the import has ended
SETTLE_SECONDS = 60
# When httpd is killed or stopped so soon after an answer, a worker may find the pollset closed.
STOPPED_SOON = "AH03093"


@pytest.fixture(scope="module")
def site(users):
    return Site(server_lines=base_location(OLD_BASE, users.path))


def import_from(admin, layout, docroot, *options, status=0):
    return admin.json("import", "--layout", layout, *options, docroot.root, status=status)


def refused(report):
    return {failure["path"]: failure["message"] for failure in report["failures"]}


# Trees


def plant_at(place):
    """Puts everything there that is no regular file or has a name which no link can have."""
    place.mkdir(parents=True, exist_ok=True)
    planted = {"link": "symbolic link", "folderlink": "symbolic link",
               "dangling": "symbolic link", "fifo": "neither", "socket": "neither"}
    (place / "link").symlink_to("/etc/passwd")
    (place / "folderlink").symlink_to("/etc")
    (place / "dangling").symlink_to("nowhere")
    os.mkfifo(place / "fifo")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        directory = os.open(place, os.O_PATH)
        listener.bind(f"/proc/self/fd/{directory}/socket")
        os.close(directory)
    if os.geteuid() == 0:
        os.mknod(place / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        planted["zero"] = "neither"
    return {str(place / name): why for name, why in planted.items()}


def paths_below(docroot, planted):
    return {os.path.relpath(path, docroot.root): why for path, why in planted.items()}


def assert_refused(report, wanted):
    found = refused(report)
    assert found.keys() == wanted.keys()
    for path, why in wanted.items():
        assert why in found[path], path


@pytest.mark.valgrind
def test_nothing_but_regular_files_in_their_place_is_imported(admin, docroot, owner, nobody):
    user = sha1_of(owner.jid)
    docroot.add(f"{user}/{random_part()}/a.txt")
    docroot.add(f"{user}/many/kept.txt")
    wanted = {}
    for place in (docroot.root, docroot.root / user, docroot.root / user / "many"):
        wanted |= paths_below(docroot, plant_at(place))
    for path, why in {"shallow.txt": "depth", f"{user}/shallow.txt": "depth",
                      f"{user}/many/deep/x/y": "depth", ".hidden/r/n": "hidden",
                      f"{user}/.hidden/n": "hidden"}.items():
        place = docroot.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x")
        shown = {"x/y": "", "/r/n": "", "/n": ""}
        for end in shown:
            path = path.removesuffix(end).removesuffix("/")
        wanted[path] = why
    before = docroot.look()
    report = import_from(admin, "ejabberd", docroot, status=1)
    assert_refused(report, wanted)
    assert report["file_count"] == 2
    assert_all_served(nobody, docroot, encode_ejabberd)
    assert docroot.look() == before
    assert sorted(entry["path"].rpartition("/")[2] for entry in owner.listing()["files"]) \
        == ["a.txt", "kept.txt"]


BAD_NAMES = {"a\x1b[31mred": "U+001B", "two\nlines": "U+000A", "cr\rlf": "U+000D",
             "bell\x07": "U+0007", "del\x7f": "U+007F", "c1\u009b31m": "U+009B",
             "gpj.\u202eexe": "U+202E", "line\u2028separator": "U+2028",
             "latin\udce4.txt": "UTF-8", "over\udcc0\udcaflong": "UTF-8", "\udcff": "UTF-8"}


def test_names_that_no_link_can_have(admin, docroot, area, nobody):
    good = docroot.add("RANDOM1/good.txt")
    for number, name in enumerate(BAD_NAMES):
        docroot.add(f"bad{number}/{name}")
        docroot.add(f"{number}{name}/good.txt")
    docroot.add("someone@example.org/file.txt")
    done = admin.run("import", "--layout", "filer", "--area", area, docroot.root)
    assert done.returncode == 1
    lines = done.stderr.decode("utf-8").splitlines()
    assert len(lines) == 2 * len(BAD_NAMES) + 1
    assert all(line.startswith("jabberfiles-admin: ") and line.isprintable() for line in lines)
    for why in BAD_NAMES.values():
        assert sum(why in line for line in lines) >= 2
    report = import_from(admin, "filer", docroot, "--area", area, status=1)
    assert (report["there_count"], len(report["failures"])) == (1, len(lines))
    assert refused(report)["someone@example.org/file.txt"] == "no link can have this path"
    assert nobody.request("GET", f"{OLD_BASE}/{good}").status == 200


def test_wrong_layout_imports_nothing(admin, docroot, area):
    docroot.add("a/b/c.txt")
    report = import_from(admin, "filer", docroot, "--area", area, status=1)
    assert_refused(report, {"a/b": "RANDOM/NAME"})
    docroot = Docroot(docroot.root.parent / "flat")
    docroot.add("a/c.txt")
    assert_refused(import_from(admin, "ejabberd", docroot, status=1), {"a/c.txt": "USER/RANDOM"})


@pytest.mark.parametrize("names,kept", [
    (("12345678.png", "photo.png"), "photo.png"),        # a thumbnail of ejabberd
    (("98765.jpeg", "20261122.jpg"), "20261122.jpg"),
    (("9.png", "5.png"), "9.png"),                       # both may be one: the older is not
    ((".photo.png.Xd2f", "photo.png"), "photo.png"),     # rsync is not done
    (("b", "a", "c"), "b")])
def test_one_file_of_a_directory_has_its_link(admin, docroot, nobody, names, kept):
    user, part = random_part(), random_part()
    for name in sorted(names, key=lambda name: name == kept):
        docroot.add(f"{user}/{part}/{name}", age_seconds=(name == kept) * 5)
    others = {f"{user}/{part}/{name}": kept for name in names if name != kept}
    for count in ("file_count", "there_count"):
        report = import_from(admin, "ejabberd", docroot, status=1)
        assert_refused(report, others)
        assert report[count] == 1
    assert nobody.request("GET", f"{OLD_BASE}/{user}/{part}/{kept}").status == 200
    dry = Docroot(docroot.root.parent / "dry")
    for name in names:
        dry.add(f"{user}2/{part}/{name}", age_seconds=(name == kept) * 5)
    assert len(refused(import_from(admin, "ejabberd", dry, "--dry-run", status=1))) == len(others)


def test_hidden_file_that_somebody_uploaded(admin, docroot, area, nobody):
    docroot.add("RANDOM7/.bashrc")
    assert import_from(admin, "filer", docroot, "--area", area)["file_count"] == 1
    assert_all_served(nobody, docroot, encode_prosody)


@contextlib.contextmanager
def in_background(work):
    """Calls `work()` again and again."""
    stop = threading.Event()

    def repeat():
        while not stop.is_set():
            work()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(repeat)
        try:
            yield
        finally:
            stop.set()
        done.result()


@pytest.mark.parametrize("mode", ["ab", "r+b"])
def test_file_that_is_written_to_is_not_imported(admin, docroot, area, nobody, records, mode):
    """It grows, or keeps its size."""
    docroot.add(f"0{random_part()}/before.txt")
    written = docroot.add(f"1{random_part()}/written.bin", bytes(32 << 20))
    docroot.add(f"2{random_part()}/after.txt")

    def write():
        with open(docroot.root / written, mode) as file:
            file.write(b"more")

    with in_background(write):
        assert_refused(import_from(admin, "filer", docroot, "--area", area, status=1),
                       {written: "changed meanwhile"})
    assert admin.json("usage", area)["file_count"] == 2
    assert nobody.request("GET", f"{OLD_BASE}/{written}").status == 404
    records.assert_consistent()
    docroot.files[written] = (docroot.root / written).read_bytes()
    assert import_from(admin, "filer", docroot, "--area", area)["file_count"] == 1
    assert_all_served(nobody, docroot, encode_prosody)


def test_uploads_that_the_other_server_receives(admin, docroot, area, nobody, records):
    """Files that look finished for a moment: they are made whole by the last import."""
    parts = [random_part() for _ in range(10)]

    def receive():
        for part in parts:
            path, content = f"{part}/x.bin", content_of(part, random.randrange(200_000))
            for end in range(0, len(content), 20_000):
                with open(docroot.root / path, "ab") as file:
                    file.write(content[end:end + 20_000])
                time.sleep(random.random() / 100)
            docroot.files[path] = (docroot.root / path).read_bytes()

    for part in parts:
        docroot.add(f"{part}/x.bin", b"")
    with ThreadPoolExecutor(1) as pool:
        receiving = pool.submit(receive)
        while not receiving.done():
            admin.run("import", "--layout", "filer", "--area", area, docroot.root)
        receiving.result()
    import_from(admin, "filer", docroot, "--area", area)
    assert_all_served(nobody, docroot, encode_prosody)
    usage = admin.json("usage", area)
    assert (usage["file_count"], usage["used_bytes"]) == (10, docroot.size_bytes())
    records.assert_consistent()


def test_directories_that_turn_into_links(admin, docroot, area, tmp_path, records):
    """What is swapped under our hands leads nowhere else."""
    secret = Docroot(tmp_path / "secret")
    secret.add("x/secret.txt", b"secret")
    for number in range(200):
        docroot.add(f"d{number}/secret.txt", b"public")
    place, aside = docroot.root / "d150", docroot.root.parent / "aside"

    def swap():
        place.rename(aside)
        place.symlink_to(secret.root / "x")
        place.unlink()
        aside.rename(place)

    with in_background(swap):
        for _ in range(5):
            admin.run("import", "--layout", "filer", "--area", area, docroot.root)
    sizes = records.query("SELECT DISTINCT size_bytes FROM file JOIN area ON area.id = area_id"
                          " WHERE jid = ?", area)
    assert sizes == [(6,)]
    objects = records.query("SELECT object FROM file JOIN area ON area.id = area_id"
                            " WHERE jid = ?", area)
    assert {records.object_path(name).read_bytes() for name, in objects} == {b"public"}


# Whose rights


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


def as_account(server, account):
    program = server.root / "jabberfiles-admin"
    if not program.exists():
        shutil.copy(server.env.admin, program)
    return Admin(server, program, account)


@needs_root
@pytest.mark.valgrind
def test_root_reads_all_and_httpd_owns_what_is_made(admin, docroot, server, area, nobody):
    for _ in range(5):
        path = docroot.add(f"{random_part()}/closed.txt")
        (docroot.root / path).chmod(0)
        (docroot.root / path).parent.chmod(0o700)
    docroot.root.chmod(0)
    assert import_from(admin, "filer", docroot, "--area", area)["file_count"] == 5
    assert_all_served(nobody, docroot, encode_prosody)
    owner = server.store.stat()
    for path in server.store.rglob("*"):
        found = path.lstat()
        assert (found.st_uid, found.st_gid) == (owner.st_uid, owner.st_gid), path
        assert found.st_mode & 0o077 == 0 or path.is_dir(), path


def test_it_works_while_httpd_is_down(start_server, docroot, users, log):
    log.allow(STOPPED_SOON)
    server = start_server(Site(server_lines=base_location(OLD_BASE, users.path)))
    owner = users.client(server)
    owner.put("before", b"12345")
    owner.close()
    server.stop()
    docroot.fill(sha1_of(owner.jid), 5, 1000)
    for path in docroot.files:
        (docroot.root / path).chmod(0o600)
    import_from(Admin(server), "ejabberd", docroot)
    assert len({path.lstat().st_uid for path in server.store.rglob("*")}) == 1
    server.start()
    assert owner.used_bytes() == docroot.size_bytes() + 5
    assert_all_served(users.client(server), docroot, encode_ejabberd)
    assert owner.put("after", b"12345").status == 201


@needs_root
def test_owner_of_the_store_imports_what_it_may_read(server, docroot, area, work_dir, nobody):
    public = Docroot(work_dir / f"public{random_part()}")
    closed = public.add(f"{random_part()}/closed.txt")
    opened = public.add(f"{random_part()}/open.txt")
    public.add("closed/x")
    for path in (closed, "closed"):
        (public.root / path).chmod(0)
    try:
        admin = as_account(server, server_account())
        report = import_from(admin, "filer", public, "--area", area, status=1)
    finally:
        shutil.rmtree(public.root)
    assert_refused(report, {closed: "Permission denied", "closed": "Permission denied"})
    assert nobody.request("GET", f"{OLD_BASE}/{opened}").body == public.files[opened]
    docroot.root.chmod(0)
    error = admin.error("import", "--layout", "filer", docroot.root, status=1)
    assert "Permission denied" in error["message"]


@needs_root
def test_anybody_else_is_refused_by_name(server, docroot):
    user = pwd.getpwnam("daemon")
    error = as_account(server, (user.pw_uid, user.pw_gid)) \
        .error("import", "--layout", "filer", docroot.root, status=1)
    assert error["code"] == "refused"
    assert f"belongs to {server_account()[0]}" in error["message"]


@needs_root
def test_hard_links_to_what_root_alone_may_read(admin, docroot, area, tmp_path, nobody):
    """Made by who may write to the directory and not read the file."""
    (tmp_path / "secret").write_bytes(b"secret")
    own = docroot.add(f"{random_part()}/own.txt")
    planted = f"{random_part()}/secret.txt"
    # The file of another user, but no link.
    other = docroot.add(f"{random_part()}/other.txt")
    for path in (own, planted, other):
        (docroot.root / path).parent.mkdir(exist_ok=True)
        os.chown((docroot.root / path).parent, 12345, 12345)
    os.chown(docroot.root / own, 12345, 12345)
    os.link(docroot.root / own, tmp_path / "backup")
    os.link(tmp_path / "secret", docroot.root / planted)
    report = import_from(admin, "filer", docroot, "--area", area, status=1)
    assert_refused(report, {planted: "hard link"})
    assert_all_served(nobody, docroot, encode_prosody)


# Interrupted


def test_store_that_fails_ends_the_import(start_server, docroot, users, log):
    log.allow(STOPPED_SOON)
    server = start_server(Site(server_lines=base_location(OLD_BASE, users.path)))
    admin, objects = Admin(server), list((server.store / "objects").iterdir())
    server.stop()
    docroot.fill(None, 20, 1000)
    for directory in objects:
        directory.chmod(0)
    done = admin.run("--json", "import", "--layout", "filer", docroot.root)
    assert done.returncode == 1
    assert json.loads(done.stderr)["error"]["code"] == "io"
    report = json.loads(done.stdout)
    assert (report["file_count"], report["failures"]) == (0, [])
    for directory in objects:
        directory.chmod(0o700)
    assert import_from(admin, "filer", docroot)["file_count"] == 20
    assert admin.json("fsck")["findings"] == []


def add_more(docroot, users):
    """Small files and a large one of several users."""
    for user in users:
        docroot.fill(user, 30, 3000)
        docroot.add(f"{user}/{random_part()}/big.bin", content_of(random_part(), 3 << 20))


def assert_all_there_once(admin, records, docroot):
    """Each file is there exactly once, and nothing else."""
    tokens = [row[0] for row in records.query("SELECT token FROM file")]
    assert sorted(tokens) == sorted(path.rpartition("/")[0] for path in docroot.files)
    records.assert_only_young_orphans()
    records.assert_consistent()
    assert admin.json("fsck") == {"files": len(docroot.files), "objects": len(docroot.files),
                                  "findings": []}
    assert sum(area["used_bytes"] for area in admin.json("areas")["areas"]) \
        == docroot.size_bytes()


def kill_again_and_again(admin, records, docroot, users):
    """Imports a tree that grows, and is killed at random moments; returns how often it was cut."""
    cut, done = 0, []
    for _ in range(KILLS):
        add_more(docroot, users)
        process = admin.start("import", "--layout", "ejabberd", docroot.root)
        time.sleep(random.random() / 10)
        process.kill()
        cut += process.wait() != 0
        done.append(records.query("SELECT count(*) FROM file")[0][0])
    assert done == sorted(done)
    return cut


def test_killed_imports_lose_and_double_nothing(start_server, docroot, users):
    server = start_server(Site(server_lines=base_location(OLD_BASE, users.path)))
    admin, records = Admin(server), Records(server)
    owners = [users.client(server) for _ in range(4)]
    cut = kill_again_and_again(admin, records, docroot, [sha1_of(owner.jid) for owner in owners])
    assert cut >= KILLS_MIN
    there = records.query("SELECT count(*) FROM file")[0][0]
    report = import_from(admin, "ejabberd", docroot)
    assert (report["there_count"], report["file_count"]) == (there, len(docroot.files) - there)
    assert import_from(admin, "ejabberd", docroot)["file_count"] == 0
    wait_until(lambda: not records.promised_objects(), SETTLE_SECONDS, "a promise is left")
    assert_all_there_once(admin, records, docroot)
    assert_all_served(users.client(server), docroot, encode_ejabberd)
    assert sum(owner.used_bytes() for owner in owners) == docroot.size_bytes()


def test_killed_imports_while_httpd_is_down(start_server, docroot, users, log):
    log.allow(STOPPED_SOON)
    server = start_server(Site(server_lines=base_location(OLD_BASE, users.path)))
    admin, records = Admin(server), Records(server)
    server.stop()
    kill_again_and_again(admin, records, docroot, [random_part(), random_part()])
    import_from(admin, "ejabberd", docroot)
    server.start()
    wait_until(lambda: not records.promised_objects(), SETTLE_SECONDS, "a promise is left")
    assert_all_there_once(admin, records, docroot)
    assert_all_served(users.client(server), docroot, encode_ejabberd)


# Crowded


def test_two_imports_at_once_share_the_work(admin, docroot, area, records):
    docroot.fill(None, 300, 5000)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(import_from, admin, "filer", docroot, "--area", area)
                for _ in range(2)]
    reports = [run.result() for run in runs]
    assert sum(report["file_count"] for report in reports) == 300
    assert sum(report["imported_bytes"] for report in reports) == docroot.size_bytes()
    for report in reports:
        assert report["file_count"] + report["there_count"] == 300
    assert admin.json("usage", area)["used_bytes"] == docroot.size_bytes()
    records.assert_consistent()


def test_import_while_the_same_users_upload(admin, docroot, new_owner, nobody):
    owners = [new_owner() for _ in range(4)]
    uploaded = dict.fromkeys(owners, 0)

    def upload(owner):
        number = uploaded[owner]
        assert owner.put(f"{number}", bytes(1000)).status == 201
        uploaded[owner] += 1

    for owner in owners:
        docroot.fill(sha1_of(owner.jid), 100, 5000)
    with contextlib.ExitStack() as stack:
        for owner in owners:
            stack.enter_context(in_background(lambda owner=owner: upload(owner)))
        assert import_from(admin, "ejabberd", docroot)["file_count"] == 400
    for owner in owners:
        mine = [len(content) for path, content in docroot.files.items()
                if path.startswith(sha1_of(owner.jid))]
        assert uploaded[owner] > 0
        assert owner.used_bytes() == sum(mine) + 1000 * uploaded[owner]
        assert admin.json("usage", owner.jid)["file_count"] == len(mine) + uploaded[owner]
    assert_all_served(nobody, docroot, encode_ejabberd)
