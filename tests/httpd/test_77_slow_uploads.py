"""Many uploads from slow networks at once: none is broken off, and whoever is fast is answered."""

import time

import pytest

from client import area_path
from paced import Crowd, Upload, dial

SLOW_COUNT = 60
RATE = 20_000
SECONDS = 5
AREAS = 6
FAST_COUNT = 16
FAST_CONTENT = bytes(100_000)


@pytest.fixture
def crowd(env):
    with Crowd(env.patience) as members:
        yield members


def content_of(number):
    """Bytes that are different for each number."""
    return (b"%08d" % number) * (RATE * SECONDS // 8)


def test_slow_uploads_are_whole_and_fast_ones_are_answered_meanwhile(server, crowd, users, owner,
                                                                     measure):
    owners = [users.client(server) for _ in range(AREAS)]
    slow = [crowd.add(Upload(dial(server), area_path(owners[number % AREAS].jid, f"{number}"),
                             content_of(number), owners[number % AREAS], RATE))
            for number in range(SLOW_COUNT)]
    begin = time.monotonic()
    for number in range(FAST_COUNT):
        assert owner.put(f"{number}", FAST_CONTENT).status == 201
        assert owner.get(f"{number}").body == FAST_CONTENT
    fast_seconds = time.monotonic() - begin
    still_slow = sum(not upload.is_over for upload in slow)
    crowd.wait(*slow)
    measure(f"{FAST_COUNT} fast uploads and downloads took {1000 * fast_seconds:.0f} ms beside "
            f"{SLOW_COUNT} slow uploads, {still_slow} of which took longer")
    assert still_slow == SLOW_COUNT
    assert [upload.read_status() for upload in slow] == [201] * SLOW_COUNT
    for owner_number, one in enumerate(owners):
        files = one.listing()["files"]
        assert len(files) == SLOW_COUNT // AREAS
        for number in range(owner_number, SLOW_COUNT, AREAS):
            assert one.get(f"{number}").body == content_of(number)
