"""JabberFilesSlotSecret and JabberFilesSlotService: errors at start, merging, and restarts."""

import os

import pytest

from answer import Answer
from client import Client
from config import BASE, Site, base_location
from slots import (KEYS, ask_slot, delete, grant_ejabberd, new_slot, open_slot_service,
                   secret_line, secret_lines, secrets_directory, sha1_of, sign_v1, signed,
                   site_with_slots, write_secret)

DIRECTIVE = "JabberFilesSlotSecret"


@pytest.fixture
def directory(work_dir):
    return secrets_directory(work_dir)


@pytest.fixture
def good(directory):
    """A file that is good as a secret."""
    return write_secret(directory, "good.key", b"a good secret\n")


def assert_refused(server, *words):
    checked = server.check_config()
    assert checked.returncode != 0
    for word in words:
        assert str(word) in checked.stderr
    assert not server.store.exists()


def assert_taken(server):
    checked = server.check_config()
    assert checked.returncode == 0, checked.stderr


# Files


BAD_CONTENTS = {"empty": b"", "a newline": b"\n", "a NUL": b"secret\0", "a NUL inside": b"a\0b\n",
                "a NUL alone": b"\0"}


@pytest.mark.parametrize("content", BAD_CONTENTS.values(), ids=BAD_CONTENTS)
def test_bad_content_of_a_secret_is_refused(prepare_server, directory, good, content):
    bad = write_secret(directory, "bad.key", content)
    assert_refused(prepare_server(Site(base_lines=secret_line("v1", bad))), DIRECTIVE, bad)
    line = secret_line("token", good, delete=bad)
    assert_refused(prepare_server(Site(base_lines=line)), DIRECTIVE, bad)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o606, 0o646, 0o777, 0o444, 0o666])
def test_secret_that_others_can_read_or_write_is_refused(prepare_server, directory, good, mode):
    bad = write_secret(directory, "bad.key", b"a good secret\n", mode)
    assert_refused(prepare_server(Site(base_lines=secret_line("jwt", bad))), DIRECTIVE, bad)
    line = secret_line("token", good, delete=bad)
    assert_refused(prepare_server(Site(base_lines=line)), DIRECTIVE, bad)


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o400, 0o440, 0o660])
def test_secret_of_owner_and_group_is_taken(prepare_server, directory, mode):
    file = write_secret(directory, "good.key", b"a good secret\n", mode)
    assert_taken(prepare_server(Site(base_lines=secret_line("jwt", file))))


def test_what_is_no_file_is_refused(prepare_server, directory, good):
    (directory / "directory").mkdir(mode=0o700)
    os.mkfifo(directory / "fifo", 0o600)
    (directory / "dangling").symlink_to(directory / "missing")
    for path in ("directory", "fifo", "dangling", "missing", "missing/deeper", "good.key/deeper"):
        for line in (secret_line("v1", directory / path),
                     secret_line("token", good, delete=directory / path)):
            assert_refused(prepare_server(Site(base_lines=line)), DIRECTIVE, directory / path)
    assert_refused(prepare_server(Site(base_lines=f"{DIRECTIVE} v1 /dev/null")), DIRECTIVE)
    assert_refused(prepare_server(Site(base_lines=f'{DIRECTIVE} v1 ""')), DIRECTIVE)


def test_message_never_has_the_secret(prepare_server, directory):
    bad = write_secret(directory, "bad.key", b"very-secretive\n", 0o644)
    checked = prepare_server(Site(base_lines=secret_line("v1", bad))).check_config()
    assert "very-secretive" not in checked.stderr + checked.stdout


# Arguments


@pytest.mark.parametrize("arguments", [
    "", "v1", "{good}", "v3 {good}", "V1 {good}", "hmac {good}", '"" {good}', "v1 {good} {good}",
    "v1 {good} delete={good}", "v2 {good} delete={good}", "jwt {good} delete={good}",
    "token {good} remove={good}", "token {good} delete", "token {good} delete=",
    "token {good} {good}", "token {good} delete={good} delete={good}", "{good} v1",
    "v1,v2 {good}"])
def test_bad_arguments_are_refused(prepare_server, good, arguments):
    line = f"{DIRECTIVE} {arguments.format(good=good)}"
    assert_refused(prepare_server(Site(base_lines=line)), DIRECTIVE)


@pytest.mark.parametrize("line", ["JabberFilesSlotService", "JabberFilesSlotService Maybe",
                                  'JabberFilesSlotService ""'])
def test_bad_arguments_of_the_service_are_refused(prepare_server, line):
    assert_refused(prepare_server(Site(base_lines=line)), "JabberFilesSlotService")


@pytest.mark.parametrize("line", ["JabberFilesSlotService On", "JabberFilesSlotService Off"])
def test_good_arguments_of_the_service_are_taken(prepare_server, line):
    assert_taken(prepare_server(Site(base_lines=line)))


def test_directives_belong_to_a_location(prepare_server, good):
    for line in (f'{DIRECTIVE} v1 "{good}"', "JabberFilesSlotService On"):
        assert_refused(prepare_server(Site(server_lines=line)), line.split()[0])


def test_relative_path_starts_at_the_server_root(prepare_server):
    server = prepare_server(Site(base_lines=f"{DIRECTIVE} v1 run/relative.key"))
    assert_refused(server, DIRECTIVE, server.root / "run" / "relative.key")
    write_secret(server.root / "run", "relative.key", KEYS["v1"])
    assert_taken(server)


# Names of areas


def test_two_files_of_one_name_are_refused(prepare_server, directory, good):
    (directory / "other").mkdir()
    for name in ("good.key", "good.txt", "good"):
        same = write_secret(directory / "other", name, b"another secret\n")
        for other_kind in ("v1", "v2", "token"):
            lines = secret_line("v1", good) + secret_line(other_kind, same)
            assert_refused(prepare_server(Site(base_lines=lines)), DIRECTIVE, same)


def test_two_files_of_one_name_in_two_bases_are_refused(prepare_server, users, directory, good):
    (directory / "other").mkdir()
    same = write_secret(directory / "other", "good.key", b"another secret\n")
    other_base = base_location("/other", users.path, secret_line("v1", same))
    server = prepare_server(Site(base_lines=secret_line("v1", good), server_lines=other_base))
    assert_refused(server, DIRECTIVE, "good.key")


def test_one_file_may_stand_in_several_places(start_server, users, good):
    lines = secret_line("v1", good) + secret_line("v2", good) + secret_line("token", good)
    server = start_server(Site(base_lines=lines,
                               server_lines=base_location("/other", users.path, lines)))
    nobody = Client(server)
    for kind, base in (("v1", BASE), ("v2", BASE), ("token", BASE), ("v1", "/other")):
        slot = signed(new_slot(1, base=base), kind, b"a good secret")
        assert slot.put(nobody, b"x").status == 201


# What counts as the secret


@pytest.mark.parametrize("content,key", [
    (b"secret", b"secret"), (b"secret\n", b"secret"), (b"secret\n\n", b"secret\n"),
    (b" secret ", b" secret "), (b"se cret\t\n", b"se cret\t"),
    ("gehéim\n".encode(), "gehéim".encode()), (b"\xff\xfe\x01", b"\xff\xfe\x01"),
    (b"x" * 4000, b"x" * 4000)], ids=lambda value: repr(value)[:20])
def test_secret_is_the_file_without_its_last_newline(start_server, directory, content, key):
    file = write_secret(directory, "secret.key", content)
    nobody = Client(start_server(Site(base_lines=secret_line("v1", file) + secret_line("jwt", file),
                                      single_child=True)))
    for kind in ("v1", "jwt"):
        assert signed(new_slot(1), kind, key).put(nobody, b"x").status == 201
        for other in (key + b"\n", key[:-1], b"\n" + key):
            assert signed(new_slot(1), kind, other).put(nobody, b"x").status == 403


# Merging


def test_inner_location_replaces_all_secrets(start_server, work_dir, directory):
    inner = write_secret(directory, "inner.key", b"inner secret")
    server = start_server(site_with_slots(work_dir, inner_lines=f"""
        <Location "/files/inner">
            {secret_line("v1", inner)}
        </Location>
        <Location "/files/quota">
            JabberFilesQuota 10
        </Location>"""))
    nobody = Client(server)
    # An inner location without secrets has those of the outer one.
    for random in ("outer", "quota"):
        for number, kind in enumerate(KEYS):
            slot = signed(new_slot(1, random=f"{random}/{number}"), kind)
            expected = 403 if kind == "jwt" else 201
            assert slot.put(nobody, b"x").status == expected
    for kind in KEYS:
        assert signed(new_slot(1, random=f"inner/{kind}"), kind).put(nobody, b"x").status == 403
    slot = signed(new_slot(1, random="inner/1"), "v1", b"inner secret")
    assert slot.put(nobody, b"x").status == 201
    outside = signed(new_slot(1, random="inner1"), "v1", b"inner secret")
    assert outside.put(nobody, b"x").status == 403


def test_inner_location_has_limits_of_its_own(start_server, work_dir):
    """ejabberd's URLs begin with the user, so a user's slots can be told apart."""
    user = sha1_of("alice@example.org")
    server = start_server(site_with_slots(work_dir, base_lines="JabberFilesMaxFileSize 100\n",
                                    inner_lines=f"""
        <Location "/files/{user}">
            JabberFilesMaxFileSize 200
        </Location>"""))
    nobody = Client(server)
    assert grant_ejabberd(150, sha1_of("bob@example.org")).put(nobody, bytes(150)).status == 413
    assert grant_ejabberd(150, user).put(nobody, bytes(150)).status == 201
    assert grant_ejabberd(217, user).put(nobody, bytes(217)).status == 413


def test_service_at_slot_alone_is_no_trap(prepare_server):
    """Slots that are granted and cannot be used: either that is said at start, or they can."""
    server = prepare_server(Site(inner_lines=f"""
        <Location "{BASE}/.slot">
            JabberFilesSlotService On
            Require local
        </Location>"""))
    checked = server.check_config()
    if checked.returncode != 0:
        assert "JabberFilesSlotService" in checked.stderr
        return
    server.start()
    answer = ask_slot(Client(server), "juliet@example.org", 1)
    assert answer.status == 404 if isinstance(answer, Answer) \
        else answer.put(Client(server), b"x").status == 201


def test_service_can_be_off_in_one_base(start_server, users):
    server = start_server(Site(
        base_lines="JabberFilesSlotService On\n",
        inner_lines=open_slot_service() + open_slot_service("/other"),
        server_lines=base_location("/other", users.path, "JabberFilesSlotService Off\n")))
    nobody = Client(server)
    slot = ask_slot(nobody, "juliet@example.org", 1)
    assert ask_slot(nobody, "juliet@example.org", 1, base="/other").status == 404
    assert slot.but(base="/other").put(nobody, b"x").status == 405
    assert slot.put(nobody, b"x").status == 201


# Restarts


@pytest.mark.parametrize("restart", ["graceful", "restart"])
def test_secrets_are_read_when_httpd_reads_its_configuration(start_server, directory, restart):
    file = write_secret(directory, "rotated.key", b"old")
    deleting = write_secret(directory, "deleting.key", b"old delete")
    server = start_server(Site(base_lines=secret_line("token", file, delete=deleting)))
    before = signed(new_slot(1), "token", b"old")
    unused = signed(new_slot(1), "token", b"old")
    assert before.put(Client(server), b"x").status == 201
    write_secret(directory, "rotated.key", b"new")
    write_secret(directory, "deleting.key", b"new delete")
    # Not before: secrets are read by httpd's parent alone.
    assert signed(new_slot(1), "token", b"new").put(Client(server), b"x").status == 403
    assert signed(new_slot(1), "token", b"old").put(Client(server), b"x").status == 201
    getattr(server, restart)()
    assert unused.put(Client(server), b"x").status == 403
    after = signed(new_slot(1), "token", b"new")
    assert after.put(Client(server), b"x").status == 201
    assert delete(Client(server), after, key=b"old", delete_key=b"old delete").status == 403
    assert delete(Client(server), after, key=b"new", delete_key=b"new delete").status == 204
    assert Client(server).request("GET", before.target).status == 200


def test_second_secret_by_a_graceful_restart(start_server, work_dir):
    """Rotation without a gap: both for a while, then the new one alone."""
    old, new = b"old", b"new"
    old_line, new_line = (secret_lines(work_dir, ("jwt",), {"jwt": key}, prefix=key.decode())
                          for key in (old, new))
    server = start_server(Site(base_lines=old_line))
    statuses = []
    for lines in (old_line, old_line + new_line, new_line):
        server.reconfigure(Site(base_lines=lines))
        statuses.append([signed(new_slot(1), "jwt", key).put(Client(server), b"x").status
                         for key in (old, new)])
    assert statuses == [[201, 403], [201, 201], [403, 201]]


def test_bad_secret_at_a_graceful_restart_is_found_by_a_check(start_server, directory):
    file = write_secret(directory, "rotated.key", b"old")
    server = start_server(Site(base_lines=secret_line("v1", file)))
    slot = new_slot(1)
    file.write_bytes(b"")
    checked = server.check_config()
    assert checked.returncode != 0 and str(file) in checked.stderr
    slot = slot.but(query=f"v={sign_v1(slot.path, 1, b'old')}")
    assert slot.put(Client(server), b"x").status == 201
