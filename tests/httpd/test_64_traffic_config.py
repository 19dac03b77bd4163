"""Directives about traffic: errors at start, and which of them holds where."""

import pytest

from client import Client, area_path, link_path
from config import Site, base_location
from records import wait_until
from scrape import METRICS, metrics_location, scrape
from wire import Wire

SETTLE_SECONDS = 10
# More than sockets on one machine take in one go, paced or not.
PACED_BYTES, LARGE_BYTES = 2 << 20, 32 << 20

BAD = (
    "JabberFilesTransferQuota", "JabberFilesTransferQuota lots", "JabberFilesTransferQuota -1",
    "JabberFilesTransferQuota 5X month", "JabberFilesTransferQuota month",
    "JabberFilesTransferQuota month 5G", 'JabberFilesTransferQuota ""',
    "JabberFilesTransferQuota 5G year",
    "JabberFilesTransferQuota 5G fortnight", "JabberFilesTransferQuota 5G days",
    "JabberFilesTransferQuota 5G 0", "JabberFilesTransferQuota 5G -1",
    "JabberFilesTransferQuota 5G 1.5d", "JabberFilesTransferQuota 5G never",
    "JabberFilesTransferQuota 5G 181d", "JabberFilesTransferQuota 5G 15552001",
    "JabberFilesTransferQuota 5G 99999999999999999999", "JabberFilesTransferQuota 5G per month",
    "JabberFilesTransferQuota 99999999999999999999", "JabberFilesTransferQuota unlimited fortnight",
    "JabberFilesRate", "JabberFilesRate fast", "JabberFilesRate 0", "JabberFilesRate 0K",
    "JabberFilesRate 0.0001K", "JabberFilesRate -1", "JabberFilesRate 4M/s", "JabberFilesRate 4 M",
    "JabberFilesRate 4Mbit", 'JabberFilesRate ""', "JabberFilesRate Off",
    "JabberFilesUploadRate", "JabberFilesUploadRate fast", "JabberFilesUploadRate 0",
    "JabberFilesUploadRate -1", "JabberFilesUploadRate 4M/s", 'JabberFilesUploadRate ""',
    "JabberFilesUploadRate 1M 2M",
    "JabberFilesCountOwner", "JabberFilesCountOwner Maybe",
    "JabberFilesMeter", "JabberFilesMeter 1", 'JabberFilesMeter ""',
    "JabberFilesShowJIDs", "JabberFilesShowJIDs all",
)
GOOD = (
    "JabberFilesTransferQuota unlimited", "JabberFilesTransferQuota UNLIMITED day",
    "JabberFilesTransferQuota 0", "JabberFilesTransferQuota 50G",
    "JabberFilesTransferQuota 1.5T Month", "JabberFilesTransferQuota 10k week",
    "JabberFilesTransferQuota 10 DAY", "JabberFilesTransferQuota 5G 1",
    "JabberFilesTransferQuota 5G 3600", "JabberFilesTransferQuota 5G 12h",
    "JabberFilesTransferQuota 5G 180d", "JabberFilesTransferQuota 5G 15552000",
    "JabberFilesRate unlimited", "JabberFilesRate Unlimited", "JabberFilesRate 1",
    "JabberFilesRate 4M", "JabberFilesRate 1.5G", "JabberFilesUploadRate unlimited",
    "JabberFilesUploadRate 100k", "JabberFilesCountOwner On", "JabberFilesCountOwner off",
    "JabberFilesMeter On", "JabberFilesMeter Off", "JabberFilesShowJIDs On",
    "JabberFilesShowJIDs Off",
)


# At start


@pytest.mark.parametrize("line", BAD)
def test_bad_value_is_refused(prepare_server, line):
    for site in (Site(base_lines=line), Site(server_lines=line)):
        server = prepare_server(site)
        checked = server.check_config()
        assert checked.returncode != 0
        assert line.split()[0] in checked.stderr
        assert not server.store.exists()


@pytest.mark.parametrize("line", GOOD)
def test_good_value_is_taken(prepare_server, line):
    for site in (Site(base_lines=line), Site(server_lines=line)):
        checked = prepare_server(site).check_config()
        assert (checked.returncode, "Syntax OK" in checked.stderr) == (0, True), checked.stderr


@pytest.mark.parametrize("line", ["JabberFilesTransferQuota 5G", "JabberFilesRate 1M",
                                  "JabberFilesCountOwner On", "JabberFilesShowJIDs On"])
def test_htaccess_cannot_set_it(start_server, users, log, line):
    log.allow("not allowed here|AH00526|AH00529")
    allowed = '<Directory "${ROOT}/htdocs">\nAllowOverride All\n</Directory>'
    server = start_server(Site(server_lines=allowed))
    (server.root / "htdocs" / ".htaccess").write_text(line + "\n", encoding="ascii")
    assert users.client(server).open_link("/ready.txt").status == 500


# Which one holds


def virtual_host(name, lines):
    return f"<VirtualHost *>\nServerName {name}\n{lines}\n</VirtualHost>\n"


@pytest.fixture(scope="module")
def site(users):
    """Servers inside a server: what stands further inside holds."""
    inner = """
        <Location "/files/alice@example.org">
            JabberFilesTransferQuota 3K day
            JabberFilesCountOwner Off
            JabberFilesRate unlimited
            JabberFilesUploadRate unlimited
            JabberFilesMeter On
        </Location>"""
    outer = """
        JabberFilesTransferQuota 1K week
        JabberFilesCountOwner On
        JabberFilesRate 50K
        JabberFilesUploadRate 10M
        JabberFilesMeter Off
        JabberFilesShowJIDs On
        """
    return Site(
        server_lines=outer,
        inner_lines=inner + metrics_location(METRICS)
        + virtual_host("inherits.example", base_location("/own", users.path))
        + virtual_host("overrides.example", "JabberFilesTransferQuota 2K month\n"
                       "JabberFilesCountOwner Off\nJabberFilesRate unlimited\n"
                       "JabberFilesUploadRate unlimited\nJabberFilesMeter On\n"
                       "JabberFilesShowJIDs Off")
        + virtual_host("base.example", base_location(
            "/own", users.path, "JabberFilesTransferQuota 4K 1h\nJabberFilesCountOwner Off\n"
            "JabberFilesRate unlimited\nJabberFilesUploadRate unlimited\nJabberFilesMeter On")))


PLACES = {
    "server": ("127.0.0.1", "/files", None),
    "inner location": ("127.0.0.1", "/files", "alice@example.org"),
    "virtual host": ("overrides.example", "/files", None),
    "virtual host, base inherited": ("inherits.example", "/files", None),
    "base of a virtual host": ("base.example", "/own", None),
    "base of a virtual host, inherited": ("inherits.example", "/own", None),
}
OUTER = ("server", "virtual host, base inherited", "base of a virtual host, inherited")


class Visitor(Client):
    """A client that asks for a certain host."""

    def __init__(self, server, host, jid=None, password=None, base="/files"):
        super().__init__(server, jid, password, base)
        self.host = host

    def request(self, method, target, body=None, headers=None, chunked=False):
        return super().request(method, target, body, {**(headers or {}), "Host": self.host},
                               chunked)


@pytest.fixture
def owner_at(server, users):
    """Makes an owner in one of PLACES."""
    def make(place):
        host, base, jid = PLACES[place]
        user = users.client(server, jid)
        return Visitor(server, host, user.jid, user.password, base)

    return make


@pytest.mark.parametrize("place,quota_bytes,period", [
    *((place, 1 << 10, "week") for place in OUTER), ("inner location", 3 << 10, "day"),
    ("virtual host", 2 << 10, "month"), ("base of a virtual host", 4 << 10, "3600")])
def test_transfer_quota(owner_at, place, quota_bytes, period):
    listing = owner_at(place).listing()
    assert (listing["transfer_quota_bytes"], listing["transfer_period"]) == (quota_bytes, period)


@pytest.mark.parametrize("place", PLACES)
def test_count_owner(owner_at, place):
    owner = owner_at(place)
    owner.put("x", bytes(100))
    before = owner.listing()["transferred_bytes"]
    assert owner.get("x").status == 200
    # One that counts anywhere comes last, so that the first has been counted, too.
    link = owner.put("y", b"1").link
    assert owner.request("GET", link).status == 200
    expected = before + 1 + (100 if place in OUTER else 0)
    wait_until(lambda: owner.listing()["transferred_bytes"] == expected, SETTLE_SECONDS,
               (expected, owner.listing()["transferred_bytes"]))


def listed_areas(client):
    """The rows of the transfers in server-status: (area, direction, limited)."""
    page = client.request("GET", "/server-status").text
    table = page.partition("<th>Direction</th>")[2].partition("</table>")[0]
    rows = [row.split("</td><td>") for row in table.split("<tr><td>")[1:]]
    return [(row[0], row[1], row[5]) for row in rows]


def head(method, path, host, *fields):
    """Bytes of a request to a certain host."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode()


@pytest.mark.parametrize("place", PLACES)
def test_rates(server, owner_at, place):
    """The table of transfers says which ones are limited."""
    owner = owner_at(place)
    limited = "yes" if place in OUTER else "no"
    link = owner.put("large", bytes(PACED_BYTES if limited == "yes" else LARGE_BYTES)).link
    status = Visitor(server, "127.0.0.1")

    with Wire(server) as download, Wire(server) as upload:
        download.send(head("GET", link_path(link), owner.host))
        upload.send(head("PUT", area_path(owner.jid, "new", owner.base), owner.host,
                         f"Authorization: {owner.authorization}", "Content-Length: 1000000") + b"x")
        wanted = {(owner.jid, direction, limited) for direction in ("download", "upload")}
        wait_until(lambda: wanted <= set(listed_areas(status)), SETTLE_SECONDS,
                   "the transfers are not listed so")


@pytest.mark.parametrize("host,is_shown", [("127.0.0.1", True), ("inherits.example", True),
                                           ("overrides.example", False)])
def test_show_jids(server, owner_at, host, is_shown):
    owner = owner_at("server")
    owner.put("x", b"x")
    page = scrape(Visitor(server, host))
    assert (owner.jid in page.text) == is_shown
    assert page.has("area_stored_bytes") == is_shown
