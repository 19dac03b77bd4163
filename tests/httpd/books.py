"""Traffic that a test writes into the ledger itself, and what jabberfiles-admin says of it."""

import contextlib
import re
import sqlite3
import time
from datetime import datetime, timedelta, timezone

DAY_SECONDS = 86400
WEEK, MONTH = 0xfffffe, 0xffffff  # as the ledger names them
DAYS_KEPT = 400


def today():
    return int(time.time()) // DAY_SECONDS


def within_a_day(work):
    """What `work` gives, done again if midnight has passed meanwhile."""
    while True:
        day = today()
        result = work()
        if today() == day:
            return result


def midnight(day):
    return datetime.fromtimestamp(day * DAY_SECONDS, timezone.utc)


def as_text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def as_us(moment):
    return int(moment.timestamp()) * 1_000_000


def month_of(moment):
    """Begin and end of a calendar's month."""
    begin = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return begin, (begin + timedelta(days=31)).replace(day=1)


def week_of(moment):
    begin = midnight(today()) - timedelta(days=moment.weekday())
    return begin, begin + timedelta(days=7)


class Books:
    """An area without any request, whose traffic the test writes itself."""

    def __init__(self, server, admin, jid):
        self._path = server.store / "ledger.db"
        self.admin, self.jid = admin, jid
        self.admin("quota", jid, "default")

    def write(self, statement, *values):
        with contextlib.closing(sqlite3.connect(self._path, 10)) as ledger:
            ledger.execute(statement, values)
            ledger.commit()

    def add_day(self, day, sent, received=0, downloads=0, uploads=0):
        self.write("INSERT OR REPLACE INTO traffic SELECT id, ?, ?, ?, ?, ? FROM area"
                   " WHERE jid = ?", day, sent, received, downloads, uploads, self.jid)

    def charge(self, period, start, charged):
        self.write("INSERT OR REPLACE INTO charge SELECT id, ?, ?, ? FROM area WHERE jid = ?",
                   period, as_us(start), charged, self.jid)

    def usage(self):
        return self.admin.json("usage", self.jid)

    def text(self, name):
        """What `usage` prints beside a name."""
        found = re.search(f"^{name}  +(.*)$", self.admin("usage", self.jid), re.MULTILINE)
        return found[1]
