"""The upload service of real Prosodys and ejabberds, used by a real chat client."""

import contextlib
import dataclasses
import hashlib
import os
import re
from datetime import datetime, timedelta
from urllib.parse import unquote, urlsplit

import pytest

from admin import Admin
from client import Client, area_path
from config import BASE
from jabber_site import jabber_site, login
from records import wait_until
from slot_client import SlotClient, SlotRefused
from slot_site import SlotSites
from wire import Wire, request_head
from xmpp_ejabberd import Ejabberd
from xmpp_prosody import Prosody
from xmpp_server import LOCKABLE_HOST, PLAIN_MECHANISM_HOST, User

MAX_BYTES = 64 * 1024
OMEMO_BYTES = 16
SERVICE_HOST, HASH_HOST = "example.org", "second.example"
STRANGE_HOST, NODE_HOST = LOCKABLE_HOST, PLAIN_MECHANISM_HOST

PROSODY_CONFIG = """
Component "jwt.example.org" "http_file_share"
    http_file_share_base_url = "{url}"
    http_file_share_secret = "{jwt}"
Component "v1.example.org" "http_upload_external"
    http_upload_external_base_url = "{url}/"
    http_upload_external_secret = "{v1}"
Component "v2.example.org" "http_upload_external"
    http_upload_external_base_url = "{url}/"
    http_upload_external_secret = "{v2}"
    http_upload_external_protocol = "v2"
"""
# Two hosts may not have put_url with equal host and path: the port is not looked at.
EJABBERD_CONFIG = f"""
append_host_config:
  {SERVICE_HOST}:
    modules:
      mod_http_upload: {{{{service_url: "{{url}}/.slot"}}}}
  {STRANGE_HOST}:
    modules:
      mod_http_upload: {{{{service_url: "{{url}}/.slot"}}}}
  {HASH_HOST}:
    modules:
      mod_http_upload: {{{{put_url: "{{url}}", external_secret: "{{ejabberd}}"}}}}
  {NODE_HOST}:
    modules:
      mod_http_upload:
        put_url: "http://localhost:{{port}}/files"
        external_secret: "{{ejabberd}}"
        jid_in_url: node
"""
LIMITS = f"JabberFilesMaxFileSize {MAX_BYTES}"


@pytest.fixture(scope="module")
def sites(fleet, program, start_own_xmpp):
    made = SlotSites(fleet, program, start_own_xmpp)
    yield made
    made.close()


@pytest.fixture(scope="module")
def prosody_site(sites):
    return sites.start(Prosody, PROSODY_CONFIG, {"jwt": "jwt", "v1": "v1", "v2": "v2"},
                       ["example.org", STRANGE_HOST], ["example.org"], base_lines=LIMITS)


@pytest.fixture(scope="module")
def ejabberd_site(sites):
    return sites.start(Ejabberd, EJABBERD_CONFIG, {"ejabberd": "v1"},
                       [SERVICE_HOST, STRANGE_HOST, HASH_HOST, NODE_HOST],
                       [SERVICE_HOST, HASH_HOST, NODE_HOST],
                       base_lines=f"{LIMITS}\nJabberFilesSlotService On",
                       inner_lines='<Location "/files/.slot">\nRequire local\n</Location>')


@dataclasses.dataclass(frozen=True)
class Setup:
    """One way of granting slots. `area` is that of all users, if there are no others."""

    name: str
    server: object
    xmpp: object
    host: str
    service: str
    wrong_size_status: int
    area: str = None

    def new_user(self):
        return self.xmpp.new_user(self.host)

    def area_of(self, user):
        return self.area or user.jid

    def files(self, user):
        """The files that came from a user (or from all) as the operator sees them."""
        return Admin(self.server).json("ls", self.area_of(user))["files"]

    def remove(self, user, path):
        """Removes a file as its owner, or as the operator if it has none."""
        if self.area:
            Admin(self.server)("rm", self.area, path)
        else:
            assert login(self.server, user).delete(path).status == 204

    def is_same_name(self, stored, name):
        """Whether a file may be stored under this name. ejabberd keeps letters, digits and "_.-",
        and gives "_" for all else. Asked for a slot, httpd must do so, too: ejabberd 23.01 encodes
        the URLs of the answer once more, later ones do not, so there must be nothing to encode."""
        if self.name in ("external_secret", "service_url"):
            return re.sub(r"[^\w.-]", "_", name) == re.sub(r"[^\w.-]", "_", stored)
        return stored == name


SETUPS = {
    "jwt": ("prosody_site", "example.org", "jwt.example.org", 400),
    "v1": ("prosody_site", "example.org", "v1.example.org", 403, "slots:v1"),
    "v2": ("prosody_site", "example.org", "v2.example.org", 403, "slots:v2"),
    "external_secret": ("ejabberd_site", HASH_HOST, f"upload.{HASH_HOST}", 403),
    "service_url": ("ejabberd_site", SERVICE_HOST, f"upload.{SERVICE_HOST}", 400),
}


@pytest.fixture(scope="module")
def make_setup(request):
    def make(name):
        site, *fields = SETUPS[name]
        pair = request.getfixturevalue(site)
        return Setup(name, pair.server, pair.xmpp, *fields)

    return make


@pytest.fixture(scope="module", params=SETUPS)
def setup(request, make_setup):
    return make_setup(request.param)


@pytest.fixture(scope="module")
def alice(setup):
    """A user of the setup who has a file in her area already."""
    user = setup.new_user()
    assert login(setup.server, user).put("known.txt", b"x").status == 201
    return user


@pytest.fixture(scope="module")
def chat(setup, alice):
    """Alice's chat client."""
    with SlotClient(setup.xmpp, alice) as client:
        yield client


@pytest.fixture
def quota():
    """Sets the quota of an area for one test."""
    with contextlib.ExitStack() as undo:
        def set_quota(server, area, size_bytes):
            Admin(server)("quota", area, size_bytes)
            undo.callback(Admin(server), "quota", area, "default")

        yield set_quota


def ask(setup, chat, name="a.txt", size_bytes=7):
    return chat.ask(setup.service, name, size_bytes)


def path_of_link(setup, user, link):
    """The path in the area of the file that a link leads to."""
    wanted = unquote(urlsplit(link).path)
    path, = (file["path"] for file in setup.files(user)
             if f"{BASE}/{unquote(file['link_path'])}" == wanted)
    return path


def sha256(content):
    return hashlib.sha256(content).hexdigest()


# From a user to another


@pytest.mark.parametrize("bob_is_there", [True, False], ids=["bob online", "bob later"])
def test_alice_sends_bob_a_file(setup, bob_is_there):
    alice, bob = setup.new_user(), setup.new_user()
    content = os.urandom(50000)
    with contextlib.ExitStack() as open_chats:
        if bob_is_there:
            bob_chat = open_chats.enter_context(SlotClient(setup.xmpp, bob))
        with SlotClient(setup.xmpp, alice) as alice_chat:
            link = alice_chat.upload(setup.service, "summer.jpg", content, "image/jpeg")
            alice_chat.send_link(bob, link)
        if not bob_is_there:
            bob_chat = open_chats.enter_context(SlotClient(setup.xmpp, bob))
        received = bob_chat.next_link()
    answer = Client(setup.server).request("GET", received)
    assert (answer.status, answer.header("Content-Type")) == (200, "image/jpeg")
    assert sha256(answer.body) == sha256(content)

    if setup.area:
        path = path_of_link(setup, alice, received)
    else:
        owner = login(setup.server, alice)
        file, = owner.listing()["files"]
        path = file["path"]
        assert (file["size_bytes"], file["link"]) == (len(content), received)
        assert sha256(owner.get(path).body) == sha256(content)
    assert re.fullmatch(r"chat/\d{4}-\d\d-\d\d/\d{6}-[0-9a-f]{16}/summer\.jpg", path)


# Slots


def test_nothing_is_there_before_the_upload(setup, chat):
    slot = ask(setup, chat)
    for method in ("GET", "HEAD"):
        assert Client(setup.server).request(method, slot.get_url).status == 404
    assert slot.put(setup.server, b"content").status == 201
    for method, body in (("GET", b"content"), ("HEAD", b"")):
        answer = Client(setup.server).request(method, slot.get_url)
        assert (answer.status, answer.header("Content-Length"), answer.body) == (200, "7", body)


def test_answer_to_an_upload(setup, chat):
    slot = ask(setup, chat)
    answer = slot.put(setup.server, b"content")
    assert answer.status == 201
    assert answer.header("Location") == slot.get_url
    assert answer.text == slot.get_url + "\n"


def test_a_slot_is_for_one_upload(setup, alice, chat):
    slot = ask(setup, chat, "once.txt")
    assert slot.put(setup.server, b"content").status == 201
    assert slot.put(setup.server, b"another").status == 409
    assert Client(setup.server).request("GET", slot.get_url).body == b"content"
    setup.remove(alice, path_of_link(setup, alice, slot.get_url))
    assert Client(setup.server).request("GET", slot.get_url).status == 404
    assert slot.put(setup.server, b"content").status == 409
    assert Client(setup.server).request("GET", slot.get_url).status == 404


@pytest.mark.parametrize("content", [b"conten", b"content!", b""], ids=["less", "more", "nothing"])
def test_another_size_is_refused_and_the_slot_kept(setup, chat, content):
    slot = ask(setup, chat)
    assert slot.put(setup.server, content).status == setup.wrong_size_status
    assert Client(setup.server).request("GET", slot.get_url).status == 404
    assert slot.put(setup.server, b"content").status == 201


def test_a_broken_upload_can_be_repeated(setup, chat):
    slot = ask(setup, chat)
    fields = [f"{name}: {value}" for name, value in slot.headers.items()]
    with Wire(setup.server) as wire:
        wire.send(request_head("PUT", slot.target, "Content-Length: 7",
                               "Content-Type: application/octet-stream", *fields) + b"cont")
        wire.reset()
    assert slot.put(setup.server, b"content").status == 201
    assert Client(setup.server).request("GET", slot.get_url).body == b"content"


def test_another_name_or_slot_is_refused(setup, chat):
    slot, other = ask(setup, chat), ask(setup, chat)
    path, mark, query = slot.target.partition("?")
    strange = path.rpartition("/")[0] + "/b.txt" + mark + query
    other_path = other.target.partition("?")[0] + mark + query if query or slot.headers else None
    refused = {401, 403} if setup.name == "service_url" else {403}
    for target in filter(None, (strange, other_path)):
        answer = Client(setup.server).request("PUT", target, b"content", {
            **slot.headers, "Content-Type": "application/octet-stream"})
        assert answer.status in refused
    assert slot.put(setup.server, b"content").status == 201


def test_omemo_needs_sixteen_bytes_more(setup, chat):
    content = bytes(MAX_BYTES + OMEMO_BYTES)
    assert ask(setup, chat, size_bytes=len(content)).put(setup.server, content).status == 201


# Names. slixmpp encodes the URL of a slot anew.


@pytest.mark.parametrize("name", [
    "two words.txt", " edges ", "1+1=2.txt", "100%.txt", "100%25 %2F %zz.txt", "what?.txt",
    "a#b.txt", "a&b;c=d,e@f:g.txt", "it's \"so\" (big) [ok] {x}.txt", "back\\slash~|^`<>.txt",
    "Grüße aus Köln.pdf", "ich\u0308.txt", "日本語 写真.png", "\U0001f600.gif", "-rf", ".hidden"])
def test_names(setup, alice, chat, name):
    link = chat.upload(setup.service, name, name.encode(), "text/plain")
    answer = Client(setup.server).request("GET", link)
    assert (answer.status, answer.body) == (200, name.encode())
    stored = path_of_link(setup, alice, link).rpartition("/")[2]
    assert setup.is_same_name(stored, name)
    assert name_to_save(answer) == stored


def name_to_save(answer):
    """The file name that Content-Disposition suggests."""
    disposition = answer.header("Content-Disposition")
    exact = re.search(r"filename\*=UTF-8''([^;]+)", disposition)
    return unquote(exact.group(1)) if exact \
        else re.search(r'filename="([^"]+)"', disposition).group(1)


@pytest.mark.parametrize("name", [".", "..", "x" * 300, "Ü" * 128], ids=lambda name: name[:2])
def test_names_that_are_none(setup, alice, chat, name):
    before = setup.files(alice)
    try:
        assert 400 <= chat.upload_status(setup.service, name, b"content") < 500
        slot = ask(setup, chat, name)
        assert 400 <= slot.put(setup.server, b"content").status < 500
    except SlotRefused:
        assert setup.name == "service_url"
    assert setup.files(alice) == before


# Quotas. Each scheme refuses as early as it can.


def test_over_quota_an_upload_is_refused_before_its_body(setup, quota):
    user = setup.new_user()
    if not setup.area:
        login(setup.server, user).put("known.txt", b"x")
    with SlotClient(setup.xmpp, user) as chat:
        slot = ask(setup, chat, size_bytes=5000)
        quota(setup.server, setup.area_of(user), 4999)
        if setup.name == "service_url":
            assert slot.put(setup.server, bytes(5000)).status == 201  # it was promised
            return
        fields = [f"{name}: {value}" for name, value in slot.headers.items()]
        with Wire(setup.server) as wire:
            wire.send(request_head("PUT", slot.target, "Content-Length: 5000",
                                   "Content-Type: application/octet-stream",
                                   "Expect: 100-continue", *fields))
            assert wire.read_answer().status == 507
            assert wire.is_closed()


@pytest.fixture
def service(make_setup):
    return make_setup("service_url")


def test_service_refuses_over_quota_when_asked(service, quota):
    user = service.new_user()
    quota(service.server, user.jid, 10000)
    with SlotClient(service.xmpp, user) as chat:
        slot = ask(service, chat, size_bytes=6000)
        with pytest.raises(SlotRefused, match="resource-constraint"):
            ask(service, chat, size_bytes=6000)  # 6000 are promised
        assert slot.put(service.server, bytes(6000)).status == 201
        with pytest.raises(SlotRefused, match="resource-constraint"):
            ask(service, chat, size_bytes=4001)
        assert ask(service, chat, size_bytes=4000).put(service.server, bytes(4000)).status == 201
    assert login(service.server, user).used_bytes() == 10000


def test_service_refuses_what_is_too_large_when_asked(service):
    with SlotClient(service.xmpp, service.new_user()) as chat:
        ask(service, chat, size_bytes=MAX_BYTES + OMEMO_BYTES)
        with pytest.raises(SlotRefused, match="not-acceptable"):
            ask(service, chat, size_bytes=MAX_BYTES + OMEMO_BYTES + 1)


def test_service_refuses_users_of_other_domains(service):
    user = service.xmpp.new_user(STRANGE_HOST)
    with SlotClient(service.xmpp, user) as chat:
        with pytest.raises(SlotRefused, match="not-allowed"):
            chat.ask(f"upload.{STRANGE_HOST}", "a.txt", 7)


@pytest.mark.parametrize("name", ["jwt", "v1", "v2", "external_secret"])
def test_what_is_too_large_is_refused_before_its_body(make_setup, name):
    setup = make_setup(name)
    size_bytes = MAX_BYTES + OMEMO_BYTES + 1
    with SlotClient(setup.xmpp, setup.new_user()) as chat:
        slot = ask(setup, chat, size_bytes=size_bytes)
    fields = [f"{name}: {value}" for name, value in slot.headers.items()]
    with Wire(setup.server) as wire:
        wire.send(request_head("PUT", slot.target, f"Content-Length: {size_bytes}",
                               "Content-Type: application/octet-stream",
                               "Expect: 100-continue", *fields))
        assert wire.read_answer().status == 413


# What Prosody signs beside path and size


def test_prosody_says_when_a_file_goes(make_setup):
    setup = make_setup("jwt")
    user = setup.new_user()
    with SlotClient(setup.xmpp, user) as chat:
        chat.upload(setup.service, "a.txt", b"content")
    file, = login(setup.server, user).listing()["files"]
    age = datetime.fromisoformat(file["expires"]) - datetime.fromisoformat(file["created"])
    assert timedelta(days=7) - age < timedelta(minutes=1)


def test_users_of_other_domains_of_prosody_are_refused(make_setup):
    setup = make_setup("jwt")
    with SlotClient(setup.xmpp, setup.xmpp.new_user(STRANGE_HOST)) as chat:
        assert chat.upload_status(setup.service, "a.txt", b"content") == 403


# Whose area, where ejabberd does not say it in clear


def sha1_area(user):
    return "sha1:" + hashlib.sha1(user.jid.encode()).hexdigest()


def test_files_of_a_user_nobody_has_seen_are_found_after_the_login(make_setup):
    setup = make_setup("external_secret")
    user, admin = setup.new_user(), Admin(setup.server)
    with SlotClient(setup.xmpp, user) as chat:
        link = chat.upload(setup.service, "early.txt", b"early")
        assert len(admin.json("ls", sha1_area(user))["files"]) == 1
        owner = login(setup.server, user)
        file, = owner.listing()["files"]
        assert (file["link"], owner.used_bytes()) == (link, 5)
        chat.upload(setup.service, "late.txt", b"late")
    assert {file["path"].rpartition("/")[2] for file in owner.listing()["files"]} \
        == {"early.txt", "late.txt"}
    assert Client(setup.server).request("GET", link).body == b"early"
    areas = [area["area"] for area in admin.json("areas")["areas"]]
    assert user.jid in areas and sha1_area(user) not in areas


def test_files_of_a_user_who_has_only_looked_are_found(make_setup):
    """Looking at an area that is empty leaves no trace."""
    setup = make_setup("external_secret")
    user = setup.new_user()
    owner = login(setup.server, user)
    assert owner.listing()["files"] == []
    with SlotClient(setup.xmpp, user) as chat:
        link = chat.upload(setup.service, "a.txt", b"content")
    assert [file["link"] for file in owner.listing()["files"]] == [link]


def test_setting_a_quota_makes_a_user_known(make_setup, quota):
    setup = make_setup("external_secret")
    user = setup.new_user()
    with SlotClient(setup.xmpp, user) as chat:
        chat.upload(setup.service, "a.txt", bytes(600))
        quota(setup.server, user.jid, 1000)
        assert [file["size_bytes"] for file in setup.files(user)] == [600]
        assert chat.upload_status(setup.service, "b.txt", bytes(401)) == 507


def test_node_of_the_only_domain_is_a_user(sites, program, ejabberd_site):
    """With several domains a localpart may be anybody's."""
    server, xmpp = ejabberd_site.server, ejabberd_site.xmpp
    service = f"upload.{NODE_HOST}"
    plain, special = xmpp.new_user(NODE_HOST), User(f"under_score@{NODE_HOST}", "pw of under_score")
    xmpp.add_user(special)
    with SlotClient(xmpp, plain) as chat:
        chat.upload(service, "several.txt", b"x")
    several = server.site
    server.reconfigure(jabber_site(program, xmpp.domain_line(NODE_HOST),
                                   base_lines=several.base_lines.replace("SlotService On",
                                                                         "SlotService Off")))
    try:
        for user in (plain, special):
            with SlotClient(xmpp, user) as chat:
                chat.upload(service, "single.txt", b"x")
        file, = login(server, plain).listing()["files"]
        assert file["path"].endswith("/single.txt")
        assert login(server, special).listing()["files"] == []
        assert len(Admin(server).json("ls", "node:under_score")["files"]) == 1
        assert len(Admin(server).json("ls", f"node:{plain.localpart}")["files"]) == 1
    finally:
        server.reconfigure(several)


# What the operator's logs say


def test_no_token_is_in_a_log(setup, chat):
    slot = ask(setup, chat, "logged.txt")
    for content, status in ((b"conten", setup.wrong_size_status), (b"content", 201),
                            (b"content", 409)):
        assert slot.put(setup.server, content).status == status
    logs = setup.server.root / "logs"
    line = f'"PUT {urlsplit(slot.put_url).path} HTTP/1.1"'
    wait_until(lambda: (logs / "access.log").read_text("utf-8").count(line) == 3, 10,
               "an upload is not in the access log")
    text = "".join(path.read_text("utf-8") for path in logs.iterdir())
    assert [token for token in slot.tokens if token in text] == []


def test_only_this_host_may_ask_for_slots(ejabberd_site):
    """The area page is for its owner; .slot is for the Jabber server, which has no password."""
    server = ejabberd_site.server
    query = "?jid=a@example.org&name=a&size=1&content_type=text/plain"
    assert Client(server).request("GET", f"/files/.slot{query}").status == 200
    assert Client(server).request("GET", area_path("a@example.org")).status == 401
