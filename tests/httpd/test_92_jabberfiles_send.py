"""jabberfiles send: files of a user reach friends who are there, who are not, and rooms."""

import base64
import hashlib
import os
import re
import subprocess
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest

from client import Client
from config import BASE
from jabber_pair import HOST, JOIN, MAX_FILE_BYTES, UPLOAD_HOST
from jabber_site import login
from jabberfiles import Tool
from records import wait_until
from slot_site import SlotSites
from xmpp_client import ChatClient
from xmpp_ejabberd import Ejabberd
from xmpp_prosody import Prosody

FAILED, USAGE, REFUSED, LIMIT, PARTLY = 1, 2, 4, 5, 8
CONTENT = os.urandom(70000)
SFS, METADATA = "{urn:xmpp:sfs:0}", "{urn:xmpp:file:metadata:0}"
SECONDS_TO_ARRIVE = 20


@pytest.fixture
def alice(pair):
    return pair.new_user()


@pytest.fixture
def tool(env, tmp_path, pair, alice):
    """Alice's tool, with a picture at home."""
    made = Tool(env, tmp_path / "home", **pair.variables(alice))
    made.configure(connect=f"127.0.0.1:{pair.xmpp.ports['c2s']}", ca=pair.ca)
    (made.home / "summer.jpg").write_bytes(CONTENT)
    return made


def messages(chat, count):
    """Waits for messages with a body; returns them as elements, in no namespace."""
    def find():
        stanzas = map(ElementTree.fromstring, list(chat.arrived))
        found = [each for each in stanzas if each.tag == "message"
                 and each.find("body") is not None]
        return found if len(found) >= count else None

    found = wait_until(find, SECONDS_TO_ARRIVE, f"no {count} messages")
    assert len(found) == count
    return found


def body(message):
    return message.findtext("body")


def check_announcement(message, content, name="summer.jpg", media_type="image/jpeg"):
    """The message tells old and new clients of the file; returns the link."""
    link = body(message)
    assert message.findtext("{jabber:x:oob}x/{jabber:x:oob}url") == link
    assert message.find("{jabber:x:oob}x/{jabber:x:oob}desc") is None
    file = message.find(f"{SFS}file-sharing/{METADATA}file")
    assert (file.findtext(f"{METADATA}name"), file.findtext(f"{METADATA}media-type"),
            file.findtext(f"{METADATA}size")) == (name, media_type, str(len(content)))
    digests = {each.get("algo"): each.text for each in file.findall("{urn:xmpp:hashes:2}hash")}
    assert digests["sha-256"] == base64.b64encode(hashlib.sha256(content).digest()).decode()
    source = message.find(f"{SFS}file-sharing/{SFS}sources/"
                          "{http://jabber.org/protocol/url-data}url-data")
    assert source.get("target") == link
    assert message.find("{urn:xmpp:fallback:0}fallback").get("for") == "urn:xmpp:sfs:0"
    return link


# To whom


@pytest.mark.valgrind
def test_a_friend_who_comes_online_later(pair, tool):
    bob = pair.new_user()
    lines = tool("send", "summer.jpg", bob.jid).splitlines()
    link = lines[0]
    assert re.fullmatch(rf"{bob.jid} +handed to the server", lines[1]) and len(lines) == 2
    with ChatClient(pair.xmpp, bob) as chat:
        message, = messages(chat, 1)
    assert check_announcement(message, CONTENT) == link
    assert unquote(urlsplit(link).path).endswith("/summer.jpg")
    assert pair.download(link) == CONTENT


def test_a_friend_who_is_online(pair, tool):
    bob = pair.new_user()
    with ChatClient(pair.xmpp, bob) as chat:
        link = tool("send", "summer.jpg", bob.jid).splitlines()[0]
        message, = messages(chat, 1)
    assert check_announcement(message, CONTENT) == link
    assert pair.download(link) == CONTENT


def test_fifteen_recipients_of_whom_one_does_not_exist(pair, tool):
    friends = pair.new_users(14)
    bogus = f"nobody@{HOST}"
    jids = [user.jid for user in friends]
    objects = tool.json("send", "summer.jpg", *jids[:7], bogus, *jids[7:], code=PARTLY)
    file, recipients = objects[0], objects[1:]
    assert (file["type"], file["name"], file["size_bytes"]) == ("file", "summer.jpg", len(CONTENT))
    assert {each["type"] for each in recipients} == {"recipient"}
    states = {each["jid"]: each["state"] for each in recipients}
    assert states == {**dict.fromkeys(jids, "handed"), bogus: "refused"}
    assert next(each for each in recipients if each["jid"] == bogus)["reason"]
    for user in friends:
        with ChatClient(pair.xmpp, user) as chat:
            message, = messages(chat, 1)
        assert body(message) == file["link"]


def test_nobody_takes_it(pair, tool):
    done = tool.run("send", "summer.jpg", f"nobody@{HOST}", "somebody@nowhere.invalid")
    assert done.code == REFUSED
    refusals = [line for line in done.lines if re.search(r"@\S+ +refused: ", line)]
    assert len(refusals) == 2


def test_a_room(pair, tool, alice):
    bob = pair.new_user()
    room = pair.new_room(bob)
    with ChatClient(pair.xmpp, bob) as chat:
        chat.say(f"<presence to='{room}/bob'>{JOIN}</presence>")
        wait_until(lambda: any("110" in text for text in chat.arrived), 20, "bob cannot enter")
        lines = tool("send", "summer.jpg", room).splitlines()
        message, = messages(chat, 1)
    assert re.fullmatch(rf"{room} +posted in the room", lines[1])
    assert message.get("type") == "groupchat"
    assert pair.download(check_announcement(message, CONTENT)) == CONTENT


# What


def test_each_file_is_uploaded_once_and_told_to_all(pair, tool):
    users = pair.new_users(2)
    (tool.home / "notes.txt").write_bytes(b"some notes\n")
    lines = tool("send", "summer.jpg", "notes.txt", *(user.jid for user in users)).splitlines()
    links = lines[:2]
    assert len(lines) == 4 and len(set(links)) == 2
    for user in users:
        with ChatClient(pair.xmpp, user) as chat:
            picture, notes = messages(chat, 2)
        assert check_announcement(picture, CONTENT) == links[0]
        assert check_announcement(notes, b"some notes\n", "notes.txt", "text/plain") == links[1]
    assert pair.download(links[1]) == b"some notes\n"


def test_a_text_goes_before_the_link(pair, tool):
    bob = pair.new_user()
    tool("send", "--message", "look <here> & there", "summer.jpg", bob.jid)
    with ChatClient(pair.xmpp, bob) as chat:
        text, announcement = messages(chat, 2)
    assert body(text) == "look <here> & there" and text.find("{jabber:x:oob}x") is None
    check_announcement(announcement, CONTENT)


def test_characters_that_xml_cannot_carry(pair, tool):
    bob = pair.new_user()
    tool("send", "--message", "ring \x07 \x1b[31m \ufffe", "summer.jpg", bob.jid)
    with ChatClient(pair.xmpp, bob) as chat:
        text, _ = messages(chat, 2)
    assert body(text) == "ring ? ?[31m ?"


@pytest.mark.parametrize("name", ["two words & <more>.txt", "Grüße aus Köln.txt",
                                  "it's 100% \"so\".txt", "日本語.txt"])
def test_names(pair, tool, name):
    bob = pair.new_user()
    (tool.home / name).write_bytes(b"x")
    link = tool("send", f"./{name}", bob.jid).splitlines()[0]
    with ChatClient(pair.xmpp, bob) as chat:
        message, = messages(chat, 1)
    assert check_announcement(message, b"x", name, "text/plain") == link
    assert pair.download(link) == b"x"


def test_standard_input(pair, tool):
    bob = pair.new_user()
    link = tool("send", "-", bob.jid, "--name", "backup.pdf", stdin=CONTENT).splitlines()[0]
    with ChatClient(pair.xmpp, bob) as chat:
        message, = messages(chat, 1)
    check_announcement(message, CONTENT, "backup.pdf", "application/pdf")
    assert pair.download(link) == CONTENT


# What happens meanwhile


def test_a_connection_that_is_lost_meanwhile_is_made_again(pair, tool):
    bob = pair.new_user()
    with tool.start("send", "-", bob.jid, "--name", "backup.pdf",
                    stdin=subprocess.PIPE) as running:
        # More than a pipe holds: who reads it has logged in and found the upload service.
        running.process.stdin.write(CONTENT)
        running.process.stdin.flush()
        with pair.xmpp.stopped():
            pass
        running.process.stdin.close()
        done = running.finish()
    assert done.code == 0, done
    with ChatClient(pair.xmpp, bob) as chat:
        message, = messages(chat, 1)
    assert check_announcement(message, CONTENT, "backup.pdf", "application/pdf") == done.lines[0]


# What cannot be


def test_nothing_is_uploaded_if_a_file_cannot_be_read(pair, tool):
    for name in ("missing.txt", "."):
        done = tool.run("send", "summer.jpg", f"./{name}", pair.new_user().jid)
        assert done.code in (FAILED, USAGE) and done.out == ""
        assert name in done.err


def test_too_large_for_the_service(pair, tool):
    with open(tool.home / "film.avi", "wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    text = tool.complaint("send", "film.avi", pair.new_user().jid, code=LIMIT)
    assert f"{UPLOAD_HOST} takes files of at most 8 MiB" in text and "--url" in text


def test_an_empty_file_has_no_slot(pair, tool):
    (tool.home / "empty.txt").write_bytes(b"")
    text = tool.complaint("send", "empty.txt", pair.new_user().jid, code=USAGE)
    assert f"empty.txt is empty, and {UPLOAD_HOST} takes no empty files" in text


def test_files_that_go_need_a_service_that_lets_them(pair, tool):
    text = tool.complaint("send", "--expires", "1d", "summer.jpg", pair.new_user().jid, code=USAGE)
    assert "--expires" in text and "--url" in text


def test_one_name_for_several_files(pair, tool):
    (tool.home / "b.txt").write_bytes(b"x")
    text = tool.complaint("send", "--name", "c.txt", "summer.jpg", "b.txt", pair.new_user().jid,
                          code=USAGE)
    assert "--name" in text


# httpd as the upload service, and as the area of those who have no upload service

PROSODY_SERVICES = {
    "jwt": """
Component "upload.example.org" "http_file_share"
    http_file_share_base_url = "{url}"
    http_file_share_secret = "{secret}"
""",
    "v2": """
Component "upload.example.org" "http_upload_external"
    http_upload_external_base_url = "{url}/"
    http_upload_external_secret = "{secret}"
    http_upload_external_protocol = "v2"
""",
}
EJABBERD_SERVICE = """
modules:
  mod_http_upload: {{service_url: "{url}/.slot"}}
"""


@pytest.fixture(scope="module")
def sites(fleet, program, start_own_xmpp):
    made = SlotSites(fleet, program, start_own_xmpp)
    yield made
    made.close()


def start_site(sites, name):
    if name == "service_url":
        return sites.start(Ejabberd, EJABBERD_SERVICE, {}, [HOST],
                           base_lines="JabberFilesSlotService On",
                           inner_lines='<Location "/files/.slot">\nRequire local\n</Location>')
    if name == "area":
        return sites.start(Prosody, '\n    modules_enabled = {{ "offline" }}\n', {}, [HOST])
    more = '\n    modules_enabled = {{ "offline" }}\n' + PROSODY_SERVICES[name]
    return sites.start(Prosody, more, {"secret": name}, [HOST])


@pytest.fixture(scope="module", params=[*PROSODY_SERVICES, "service_url"])
def service_site(request, sites):
    return start_site(sites, request.param)


@pytest.fixture(scope="module")
def area_site(sites):
    return start_site(sites, "area")


@pytest.fixture
def tool_of(env, tmp_path):
    """Makes the tool of a user of a site."""
    def make(site, user, **keys):
        made = Tool(env, tmp_path / user.localpart, JABBERFILES_PASSWORD=user.password)
        made.configure(jid=user.jid, connect=f"127.0.0.1:{site.xmpp.ports['c2s']}",
                       ca=site.xmpp.certificates.ca, **keys)
        (made.home / "summer.jpg").write_bytes(CONTENT)
        return made

    return make


def test_httpd_is_the_upload_service(service_site, tool_of):
    alice, bob = service_site.xmpp.new_users(2, HOST)
    link = tool_of(service_site, alice)("send", "summer.jpg", bob.jid).splitlines()[0]
    with ChatClient(service_site.xmpp, bob) as chat:
        message, = messages(chat, 1)
    assert check_announcement(message, CONTENT) == link
    answer = Client(service_site.server).request("GET", urlsplit(link).path)
    assert (answer.status, answer.body) == (200, CONTENT)


def test_without_an_upload_service_the_area_is_used(area_site, tool_of):
    alice, bob = area_site.xmpp.new_users(2, HOST)
    tool = tool_of(area_site, alice, url=area_site.server.url(BASE))
    for content in (CONTENT, b""):
        (tool.home / "summer.jpg").write_bytes(content)
        link = tool("send", "summer.jpg", bob.jid).splitlines()[0]
        assert login(area_site.server, alice).get("summer.jpg").body == content
        with ChatClient(area_site.xmpp, bob) as chat:
            message, = messages(chat, 1)
        assert check_announcement(message, content) == link
        assert Client(area_site.server).request("GET", urlsplit(link).path).body == content


def test_without_a_place_for_files_it_is_said_what_to_do(area_site, tool_of):
    alice, bob = area_site.xmpp.new_users(2, HOST)
    text = tool_of(area_site, alice).complaint("send", "summer.jpg", bob.jid, code=USAGE)
    assert "offers no upload service" in text
    assert "--url URL" in text and "jabberfiles login" in text


def test_files_that_go_are_put_into_the_area(service_site, tool_of):
    """An upload service that cannot be told when files go is not used for them."""
    alice, bob = service_site.xmpp.new_users(2, HOST)
    tool = tool_of(service_site, alice, url=service_site.server.url(BASE))
    link = tool("send", "--expires", "1d", "summer.jpg", bob.jid).splitlines()[0]
    file, = login(service_site.server, alice).listing()["files"]
    assert file["link"] == link and file["path"] == "summer.jpg" and file["expires"]
