"""What the ledger says of the traffic of areas, awaited: it is written about once a second."""

import dataclasses

from records import Records, wait_until

SETTLE_SECONDS = 30


@dataclasses.dataclass(frozen=True)
class Traffic:
    sent_bytes: int = 0
    received_bytes: int = 0
    downloads: int = 0
    uploads: int = 0

    def is_as(self, wanted):
        """True if each member named in `wanted` has that value, or one in that range."""
        return all(getattr(self, name) in value if isinstance(value, range)
                   else getattr(self, name) == value for name, value in wanted.items())


class TrafficLedger:
    """Reads the tables traffic and charge of one server."""

    def __init__(self, server):
        self.records = Records(server)
        self._seconds = SETTLE_SECONDS * server.env.patience
        self._awaited = {}

    def of(self, jid):
        """The sums over all days of one area."""
        rows = self.records.query("""
            SELECT sum(sent_bytes), sum(received_bytes), sum(downloads), sum(uploads)
            FROM traffic JOIN area ON area.id = area_id WHERE jid = ? GROUP BY jid""", jid)
        return Traffic(*rows[0]) if rows else Traffic()

    def total(self):
        """The sums over all areas."""
        return Traffic(*self.records.query("""
            SELECT coalesce(sum(sent_bytes), 0), coalesce(sum(received_bytes), 0),
            coalesce(sum(downloads), 0), coalesce(sum(uploads), 0) FROM traffic""")[0])

    def charged_bytes(self, jid):
        """What is charged to the transfer quota of one area, in the last period that there was."""
        rows = self.records.query("""
            SELECT charged_bytes FROM charge JOIN area ON area.id = area_id
            WHERE jid = ? ORDER BY start_us DESC LIMIT 1""", jid)
        return rows[0][0] if rows else 0

    def wait_for(self, jid, **wanted):
        """Waits until an area's members are as wanted: a value or a range of them. Returns all."""
        found = None

        def is_there():
            nonlocal found
            found = self.of(jid)
            return found.is_as(wanted)

        try:
            wait_until(is_there, self._seconds, "")
        except AssertionError:
            raise AssertionError(f"{jid}: {found}, wanted {wanted}") from None
        self._awaited[jid] = wanted
        return found

    def wait_for_charged(self, jid, charged_bytes):
        """Waits until so much is charged to an area."""
        try:
            wait_until(lambda: self.charged_bytes(jid) == charged_bytes, self._seconds, "")
        except AssertionError:
            raise AssertionError(f"{jid}: {self.charged_bytes(jid)} bytes are charged, wanted "
                                 f"{charged_bytes}; {self.of(jid)}") from None

    def assert_still(self):
        """All that was awaited last is still so: nothing was added afterwards."""
        for jid, wanted in self._awaited.items():
            found = self.of(jid)
            assert found.is_as(wanted), f"{jid}: {found}, wanted {wanted}"
