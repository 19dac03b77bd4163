"""The module's section in server-status."""

import contextlib
import re

import pytest

from admin import ledger_editor
from client import Client, area_path, link_path
from config import Site, base_location
from records import wait_until
from wire import Wire, request_head

WIDE_BASE = "/wide"
QUOTA_BYTES = 1000
MAX_FILE_BYTES = 500
SLOW_BASE, OPEN_STATUS = "/slow", "/status-with-jids"
# More than sockets on one machine take in one go, paced or not.
SLOW_BYTES = 2 << 20
ROWS_MAX = 100
SETTLE_SECONDS = 10
TRAFFIC_KEYS = {"SentBytes", "ReceivedBytes", "ActiveDownloads", "ActiveUploads", "DownloadRate",
                "UploadRate"}
COLUMNS = ("area", "direction", "size", "done", "rate", "limited", "since")


@pytest.fixture(scope="module")
def site(users):
    return Site(base_lines=f"JabberFilesQuota {QUOTA_BYTES}\n"
                           f"JabberFilesMaxFileSize {MAX_FILE_BYTES}",
                server_lines=base_location(SLOW_BASE, users.path, "JabberFilesRate 20K")
                + base_location(WIDE_BASE, users.path, "") + f"""
        <Location "{OPEN_STATUS}">
            SetHandler server-status
            JabberFilesShowJIDs On
        </Location>""")


@pytest.fixture
def status(nobody):
    """Reads the section of ?auto as numbers, without the prefix JabberFiles."""
    def read():
        lines = nobody.request("GET", "/server-status?auto").text.splitlines()
        pairs = (line.split(": ") for line in lines if line.startswith("JabberFiles"))
        return {key.removeprefix("JabberFiles"): int(value) for key, value in pairs}

    return read


def section_of(client, path="/server-status"):
    """The section of the page for people."""
    return client.request("GET", path).text.partition("Jabber file areas")[2]


def transfers_in(section):
    """The rows of the table of transfers."""
    table = section.partition("<th>Direction</th>")[2].partition("</table>")[0]
    return [dict(zip(COLUMNS, re.findall("<td>(.*?)</td>", row)))
            for row in table.split("<tr>")[1:]]


def row_of(client, area, path="/server-status"):
    """Waits for the only row of an area, under the name that it has on this page."""
    def find():
        return [row for row in transfers_in(section_of(client, path)) if row["area"] == area]

    row, = wait_until(find, SETTLE_SECONDS, "no row")
    return row


@pytest.fixture
def number_of(records):
    """The number of an owner's area."""
    def find(owner):
        (number,), = records.query("SELECT id FROM area WHERE jid = ?", owner.jid)
        return str(number)

    return find


@pytest.fixture
def slow_file(server, users):
    """A file whose downloads are slow, and its owner."""
    owner = users.client(server, base=SLOW_BASE)
    return owner, link_path(owner.put("slow", bytes(SLOW_BYTES)).link)


@contextlib.contextmanager
def downloads_of(server, path, count=1):
    """So many downloads in progress that nobody reads."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(Wire(server)).send(request_head("GET", path))
        yield


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
        wire.send(request_head("PUT", area_path(owner.jid, "slow", WIDE_BASE),
                               "Content-Length: 100000", client=owner) + bytes(99_995))
        wait_until(lambda: status()["UploadsInFlight"] == 1, 5, "the upload is not counted")
        wire.send(b"hello")
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
    section = section_of(nobody)
    assert section
    assert owner.jid not in section


# Traffic


@pytest.mark.valgrind
def test_bytes_are_summed_up(status, new_owner):
    before = status()
    assert before.keys() >= TRAFFIC_KEYS
    owner = new_owner()
    link = owner.put("a", bytes(300)).link
    owner.open_link(link)
    owner.get("a", {"Range": "bytes=0-9"})

    def grown():
        after = status()
        return {key: after[key] - before[key] for key in ("SentBytes", "ReceivedBytes")}

    wait_until(lambda: grown() == {"SentBytes": 310, "ReceivedBytes": 300}, SETTLE_SECONDS,
               "other sums")


def test_transfers_in_progress_are_counted(server, status, slow_file):
    owner, path = slow_file
    with downloads_of(server, path, 3), Wire(server) as upload:
        upload.send(request_head("PUT", area_path(owner.jid, "new", SLOW_BASE),
                                 f"Content-Length: {SLOW_BYTES}", client=owner) + b"x")
        wait_until(lambda: (status()["ActiveDownloads"], status()["ActiveUploads"]) == (3, 1),
                   SETTLE_SECONDS, "they are not counted")
        wait_until(lambda: status()["DownloadRate"] > 0, SETTLE_SECONDS, "no rate")
    wait_until(lambda: not {status()[key] for key in TRAFFIC_KEYS - {"SentBytes", "ReceivedBytes"}}
               - {0}, SETTLE_SECONDS, "they stay")


def test_table_describes_a_transfer(server, nobody, number_of, slow_file):
    owner, path = slow_file
    with downloads_of(server, path):
        row = row_of(nobody, number_of(owner))
    assert (row["direction"], row["size"], row["limited"]) == ("download", "2 MiB", "yes")
    assert row["rate"].endswith("/s")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", row["since"])


def test_size_of_a_chunked_upload_is_not_known(server, nobody, owner, number_of):
    owner.put("first", b"x")
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "chunked"),
                               "Transfer-Encoding: chunked", client=owner) + b"5\r\nhe")
        row = row_of(nobody, number_of(owner))
    assert (row["direction"], row["size"], row["limited"]) == ("upload", "unknown", "no")


def test_jids_are_shown_where_the_operator_wants_them(server, nobody, number_of, slow_file):
    owner, path = slow_file
    with downloads_of(server, path):
        assert row_of(nobody, owner.jid, OPEN_STATUS)
        assert row_of(nobody, number_of(owner))
        assert owner.jid not in section_of(nobody)


def test_page_stays_short(server, nobody, slow_file):
    with downloads_of(server, slow_file[1], ROWS_MAX + 5):
        wait_until(lambda: "there are 5 more" in section_of(nobody), SETTLE_SECONDS,
                   "no word of the rest")
        section = section_of(nobody)
        assert len(transfers_in(section)) == ROWS_MAX
        assert f"{ROWS_MAX + 5} downloads" in section


def test_transfer_quota_is_a_cause_of_its_own(start_server, users):
    server = start_server(Site(base_lines="JabberFilesTransferQuota 0"))
    nobody = Client(server)
    assert nobody.request("GET", users.client(server).put("x", b"x").link).status == 429
    page = nobody.request("GET", "/server-status?auto").text
    assert "JabberFilesRefusalsTransferQuota: 1\n" in page
    assert "JabberFilesRefusalsTooMany: 0\n" in page


def test_ledger_that_cannot_be_read_leaves_the_rest(start_server, users, log):
    log.expect("JF0050")
    log.allow("JF00[69].")
    server = start_server()
    users.client(server).put("x", b"x")
    nobody = Client(server)
    execute = ledger_editor(server)
    execute("ALTER TABLE area RENAME TO hidden")
    page = nobody.request("GET", "/server-status?auto").text
    assert "JabberFilesSentBytes: 0\n" in page
    assert "JabberFilesAreas" not in page
    assert "ledger cannot be read" in section_of(nobody)
    execute("ALTER TABLE hidden RENAME TO area")
    assert "JabberFilesAreas: 1\n" in nobody.request("GET", "/server-status?auto").text
