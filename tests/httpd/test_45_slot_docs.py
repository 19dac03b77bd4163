"""The configurations in doc/prosody.md and doc/ejabberd.md work as they stand there, but for paths,
addresses and the test's CA. Each of them is used for one upload and one download."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from admin import Admin
from client import Client
from config import Site
from documents import Document
from jabber_site import login
from slot_client import SlotClient
from slot_site import SlotSites
from xmpp_ejabberd import Ejabberd
from xmpp_prosody import Prosody

CONTENT = b"written as the documentation says"
HOST, OTHER_HOST = "example.org", "second.example"
SERVICE = f"upload.{HOST}"
LIMIT_BYTES = 100 << 20
BASE_URL = "https://files.example.org/files"

# Every block of the documents, by language and the word that its title begins with.
BLOCKS = {
    "prosody": {("sh", "secret"), ("apache", "jwt"), ("lua", "jwt"), ("apache", "v1"),
                ("lua", "v1"), ("apache", "v2"), ("lua", "v2"), ("sh", "quota")},
    "ejabberd": {("apache", "service_url"), ("yaml", "service_url"), ("sh", "secret"),
                 ("apache", "external_secret"), ("yaml", "external_secret"), ("yaml", "hosts")},
}


@pytest.fixture(scope="module")
def prosody_doc(env):
    return Document(env, "prosody")


@pytest.fixture(scope="module")
def ejabberd_doc(env):
    return Document(env, "ejabberd")


@pytest.mark.parametrize("name", BLOCKS)
def test_every_block_is_tested(env, name):
    Document(env, name).assert_blocks(BLOCKS[name])


def make_secret(document, server, file, *left_out):
    """Runs the block that makes the secret; returns the path and the text."""
    path = server.root / Path(file).name
    command = document.block("sh", "secret", {file: path, **dict.fromkeys(left_out, "")})
    subprocess.run(["sh", "-euc", command], check=True)
    assert path.stat().st_mode & 0o7 == 0
    return path, path.read_text("ascii").rstrip("\n")


class Trial:
    """The httpd and the Jabber server of one test."""

    def __init__(self, sites, start_own_xmpp, program):
        self.server = sites.new_server()
        self.url = self.server.url("/files")
        self.xmpp = None
        self._start_own_xmpp = start_own_xmpp
        self._program = program

    def start_xmpp(self, kind, config, hosts=(HOST,)):
        self.xmpp = self._start_own_xmpp(kind, f"{kind.name}-{self.server.port}", hosts=hosts,
                                         more=config)

    @property
    def httpd_replacements(self):
        ca = self.xmpp.certificates.ca
        return {"/var/lib/jabberfiles": "${ROOT}/store",
                "connect=127.0.0.1:5222": f"connect=127.0.0.1:{self.xmpp.ports['c2s']} ca={ca}"}

    def configure(self, text):
        self.server.reconfigure(Site(own_lines=f'JabberFilesDaemon "{self._program}"\n{text}',
                                     modules=("authn_socache", "socache_shmcb")))

    def upload(self, host=HOST):
        """Uploads a file and reads it by its link; returns the user."""
        user = self.xmpp.new_user(host)
        with SlotClient(self.xmpp, user) as chat:
            link = chat.upload(f"upload.{host}", "a.txt", CONTENT)
            assert chat.announced_limit_bytes(f"upload.{host}") == LIMIT_BYTES
        assert Client(self.server).request("GET", link).body == CONTENT
        return user

    def assert_in_own_area(self, user):
        owner = login(self.server, user)
        file, = owner.listing()["files"]
        assert owner.get(file["path"]).body == CONTENT


@pytest.fixture(scope="module")
def sites(fleet, program, start_own_xmpp):
    made = SlotSites(fleet, program, start_own_xmpp)
    yield made
    made.close()


@pytest.fixture
def trial(sites, start_own_xmpp, program):
    return Trial(sites, start_own_xmpp, program)


# Prosody

PROSODY_SECRET = "/etc/apache2/prosody.secret"


def start_prosody(document, trial, variant):
    owners = () if os.geteuid() == 0 else ("-o root -g prosody ",)
    path, _ = make_secret(document, trial.server, PROSODY_SECRET, *owners)
    trial.start_xmpp(Prosody, document.block("lua", variant, {BASE_URL: trial.url,
                                                              PROSODY_SECRET: path}))
    return path


def test_jwt(prosody_doc, trial):
    path = start_prosody(prosody_doc, trial, "jwt")
    trial.configure(prosody_doc.block("apache", "jwt", {**trial.httpd_replacements,
                                                        PROSODY_SECRET: path}))
    user = trial.upload()
    trial.assert_in_own_area(user)
    assert login(trial.server, user).listing()["files"][0]["expires"] is None


@pytest.mark.parametrize("variant", ["v1", "v2"])
def test_upload_external(prosody_doc, trial, variant):
    path = start_prosody(prosody_doc, trial, variant)
    line = prosody_doc.block("apache", variant, {})
    assert re.fullmatch(r"    JabberFilesSlotSecret .*\n", line)
    line = line.replace(PROSODY_SECRET, str(path))
    trial.configure(prosody_doc.block("apache", "jwt", {
        **trial.httpd_replacements, f"    JabberFilesSlotSecret jwt {PROSODY_SECRET}\n": line}))
    trial.upload()
    admin = Admin(trial.server)
    assert len(admin.json("ls", "slots:prosody")["files"]) == 1
    command = prosody_doc.block("sh", "quota", {"jabberfiles-admin": trial.server.env.admin})
    subprocess.run(["sh", "-euc", command], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "JABBERFILES_STORE": str(trial.server.store)})
    assert admin.json("usage", "slots:prosody")["quota_bytes"] == 50 << 30


# ejabberd

EJABBERD_SECRET = "/etc/apache2/ejabberd.secret"


def test_service_url(ejabberd_doc, trial):
    trial.start_xmpp(Ejabberd, ejabberd_doc.block("yaml", "service_url", {BASE_URL: trial.url}))
    trial.configure(ejabberd_doc.block("apache", "service_url", {**trial.httpd_replacements,
                                                                 BASE_URL: trial.url}))
    trial.assert_in_own_area(trial.upload())


def test_external_secret(ejabberd_doc, trial):
    path, secret = make_secret(ejabberd_doc, trial.server, EJABBERD_SECRET)
    trial.start_xmpp(Ejabberd, ejabberd_doc.block("yaml", "external_secret", {
        BASE_URL: trial.url, "SECRET": secret}))
    trial.configure(ejabberd_doc.block("apache", "external_secret", {
        **trial.httpd_replacements, EJABBERD_SECRET: path}))
    trial.assert_in_own_area(trial.upload())


def second_domain(trial):
    """The line for the second domain, which replaces the store's."""
    return {"/var/lib/jabberfiles": "${ROOT}/store\nJabberFilesDomain "
            + trial.xmpp.domain_line(OTHER_HOST)}


def test_virtual_hosts_with_a_host_name_each(ejabberd_doc, trial):
    path, secret = make_secret(ejabberd_doc, trial.server, EJABBERD_SECRET)
    trial.start_xmpp(Ejabberd, ejabberd_doc.block("yaml", "hosts", {
        "https://files.@HOST@/": f"http://files.@HOST@:{trial.server.port}/", "SECRET": secret}),
        (HOST, OTHER_HOST))
    trial.configure(ejabberd_doc.block("apache", "external_secret", {
        **trial.httpd_replacements, **second_domain(trial), EJABBERD_SECRET: path}))
    for host in (HOST, OTHER_HOST):
        user = trial.xmpp.new_user(host)
        with SlotClient(trial.xmpp, user) as chat:
            slot = chat.ask(f"upload.{host}", "a.txt", len(CONTENT))
        assert slot.put_url.startswith(f"http://files.{host}:")
        assert slot.put(trial.server, CONTENT).status == 201
        trial.assert_in_own_area(user)


def test_virtual_hosts_with_a_path_each(ejabberd_doc, trial):
    path, secret = make_secret(ejabberd_doc, trial.server, EJABBERD_SECRET)
    trial.start_xmpp(Ejabberd, ejabberd_doc.block("yaml", "hosts", {
        "https://files.@HOST@/files": trial.server.url("/@HOST@"), "SECRET": secret}),
        (HOST, OTHER_HOST))
    text = ejabberd_doc.block("apache", "external_secret", {
        **trial.httpd_replacements, **second_domain(trial), EJABBERD_SECRET: path})
    directives, location = re.fullmatch(r"(.*?)(<Location .*)", text, re.DOTALL).groups()
    trial.configure(directives + "".join(
        location.replace('<Location "/files">', f'<Location "/{host}">')
        for host in (HOST, OTHER_HOST)))
    for host in (HOST, OTHER_HOST):
        user = trial.upload(host)
        files = login(trial.server, user, base=f"/{host}").listing()["files"]
        assert [file["size_bytes"] for file in files] == [len(CONTENT)]
