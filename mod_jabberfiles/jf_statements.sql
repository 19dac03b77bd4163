-- STMT_BEGIN
BEGIN IMMEDIATE

-- STMT_COMMIT
COMMIT

-- STMT_SAVEPOINT
SAVEPOINT op

-- STMT_ROLLBACK_TO
ROLLBACK TO op

-- STMT_RELEASE
RELEASE op

-- STMT_LEDGER_ID
SELECT id FROM ledger

-- STMT_AREA_BY_JID
SELECT id, jid, quota_bytes, used_bytes, reserved_bytes, file_count, created_us,
       transfer_quota_bytes, transfer_period
  FROM area WHERE jid = ?1

-- STMT_AREA_LIST
SELECT id, jid, quota_bytes, used_bytes, reserved_bytes, file_count, created_us,
       transfer_quota_bytes, transfer_period
  FROM area WHERE jid > ?1 ORDER BY jid LIMIT ?2

-- STMT_AREA_BY_SHA1
SELECT id, jid, quota_bytes, used_bytes, reserved_bytes, file_count, created_us,
       transfer_quota_bytes, transfer_period
  FROM area WHERE jid_sha1 = ?1

-- STMT_AREA_JID
SELECT jid FROM area WHERE id = ?1

-- STMT_AREA_INSERT
INSERT INTO area (id, jid, jid_sha1, created_us)
VALUES (max((SELECT coalesce(max(id), 0) FROM area), (SELECT last_area_id FROM ledger)) + 1,
        ?1, ?2, ?3)

-- STMT_AREA_RENAME
UPDATE area SET jid = ?2, jid_sha1 = ?3 WHERE jid = ?1

-- STMT_AREA_SET_QUOTA
-- -2 stands for "by the configuration", which is NULL in the table.
UPDATE area SET quota_bytes = nullif(?2, -2) WHERE jid = ?1

-- STMT_AREA_SET_TRANSFER
-- -2 and 0 stand for "by the configuration".
UPDATE area SET transfer_quota_bytes = nullif(?2, -2), transfer_period = nullif(?3, 0)
 WHERE jid = ?1

-- STMT_AREA_DELETE
DELETE FROM area WHERE id = ?1

-- STMT_AREA_SUMS_WRONG
-- Areas whose sums differ from their rows: only a damaged or hand-edited ledger has any.
SELECT a.jid, a.used_bytes, a.file_count, a.reserved_bytes,
       (SELECT coalesce(sum(size_bytes), 0) FROM file WHERE area_id = a.id) AS used,
       (SELECT count(*) FROM file WHERE area_id = a.id) AS files,
       (SELECT coalesce(sum(max(0, size_bytes - credit_bytes)), 0)
          FROM reservation WHERE area_id = a.id) AS reserved
  FROM area a
 WHERE a.used_bytes <> used OR a.file_count <> files OR a.reserved_bytes <> reserved

-- STMT_AREA_SUMS_REPAIR
UPDATE area SET
  used_bytes = (SELECT coalesce(sum(size_bytes), 0) FROM file WHERE area_id = area.id),
  file_count = (SELECT count(*) FROM file WHERE area_id = area.id),
  reserved_bytes = (SELECT coalesce(sum(max(0, size_bytes - credit_bytes)), 0)
                      FROM reservation WHERE area_id = area.id)

-- STMT_TOTALS
SELECT count(*), coalesce(sum(file_count), 0), coalesce(sum(used_bytes), 0),
       (SELECT count(*) FROM reservation WHERE instance <> '')
  FROM area

-- STMT_FILE_BY_TOKEN
SELECT f.area_id, a.jid, f.path, f.token, f.object, f.size_bytes, f.media_type, f.sha256,
       f.created_us, f.expires_us, a.transfer_quota_bytes, a.transfer_period
  FROM file f JOIN area a ON a.id = f.area_id
 WHERE f.token = ?1 AND (f.expires_us IS NULL OR f.expires_us > ?2)

-- STMT_FILE_BY_PATH
SELECT f.area_id, a.jid, f.path, f.token, f.object, f.size_bytes, f.media_type, f.sha256,
       f.created_us, f.expires_us, a.transfer_quota_bytes, a.transfer_period
  FROM area a JOIN file f ON f.area_id = a.id
 WHERE a.jid = ?1 AND f.path = ?2

-- STMT_FILE_IN_AREA
SELECT f.area_id, a.jid, f.path, f.token, f.object, f.size_bytes, f.media_type, f.sha256,
       f.created_us, f.expires_us, a.transfer_quota_bytes, a.transfer_period
  FROM file f JOIN area a ON a.id = f.area_id
 WHERE f.area_id = ?1 AND f.path = ?2

-- STMT_FILE_LIST
-- A prefix is a range: ?2 <= path < ?3, which the index on (area_id, path) answers. It takes one
-- lower bound and not two; without max() it would go through all pages before this one.
SELECT f.area_id, a.jid, f.path, f.token, f.object, f.size_bytes, f.media_type, f.sha256,
       f.created_us, f.expires_us, a.transfer_quota_bytes, a.transfer_period
  FROM area a JOIN file f ON f.area_id = a.id
 WHERE a.jid = ?1 AND f.path >= max(?2, ?4) AND f.path < ?3 AND f.path <> ?4
   AND (f.expires_us IS NULL OR f.expires_us > ?5)
 ORDER BY f.path LIMIT ?6

-- STMT_FILE_EACH
SELECT f.area_id, a.jid, f.path, f.token, f.object, f.size_bytes, f.media_type, f.sha256,
       f.created_us, f.expires_us, a.transfer_quota_bytes, a.transfer_period
  FROM file f JOIN area a ON a.id = f.area_id
 WHERE f.object > ?1 ORDER BY f.object LIMIT ?2

-- STMT_FILE_EXPIRED
SELECT object FROM file WHERE expires_us IS NOT NULL AND expires_us <= ?1 LIMIT ?2

-- STMT_FILE_OBJECTS_OF_AREA
SELECT object FROM file WHERE area_id = ?1
UNION ALL
SELECT object FROM reservation WHERE area_id = ?1

-- STMT_FILE_INSERT
INSERT INTO file (area_id, path, token, object, size_bytes, media_type, sha256, created_us, expires_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, nullif(?9, -1))

-- STMT_FILE_REPLACE
UPDATE file SET object = ?3, size_bytes = ?4, media_type = ?5, sha256 = ?6, created_us = ?7,
                expires_us = nullif(?8, -1)
 WHERE area_id = ?1 AND path = ?2

-- STMT_FILE_DELETE
DELETE FROM file WHERE area_id = ?1 AND path = ?2

-- STMT_FILE_DELETE_OBJECT
DELETE FROM file WHERE object = ?1

-- STMT_FILE_DELETE_AREA
DELETE FROM file WHERE area_id = ?1

-- STMT_OBJECT_KNOWN
SELECT 1 FROM file WHERE object = ?1 UNION ALL SELECT 1 FROM reservation WHERE object = ?1

-- STMT_CREDIT_TAKEN
SELECT 1 FROM reservation WHERE area_id = ?1 AND path = ?2 AND credit_bytes > 0

-- STMT_RESERVATION_INSERT
INSERT INTO reservation (object, area_id, path, size_bytes, credit_bytes, instance, created_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- STMT_RESERVATION_GET
SELECT a.id, a.jid, a.quota_bytes, a.used_bytes, a.reserved_bytes, a.file_count, a.created_us,
       a.transfer_quota_bytes, a.transfer_period, r.path, r.size_bytes, r.credit_bytes
  FROM reservation r JOIN area a ON a.id = r.area_id WHERE r.object = ?1

-- STMT_RESERVATION_RESIZE
UPDATE reservation SET size_bytes = ?2 WHERE object = ?1

-- STMT_RESERVATION_DELETE
DELETE FROM reservation WHERE object = ?1

-- STMT_RESERVATION_DELETE_AREA
DELETE FROM reservation WHERE area_id = ?1

-- STMT_RESERVATION_INSTANCES
SELECT DISTINCT instance FROM reservation WHERE instance <> ''

-- STMT_RESERVATION_OBJECTS
SELECT object FROM reservation WHERE instance = ?1

-- STMT_RESERVATION_DELETE_INSTANCE
DELETE FROM reservation WHERE instance = ?1

-- STMT_SLOT_INSERT
INSERT INTO slot (token, object, media_type, expires_us) VALUES (?1, ?2, ?3, ?4)

-- STMT_SLOT_BY_TOKEN
SELECT a.jid, r.path, r.size_bytes, s.media_type, s.expires_us
  FROM slot s JOIN reservation r ON r.object = s.object JOIN area a ON a.id = r.area_id
 WHERE s.token = ?1

-- STMT_SLOT_COUNT
SELECT count(*) FROM reservation WHERE area_id = ?1 AND instance = ''

-- STMT_SLOT_DELETE
-- The slot itself goes by a trigger.
DELETE FROM reservation WHERE object = (SELECT object FROM slot WHERE token = ?1)

-- STMT_SLOT_EXPIRE
DELETE FROM reservation
 WHERE object IN (SELECT object FROM slot WHERE expires_us <= ?1 LIMIT ?2)

-- STMT_SLOT_USED
SELECT 1 FROM used_slot WHERE token = ?1 UNION ALL SELECT 1 FROM file WHERE token = ?1

-- STMT_SLOT_MARK_USED
INSERT INTO used_slot (token, forget_us) VALUES (?1, nullif(?2, -1))

-- STMT_SLOT_FORGET
DELETE FROM used_slot
 WHERE token IN (SELECT token FROM used_slot WHERE forget_us <= ?1 LIMIT ?2)

-- STMT_TRAFFIC_ADD
-- A sum that no integer holds becomes a float; the cast makes the largest integer of it, for one
-- absurd number must not keep all others out for ever.
INSERT INTO traffic (area_id, day, sent_bytes, received_bytes, downloads, uploads)
SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM area WHERE id = ?1)
    ON CONFLICT DO UPDATE SET
       sent_bytes = CAST(sent_bytes + excluded.sent_bytes AS INTEGER),
       received_bytes = CAST(received_bytes + excluded.received_bytes AS INTEGER),
       downloads = CAST(downloads + excluded.downloads AS INTEGER),
       uploads = CAST(uploads + excluded.uploads AS INTEGER)

-- STMT_TRAFFIC_CHARGE
INSERT INTO charge (area_id, period, start_us, charged_bytes)
SELECT ?1, ?2, ?3, max(0, ?4) WHERE EXISTS (SELECT 1 FROM area WHERE id = ?1)
    ON CONFLICT DO UPDATE SET start_us = excluded.start_us, charged_bytes = excluded.charged_bytes
                    WHERE start_us <= excluded.start_us

-- STMT_TRAFFIC_FORGET
DELETE FROM traffic
 WHERE (area_id, day) IN (SELECT area_id, day FROM traffic WHERE day <= ?1 LIMIT ?2)

-- STMT_TRAFFIC_SET_NUMBER
UPDATE ledger SET traffic_batch = ?1

-- STMT_TRAFFIC_NUMBER
SELECT traffic_batch FROM ledger

-- STMT_TRAFFIC_CHARGED
SELECT charged_bytes FROM charge WHERE area_id = ?1 AND period = ?2 AND start_us = ?3

-- STMT_TRAFFIC_DAYS
SELECT day, sent_bytes, received_bytes, downloads, uploads
  FROM traffic WHERE area_id = ?1 ORDER BY day DESC LIMIT ?2

-- STMT_TRAFFIC_PERIODS
SELECT period, start_us, charged_bytes
  FROM charge WHERE area_id = ?1 ORDER BY start_us DESC, period DESC
