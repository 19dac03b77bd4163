"""The ledger and the store of a server, looked at from outside."""

import contextlib
import os
import sqlite3
import time

LOCK_TRIES_SECONDS = 10
ORPHAN_AGE_SECONDS = 3600
SWEPT_SECONDS = 60
GONE_SECONDS = 10
BUSY_SECONDS = 5  # so long a writer waits for the ledger


def wait_until(condition, seconds, complaint):
    """Polls until `condition()` is true; fails with `complaint` after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, complaint
        time.sleep(0.1)


class Records:
    """Reads the ledger without changing it, and the directory of objects."""

    def __init__(self, server, database=None):
        self._database = database or server.store / "ledger.db"
        self._objects = server.store / "objects"

    def query(self, statement, *values):
        uri = f"file:{self._database}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, LOCK_TRIES_SECONDS, uri=True)) as ledger:
            return ledger.execute(statement, values).fetchall()

    def promised_objects(self):
        return {row[0] for row in self.query("SELECT object FROM reservation")}

    def filed_objects(self):
        return {row[0] for row in self.query("SELECT object FROM file")}

    def object_of(self, jid, path):
        """The file in the store that holds the bytes of a path of an area."""
        rows = self.query("SELECT object FROM file JOIN area ON area.id = area_id"
                          " WHERE jid = ? AND path = ?", jid, path)
        assert len(rows) == 1
        return self.object_path(rows[0][0])

    def object_path(self, name):
        return self._objects / name[:2] / name

    def stored_objects(self):
        """Names of all files in the store."""
        return {name for _, _, names in os.walk(self._objects) for name in names}

    def assert_only_young_orphans(self):
        """Objects without a row are young garbage, and are swept when they are old."""
        for name in self.stored_objects() - self.filed_objects():
            path = self.object_path(name)
            assert time.time() - path.stat().st_mtime < ORPHAN_AGE_SECONDS
            os.utime(path, (time.time() - 2 * ORPHAN_AGE_SECONDS,) * 2)
        wait_until(lambda: self.stored_objects() == self.filed_objects(), SWEPT_SECONDS,
                   "garbage is left")

    def wrong_sums(self):
        """Areas whose sums are not the sums of their rows."""
        return self.query("""
            SELECT jid, used_bytes, file_count FROM area WHERE
            used_bytes <> (SELECT coalesce(sum(size_bytes), 0) FROM file WHERE area_id = area.id)
            OR file_count <> (SELECT count(*) FROM file WHERE area_id = area.id)""")

    def assert_consistent(self):
        """Every row has its object of the right size, every sum is right, nothing is promised."""
        assert self.promised_objects() == set()
        assert self.wrong_sums() == []
        sizes = {name: self.object_path(name).stat().st_size for name in self.filed_objects()}
        assert sizes == dict(self.query("SELECT object, size_bytes FROM file"))


def assert_nothing_left(server, owner):
    """No file, no promise and no object of an upload that failed."""
    records = Records(server)
    wait_until(lambda: not records.promised_objects(), GONE_SECONDS, "a promise is left")
    assert owner.listing()["files"] == []
    wait_until(lambda: records.stored_objects() == records.filed_objects(), GONE_SECONDS,
               "an object without a row is left")
