"""jabberfiles put where servers and connections fail, or lie."""

import os
import signal

import pytest

from area_tool import make_file, make_tool
from config import BASE, Site
from http_script import HttpScript, answer, break_off, refuse, server_context
from records import Records, wait_until

ATTEMPTS_MAX = 10
CONTENT = bytes(range(256)) * 40
LINK = b"http://127.0.0.1/files/token/x\n"
SETTLE_SECONDS = 10


@pytest.fixture(scope="module")
def site(certs):
    return Site(certificates=certs)


def test_a_busy_server_is_asked_again_when_it_says(start_script):
    script, tool = start_script([answer(503, headers={"Retry-After": "1"}),
                                 answer(429, headers={"Retry-After": "1"}), answer(201, LINK)])
    make_file(tool, "x", CONTENT)
    done = tool.run("put", "x")
    assert (done.code, done.stdout) == (0, LINK)
    assert "the server answers 503; trying again in 1 s" in done.err
    assert [(heard.method, heard.body) for heard in script.heard] == [("PUT", CONTENT)] * 3


def test_a_server_that_is_busy_for_long_is_left_alone(start_script):
    script, tool = start_script([answer(503, headers={"Retry-After": "3600"})])
    make_file(tool, "x", CONTENT)
    complaint = tool.complaint("put", "x", code=6)
    assert "the server cannot do it now, 503; try again on 2" in complaint
    assert script.methods() == ["PUT"]


@pytest.mark.parametrize("status, code", [(400, 1), (403, 4), (404, 3), (405, 1), (409, 1),
                                          (413, 5), (429, 6), (507, 5)])
def test_refusals_for_good_are_not_repeated(start_script, status, code):
    script, tool = start_script([answer(status)])
    make_file(tool, "x", CONTENT)
    tool.complaint("put", "x", code=code)
    assert script.methods() == ["PUT"]


def test_what_a_hostile_server_says_is_one_visible_line(start_script):
    hostile = b"first \x1b[31m\xe2\x80\xaeline\r\nsecond\n"
    _, tool = start_script([answer(403, hostile, {"Content-Type": "text/plain"})])
    make_file(tool, "x", CONTENT)
    complaint = tool.complaint("put", "x", code=4)
    assert "(first \\u{1b}[31m\\u{202e}line)" in complaint and "second" not in complaint


def test_html_is_never_quoted(start_script):
    _, tool = start_script([answer(500, b"<h1>oops</h1>", {"Content-Type": "text/html",
                                                           "Retry-After": "3600"})])
    make_file(tool, "x", CONTENT)
    assert "oops" not in tool.complaint("put", "x", code=6)


def test_a_redirect_is_not_followed_with_the_password(start_script):
    with HttpScript([answer(201, LINK)]) as thief:
        script, tool = start_script([answer(307, headers={"Location": thief.url("/x")})])
        make_file(tool, "x", CONTENT)
        assert thief.url("/x") in tool.complaint("put", "x", code=1)
        assert script.methods() == ["PUT"] and thief.heard == []


def test_endless_headers_and_bodies_are_cut(start_script):
    _, tool = start_script([answer(201, bytes(1 << 20)),
                            answer(201, headers={f"X-{n}": "y" * 1000 for n in range(100)})])
    make_file(tool, "x", CONTENT)
    assert "longer than" in tool.complaint("put", "x", code=1)
    assert "header" in tool.complaint("put", "x", code=1)


@pytest.mark.parametrize("link", [b"javascript:alert(1)", b"http://a b/", b"http://u:p@h/",
                                  b"\x1b[2J"])
def test_a_link_that_is_none_is_not_handed_out(start_script, link):
    script, tool = start_script([answer(201, link, {"Link": f'<{link.decode()}>; rel="alternate"'
                                                    if link != b"\x1b[2J" else "x"})])
    make_file(tool, "x", CONTENT)
    assert tool("put", "x").startswith(script.url("/files/"))


def test_a_broken_upload_is_sent_again_from_the_start(start_script):
    content = os.urandom(3 << 20)
    script, tool = start_script([break_off(1 << 20), answer(404), answer(201, LINK)])
    make_file(tool, "x", content)
    done = tool.run("put", "x")
    assert (done.code, done.stdout) == (0, LINK)
    assert script.methods() == ["PUT", "HEAD", "PUT"]
    assert script.heard[2].body == content


def test_a_file_that_is_there_after_all_is_not_sent_again(server, owner, tool):
    """The connection breaks when the whole file is stored and nothing of the answer has come."""
    content = os.urandom(3 << 20)
    make_file(tool, "x", content)

    def store_and_break(exchange):
        owner.put("x", exchange.read_body(),
                  {"Repr-Digest": exchange.heard.headers["Repr-Digest"]})
        exchange.reset()

    def pass_on(exchange):
        answered = owner.request(exchange.heard.method, exchange.heard.target, headers={
            name: exchange.heard.headers[name] for name in ("Authorization", "Accept")
            if name in exchange.heard.headers})
        exchange.answer(answered.status, answered.body, {
            name: answered.header(name) for name in ("Repr-Digest", "Content-Type")
            if answered.header(name)})

    context = server_context(server.site.certificates)
    with HttpScript([store_and_break, pass_on], context) as script:
        link = tool("--url", script.url(BASE), "put", "x").strip()
        assert script.methods() == ["PUT", "HEAD", "GET"]
    assert owner.open_link(link).body == content


def test_standard_input_that_broke_off_cannot_be_repeated(start_script):
    script, tool = start_script([break_off(1000)])
    complaint = tool.complaint("-q", "put", "--name", "x", "-", stdin=bytes(1 << 20), code=6)
    assert "- cannot be read twice" in complaint
    assert script.methods() == ["PUT"]


def test_standard_input_of_which_nothing_was_read_is_sent_in_a_second_attempt(start_script):
    for _ in range(ATTEMPTS_MAX):
        script, tool = start_script([break_off(), answer(404), answer(201, LINK)])
        done = tool.run("put", "--name", "x", "-", stdin=CONTENT * 200)
        if b"cannot be read twice" not in done.stderr:
            break
        # The news that the connection is broken came too late.
        assert done.code == 6, done
    assert (done.code, done.stdout) == (0, LINK), done
    assert script.heard[-1].body == CONTENT * 200


def test_a_server_that_is_down(start_script):
    script, tool = start_script([answer(201)])
    script.close()
    make_file(tool, "x", CONTENT)
    with tool.start("put", "x") as running:
        running.wait_for("cannot be reached")
        running.wait_for("trying again in 2 s")
        done = running.stop()
    assert done.code == 130


def test_a_file_that_changes_meanwhile_is_noticed(start_script):
    def grow(exchange):
        with open(path, "ab") as file:
            file.write(b"more")
        exchange.read_body()
        exchange.answer(201, LINK)

    _, tool = start_script([grow])
    path = make_file(tool, "x", CONTENT)
    assert "x has changed while it was read" in tool.complaint("put", "x", code=1)


def test_a_file_that_is_written_to_at_the_end_is_noticed(start_script):
    def rewrite(exchange):
        exchange.read_body()
        path.write_bytes(CONTENT[::-1])
        exchange.answer(201, LINK)

    _, tool = start_script([rewrite])
    path = make_file(tool, "x", CONTENT)
    assert "x has changed while it was read" in tool.complaint("put", "x", code=1)


def test_a_file_that_shrinks_meanwhile_ends_the_upload(start_script):
    def shrink(exchange):
        os.truncate(path, 1)
        exchange.read_body()

    _, tool = start_script([shrink])
    path = make_file(tool, "x", bytes(30 << 20))
    assert "x has changed" in tool.complaint("put", "x", code=1)


# Interruptions of the real kind


def test_a_server_that_dies_in_the_midst_is_waited_for(start_server, users, tmp_path):
    """kill -9 of httpd while it receives; the upload is repeated when it is back."""
    server = start_server(Site(base_lines="JabberFilesUploadRate 8M"))
    owner = users.client(server)
    records = Records(server)
    tool = make_tool(server, owner, tmp_path / "home")
    content = os.urandom(20 << 20)
    make_file(tool, "big", content)
    with tool.start("put", "big") as running:
        wait_until(records.promised_objects, SETTLE_SECONDS, "the upload has not begun")
        server.kill()
        running.wait_for("trying again in 1 s")
        server.start()
        done = running.finish()
    assert done.code == 0, done
    assert owner.open_link(done.out.strip()).body == content
    owner.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_upload_ends_at_once_and_leaves_nothing(start_script, number):
    script, tool = start_script([lambda exchange: exchange.hang()])
    make_file(tool, "x", bytes(100 << 20))
    with tool.start("put", "x") as running:
        wait_until(lambda: script.heard, SETTLE_SECONDS, "the upload has not begun")
        done = running.stop(number)
    assert done.code == 130 and "interrupted" in done.err
    assert script.methods() == ["PUT"]


def test_an_upload_into_the_area_that_is_interrupted_leaves_no_promise(start_server, users,
                                                                       tmp_path):
    server = start_server(Site(base_lines="JabberFilesUploadRate 1M"))
    owner = users.client(server)
    records = Records(server)
    tool = make_tool(server, owner, tmp_path / "home")
    make_file(tool, "big", bytes(20 << 20))
    with tool.start("put", "big") as running:
        wait_until(records.promised_objects, SETTLE_SECONDS, "the upload has not begun")
        assert running.stop().code == 130
    wait_until(lambda: not records.promised_objects(), SETTLE_SECONDS, "a promise is left")
    assert owner.listing()["files"] == []
    owner.close()


def test_a_pipe_that_is_silent_for_a_while_is_waited_for(start_script):
    script, tool = start_script([answer(201, LINK)])
    reading, writing = os.pipe()
    with tool.start("-q", "put", "--name", "x", "-", stdin=reading) as running:
        os.close(reading)
        os.write(writing, b"first ")
        wait_until(lambda: script.heard, SETTLE_SECONDS, "the upload has not begun")
        os.write(writing, b"second")
        os.close(writing)
        assert running.finish().code == 0
    assert script.heard[0].body == b"first second"


def test_an_interruption_ends_the_wait_for_a_pipe(start_script):
    script, tool = start_script([answer(201, LINK)])
    reading, writing = os.pipe()
    with tool.start("put", "--name", "x", "-", stdin=reading) as running:
        os.close(reading)
        os.write(writing, b"first ")
        wait_until(lambda: script.heard, SETTLE_SECONDS, "the upload has not begun")
        assert running.stop().code == 130
    os.close(writing)


# Proxies


def test_a_proxy_of_the_environment_sees_nothing_of_this_machine(start_script):
    with HttpScript([refuse(502)]) as proxy:
        script, tool = start_script([answer(201, LINK)])
        make_file(tool, "x", CONTENT)
        tool("put", "x", env={"http_proxy": proxy.url(), "all_proxy": proxy.url()})
        assert script.methods() == ["PUT"] and proxy.heard == []


def test_a_proxy_of_the_environment_is_used_for_the_area_and_sees_no_password(tool):
    with HttpScript([refuse(502)]) as proxy:
        make_file(tool, "x", CONTENT)
        with tool.start("--url", "https://192.0.2.1/files", "put", "x",
                        env={"https_proxy": proxy.url()}) as running:
            running.wait_for("trying again")
            running.stop()
        heard = proxy.heard[0]
        assert (heard.method, heard.target) == ("CONNECT", "192.0.2.1:443")
        assert heard.headers["Authorization"] is None
