-- SCHEMA 1
-- Which ledger this is. The store has a note of it, so that nobody sweeps it by another ledger.
CREATE TABLE ledger (id TEXT NOT NULL) STRICT;
INSERT INTO ledger VALUES (lower(hex(randomblob(16))));

-- An area is one bare JID. The three sums are kept by the triggers below and by nothing else, so
-- "used equals the sum of the files" holds in every transaction by construction.
CREATE TABLE area (
  id             INTEGER PRIMARY KEY,
  jid            TEXT    NOT NULL UNIQUE,
  quota_bytes    INTEGER CHECK (quota_bytes >= -1), -- NULL: by the configuration; -1: unlimited
  used_bytes     INTEGER NOT NULL DEFAULT 0 CHECK (used_bytes >= 0),
  reserved_bytes INTEGER NOT NULL DEFAULT 0 CHECK (reserved_bytes >= 0),
  file_count     INTEGER NOT NULL DEFAULT 0 CHECK (file_count >= 0),
  created_us     INTEGER NOT NULL
) STRICT;

CREATE TABLE file (
  id         INTEGER PRIMARY KEY,
  area_id    INTEGER NOT NULL REFERENCES area (id),
  path       TEXT    NOT NULL,
  token      TEXT    NOT NULL UNIQUE,
  object     TEXT    NOT NULL UNIQUE,
  size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
  media_type TEXT    NOT NULL,
  sha256     BLOB    CHECK (sha256 IS NULL OR length(sha256) = 32),
  created_us INTEGER NOT NULL,
  expires_us INTEGER, -- NULL: never
  UNIQUE (area_id, path)
) STRICT;

CREATE INDEX file_expiry ON file (expires_us) WHERE expires_us IS NOT NULL;

-- Bytes promised to an upload in flight. The object names the upload: it is random, so a late
-- process can never settle the reservation of another. credit_bytes is what the file that will be
-- replaced gives back; one upload at a time has it. instance names the process that uploads.
CREATE TABLE reservation (
  object       TEXT    PRIMARY KEY,
  area_id      INTEGER NOT NULL REFERENCES area (id),
  path         TEXT    NOT NULL,
  size_bytes   INTEGER NOT NULL CHECK (size_bytes >= 0),
  credit_bytes INTEGER NOT NULL CHECK (credit_bytes >= 0),
  instance     TEXT    NOT NULL,
  created_us   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX reservation_path ON reservation (area_id, path);
CREATE INDEX reservation_instance ON reservation (instance);

CREATE TRIGGER file_inserted AFTER INSERT ON file BEGIN
  UPDATE area SET used_bytes = used_bytes + new.size_bytes, file_count = file_count + 1
   WHERE id = new.area_id;
END;

-- A file that goes takes its credit along: the upload that counted on it needs the bytes itself.
CREATE TRIGGER file_deleted AFTER DELETE ON file BEGIN
  UPDATE area SET used_bytes = used_bytes - old.size_bytes, file_count = file_count - 1
   WHERE id = old.area_id;
  UPDATE reservation SET credit_bytes = 0
   WHERE area_id = old.area_id AND path = old.path AND credit_bytes > 0;
END;

CREATE TRIGGER file_replaced AFTER UPDATE OF size_bytes ON file BEGIN
  UPDATE area SET used_bytes = used_bytes - old.size_bytes + new.size_bytes
   WHERE id = new.area_id;
  UPDATE reservation SET credit_bytes = min(credit_bytes, new.size_bytes)
   WHERE area_id = new.area_id AND path = new.path AND credit_bytes > new.size_bytes;
END;

CREATE TRIGGER reservation_inserted AFTER INSERT ON reservation BEGIN
  UPDATE area SET reserved_bytes = reserved_bytes + max(0, new.size_bytes - new.credit_bytes)
   WHERE id = new.area_id;
END;

CREATE TRIGGER reservation_deleted AFTER DELETE ON reservation BEGIN
  UPDATE area SET reserved_bytes = reserved_bytes - max(0, old.size_bytes - old.credit_bytes)
   WHERE id = old.area_id;
END;

CREATE TRIGGER reservation_updated AFTER UPDATE OF size_bytes, credit_bytes ON reservation BEGIN
  UPDATE area SET reserved_bytes = reserved_bytes
                                   - max(0, old.size_bytes - old.credit_bytes)
                                   + max(0, new.size_bytes - new.credit_bytes)
   WHERE id = new.area_id;
END;

-- SCHEMA 2
-- Areas whose name is no JID (jf_area.h) have no hash; one that comes by a hash is renamed when the
-- JID is seen. jf_sha1 is there while a ledger is upgraded.
ALTER TABLE area ADD COLUMN jid_sha1 TEXT;
UPDATE area SET jid_sha1 = jf_sha1(jid);
CREATE UNIQUE INDEX area_jid_sha1 ON area (jid_sha1);

-- A slot that was granted and is not used yet. Its bytes are promised by the reservation of the same
-- object, which belongs to no process (instance '').
CREATE TABLE slot (
  token      TEXT    PRIMARY KEY,
  object     TEXT    NOT NULL UNIQUE,
  media_type TEXT    NOT NULL,
  expires_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX slot_expiry ON slot (expires_us);

-- Tokens that no upload can use any more, also after the file is gone. Some tokens are valid for
-- ever; of the others nobody needs to know after forget_us.
CREATE TABLE used_slot (
  token     TEXT    PRIMARY KEY,
  forget_us INTEGER -- NULL: never
) STRICT, WITHOUT ROWID;

CREATE INDEX used_slot_forget ON used_slot (forget_us) WHERE forget_us IS NOT NULL;

DROP TRIGGER reservation_deleted;

CREATE TRIGGER reservation_deleted AFTER DELETE ON reservation WHEN old.instance <> '' BEGIN
  UPDATE area SET reserved_bytes = reserved_bytes - max(0, old.size_bytes - old.credit_bytes)
   WHERE id = old.area_id;
END;

-- However the promise of a slot goes, the slot goes along, and then an upload that counted on its
-- bytes needs them itself.
CREATE TRIGGER slot_ended AFTER DELETE ON reservation WHEN old.instance = '' BEGIN
  UPDATE area SET reserved_bytes = reserved_bytes - max(0, old.size_bytes - old.credit_bytes)
   WHERE id = old.area_id;
  DELETE FROM slot WHERE object = old.object;
  UPDATE reservation SET credit_bytes = 0
   WHERE area_id = old.area_id AND path = old.path AND credit_bytes > 0;
END;

-- SCHEMA 3
-- Numbers of areas are never given again: memory that all processes share knows areas by their
-- numbers, and forgets one that was removed a little later. traffic_batch is the number of the last
-- batch of traffic that came out of that memory, so that none comes twice.
ALTER TABLE ledger ADD COLUMN last_area_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN traffic_batch INTEGER NOT NULL DEFAULT 0;

-- How much is downloaded per period. NULL: by the configuration; quota -1: unlimited.
ALTER TABLE area ADD COLUMN transfer_quota_bytes INTEGER CHECK (transfer_quota_bytes >= -1);
ALTER TABLE area ADD COLUMN transfer_period INTEGER CHECK (transfer_period BETWEEN 1 AND 16777215);

-- What was transferred on a day (UTC, counted from the epoch; the limit is what microseconds in 64
-- bits can tell). It may be negative: what was counted too much before midnight is corrected on the
-- next day, and the sum is right.
CREATE TABLE traffic (
  area_id        INTEGER NOT NULL REFERENCES area (id),
  day            INTEGER NOT NULL CHECK (abs(day) <= 106751991),
  sent_bytes     INTEGER NOT NULL,
  received_bytes INTEGER NOT NULL,
  downloads      INTEGER NOT NULL,
  uploads        INTEGER NOT NULL,
  PRIMARY KEY (area_id, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX traffic_day ON traffic (day);

-- What counts for the transfer quota in the current period of each kind (jf_period.h).
CREATE TABLE charge (
  area_id       INTEGER NOT NULL REFERENCES area (id),
  period        INTEGER NOT NULL CHECK (period BETWEEN 1 AND 16777215),
  start_us      INTEGER NOT NULL,
  charged_bytes INTEGER NOT NULL CHECK (charged_bytes >= 0),
  PRIMARY KEY (area_id, period)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER area_deleted AFTER DELETE ON area BEGIN
  DELETE FROM traffic WHERE area_id = old.id;
  DELETE FROM charge WHERE area_id = old.id;
  UPDATE ledger SET last_area_id = max(last_area_id, old.id);
END;
