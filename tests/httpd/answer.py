"""An HTTP answer, whichever client received it."""

import dataclasses
import http.client
import io
import json


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    version: str = "HTTP/1.1"
    interim: tuple = ()
    uploaded_bytes: int = None  # only curl says how much of the body it has sent

    def header(self, name):
        """The value of a field, several lines joined; None if it is not there."""
        values = self.headers.get_all(name)
        return None if values is None else ", ".join(values)

    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def link(self):
        """The link in a PUT's answer."""
        target, _, parameters = self.header("Link").partition(">")
        assert target.startswith("<") and parameters.strip() == '; rel="alternate"'
        return target[1:]


def parse_head(head):
    """(version, status, headers) of the bytes of a status line and its fields."""
    status_line, _, fields = head.partition(b"\r\n")
    version, status = status_line.decode("latin-1").split(" ", 2)[:2]
    return version, int(status), http.client.parse_headers(io.BytesIO(fields + b"\r\n\r\n"))


# Every answer below BASE carries these, errors included.
SECURITY_HEADERS = ("X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy")


def assert_safe_headers(answer):
    """The headers that hold for every answer of a BASE with the default JabberFilesCORS."""
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert "default-src 'none'" in answer.header("Content-Security-Policy")
    assert answer.header("Referrer-Policy") == "no-referrer"
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("Access-Control-Allow-Credentials") is None


def assert_problem(answer, status):
    """The answer is a problem+json of this status; returns its members."""
    assert answer.status == status
    assert answer.header("Content-Type") == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail"} <= problem.keys()
    assert problem["status"] == status
    assert problem["title"] and problem["detail"]
    return problem
