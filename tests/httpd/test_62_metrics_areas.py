"""The page for Prometheus: areas by name, and the places where the page may stand."""

import math

import pytest

from admin import ledger_editor
from client import Client
from config import Site, base_location
from records import wait_until
from scrape import (AREA_KINDS, KINDS, METRICS, METRICS_LINES, METRICS_WITH_JIDS, OPENMETRICS,
                    kinds_of, metrics_location, scrape)

SETTLE_SECONDS = 10


@pytest.fixture(scope="module")
def site():
    return Site(server_lines=METRICS_LINES)


# Areas


def test_no_jid_is_named_unless_asked_for(nobody, owner):
    owner.put("x", b"x")
    assert owner.jid not in scrape(nobody).text
    assert not scrape(nobody).has("area_stored_bytes")
    page = scrape(nobody, METRICS_WITH_JIDS)
    assert owner.jid in page.text
    assert kinds_of(page) == {**KINDS, **AREA_KINDS, "build": "info"}


def test_numbers_of_an_area(nobody, owner):
    link = owner.put("x", bytes(1000)).link
    nobody.request("GET", link)
    owner.get("x")

    def is_there():
        page = scrape(nobody, METRICS_WITH_JIDS)
        return page.value("area_transferred_bytes", area=owner.jid) == 1000

    wait_until(is_there, SETTLE_SECONDS, "the download is not there")
    page = scrape(nobody, METRICS_WITH_JIDS)
    assert page.value("area_stored_bytes", area=owner.jid) == 1000
    assert page.value("area_quota_bytes", area=owner.jid) == 500 << 20
    assert page.value("area_transfer_quota_bytes", area=owner.jid) == math.inf


def test_many_areas_are_all_there_once(start_server, users):
    server = start_server(Site(server_lines=METRICS_LINES))
    editor, count = ledger_editor(server), 700
    users.client(server, "alice@example.org").put("x", b"x")
    editor("""WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)
              INSERT INTO area (jid, created_us) SELECT 'user' || n || '@example.org', n
              FROM number""", count)
    page = scrape(Client(server), METRICS_WITH_JIDS)
    wanted = {f"user{n}@example.org" for n in range(1, count + 1)} | {"alice@example.org"}
    for name in AREA_KINDS:
        assert page.areas(name).keys() == wanted
    assert page.value("areas") == count + 1


@pytest.mark.parametrize("area", ["back\\slash@example.org", "back\\n@example.org",
                                  "日本@example.org", 'slots:"quoted"', "slots:{a=b},c"])
def test_names_are_escaped(nobody, admin, area):
    admin("quota", area, "12345")
    for headers in (OPENMETRICS, {}):
        page = scrape(nobody, METRICS_WITH_JIDS, headers)
        assert page.value("area_quota_bytes", area=area) == 12345


def test_quotas_are_those_that_hold(start_server, users):
    server = start_server(Site(
        server_lines=METRICS_LINES + "JabberFilesTransferQuota 7M\n",
        base_lines="JabberFilesQuota 2M\nJabberFilesTransferQuota 3M week",
        inner_lines="""
            <Location "/files/roomy@example.org">
                JabberFilesQuota 5M
            </Location>
            <LocationMatch "^/files/boundless@">
                JabberFilesQuota unlimited
                JabberFilesTransferQuota unlimited day
            </LocationMatch>
            <Location "/files/r*/">
                JabberFilesTransferQuota 4M
            </Location>
            <Location "/files/rest">
                JabberFilesQuota 1
            </Location>"""))
    for name in ("roomy", "boundless", "alice"):
        users.client(server, f"{name}@example.org").put("x", b"x")
    page = scrape(Client(server), METRICS_WITH_JIDS)
    assert page.areas("area_quota_bytes") == {
        "roomy@example.org": 5 << 20, "boundless@example.org": math.inf,
        "alice@example.org": 2 << 20}
    assert page.areas("area_transfer_quota_bytes") == {
        "roomy@example.org": 4 << 20, "boundless@example.org": math.inf,
        "alice@example.org": 3 << 20}
    # The list, which is asked with a request to the area, says the same.
    for name in ("roomy", "boundless", "alice"):
        listing = users.client(server, f"{name}@example.org").listing()
        for member in ("quota_bytes", "transfer_quota_bytes"):
            shown = page.value(f"area_{member}", area=f"{name}@example.org")
            assert listing[member] == (None if shown == math.inf else shown)


# Places


def virtual_host(name, lines):
    return f"<VirtualHost *>\nServerName {name}\n{lines}\n</VirtualHost>\n"


def test_page_may_stand_in_any_server(start_server, users):
    server = start_server(Site(inner_lines=virtual_host(
        "metrics.example", metrics_location(METRICS_WITH_JIDS, "JabberFilesShowJIDs On"))
        + virtual_host("plain.example", "")))
    nobody, owner = Client(server), users.client(server)
    base = {"Host": "plain.example"}
    assert owner.put("x", b"x", base).status == 201
    page = scrape(nobody, METRICS_WITH_JIDS, {"Host": "metrics.example", **OPENMETRICS})
    assert page.value("files") == 1
    assert page.areas("area_stored_bytes") == {owner.jid: 1}
    assert nobody.request("GET", METRICS, headers=base).status == 404


def test_several_stores_are_one_sum(start_server, users):
    second = ("JabberFilesStore other-store\nJabberFilesDomain example.org\n"
              + base_location("/files", users.path, "JabberFilesQuota 1M"))
    server = start_server(Site(inner_lines=METRICS_LINES + virtual_host("first.example", "")
                               + virtual_host("second.example", second)))
    owner, nobody = users.client(server), Client(server)
    hosts = [{"Host": f"{name}.example"} for name in ("first", "second")]
    for size_bytes, host in zip((10, 200), hosts):
        link = owner.put("x", bytes(size_bytes), host).link
        nobody.request("GET", link, headers=host)

    def page():
        return scrape(nobody, METRICS_WITH_JIDS, {**hosts[1], **OPENMETRICS})

    wait_until(lambda: page().value("sent_bytes_total") == 210, SETTLE_SECONDS, "no sum")
    assert page().value("areas") == 2
    assert page().value("stored_bytes") == 210
    for store, size_bytes, quota_bytes in (("1", 10, 500 << 20), ("2", 200, 1 << 20)):
        labels = {"area": owner.jid, "store": store}
        assert page().value("area_stored_bytes", **labels) == size_bytes
        assert page().value("area_transferred_bytes", **labels) == size_bytes
        assert page().value("area_quota_bytes", **labels) == quota_bytes


def test_page_without_any_base_is_whole(start_server):
    server = start_server(Site(own_lines=METRICS_LINES))
    for path in (METRICS, METRICS_WITH_JIDS):
        page = scrape(Client(server), path)
        assert (page.value("areas"), page.value("ledger_up")) == (0, 1)
