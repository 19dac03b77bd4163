"""The page for Prometheus, read with the parsers of Prometheus' own library."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

METRICS, METRICS_WITH_JIDS = "/metrics", "/metrics-with-jids"
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1"}
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Families without the prefix, and what they are; those that name areas.
KINDS = {
    "areas": "gauge", "files": "gauge", "stored_bytes": "gauge", "uploads_in_flight": "gauge",
    "sent_bytes": "counter", "received_bytes": "counter", "downloads": "counter",
    "uploads": "counter", "active_transfers": "gauge",
    "transfer_rate_bytes_per_second": "gauge", "traffic_accounts": "gauge",
    "traffic_accounts_max": "gauge", "refusals": "counter", "ledger_up": "gauge",
}
AREA_KINDS = {name: "gauge" for name in (
    "area_stored_bytes", "area_quota_bytes", "area_transferred_bytes",
    "area_transfer_quota_bytes")}


def metrics_location(path, lines=""):
    return f"""
<Location "{path}">
    SetHandler jabberfiles-metrics
    {lines}
</Location>
"""


METRICS_LINES = metrics_location(METRICS) \
    + metrics_location(METRICS_WITH_JIDS, "JabberFilesShowJIDs On")


class Scrape:
    """One page. Samples are known by their name and labels."""

    def __init__(self, answer):
        assert answer.status == 200, answer.text
        self.text = answer.text
        read = {OPENMETRICS_TYPE: read_openmetrics, TEXT_TYPE: read_text}[
            answer.header("Content-Type")]
        families = list(read(answer.text))
        self.families = {family.name: family for family in families}
        assert len(self.families) == len(families), "a family comes twice"
        samples = [sample for family in families for sample in family.samples]
        self.samples = {(sample.name, *sorted(sample.labels.items())): sample.value
                        for sample in samples}
        assert len(self.samples) == len(samples), "a sample comes twice"

    def value(self, name, **labels):
        return self.samples[("jabberfiles_" + name, *sorted(labels.items()))]

    def has(self, name):
        return any(key[0] == "jabberfiles_" + name for key in self.samples)

    def areas(self, name):
        """Value by area of a family that has a sample for each."""
        return {dict(labels)["area"]: value for (sample, *labels), value in self.samples.items()
                if sample == "jabberfiles_" + name}


def scrape(client, path=METRICS, headers=None):
    return Scrape(client.request("GET", path, headers=OPENMETRICS if headers is None else headers))


def kinds_of(page):
    return {name.removeprefix("jabberfiles_"): family.type
            for name, family in page.families.items()}
