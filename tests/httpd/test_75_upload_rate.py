"""JabberFilesUploadRate: the uploads into an area share its rate, and nothing is lost."""

import hashlib
import time

import pytest

from client import area_path
from config import Site, base_location
from curl import Curl
from paced import Crowd, Upload, dial, dial_child

RATE = 2 << 20
SIZE_BYTES = 5 << 20
TOLERANCE = 0.15
# A change is noticed when the next piece is there, a tenth of a second at most.
NOTICE_SECONDS = 0.5
UNLIMITED = "JabberFilesQuota unlimited\nJabberFilesMaxFileSize unlimited\n"
BIG = bytes(40 << 20)
# What waits in the server's kernel has passed for the client, and not for the rate.
SMALL_BUFFER = "ReceiveBufferSize 65536\n"


def rate_site(users, **more):
    """BASE has RATE, /free has none."""
    return Site(base_lines=f"{UNLIMITED}JabberFilesUploadRate {RATE}",
                server_lines=SMALL_BUFFER,
                inner_lines=base_location("/free", users.path, UNLIMITED), **more)


@pytest.fixture(scope="module")
def site(users):
    return rate_site(users)


@pytest.fixture
def crowd(env):
    with Crowd(env.patience) as members:
        yield members


def content_of(number, size_bytes=SIZE_BYTES):
    """Bytes that are different for each number."""
    block = hashlib.sha256(b"%d" % number).digest()
    return block * (size_bytes // len(block))


def send(server, crowd, owner, path, content, child=None):
    """An upload that has begun."""
    connection = dial_child(server, child) if child else dial(server)
    return crowd.add(Upload(connection, area_path(owner.jid, path), content, owner))


@pytest.mark.parametrize("count", [1, 4])
def test_uploads_share_the_rate_over_all_processes(server, crowd, owner, measure, count):
    children = server.children()
    uploads = [send(server, crowd, owner, f"{number}", BIG, children[number % len(children)])
               for number in range(count)]
    time.sleep(NOTICE_SECONDS)
    rates = crowd.assert_rate(RATE, uploads, tolerance=TOLERANCE)
    assert all(rate == pytest.approx(RATE / count, rel=0.25) for rate in rates)
    measure(f"{count} uploads into an area at {RATE} bytes/s take {sum(rates):.0f} bytes/s, each "
            f"{min(rates):.0f} to {max(rates):.0f}")


def test_uploads_are_not_faster_as_a_whole_and_nothing_is_lost(server, crowd, owner):
    begin = time.monotonic()
    contents = [content_of(number) for number in range(2)]
    uploads = [send(server, crowd, owner, content[:1].hex(), content) for content in contents]
    crowd.wait(*uploads)
    assert [upload.read_status() for upload in uploads] == [201, 201]
    assert 2 * SIZE_BYTES / (time.monotonic() - begin) < RATE * (1 + TOLERANCE)
    for content in contents:
        assert owner.get(content[:1].hex()).body == content


def test_another_area_is_not_disturbed(server, crowd, owner, users):
    stranger = users.client(server, base="/free")
    slow = send(server, crowd, owner, "slow", BIG)
    time.sleep(NOTICE_SECONDS)
    before = slow.passed_bytes()
    assert stranger.put("fast", BIG).status == 201
    assert slow.passed_bytes() - before < len(BIG) / 2
    crowd.assert_rate(RATE, [slow], tolerance=TOLERANCE)
    assert stranger.get("fast").body == BIG


def test_upload_that_breaks_off_gives_its_share_back(server, crowd, owner):
    lasting, broken = (send(server, crowd, owner, path, BIG, child)
                       for path, child in zip(("lasting", "broken"), server.children()))
    time.sleep(NOTICE_SECONDS)
    crowd.assert_rate(RATE / 2, [lasting], tolerance=TOLERANCE)
    crowd.drop(broken)
    time.sleep(NOTICE_SECONDS)
    crowd.assert_rate(RATE, [lasting], tolerance=TOLERANCE)


def test_upload_of_unknown_length(server, owner):
    content = content_of(1)
    ends = [0, 1, 100_000, 100_070, 1 << 20, SIZE_BYTES]
    pieces = [content[begin:end] for begin, end in zip(ends, ends[1:])]
    begin = time.monotonic()
    assert owner.put_chunked("chunked", pieces).status == 201
    assert SIZE_BYTES / (time.monotonic() - begin) < RATE * (1 + TOLERANCE)
    assert owner.get("chunked").body == content


@pytest.mark.parametrize("option", ["--http1.1", "--http2"])
def test_upload_over_tls(start_server, users, certs, option):
    server = start_server(rate_site(users, certificates=certs, http2=True))
    owner = users.client(server)
    curl, content = Curl(server, owner), content_of(2)
    begin = time.monotonic()
    answer = curl(option, "-T", "-", "-H", f"Content-Length: {SIZE_BYTES}",
                  area_path(owner.jid, "tls"), body=content)
    assert answer.status == 201, answer.text
    rate = SIZE_BYTES / (time.monotonic() - begin)
    assert rate < RATE * (1 + TOLERANCE)
    assert owner.get("tls").body == content
