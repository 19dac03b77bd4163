"""Fills a ledger with files that nobody will ask for: rows without objects, made in seconds."""

import contextlib
import sqlite3

# Triggers of the ledger keep the sums of the areas.
FILES = """
WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < :count)
INSERT INTO file (area_id, path, token, object, size_bytes, media_type, created_us)
SELECT filled.area_id, printf('old/%07d.bin', n), lower(hex(randomblob(11))),
       lower(hex(randomblob(16))), 4096, 'application/octet-stream', 1700000000000000 + n
  FROM number JOIN filled ON filled.number = n % :areas
"""
# A ledger remembers the slots of its files.
USED_SLOTS = "INSERT INTO used_slot (token) SELECT token FROM file"


def _fill(ledger, jids, count):
    ledger.execute("CREATE TEMP TABLE filled (number INTEGER PRIMARY KEY, area_id INTEGER)")
    for number, jid in enumerate(jids):
        ledger.execute("INSERT INTO filled SELECT ?, id FROM area WHERE jid = ?", (number, jid))
    ledger.execute(FILES, {"count": count, "areas": len(jids)})
    ledger.execute(USED_SLOTS)


def fill(server, owners, count):
    """Adds `count` files to the areas of these owners. The server is down meanwhile, so it knows
    nothing from before."""
    for owner in owners:
        assert owner.put("first.bin", b"x").status == 201
        owner.close()
    server.stop()
    with contextlib.closing(sqlite3.connect(server.store / "ledger.db")) as ledger:
        with ledger:
            _fill(ledger, [owner.jid for owner in owners], count)
    server.start()


def middle_of(count):
    """The path with as many files before as behind it, as it stands in a query; of one area."""
    return f"old%2F{count // 2:07d}.bin"
