"""Links from people who mean no good: where they lead, what the servers there say and
send, and what the files are called."""

import json
import os
import subprocess
import sys
import time

import pytest

import far_web
from http_script import HttpScript, answer, server_context
from jabberfiles import Tool

CONTENT = b"0123456789" * 10
DONE, FAILED, USAGE, NOT_FOUND, REFUSED, LIMIT, UNAVAILABLE, MISMATCH = range(8)
MIB = 1 << 20


@pytest.fixture
def tool(env, tmp_path):
    return Tool(env, tmp_path / "home")


@pytest.fixture
def get(tool):
    """Downloads, from private addresses too: all servers here are at such."""
    return lambda *args: tool.run("get", "--yes", "--allow-private", *args)


@pytest.fixture
def careful_get(tool):
    return lambda *args: tool.run("get", "--yes", *args)


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def assert_nothing_kept(tool):
    assert names_in(tool.home) == []


# Where links lead


@pytest.fixture
def near():
    """A server that must not hear of it, at 127.0.0.1."""
    with HttpScript([answer(200, CONTENT)]) as web:
        yield web
        assert web.connection_count == 0


@pytest.mark.parametrize("host", [
    "127.0.0.1", "localhost", "LOCALHOST.", "127.1", "0x7f.1", "0177.0.0.1", "2130706433",
    "0x7f000001", "127.255.255.254", "0.0.0.0", "0", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::]", "127%2e0.0.1",
])
def test_own_machine_is_not_asked(careful_get, near, tool, host):
    done = careful_get(f"http://{host}:{near.port}/a.txt")
    assert done.code in (REFUSED, USAGE), done
    if done.code == REFUSED:
        assert "private address" in done.err and "--allow-private" in done.err
    assert_nothing_kept(tool)


@pytest.mark.parametrize("address", ["[::1]:8443", "169.254.169.254", "10.1.2.3", "192.168.1.1",
                                     "172.16.0.1", "100.64.0.1", "[fe80::1]", "[fd00:ec2::254]",
                                     "[ff02::1]", "224.0.0.1", "255.255.255.255",
                                     "[64:ff9b::7f00:1]"])
def test_networks_around_are_not_asked(careful_get, address):
    """Whoever tried would say that it cannot be reached."""
    done = careful_get(f"http://{address}/latest/meta-data/")
    assert done.code == REFUSED, done


@pytest.mark.parametrize("port", [22, 25, 6379, 11211])
def test_ports_of_other_services_are_not_asked(careful_get, port):
    done = careful_get(f"http://127.0.0.1:{port}/")
    assert done.code == REFUSED
    assert f"port {port}" in done.err


@pytest.mark.parametrize("url", [
    "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "dict://127.0.0.1/x",
    "https:///x", "https://", "http://127.0.0.1:port/", "https://exa mple.org/",
    "https://example.org/\n", "http://127.0.0.1:1/\r\nX: y",
])
@pytest.mark.parametrize("how", ["get", "careful_get"])
def test_what_is_no_link_of_the_web(request, how, url, tool):
    done = request.getfixturevalue(how)(url)
    assert done.code == USAGE, done
    assert_nothing_kept(tool)


def test_encrypted_links_are_for_chat_clients(get):
    secret = "c0ffee" * 16
    done = get(f"aesgcm://example.org/a.jpg#{secret}")
    assert done.code == USAGE
    assert "chat client" in done.err and secret not in done.err


@pytest.mark.parametrize("login", ["user", "user:s3cret", ":s3cret", "example.org"])
@pytest.mark.parametrize("how", ["get", "careful_get"])
def test_links_with_a_login_are_not_followed(request, how, near, login):
    done = request.getfixturevalue(how)(f"http://{login}@127.0.0.1:{near.port}/a.txt")
    assert done.code == REFUSED
    assert "user name or password" in done.err and "s3cret" not in done.err


def test_fragment_is_not_sent(get):
    with HttpScript([answer(200, CONTENT)]) as web:
        assert get(web.url("/a.txt#key")).code == DONE
        assert all(b"key" not in heard.head for heard in web.heard)


def test_proxies_are_not_asked_about_foreign_links(careful_get, near, tool):
    proxy = {"http_proxy": near.url(), "https_proxy": near.url(), "all_proxy": near.url()}
    done = tool.run("get", "--yes", "http://127.0.0.1:8080/x", env=proxy)
    assert done.code == REFUSED


# Where servers lead on to


def test_redirect_is_followed_and_the_host_is_told(get, tool):
    with HttpScript([answer(200, CONTENT)]) as target, \
            HttpScript([answer(302, headers={"Location": target.url("/b.txt", "localhost")})]) \
            as web:
        done = get(web.url("/a"))
        assert f"127.0.0.1:{web.port} leads to localhost:{target.port}" in done.err
    assert done.code == DONE
    assert names_in(tool.home) == ["b.txt"]


def test_redirects_without_end(get, tool):
    with HttpScript([answer(302, headers={"Location": "/a.txt"})]) as web:
        assert get(web.url("/a.txt")).code == REFUSED
        assert len(web.heard) == 6
    assert_nothing_kept(tool)


def test_redirect_from_https_to_http(get, near, certs, tool):
    with HttpScript([answer(302, headers={"Location": near.url("/a.txt")})],
                    server_context(certs)) as web:
        done = get("--ca", certs.ca, web.url("/a.txt"))
    assert done.code == REFUSED and "from https to http" in done.err
    assert_nothing_kept(tool)


@pytest.mark.parametrize("location", [
    "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "javascript:1", "http://",
    "http://user:s3cret@127.0.0.1:1/", "data:text/plain,x", "\x1b[2J",
])
def test_redirect_to_what_is_no_link(get, tool, location):
    with HttpScript([answer(302, headers={"Location": location})]) as web:
        done = get(web.url("/a.txt"))
    assert done.code != DONE
    assert "root:" not in done.out + done.err and "s3cret" not in done.err
    assert "\x1b" not in done.err
    assert_nothing_kept(tool)


@pytest.fixture
def far(tool):
    """Runs the tool where one link is at a public address, and redirects to a location."""
    def run(location):
        user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
        command = tool.command(["get", "--yes", "-o", "a.txt", "URL"])
        done = subprocess.run(["unshare", "--net", *user, sys.executable, far_web.__file__,
                               location, *command], capture_output=True, text=True, check=False,
                              cwd=tool.home, env={**os.environ, **tool.variables})
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    return run


def test_public_link_that_leads_to_a_public_one(far, tool):
    seen = far("http://FAR/b.txt")
    assert (seen["code"], seen["public"]) == (DONE, ["HEAD", "GET"]), seen
    assert (tool.home / "a.txt").read_text() == "public"


@pytest.mark.parametrize("location", [
    "http://127.0.0.1:NEAR/", "http://localhost:NEAR/", "http://169.254.169.254:NEAR/latest/",
    "http://10.0.0.1:NEAR/", "http://[::1]:NEAR6/", "http://[::ffff:127.0.0.1]:NEAR/",
    "http://0.0.0.0:NEAR/", "http://2130706433:NEAR/", "//127.0.0.1:NEAR/", "http://127.0.0.1:22/",
])
def test_public_link_that_leads_to_a_private_one(far, tool, location):
    """Refused on the address itself, and before a byte is sent there."""
    seen = far(location)
    assert (seen["code"], seen["far"], seen["near"]) == (REFUSED, ["HEAD"], 0), seen
    assert_nothing_kept(tool)


# What servers say and send


def assert_refused_or_tried_again(tool, web):
    """Whatever the tool thinks of the answer, it says so, and makes no file of it."""
    with tool.start("get", "--yes", "--allow-private", web.url("/a.txt")) as running:
        running.wait_for("\n")
        done = running.stop()
    assert done.code != DONE
    assert visible_only(done.out + done.err)
    assert names_in_home(tool) == []


def lying(said, sent, **fields):
    """HEAD says one length, GET sends a body of another."""
    def step(exchange):
        if exchange.heard.method == "HEAD":
            exchange.send_head(200, {"Content-Length": str(said), **fields})
        else:
            exchange.answer(200, sent, fields)

    return [step]


def chunked(content, **fields):
    """The same, and the body without its length."""
    def step(exchange):
        if exchange.heard.method == "HEAD":
            exchange.send_head(200, fields)
            return
        exchange.send_head(200, {"Transfer-Encoding": "chunked",
                                 **{k: v for k, v in fields.items() if k != "Content-Length"}})
        exchange.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))

    return [step]


@pytest.mark.parametrize("script", [
    lying(100, CONTENT + b"x"), lying(100, bytes(MIB)), lying(101, CONTENT), lying(0, CONTENT),
    chunked(CONTENT + b"x", **{"Content-Length": "100"}),
    chunked(bytes(MIB), **{"Content-Length": "100"}),
], ids=["a byte more", "much more", "less", "something for nothing", "more in chunks",
        "much more in chunks"])
def test_length_that_is_not_what_was_announced(get, tool, script):
    with HttpScript(script) as web:
        done = get(web.url("/a.txt"))
    assert done.code == MISMATCH, done
    assert "nothing of it is kept" in done.err
    assert_nothing_kept(tool)


def test_body_that_always_ends_too_early(get, tool):
    def step(exchange):
        exchange.send_head(200, {"Content-Length": "100"})
        if exchange.heard.method == "GET":
            exchange.send(b"x" * 10)
            exchange.close()

    with HttpScript([step]) as web:
        done = get("--max-time", "3", web.url("/a.txt"))
    assert done.code in (UNAVAILABLE, LIMIT), done
    assert not (tool.home / "a.txt").exists()


def test_slow_dribble_ends_with_the_time(get, tool):
    def drip(exchange):
        exchange.send_head(200, {"Content-Length": "1000000"})
        while exchange.heard.method == "GET":
            exchange.send(b"x")
            time.sleep(0.1)

    with HttpScript([drip]) as web:
        begun = time.monotonic()
        done = get("--max-time", "2", web.url("/a.txt"))
    assert done.code == LIMIT and "--max-time" in done.err
    assert time.monotonic() - begun < 30
    assert not (tool.home / "a.txt").exists()


def endless(exchange):
    if exchange.heard.method == "HEAD":
        exchange.send_head(200)
        return
    exchange.send_head(200, {"Transfer-Encoding": "chunked"})
    while True:
        exchange.send(b"100000\r\n" + bytes(MIB) + b"\r\n")


def test_body_without_end_stops_at_the_limit(get, tool):
    with HttpScript([endless]) as web:
        done = get("--max-size", "5M", web.url("/a.bin"))
    assert done.code == LIMIT and "--max-size" in done.err
    assert_nothing_kept(tool)


def test_announced_size_above_the_limit_is_not_fetched(get, tool):
    with HttpScript(lying(100, CONTENT)) as web:
        done = get("--max-size", "99", web.url("/a.bin"))
        assert web.methods() == ["HEAD"]
    assert done.code == LIMIT and "99" in done.err
    assert_nothing_kept(tool)


def test_more_than_the_disk_has_is_not_fetched(get, tool):
    with HttpScript([lambda exchange: exchange.send_head(200, {"Content-Length": str(1 << 59)})]) \
            as web:
        done = get(web.url("/a.bin"))
    assert done.code == LIMIT and "room" in done.err, done
    assert_nothing_kept(tool)


@pytest.mark.parametrize("length", ["-1", "+5", "0x10", "5, 6", "1e3", "", str(1 << 70), "5 5"])
def test_lengths_that_are_none(tool, length):
    with HttpScript([answer(200, CONTENT, {"Content-Length": length})]) as web:
        assert_refused_or_tried_again(tool, web)


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "identity, gzip", "\x1b[2J"])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_packed_content_is_refused(get, tool, coding, method):
    def step(exchange):
        fields = {"Content-Encoding": coding} if exchange.heard.method == method else {}
        exchange.answer(200, CONTENT, fields)

    with HttpScript([step]) as web:
        done = get(web.url("/a.txt"))
    assert done.code == REFUSED and "packed" in done.err, done
    assert "\x1b" not in done.err
    assert_nothing_kept(tool)


@pytest.mark.parametrize("script", [
    lambda exchange: exchange.send(b"SSH-2.0-OpenSSH_9.2\r\n" * 10),
    lambda exchange: exchange.send(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * MIB + b"\r\n\r\n"),
    lambda exchange: exchange.send(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100000 + b"\r\n"),
    lambda exchange: exchange.send(b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"),
    lambda exchange: exchange.send(b"HTTP/1.1 999 \x1b[2J\r\nContent-Length: 0\r\n\r\n"),
], ids=["another protocol", "a long field", "many fields", "a NUL", "a strange status"])
def test_answers_that_are_none(tool, script):
    with HttpScript([script]) as web:
        assert_refused_or_tried_again(tool, web)


# What files are called

# Not to be mistaken for what a run of worse code has left.
OUTSIDE = f"jabberfiles-hostile-{os.getpid()}"
NAMES = {
    f"../../../../../../../../tmp/{OUTSIDE}": OUTSIDE,
    f"/tmp/{OUTSIDE}": OUTSIDE,
    "..\\..\\x": "x",
    "C:\\x": "x",
    "..": "download",
    ".": "download",
    "/": "download",
    ".bashrc": "bashrc",
    "-rf": "rf",
    "--help": "help",
    "\x1b]0;owned\x07a": "]0;owneda",
    "\x1b[2Ja": "[2Ja",
    "a\u202egpj.exe": "agpj.exe",
    "a\u2066b": "ab",
    "a\u200bb": "ab",
    "\u009b2Ja": "2Ja",
    "con": "_con",
    "a.part": "a.part_",
    "a. ": "a",
    "": "download",
    "x" * 1000 + ".jpg": "x" * 196 + ".jpg",
    "ü" * 1000: "ü" * 100,
}


def percent(name):
    return "".join(f"%{byte:02X}" for byte in name.encode())


def quoted(name):
    return name.replace("\\", "\\\\").replace('"', '\\"')


def visible_only(text):
    return all(c == "\n" or (c.isprintable() and c not in "\u202e\u2066\u200b") for c in text)


@pytest.mark.parametrize("name", NAMES, ids=[ascii(name)[:28] for name in NAMES])
@pytest.mark.parametrize("way", ["encoded field", "plain field", "link"])
def test_names_lead_nowhere_else(get, tool, name, way):
    control = any(ord(c) < 32 for c in name)
    if way == "plain field" and (control or not name.isascii()):
        way = "encoded field"
    parameter = {"encoded field": f"filename*=UTF-8''{percent(name)}",
                 "plain field": f'filename="{quoted(name)}"'}.get(way)
    fields = {"Content-Disposition": f"attachment; {parameter}"} if parameter else {}
    path = f"/x/{percent(name)}" if way == "link" else "/"
    with HttpScript([answer(200, CONTENT, fields)]) as web:
        done = get(web.url(path))
    assert done.code == DONE, done
    assert names_in(tool.home) == [NAMES[name]]
    assert (tool.home / NAMES[name]).read_bytes() == CONTENT
    assert visible_only(done.out + done.err)
    assert not os.path.lexists(f"/tmp/{OUTSIDE}")


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"a\xc0\xafb", b"Gr\xfc\xdfe", b"a\x1b[2Jb"])
def test_fields_with_raw_bytes(tool, raw):
    def step(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Type: a/b" + raw
                      + b"\r\nContent-Disposition: attachment; filename=\"" + raw
                      + b"\"\r\nETag: \"" + raw + b"\"\r\nLast-Modified: " + raw + b"\r\n\r\n")
        if exchange.heard.method == "GET":
            exchange.send(b"x")

    with HttpScript([step]) as web:
        with tool.start("get", "--yes", "--allow-private", "--max-time", "3",
                        web.url("/a.txt")) as running:
            done = running.finish()
    assert visible_only(done.out + done.err), done
    assert len(names_in_home(tool)) == (done.code == DONE)


def names_in_home(tool):
    return [name for name in names_in(tool.home) if not name.startswith(".running")]


def test_terminal_sees_visible_text_alone(tool):
    fields = {"Content-Disposition": "attachment; filename*=UTF-8''%1B%5D0;x%07%E2%80%AEa",
              "Content-Type": "text/\x1b[2J"}
    with HttpScript([answer(200, CONTENT, fields)]) as web, \
            tool.on_terminal("get", "--allow-private", web.url("/a.txt")) as terminal:
        terminal.answer("Download", "n")
        done = terminal.finish()
    assert visible_only(done.out.replace("\r", "")), done.out


def test_look_alike_hosts_are_shown_in_ascii(tool):
    """The host of this link is written with a Cyrillic letter."""
    done = tool.run("get", "--yes", "https://ex\u0430mple.invalid/a.txt", "--max-time", "1",
                    env={"LC_ALL": "C"})
    assert done.code != DONE
    assert "xn--" in done.err and "\u0430" not in done.err


def test_link_with_letters_of_all_kinds(get, tool):
    with HttpScript([answer(200, CONTENT)]) as web:
        assert get(web.url("/\u00dc/\u65e5.txt")).out == "\u65e5.txt\n"
        assert web.heard[0].target == "/%C3%9C/%E6%97%A5.txt"
