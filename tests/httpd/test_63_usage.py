"""What owners see of their traffic: in the list, and in the answer to an upload."""

import html.parser
import re
from datetime import datetime, timedelta, timezone

import pytest

from client import Client, area_path
from config import Site, base_location
from records import wait_until
from slots import KEYS, new_slot, secret_lines, signed

SETTLE_SECONDS = 10
FIELDS = {"JabberFiles-Used", "JabberFiles-Quota", "JabberFiles-Transferred",
          "JabberFiles-Transfer-Quota", "JabberFiles-Period-End"}
BASES = {
    "/day": "JabberFilesTransferQuota 1M day",
    "/week": "JabberFilesTransferQuota 1.5M Week",
    "/month": "JabberFilesTransferQuota 2M",
    "/seconds": "JabberFilesTransferQuota 2M 5h",
    "/unlimited": "JabberFilesTransferQuota unlimited day\nJabberFilesQuota unlimited",
    "/small": "JabberFilesTransferQuota 1000 week",
    "/counting": "JabberFilesTransferQuota 1M\nJabberFilesCountOwner On",
    "/off": "JabberFilesMeter Off",
    "/off-with-rate": "JabberFilesMeter Off\nJabberFilesRate 100M",
    "/off-with-quota": "JabberFilesMeter Off\nJabberFilesTransferQuota 1M",
}


@pytest.fixture(scope="module")
def site(users, work_dir):
    return Site(base_lines=secret_lines(work_dir, ("jwt",)),
                server_lines="".join(base_location(path, users.path, lines)
                                     for path, lines in BASES.items()))


@pytest.fixture
def owner_at(server, users):
    """Makes an owner whose area is below a certain base."""
    return lambda base: users.client(server, base=base)


def time_of(text):
    """A time in an answer, which must be in UTC."""
    assert text.endswith("Z")
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def wait_for_transferred(owner, transferred_bytes):
    wait_until(lambda: owner.listing()["transferred_bytes"] == transferred_bytes, SETTLE_SECONDS,
               f"not {transferred_bytes} bytes")


def used_fields(answer):
    return {name for name in answer.headers.keys() if name.startswith("JabberFiles-")}


# Periods


def midnight(now):
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def day(now):
    return midnight(now), midnight(now) + timedelta(days=1)


def week(now):
    monday = midnight(now) - timedelta(days=now.weekday())
    return monday, monday + timedelta(days=7)


def month(now):
    first = midnight(now).replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def five_hours(now):
    start = datetime.fromtimestamp(now.timestamp() // 18000 * 18000, timezone.utc)
    return start, start + timedelta(hours=5)


@pytest.mark.parametrize("base,name,quota_bytes,bounds", [
    ("/files", "month", None, month), ("/unlimited", "day", None, day),
    ("/day", "day", 1 << 20, day), ("/week", "week", 3 << 19, week),
    ("/month", "month", 2 << 20, month), ("/seconds", "18000", 2 << 20, five_hours)])
def test_list_has_quota_and_period(owner_at, base, name, quota_bytes, bounds):
    before = datetime.now(timezone.utc)
    listing = owner_at(base).listing()
    after = datetime.now(timezone.utc)
    assert (listing["transferred_bytes"], listing["transfer_quota_bytes"]) == (0, quota_bytes)
    assert listing["transfer_period"] == name
    assert (time_of(listing["period_start"]), time_of(listing["period_end"])) \
        in (bounds(before), bounds(after))


@pytest.mark.parametrize("base,words", [
    ("/unlimited", r"0 bytes downloaded today; there is no limit\."),
    ("/files", r"0 bytes downloaded this month; there is no limit\."),
    ("/day", r"0 bytes of 1 MiB downloaded today; the next day begins TIME\."),
    ("/week", r"0 bytes of 1\.5 MiB downloaded this week; the next week begins TIME\."),
    ("/month", r"0 bytes of 2 MiB downloaded this month; the next month begins TIME\."),
    ("/seconds", r"0 bytes of 2 MiB downloaded since TIME; the next period begins TIME\."),
    ("/off", None)])
def test_page_has_a_sentence(owner_at, base, words):
    owner = owner_at(base)
    page = owner.request("GET", area_path(owner.jid, base=base)).text
    if words:
        assert re.search("<p>" + words.replace("TIME", r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"), page)
    else:
        assert "downloaded" not in page
    html.parser.HTMLParser().feed(page)


# What counts


@pytest.mark.parametrize("base", ["/files", "/month", "/off-with-rate", "/off-with-quota"])
def test_downloads_by_link_count(owner_at, nobody, base):
    owner = owner_at(base)
    link = owner.put("x", bytes(100_000)).link
    assert nobody.request("GET", link).status == 200
    assert nobody.request("GET", link, headers={"Range": "bytes=0-9"}).status == 206
    nobody.request("HEAD", link)
    wait_for_transferred(owner, 100_010)


@pytest.mark.parametrize("base,counts", [("/month", False), ("/files", False),
                                         ("/counting", True)])
def test_own_downloads_count_if_the_directive_says_so(owner_at, nobody, base, counts):
    owner = owner_at(base)
    link = owner.put("x", bytes(1000)).link
    assert owner.get("x").status == 200
    nobody.request("GET", link, headers={"Range": "bytes=0-0"})
    wait_for_transferred(owner, 1001 if counts else 1)


def test_area_of_another_is_not_touched(owner_at, nobody):
    first, second = owner_at("/month"), owner_at("/month")
    nobody.request("GET", first.put("x", bytes(1000)).link)
    second.put("x", b"x")
    wait_for_transferred(first, 1000)
    assert second.listing()["transferred_bytes"] == 0


def test_used_up_quota_is_said(owner_at, nobody):
    owner = owner_at("/small")
    link = owner.put("x", bytes(1000)).link
    assert nobody.request("GET", link).status == 200
    wait_for_transferred(owner, 1000)
    assert nobody.request("GET", link).status == 429
    page = owner.request("GET", area_path(owner.jid, base="/small")).text
    assert re.search(r"1000 bytes of 1000 bytes downloaded this week; links work again when the "
                     r"next week begins, \d{4}-\d\d-\d\d 00:00 UTC\.", page)
    # The owner still gets at it.
    assert owner.get("x").status == 200


def test_what_is_not_counted_is_not_said(owner_at, nobody):
    owner = owner_at("/off")
    answer = owner.put("x", bytes(1000))
    nobody.request("GET", answer.link)
    listing = owner.listing()
    assert listing["transferred_bytes"] is None
    assert listing["transfer_quota_bytes"] is None
    assert used_fields(answer) == FIELDS - {"JabberFiles-Transferred"}


def test_usage_follows_the_operator(owner_at, nobody, admin):
    owner = owner_at("/month")
    link = owner.put("x", bytes(1000)).link
    nobody.request("GET", link)
    wait_for_transferred(owner, 1000)
    admin("transfer-quota", owner.jid, "500", "day")
    listing = owner.listing()
    assert (listing["transfer_quota_bytes"], listing["transfer_period"]) == (500, "day")
    admin("transfer-quota", owner.jid, "unlimited", "month")
    listing = owner.listing()
    assert (listing["transfer_quota_bytes"], listing["transfer_period"]) == (None, "month")
    assert listing["transferred_bytes"] == 1000


# The answer to an upload


def test_answer_to_an_upload_says_it(owner_at, nobody):
    owner = owner_at("/week")
    created = owner.put("x", bytes(1000))
    nobody.request("GET", created.link)
    wait_for_transferred(owner, 1000)
    answer = owner.put("y", bytes(234))
    assert used_fields(created) == used_fields(answer) == FIELDS
    listing = owner.listing()
    for name, member in (("Used", "used_bytes"), ("Quota", "quota_bytes"),
                         ("Transferred", "transferred_bytes"),
                         ("Transfer-Quota", "transfer_quota_bytes")):
        assert answer.header("JabberFiles-" + name) == str(listing[member])
    assert answer.header("JabberFiles-Used") == "1234"
    assert answer.header("JabberFiles-Period-End") == listing["period_end"]
    assert created.header("JabberFiles-Used") == "1000"
    assert created.header("JabberFiles-Transferred") == "0"


def test_no_limit_is_a_word(owner_at):
    answer = owner_at("/unlimited").put("x", b"x")
    assert answer.header("JabberFiles-Quota") == "unlimited"
    assert answer.header("JabberFiles-Transfer-Quota") == "unlimited"


def test_replacing_a_file_says_it_too(owner_at):
    owner = owner_at("/month")
    owner.put("x", bytes(1000))
    answer = owner.put("x", bytes(10))
    assert (answer.status, answer.header("JabberFiles-Used")) == (200, "10")


def test_nobody_else_hears_of_it(owner_at, nobody):
    owner = owner_at("/month")
    link = owner.put("x", b"x").link
    answers = [nobody.request("GET", link), nobody.request("GET", link + "x"),
               nobody.request("OPTIONS", link), owner.get("x"), owner.delete("x"),
               owner.put("y", b"x", {"Content-Range": "bytes 0-0/1"})]
    assert [answer.status for answer in answers] == [200, 404, 204, 200, 204, 400]
    assert not set().union(*map(used_fields, answers))


def test_slot_does_not_tell_about_the_area(server):
    slot = signed(new_slot(4), "jwt", KEYS["jwt"])
    answer = slot.put(Client(server), b"1234")
    assert answer.status == 201
    assert not used_fields(answer)


def test_scripts_may_read_the_fields(owner_at):
    answer = owner_at("/month").put("x", b"x", {"Origin": "https://web.example.org"})
    exposed = answer.header("Access-Control-Expose-Headers").split(", ")
    assert FIELDS <= set(exposed)
