"""jabberfiles-admin on traffic: transfer quotas, usage, the history of the days."""

from datetime import datetime, timedelta, timezone

import pytest

from admin import Admin
from books import (DAY_SECONDS, DAYS_KEPT, MONTH, WEEK, Books, as_text, midnight, month_of, today,
                   week_of, within_a_day)
from records import wait_until

SECONDS_UNTIL_WRITTEN = 60


@pytest.fixture
def books(server, admin, new_owner):
    return Books(server, admin, new_owner().jid)


# The command line


@pytest.mark.parametrize("args", [
    ["transfer-quota"], ["transfer-quota", "a@example.org"], ["traffic"],
    ["transfer-quota", "a@example.org", "lots"], ["transfer-quota", "a@example.org", "-2"],
    ["transfer-quota", "a@example.org", "5G", "fortnight"],
    ["transfer-quota", "a@example.org", "5G", "0"],
    ["transfer-quota", "a@example.org", "5G", "181d"],
    ["transfer-quota", "a@example.org", "5G", "never"],
    ["transfer-quota", "a@example.org", "5G", "16777215"],
    ["transfer-quota", "a@example.org", "5G", "default"],
    ["transfer-quota", "a@example.org", "5G", ""],
    ["transfer-quota", "a@example.org", "5G", "day", "more"],
    ["transfer-quota", "example.org", "5G"], ["traffic", "a@example.org", "more"],
    ["traffic", "--limit", "a@example.org"], ["usage", "--limit", "5", "a@example.org"],
    *(["traffic", "--limit", limit, "a@example.org"]
      for limit in ("0", "-1", "", "x", "5x", "+5", " 5", "401", "99999999999999999999"))])
def test_wrong_usage_is_2_and_sets_nothing(admin, args):
    assert admin.error(*args, status=2)["code"] == "usage"
    assert admin.complaint(*args, status=2)
    assert admin.error("usage", "a@example.org", status=3)["code"] == "not_found"


def test_help_shows_the_period_as_optional(admin):
    usage = "jabberfiles-admin [OPTION]... transfer-quota JID SIZE|unlimited|default [PERIOD]\n"
    assert usage in admin("transfer-quota", "--help")
    assert all(len(line) < 100 for line in admin("--help").splitlines())
    assert "--limit N" in admin("traffic", "--help")
    assert "--limit" not in admin("usage", "--help")


# The transfer quota


@pytest.mark.valgrind
@pytest.mark.parametrize("period, shown", [
    ("day", "day"), ("Week", "week"), ("MONTH", "month"), ("3600", "3600"), ("36h", "129600"),
    ("24h", "day"), ("180d", "15552000")])
def test_transfer_quota_is_set_with_its_period(books, period, shown):
    area = books.admin.json("transfer-quota", books.jid, "1.5G", period)
    assert (area["transfer_quota"], area["transfer_quota_bytes"], area["transfer_period"]) \
        == ("limited", 3 << 29, shown)
    assert area == {**books.usage(), "period_start": area["period_start"],
                    "period_end": area["period_end"]}
    assert books.text("transfer quota") == "1.5 GiB (1610612736 bytes)"
    assert books.text("period").startswith(f"{shown} seconds, " if shown.isdigit() else shown)


def test_kinds_of_transfer_quotas(books):
    for size, kind, number in (("0", "limited", 0), ("unlimited", "unlimited", None),
                               ("default", "default", None), ("7", "limited", 7)):
        area = books.admin.json("transfer-quota", books.jid, size)
        assert (area["transfer_quota"], area["transfer_quota_bytes"]) == (kind, number)
        assert (area["quota"], area["quota_bytes"]) == ("default", None)
        listed, = (each for each in books.admin.json("areas")["areas"] if each["area"] == books.jid)
        assert (listed["transfer_quota"], listed["transfer_quota_bytes"]) == (kind, number)


def test_without_a_period_it_is_the_configurations_again(books):
    assert books.admin.json("transfer-quota", books.jid, "default", "week")["transfer_period"] \
        == "week"
    area = books.admin.json("transfer-quota", books.jid, "5G")
    assert (area["transfer_period"], area["period_start"], area["period_end"]) == (None,) * 3
    assert books.text("period") == "default (JabberFilesTransferQuota of the configuration)"


def test_disk_quota_and_transfer_quota_leave_each_other_alone(books):
    books.admin("transfer-quota", books.jid, "5", "day")
    books.admin("quota", books.jid, "6")
    usage = books.usage()
    assert (usage["transfer_quota_bytes"], usage["quota_bytes"]) == (5, 6)
    assert usage["transfer_period"] == "day"
    books.admin("transfer-quota", books.jid, "7")
    assert books.usage()["quota_bytes"] == 6


def test_transfer_quota_can_be_set_before_the_first_upload(admin, new_owner):
    owner = new_owner()
    area = admin.json("transfer-quota", owner.jid.upper(), "10", "day")
    assert (area["area"], area["file_count"], area["transferred_bytes"]) == (owner.jid, 0, 0)


# Usage


NO_TRAFFIC = {"transferred_bytes": 0, "transfer_quota": "default", "transfer_quota_bytes": None,
              "transfer_period": None, "period_start": None, "period_end": None,
              "today_sent_bytes": 0, "today_received_bytes": 0, "sent_bytes": 0,
              "received_bytes": 0, "downloads": 0, "uploads": 0}


def test_usage_of_an_area_without_traffic(books):
    usage = books.usage()
    assert usage == {**usage, **NO_TRAFFIC}
    assert books.text("transferred") == "0 bytes"
    assert books.text("transfer quota") == "default (JabberFilesTransferQuota of the configuration)"
    assert books.text("sent in all") == "0 bytes, 0 downloads"
    assert books.text("received in all") == "0 bytes, 0 uploads"


@pytest.mark.valgrind
def test_usage_adds_up_the_days(books):
    def look():
        books.write("DELETE FROM traffic WHERE area_id = (SELECT id FROM area WHERE jid = ?)",
                    books.jid)
        books.add_day(today(), 5000, 300, 4, 2)
        books.add_day(today() - 1, 70000, 20, 30, 1)
        books.add_day(today() - DAYS_KEPT + 1, 900000, 1, 200, 0)
        return books.usage(), {name: books.text(name) for name in (
            "sent today", "received today", "sent in all", "received in all")}

    usage, texts = within_a_day(look)
    assert usage == {**usage, "today_sent_bytes": 5000, "today_received_bytes": 300,
                     "sent_bytes": 975000, "received_bytes": 321, "downloads": 234, "uploads": 3}
    assert texts == {"sent today": "4.9 KiB (5000 bytes)", "received today": "300 bytes",
                     "sent in all": "952.1 KiB (975000 bytes), 234 downloads",
                     "received in all": "321 bytes, 3 uploads"}


def test_usage_shows_what_is_charged_in_the_current_period(books):
    def look():
        begin, end = month_of(datetime.now(timezone.utc))
        books.charge(MONTH, begin, 123456)
        return begin, end, books.usage(), books.text("period")

    begin, end, usage, text = within_a_day(look)
    assert usage == {**usage, "transferred_bytes": 123456, "transfer_quota": "default",
                     "transfer_period": "month", "period_start": as_text(begin),
                     "period_end": as_text(end)}
    assert text == f"month, {as_text(begin)} to {as_text(end)}"
    assert books.text("transferred") == "120.6 KiB (123456 bytes)"


def test_nothing_is_charged_when_the_period_is_over(books):
    def look():
        begin, end = month_of(datetime.now(timezone.utc))
        books.charge(MONTH, month_of(begin - timedelta(days=1))[0], 123456)
        return begin, end, books.usage()

    begin, end, usage = within_a_day(look)
    assert usage == {**usage, "transferred_bytes": 0, "transfer_period": "month",
                     "period_start": as_text(begin), "period_end": as_text(end)}


def test_the_areas_own_period_is_shown(books):
    def look():
        now = datetime.now(timezone.utc)
        books.charge(MONTH, month_of(now)[0], 1)
        books.charge(WEEK, week_of(now)[0], 20)
        books.charge(DAY_SECONDS, midnight(today()), 300)
        found = []
        for period in ("month", "week", "day", "86399"):
            books.admin("transfer-quota", books.jid, "5G", period)
            found.append((period, books.usage()))
        return found

    charged = {period: usage["transferred_bytes"] for period, usage in within_a_day(look)}
    assert charged == {"month": 1, "week": 20, "day": 300, "86399": 0}


def test_without_an_own_period_the_one_that_runs_and_began_last_is_shown(books):
    def look():
        now = datetime.now(timezone.utc)
        books.charge(MONTH, month_of(now)[0], 7)
        books.charge(DAY_SECONDS, midnight(today() - 1), 9)
        month = books.usage()
        books.charge(DAY_SECONDS, midnight(today()), 8)
        return month, books.usage()

    def began_on_the_first():
        return within_a_day(lambda: midnight(today()).day == 1)

    month, day = within_a_day(look)
    assert (month["transfer_period"], month["transferred_bytes"]) == ("month", 7)
    expected = ("month", 7) if began_on_the_first() else ("day", 8)
    assert (day["transfer_period"], day["transferred_bytes"]) == expected


def test_correction_after_midnight_is_no_unlimited_traffic(books):
    def look():
        books.add_day(today() - 1, 1000)
        books.add_day(today(), -1, -1)
        return books.usage(), books.text("sent today"), \
            books.admin("traffic", books.jid).splitlines()

    usage, text, table = within_a_day(look)
    assert (usage["sent_bytes"], usage["today_sent_bytes"]) == (999, -1)
    assert text == "0 bytes"
    assert "unlimited" not in "".join(table)


def test_largest_numbers_are_shown(books):
    largest = (1 << 63) - 1
    books.add_day(today(), largest, largest, largest, largest)
    books.add_day(today() - 1, 1, 1, 1, 1)
    usage = books.usage()
    assert {usage[key] for key in ("sent_bytes", "received_bytes", "downloads", "uploads")} \
        == {largest}
    assert books.text("sent in all").startswith("8 EiB (9223372036854775807 bytes)")


# The history


@pytest.mark.valgrind
def test_history_is_told_from_the_newest_day(books):
    newest = today()
    for age, sent in ((3, 30), (0, 2048), (120, 12000), (1, 10)):
        books.add_day(newest - age, sent, age, age + 1, age + 2)
    history = books.admin.json("traffic", books.jid)
    dates = [midnight(newest - age).strftime("%Y-%m-%d") for age in (0, 1, 3, 120)]
    assert history["area"] == books.jid
    assert [day["day"] for day in history["days"]] == dates
    assert history["days"][2] == {"day": dates[2], "sent_bytes": 30, "received_bytes": 3,
                                  "downloads": 4, "uploads": 5}
    lines = books.admin("traffic", books.jid).splitlines()
    assert lines[0].split() == ["DAY", "SENT", "RECEIVED", "DOWNLOADS", "UPLOADS"]
    assert lines[1].split() == [dates[0], "2", "KiB", "0", "bytes", "1", "2"]
    assert lines[2].split() == [dates[1], "10", "bytes", "1", "byte", "2", "3"]
    assert len(lines) == 5


def test_history_of_nothing_is_empty(books):
    assert books.admin.json("traffic", books.jid) == {"area": books.jid, "days": []}
    assert books.admin("traffic", books.jid).split() \
        == ["DAY", "SENT", "RECEIVED", "DOWNLOADS", "UPLOADS"]


def test_limit_is_a_number_of_days(books):
    newest = today()
    books.write("WITH RECURSIVE age (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM age LIMIT ?)"
                " INSERT INTO traffic SELECT area.id, ? - n, n, 0, 0, 0 FROM area, age"
                " WHERE jid = ?", DAYS_KEPT, newest, books.jid)
    for limit in (1, 2, 399, 400):
        days = books.admin.json("traffic", "--limit", limit, books.jid)["days"]
        assert [day["sent_bytes"] for day in days] == list(range(limit))
    assert len(books.admin.json("traffic", books.jid)["days"]) == DAYS_KEPT
    assert len(books.admin("traffic", books.jid, "--limit", "3").splitlines()) == 4


def test_areas_have_traffic_of_their_own(server, admin, books, new_owner):
    other = Books(server, admin, new_owner().jid)
    books.add_day(today(), 5)
    other.add_day(today(), 7)
    assert (books.usage()["sent_bytes"], other.usage()["sent_bytes"]) == (5, 7)


# What httpd has counted


def wait_for(admin, jid, **expected):
    """Waits until httpd has brought so much traffic of an area into the ledger."""
    def is_written():
        usage = admin.json("usage", jid)
        return usage if usage == {**usage, **expected} else None

    return wait_until(is_written, SECONDS_UNTIL_WRITTEN, f"not in the ledger: {expected}")


@pytest.mark.valgrind
def test_usage_tells_what_was_uploaded_and_downloaded(admin, owner):
    link = owner.put("a", bytes(3000)).link
    assert owner.open_link(link).status == 200
    assert owner.open_link(link, headers={"Range": "bytes=0-99"}).status == 206
    assert owner.open_link(link, "HEAD").status == 200
    assert owner.get("a").status == 200
    usage = wait_for(admin, owner.jid, sent_bytes=6100, received_bytes=3000, downloads=3,
                     uploads=1)
    assert (usage["transferred_bytes"], usage["transfer_period"]) == (3100, "month")
    days = admin.json("traffic", owner.jid)["days"]
    assert sum(day["sent_bytes"] for day in days) == 6100
    assert sum(day["received_bytes"] for day in days) == 3000
    assert days[0]["day"] in (midnight(today() - age).strftime("%Y-%m-%d") for age in (0, 1))


def test_transfer_quota_holds_from_the_next_download_on(admin, owner):
    link = owner.put("a", bytes(1000)).link
    assert owner.open_link(link).status == 200
    wait_for(admin, owner.jid, transferred_bytes=1000)
    admin("transfer-quota", owner.jid, "2000", "month")
    assert owner.open_link(link).status == 200
    assert owner.open_link(link).status == 429
    wait_for(admin, owner.jid, transferred_bytes=2000, downloads=2)
    admin("transfer-quota", owner.jid, "unlimited", "month")
    assert owner.open_link(link).status == 200
    wait_for(admin, owner.jid, transferred_bytes=3000)
    admin("transfer-quota", owner.jid, "3500", "month")
    assert owner.open_link(link).status == 200
    assert owner.open_link(link).status == 429
    admin("transfer-quota", owner.jid, "default")
    assert owner.open_link(link).status == 200


def test_who_is_removed_and_comes_back_begins_anew(admin, owner):
    link = owner.put("a", bytes(1000)).link
    admin("transfer-quota", owner.jid, "1000", "month")
    assert owner.open_link(link).status == 200
    assert owner.open_link(link).status == 429
    admin("remove-area", "--yes", owner.jid)
    link = owner.put("a", bytes(500)).link
    admin("transfer-quota", owner.jid, "1000", "month")
    assert owner.open_link(link).status == 200
    wait_for(admin, owner.jid, transferred_bytes=500, sent_bytes=500, received_bytes=500)


# With the rest of the tool, and beside httpd


def test_removed_area_takes_its_traffic_along(books, records):
    books.add_day(today(), 5)
    books.charge(MONTH, month_of(datetime.now(timezone.utc))[0], 5)
    books.admin("transfer-quota", books.jid, "5G", "week")
    area_id, = records.query("SELECT id FROM area WHERE jid = ?", books.jid)[0]
    books.admin("remove-area", "--yes", books.jid)
    for table in ("traffic", "charge"):
        assert records.query(f"SELECT * FROM {table} WHERE area_id = ?", area_id) == []
    books.admin("quota", books.jid, "default")
    usage = books.usage()
    assert usage == {**usage, **NO_TRAFFIC}
    assert records.query("SELECT id > ? FROM area WHERE jid = ?", area_id, books.jid) == [(1,)]


def test_what_httpd_counts_with_is_left_alone(start_server, users):
    server, other = start_server(), start_server()
    admin, owner = Admin(server), users.client(server)
    owner.put("a", bytes(1000))
    counts = server.store / "traffic"
    before = counts.stat()
    for command in (["usage", owner.jid], ["fsck"],
                    ["--database", other.store / "ledger.db", "areas"]):
        admin(*command)
    after = counts.stat()
    assert (after.st_ino, after.st_uid) == (before.st_ino, before.st_uid)
    wait_for(admin, owner.jid, received_bytes=1000)
    owner.close()
    server.stop()
    counts.unlink()
    admin("transfer-quota", owner.jid, "5G")
    assert not counts.exists()
    server.start()
    assert owner.get("a").status == 200


def test_backup_has_the_traffic(books, tmp_path):
    books.add_day(today() - 1, 4711, 5, 6, 7)
    books.admin("transfer-quota", books.jid, "5G", "week")
    copy = tmp_path / "copy.db"
    books.admin("backup", copy)
    assert books.admin.json("--database", copy, "traffic", books.jid) \
        == books.admin.json("traffic", books.jid)
    assert books.admin.json("--database", copy, "usage", books.jid)["transfer_quota_bytes"] \
        == 5 << 30


def test_all_is_the_same_when_httpd_is_stopped(start_server):
    server = start_server()
    admin = Admin(server)
    books = Books(server, admin, "bookkeeper@example.org")

    def tell():
        return [admin("usage", books.jid), admin.json("usage", books.jid),
                admin("traffic", books.jid), admin.json("traffic", books.jid)]

    books.add_day(today() - 1, 123, 45, 6, 7)
    books.charge(MONTH, month_of(datetime.now(timezone.utc))[0], 99)
    running, stopped = within_a_day(lambda: (tell(), _stop_and(server, tell)))
    assert stopped == running
    area = admin.json("transfer-quota", books.jid, "5G", "month")
    assert (area["transferred_bytes"], area["sent_bytes"]) == (99, 123)
    server.start()
    assert admin.json("usage", books.jid)["transfer_quota_bytes"] == 5 << 30


def _stop_and(server, work):
    if server.is_running():
        server.stop()
    return work()
