"""The disk quota of an area and the space of the disk: hard limits, and never the wrong one."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from answer import assert_problem, assert_safe_headers
from client import JSON, area_path
from config import Site, base_location
from curl import Curl
from records import Records, wait_until
from wire import Wire, request_head

QUOTA_BYTES = 1 << 20
MAX_FILE_BYTES = 800 << 10
PARALLEL = 64
SETTLE_SECONDS = 10
DISK_BYTES = 64 << 20

INNER_LOCATIONS = """\
<Location "/files/roomy@example.org">
    JabberFilesQuota 2M
    JabberFilesMaxFileSize 2M
</Location>
<Location "/files/boundless@example.org">
    JabberFilesQuota unlimited
    JabberFilesMaxFileSize unlimited
</Location>
"""


@pytest.fixture(scope="module")
def site(users):
    return Site(base_lines=f"JabberFilesQuota {QUOTA_BYTES}\n"
                           f"JabberFilesMaxFileSize {MAX_FILE_BYTES // 1024}K",
                inner_lines=INNER_LOCATIONS,
                server_lines=base_location("/nothing", users.path, "JabberFilesQuota 0"))


@pytest.mark.valgrind
def test_quota_is_exact_to_the_byte(owner):
    assert owner.put("a", bytes(MAX_FILE_BYTES)).status == 201
    rest = QUOTA_BYTES - MAX_FILE_BYTES
    assert owner.put("b", bytes(rest + 1)).status == 507
    assert owner.put("b", bytes(rest)).status == 201
    assert owner.put("c", b"1").status == 507
    assert owner.put("empty", b"").status == 201
    listing = owner.listing()
    assert (listing["used_bytes"], listing["quota_bytes"]) == (QUOTA_BYTES, QUOTA_BYTES)
    assert listing["reserved_bytes"] == 0


def test_refusal_says_what_is_used_and_what_is_missing(owner):
    owner.put("a", bytes(MAX_FILE_BYTES))
    answer = owner.put("b", bytes(MAX_FILE_BYTES), JSON)
    problem = assert_problem(answer, 507)
    assert problem["quota_bytes"] == QUOTA_BYTES
    assert problem["used_bytes"] == MAX_FILE_BYTES
    assert problem["required_bytes"] == MAX_FILE_BYTES
    assert "quota" in (problem["type"] + problem["title"] + problem["detail"]).lower()
    assert_safe_headers(answer)


def test_file_above_the_size_limit_is_413_with_the_limit(owner):
    answer = owner.put("a", bytes(MAX_FILE_BYTES + 1), JSON)
    assert assert_problem(answer, 413)["max_file_size_bytes"] == MAX_FILE_BYTES
    assert answer.header("Retry-After") is None
    assert owner.put("a", bytes(MAX_FILE_BYTES)).status == 201


def test_deleting_makes_room(owner):
    owner.put("a", bytes(MAX_FILE_BYTES))
    assert owner.put("b", bytes(MAX_FILE_BYTES)).status == 507
    assert owner.delete("a").status == 204
    assert owner.put("b", bytes(MAX_FILE_BYTES)).status == 201
    assert owner.used_bytes() == MAX_FILE_BYTES


def test_replacing_counts_only_the_difference(owner):
    owner.put("a", bytes(MAX_FILE_BYTES))
    assert owner.put("a", b"x" * MAX_FILE_BYTES).status == 200
    assert owner.used_bytes() == MAX_FILE_BYTES
    rest = QUOTA_BYTES - MAX_FILE_BYTES
    assert owner.put("b", bytes(rest)).status == 201
    assert owner.put("b", bytes(rest + 1)).status == 507
    assert len(owner.get("b").body) == rest
    assert owner.put("a", bytes(5)).status == 200
    assert owner.used_bytes() == 5 + rest


def test_refused_replacement_keeps_the_old_file(owner):
    owner.put("filler", bytes(MAX_FILE_BYTES))
    link = owner.put("a", b"old").link
    assert owner.put("a", bytes(QUOTA_BYTES - MAX_FILE_BYTES + 1)).status == 507
    assert owner.open_link(link).body == b"old"


@pytest.mark.parametrize("chunked", [False, True])
def test_parallel_uploads_over_all_processes_never_exceed_the_quota(server, owner, users, log,
                                                                    chunked, records):
    size_bytes = 60_000
    gate = threading.Barrier(PARALLEL)
    log.allow("AH10159")  # httpd's remark that many threads are busy

    def upload(number):
        client = users.client(server, owner.jid)
        gate.wait()
        content = bytes(size_bytes)
        if chunked:
            return client.put_chunked(f"{number}", [content[:30_000], content[30_000:]]).status
        return client.put(f"{number}", content).status

    with ThreadPoolExecutor(PARALLEL) as pool:
        statuses = list(pool.map(upload, range(PARALLEL)))
    assert set(statuses) == {201, 507}
    listing = owner.listing()
    stored = sum(entry["size_bytes"] for entry in listing["files"])
    assert len(listing["files"]) == statuses.count(201)
    assert stored == listing["used_bytes"] <= QUOTA_BYTES
    wait_until(lambda: owner.listing()["reserved_bytes"] == 0, SETTLE_SECONDS,
               "promises outlive their uploads")
    if not chunked:
        # With known lengths nothing is promised in vain: as many as fit have been stored.
        assert statuses.count(201) == QUOTA_BYTES // size_bytes
    assert records.wrong_sums() == []


def test_uploads_were_spread_over_processes(server):
    assert len(server.children()) > 1


def test_announced_uploads_hold_their_room_while_they_run(server, owner):
    with Wire(server) as slow:
        slow.send(request_head("PUT", area_path(owner.jid, "slow"),
                               f"Content-Length: {MAX_FILE_BYTES}", client=owner) + b"begin")
        wait_until(lambda: owner.listing()["reserved_bytes"] == MAX_FILE_BYTES, SETTLE_SECONDS,
                   "the upload in flight is not reserved")
        assert owner.put("other", bytes(MAX_FILE_BYTES)).status == 507
        slow.finish_sending()
        assert slow.read_answer().status == 400
    wait_until(lambda: owner.listing()["reserved_bytes"] == 0, SETTLE_SECONDS,
               "the reservation outlives its upload")
    assert owner.put("other", bytes(MAX_FILE_BYTES)).status == 201
    assert [entry["path"] for entry in owner.listing()["files"]] == ["other"]


def test_quota_of_an_inner_location_counts_for_its_area(server, users):
    client = users.client(server, "roomy@example.org")
    assert client.put("a", bytes((2 << 20) + 1)).status == 413
    assert client.put("a", bytes(2 << 20)).status == 201


def test_unlimited_area_takes_what_comes(server, users):
    client = users.client(server, "boundless@example.org")
    for number in range(3):
        assert client.put(f"{number}", bytes(QUOTA_BYTES)).status == 201
    assert client.listing()["quota_bytes"] is None


def test_quota_of_nothing_takes_only_empty_files(server, users):
    client = users.client(server, base="/nothing")
    assert client.put("a", b"1").status == 507
    assert client.put("a", b"").status == 201


def _small_disk(directory, size_bytes):
    """A command that mounts a small disk on `directory`, seen by its processes alone, and then
    becomes its arguments."""
    user_options = () if os.geteuid() == 0 else ("--user", "--map-current-user", "--keep-caps")
    script = f'mount -t tmpfs -o size={size_bytes},mode=0777 tmpfs "$0" && exec "$@"'
    directory.mkdir(parents=True)
    return ("unshare", "--mount", *user_options, "sh", "-c", script, directory)


@pytest.fixture(params=["ledger elsewhere", "ledger on the same disk"])
def full_disk_server(request, prepare_server, work_dir):
    directory = work_dir / f"disk{len(list(work_dir.glob('disk*')))}"
    database = "" if "same" in request.param else 'JabberFilesDatabase "run/ledger.db"'
    server = prepare_server(Site(store=str(directory / "store"), server_lines=database),
                            _small_disk(directory, DISK_BYTES))
    server.start()
    return server


def test_full_disk_is_507_and_is_not_called_a_quota(full_disk_server, users, log):
    log.allow("JF0020|JF006[02]")
    owner = users.client(full_disk_server)
    small = owner.put("small", b"kept").link
    answer = owner.put("big", bytes(DISK_BYTES), JSON)
    problem = assert_problem(answer, 507)
    assert "quota_bytes" not in problem
    assert "disk" in problem["detail"].lower()
    assert str(full_disk_server.root.parent) not in answer.text
    assert owner.open_link(small).body == b"kept"
    assert [entry["path"] for entry in owner.listing()["files"]] == ["small"]


def test_full_disk_gives_its_room_back(full_disk_server, users, log):
    log.allow("JF0020|JF006[02]")
    owner = users.client(full_disk_server)
    size_bytes = DISK_BYTES // 20
    stored = []
    # Ever smaller files, until nothing more fits.
    while size_bytes > 10:
        status = owner.put(f"{len(stored)}", bytes([len(stored) % 256]) * size_bytes).status
        assert status in (201, 507)
        if status == 201:
            stored.append(size_bytes)
        else:
            size_bytes //= 2
    assert len(stored) >= 10
    for number, stored_bytes in enumerate(stored):
        assert owner.get(f"{number}").body == bytes([number % 256]) * stored_bytes
    assert owner.delete("0").status == 204
    assert owner.put("again", bytes(stored[0] // 2)).status == 201
    assert len(owner.listing()["files"]) == len(stored)


def test_quota_refusal_in_curls_terminal_names_the_reason(server, owner):
    Curl(server, owner)("-T", "-", area_path(owner.jid, "a"), body=bytes(MAX_FILE_BYTES))
    answer = Curl(server, owner)("-T", "-", area_path(owner.jid, "b"), body=bytes(MAX_FILE_BYTES))
    assert answer.status == 507
    assert "quota" in answer.text.lower()
    assert Records(server).wrong_sums() == []
