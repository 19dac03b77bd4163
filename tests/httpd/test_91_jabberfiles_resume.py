"""jabberfiles get over connections that break, servers that stop and files that change: what is
downloaded in the end is one file from its first byte to its last, or nothing."""

import base64
import hashlib
import json
import signal

import pytest

from client import link_path
from config import Site
from cut_proxy import CutProxy
from http_script import HttpScript, answer, serve
from jabberfiles import Tool
from records import wait_until

MIB = 1 << 20
BIG_BLOCKS = 500
DONE, FAILED, LIMIT, UNAVAILABLE, MISMATCH, INTERRUPTED = 0, 1, 5, 6, 7, 130
OLD = b"".join(hashlib.sha256(b"old %d" % n).digest() for n in range(60000))
NEW = b"".join(hashlib.sha256(b"new %d" % n).digest() for n in range(50000))
NEW_OF_SAME_SIZE = NEW + OLD[len(NEW):]
PARTS = ["a.bin.part", "a.bin.part.json"]
CHANGED = "it has changed on the server"


@pytest.fixture(scope="module")
def site():
    return Site(base_lines="JabberFilesMaxFileSize 1G\nJabberFilesQuota 2G")


@pytest.fixture
def tool(env, tmp_path):
    return Tool(env, tmp_path / "home")


def args(*more):
    return ("get", "--yes", "--allow-private", *more)


@pytest.fixture
def get(tool):
    return lambda *more: tool.run(*args(*more))


def names_in(tool):
    return sorted(path.name for path in tool.home.iterdir() if not path.name.startswith(".run"))


def digest_of(content):
    return hashlib.sha256(content).hexdigest()


def ranges_of(web):
    return [heard.headers["Range"] for heard in web.heard if heard.method == "GET"]


def reconnecting(step):
    """Answers as `step`, and closes."""
    def close_after(exchange):
        step(exchange)
        exchange.close()

    return close_after


# Against the real server


def big_blocks():
    """Blocks that are all different."""
    for number in range(BIG_BLOCKS):
        yield hashlib.sha256(b"block %d" % number).digest() * (MIB // 32)


@pytest.fixture(scope="module")
def big(server, users):
    """The link of a file of 500 MiB, and its digest."""
    digest = hashlib.sha256()

    def blocks():
        for block in big_blocks():
            digest.update(block)
            yield block

    owner = users.client(server)
    answered = owner.put("big.bin", blocks(), {"Content-Length": str(BIG_BLOCKS * MIB)})
    assert answered.status == 201
    yield answered.link, digest.hexdigest()
    owner.close()  # The server has been restarted meanwhile.
    assert owner.delete("big.bin").status == 204


def sha256_of_file(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_500_mib_cut_three_times_and_killed_once(server, big, get, tool):
    """Three breaks in one run, a kill -9, another break and the end in a second run."""
    link, digest = big
    cuts = [70 * MIB, 130 * MIB, 90 * MIB, 100 * MIB]
    with CutProxy(server, cuts, on_cut=lambda number: number == 3 and running.kill()) as proxy:
        url = proxy.front.url(link_path(link))
        with tool.start(*args(url)) as started:
            running = started.process
            assert started.finish().code == -signal.SIGKILL
        assert names_in(tool) == ["big.bin.part", "big.bin.part.json"]
        left = (tool.home / "big.bin.part").stat().st_size
        assert left > 300 * MIB
        done = get("--json", url)
        passed = sum(proxy.passed_bytes)
    assert done.code == DONE, done
    assert done.objects[0]["sha256"] == digest
    assert sha256_of_file(tool.home / "big.bin") == digest
    assert names_in(tool) == ["big.bin"]
    # What is in the kernel when a connection is reset is lost, and comes once more.
    assert passed < (BIG_BLOCKS + 4 * 10) * MIB
    (tool.home / "big.bin").unlink()


@pytest.mark.parametrize("content", [NEW, NEW_OF_SAME_SIZE, OLD + NEW[:1000], b""],
                         ids=["shorter", "of the same size", "longer", "empty"])
def test_file_that_changes_while_it_comes_is_the_new_one_alone(owner, server, get, tool, content):
    link = owner.put("a.bin", OLD).link
    with CutProxy(server, [len(OLD) // 2],
                  on_cut=lambda number: owner.put("a.bin", content)) as proxy:
        done = get(proxy.front.url(link_path(link)))
    assert done.code == DONE, done
    assert CHANGED in done.err
    assert (tool.home / "a.bin").read_bytes() == content
    assert names_in(tool) == ["a.bin"]


def wait_for_bytes(tool, more_than):
    """That the .part is there is not enough: it is made before its first byte has come."""
    part = tool.home / "a.bin.part"
    wait_until(lambda: part.exists() and part.stat().st_size > more_than, 30,
               "nothing is written")


def kill_in_the_middle(tool, server, link, after_bytes):
    """A run of the tool ends by kill -9; returns the proxy, which serves on."""
    proxy = CutProxy(server, [after_bytes], is_stalling=True)
    with tool.start(*args(proxy.front.url(link_path(link)))) as running:
        assert proxy.stalled.wait(30)
        wait_for_bytes(tool, after_bytes // 2)
        running.process.kill()
        running.process.wait()
    assert names_in(tool) == PARTS
    return proxy


def test_later_run_goes_on_after_kill(owner, server, get, tool):
    link = owner.put("a.bin", OLD).link
    with kill_in_the_middle(tool, server, link, len(OLD) // 2) as proxy:
        before = sum(proxy.passed_bytes)
        done = get(proxy.front.url(link_path(link)))
        assert done.code == DONE, done
        # A quarter of it was in the file before, at least; there is a header, too.
        assert sum(proxy.passed_bytes) - before < len(OLD) - len(OLD) // 5
    assert "going on at" in done.err
    assert (tool.home / "a.bin").read_bytes() == OLD
    assert names_in(tool) == ["a.bin"]


@pytest.mark.parametrize("content", [NEW, NEW_OF_SAME_SIZE], ids=["shorter", "of the same size"])
def test_later_run_does_not_go_on_with_another_file(owner, server, get, tool, content):
    link = owner.put("a.bin", OLD).link
    with kill_in_the_middle(tool, server, link, len(OLD) // 2) as proxy:
        owner.put("a.bin", content)
        done = get(proxy.front.url(link_path(link)))
    assert done.code == DONE, done
    assert CHANGED in done.err
    assert (tool.home / "a.bin").read_bytes() == content


def test_part_of_another_link_is_not_gone_on_with(owner, new_owner, server, get, tool):
    link = owner.put("a.bin", OLD).link
    other = new_owner().put("a.bin", NEW).link
    with kill_in_the_middle(tool, server, link, len(OLD) // 2):
        assert get(other).code == DONE
    assert (tool.home / "a.bin").read_bytes() == NEW


def test_interrupt_leaves_what_has_come(owner, server, get, tool):
    link = owner.put("a.bin", OLD).link
    with CutProxy(server, [len(OLD) // 2], is_stalling=True) as proxy:
        with tool.start(*args(proxy.front.url(link_path(link)))) as running:
            assert proxy.stalled.wait(30)
            wait_for_bytes(tool, 0)
            done = running.stop()
        assert (done.code, done.out) == (INTERRUPTED, "")
        assert names_in(tool) == PARTS
        assert get(proxy.front.url(link_path(link))).code == DONE
    assert (tool.home / "a.bin").read_bytes() == OLD


def test_two_downloads_do_not_write_into_one_part(owner, server, get, tool):
    link = owner.put("a.bin", OLD).link
    with CutProxy(server, [len(OLD) // 2], is_stalling=True) as proxy:
        url = proxy.front.url(link_path(link))
        with tool.start(*args(url)) as running:
            assert proxy.stalled.wait(30)
            wait_for_bytes(tool, 0)
            done = get(url)
            assert done.code == UNAVAILABLE
            assert "another download is writing to a.bin.part" in done.err
            running.stop()


def test_server_that_stops_for_a_moment(owner, server, get, tool):
    link = owner.put("a.bin", OLD).link
    with CutProxy(server, [len(OLD) // 2], on_cut=lambda number: server.restart()) as proxy:
        done = get(proxy.front.url(link_path(link)))
    assert done.code == DONE, done
    assert (tool.home / "a.bin").read_bytes() == OLD


# Against scripted ones: what the tool relies on


TAG = {"ETag": '"one"'}


def test_the_rest_is_asked_for_by_the_tag(get, tool):
    steps = [serve(OLD, TAG), serve(OLD, TAG, stop_at=1000000), serve(OLD, TAG, stop_at=1500000),
             serve(OLD, TAG)]
    with HttpScript(steps) as web:
        assert get(web.url("/a.bin")).code == DONE
        assert ranges_of(web) == [None, "bytes=1000000-", "bytes=1500000-"]
        assert [heard.headers["If-Range"] for heard in web.heard] == [None, None, '"one"', '"one"']
    assert (tool.home / "a.bin").read_bytes() == OLD


NOW = "Sun, 22 Nov 2026 12:00:00 GMT"
OLD_DATE = {"Date": NOW, "Last-Modified": "Sun, 22 Nov 2026 11:58:59 GMT"}


def test_the_rest_is_asked_for_by_an_old_date(get, tool):
    def rest(exchange):
        fields = {**OLD_DATE, "Content-Length": str(len(OLD) - 1000),
                  "Content-Range": f"bytes 1000-{len(OLD) - 1}/{len(OLD)}"}
        exchange.send_head(206, fields)
        exchange.send(OLD[1000:])

    with HttpScript([serve(OLD, OLD_DATE), serve(OLD, OLD_DATE, stop_at=1000), rest]) as web:
        assert get(web.url("/a.bin")).code == DONE
        assert web.heard[-1].headers["If-Range"] == OLD_DATE["Last-Modified"]
        assert ranges_of(web) == [None, "bytes=1000-"]
    assert (tool.home / "a.bin").read_bytes() == OLD


@pytest.mark.parametrize("fields", [
    {"ETag": 'W/"one"'}, {"ETag": "one"}, {},
    {"Date": NOW, "Last-Modified": "Sun, 22 Nov 2026 11:59:01 GMT"},
    {"Date": NOW, "Last-Modified": NOW}, {"Last-Modified": "Sun, 22 Nov 2020 11:59:01 GMT"},
    {"Date": NOW, "Last-Modified": "long ago"},
    {"ETag": 'W/"one"', **OLD_DATE},
], ids=["weak tag", "no tag", "nothing", "young date", "same date", "no date of the answer",
        "bad date", "weak tag and old date"])
def test_nothing_is_gone_on_with_by_what_is_not_reliable(get, tool, fields):
    with HttpScript([serve(OLD, fields), serve(OLD, fields, stop_at=1000), serve(NEW, fields)]) \
            as web:
        done = get(web.url("/a.bin"))
        assert ranges_of(web) == [None, None]
    assert done.code == DONE, done
    assert (tool.home / "a.bin").read_bytes() == NEW


def rest_with(headers, body=None, status=206):
    """An answer to "bytes=1000-" that is not quite right."""
    body = OLD[1000:] if body is None else body

    def step(exchange):
        exchange.heard.is_complete = True
        exchange.send_head(status, {**TAG, "Content-Length": str(len(body)), **headers})
        exchange.send(body)
        exchange.close()

    return step


LAST = len(OLD) - 1
WRONG_RESTS = {
    "an earlier offset": {"Content-Range": f"bytes 999-{LAST}/{len(OLD)}",
                          "Content-Length": len(OLD) - 999},
    "a later offset": {"Content-Range": f"bytes 1001-{LAST}/{len(OLD)}",
                       "Content-Length": len(OLD) - 1001},
    "offset 0": {"Content-Range": f"bytes 0-{LAST}/{len(OLD)}", "Content-Length": len(OLD)},
    "another length": {"Content-Range": f"bytes 1000-{LAST}/{len(OLD)}",
                       "Content-Length": len(OLD) - 1001},
    "another size": {"Content-Range": f"bytes 1000-{LAST}/{len(OLD) + 1}"},
    "unknown size": {"Content-Range": f"bytes 1000-{LAST}/*"},
    "another end": {"Content-Range": f"bytes 1000-{LAST - 1}/{len(OLD)}"},
    "end beyond the size": {"Content-Range": f"bytes 1000-{LAST + 1}/{len(OLD)}"},
    "another tag": {"Content-Range": f"bytes 1000-{LAST}/{len(OLD)}", "ETag": '"two"'},
    "a weak tag": {"Content-Range": f"bytes 1000-{LAST}/{len(OLD)}", "ETag": 'W/"one"'},
    "no range": {},
    "another unit": {"Content-Range": f"pages 1000-{LAST}/{len(OLD)}"},
    "several parts": {"Content-Type": "multipart/byteranges; boundary=x"},
    "a number too large": {"Content-Range": f"bytes 1000-{LAST}/{1 << 64}{len(OLD)}"},
}


@pytest.mark.parametrize("headers", WRONG_RESTS.values(), ids=WRONG_RESTS)
def test_rest_that_does_not_fit_is_not_appended(get, tool, headers):
    """The file is fetched anew, as a whole."""
    evil = rest_with(headers, b"\0" * headers.get("Content-Length", len(OLD) - 1000))
    with HttpScript([serve(OLD, TAG), serve(OLD, TAG, stop_at=1000), evil, serve(OLD, TAG)]) as web:
        done = get(web.url("/a.bin"))
        assert ranges_of(web) == [None, "bytes=1000-", None]
    assert done.code == DONE, done
    assert (tool.home / "a.bin").read_bytes() == OLD


def test_shorter_rest_is_a_step_on_the_way(get, tool):
    middle = {"Content-Range": f"bytes 1000-1999/{len(OLD)}"}
    steps = [serve(OLD, TAG), serve(OLD, TAG, stop_at=1000), rest_with(middle, OLD[1000:2000]),
             serve(OLD, TAG)]
    with HttpScript(steps) as web:
        assert get(web.url("/a.bin")).code == DONE
        assert ranges_of(web) == [None, "bytes=1000-", "bytes=2000-"]
    assert (tool.home / "a.bin").read_bytes() == OLD


def test_whole_file_in_place_of_the_rest(get, tool):
    """A server that knows no ranges."""
    with HttpScript([serve(OLD, TAG), serve(OLD, TAG, stop_at=1000), answer(200, OLD, TAG)]) as web:
        done = get(web.url("/a.bin"))
    assert done.code == DONE and CHANGED not in done.err
    assert "cannot go on in the middle" in done.err
    assert (tool.home / "a.bin").read_bytes() == OLD


def test_416_begins_anew(get, tool):
    refusal = answer(416, headers={"Content-Range": "bytes */5"})
    with HttpScript([serve(OLD, TAG), serve(OLD, TAG, stop_at=1000), refusal, serve(OLD, TAG)]) \
            as web:
        done = get(web.url("/a.bin"))
        assert ranges_of(web) == [None, "bytes=1000-", None]
    assert done.code == DONE, done
    assert (tool.home / "a.bin").read_bytes() == OLD


def test_rest_of_a_forged_file_is_found_out_by_its_digest(get, tool):
    """A server that says the tag is the same, and is not."""
    with HttpScript([serve(OLD, TAG), serve(OLD, TAG, stop_at=1000),
                     serve(NEW_OF_SAME_SIZE, TAG)]) as web:
        done = get("--sha256", digest_of(OLD), web.url("/a.bin"))
    assert done.code == MISMATCH
    assert names_in(tool) == []


def test_file_that_is_another_one_each_time_ends(get, tool):
    steps = [serve(OLD, {"ETag": f'"{n}"'}, stop_at=1000 if n else None) for n in range(30)]
    with HttpScript(steps) as web:
        done = get(web.url("/a.bin"))
        assert web.methods().count("GET") <= 5
    assert done.code == UNAVAILABLE, done


def test_busy_server_in_the_middle(get, tool):
    busy = answer(503, headers={"Retry-After": "1"})
    with HttpScript([serve(OLD, TAG), serve(OLD, TAG, stop_at=1000), busy, serve(OLD, TAG)]) as web:
        assert get(web.url("/a.bin")).code == DONE
    assert (tool.home / "a.bin").read_bytes() == OLD


def test_file_that_is_deleted_in_the_middle_leaves_the_part(get, tool):
    with HttpScript([serve(OLD, TAG), serve(OLD, TAG, stop_at=1000), answer(404)]) as web:
        done = get(web.url("/a.bin"))
    assert done.code == 3
    assert names_in(tool) == PARTS


def leave_part(tool, url, content, size_bytes=len(OLD), etag='"one"'):
    """What a run leaves that was killed."""
    (tool.home / "a.bin.part").write_bytes(content)
    record = {"jabberfiles_part": 1, "url": url, "etag": etag, "last_modified": None,
              "size_bytes": size_bytes}
    (tool.home / "a.bin.part.json").write_text(json.dumps(record))


def test_complete_part_is_checked_by_its_last_byte(get, tool):
    with HttpScript([serve(OLD, TAG)]) as web:
        leave_part(tool, web.url("/a.bin"), OLD)
        assert get(web.url("/a.bin")).code == DONE
        assert ranges_of(web) == [f"bytes={len(OLD) - 1}-"]
    assert (tool.home / "a.bin").read_bytes() == OLD
    assert names_in(tool) == ["a.bin"]


def test_part_of_another_link_with_the_same_tag(get, tool):
    with HttpScript([serve(NEW, TAG)]) as web:
        leave_part(tool, web.url("/other/a.bin"), OLD[:1000], len(NEW))
        assert get(web.url("/a.bin")).code == DONE
        assert ranges_of(web) == [None]
    assert (tool.home / "a.bin").read_bytes() == NEW


def test_part_that_is_longer_than_the_file_is_forgotten(get, tool):
    with HttpScript([serve(OLD, TAG)]) as web:
        leave_part(tool, web.url("/a.bin"), OLD + b"x")
        assert get(web.url("/a.bin")).code == DONE
        assert ranges_of(web) == [None]
    assert (tool.home / "a.bin").read_bytes() == OLD


def test_damaged_part_does_not_become_a_file(get, tool):
    """The digest of the server is over all bytes, those of an earlier run too."""
    right = hashlib.sha256(OLD).digest()
    fields = {**TAG, "Repr-Digest": "sha-256=:" + base64.b64encode(right).decode()
              + ":"}
    with HttpScript([serve(OLD, fields)]) as web:
        leave_part(tool, web.url("/a.bin"), b"\0" * 1000)
        done = get(web.url("/a.bin"))
        assert done.code == MISMATCH
        assert names_in(tool) == []
        assert get(web.url("/a.bin")).code == DONE
    assert (tool.home / "a.bin").read_bytes() == OLD


def test_standard_output_goes_on_where_it_was(tool):
    with HttpScript([serve(OLD, TAG), serve(OLD, TAG, stop_at=1000), serve(OLD, TAG)]) as web:
        done = tool.run(*args("-o", "-", web.url("/a.bin")))
        assert ranges_of(web) == [None, "bytes=1000-"]
    assert (done.code, done.stdout) == (DONE, OLD)


def test_standard_output_never_has_two_files(tool):
    with HttpScript([serve(OLD, TAG), serve(OLD, TAG, stop_at=1000),
                     serve(NEW, {"ETag": '"two"'})]) as web:
        done = tool.run(*args("-o", "-", web.url("/a.bin")))
    assert (done.code, done.stdout) == (FAILED, OLD[:1000])
    assert "begin anew" in done.err


def test_time_that_is_over_leaves_the_part(tool):
    def drip(exchange):
        exchange.send_head(200, {**TAG, "Content-Length": str(len(OLD))})
        exchange.send(OLD[:1000])
        exchange.hang()

    with HttpScript([serve(OLD, TAG), drip, serve(OLD, TAG)]) as web:
        done = tool.run(*args("--max-time", "2", web.url("/a.bin")))
        assert done.code == LIMIT and "--max-time" in done.err
        assert names_in(tool) == PARTS
        assert tool.run(*args(web.url("/a.bin"))).code == DONE
    assert (tool.home / "a.bin").read_bytes() == OLD
