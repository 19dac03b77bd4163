"""A client on http.client: exact request targets, no conveniences, fast enough for bulk."""

import base64
import http.client
from urllib.parse import quote, urlsplit

from answer import Answer
from config import BASE

JSON = {"Accept": "application/json"}
# A link's token begins with so many characters that tell when it was made.
TIME_CHARS = 6


def area_path(jid, path="", base=BASE):
    """Path of the URL of a file or folder in an area."""
    return f"{base}/{quote(jid, safe='@')}/{quote(path)}"


def link_path(link):
    """Path of the URL of a link."""
    return urlsplit(link).path

class Client:
    """Requests of one user (or of nobody) to one server, over one kept connection, perhaps from a
    certain address of this machine."""

    def __init__(self, server, jid=None, password=None, base=BASE, source=None):
        self.jid = jid
        self.base = base
        self.password = password
        self._server = server
        self.source = source
        self._connection = None

    @property
    def authorization(self):
        """The value of the Authorization field."""
        login = f"{self.jid}:{self.password}".encode()
        return "Basic " + base64.b64encode(login).decode("ascii")

    def request(self, method, target, body=None, headers=None, chunked=False):
        """Sends one request; `target` is a path or a URL of the server."""
        fields = dict(headers or {})
        if self.password is not None:
            fields.setdefault("Authorization", self.authorization)
        target = target if target.startswith("/") else link_path(target)
        try:
            return self._exchange(method, target, body, fields, chunked)
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def _exchange(self, method, target, body, fields, chunked):
        if self._connection is None:
            self._connection = self._server.connect(source=self.source)
        self._connection.request(method, target, body, fields, encode_chunked=chunked)
        response = self._connection.getresponse()
        content = response.read()
        if response.will_close:
            self.close()
        return Answer(response.status, response.msg, content)

    def close(self):
        if self._connection:
            self._connection.close()
            self._connection = None

    # Requests about the user's own area

    def put(self, path, content, headers=None):
        return self.request("PUT", area_path(self.jid, path, self.base), content, headers)

    def put_chunked(self, path, chunks, headers=None):
        fields = {**(headers or {}), "Transfer-Encoding": "chunked"}
        return self.request("PUT", area_path(self.jid, path, self.base), iter(chunks), fields,
                            chunked=True)

    def get(self, path, headers=None):
        return self.request("GET", area_path(self.jid, path, self.base), headers=headers)

    def head(self, path, headers=None):
        return self.request("HEAD", area_path(self.jid, path, self.base), headers=headers)

    def delete(self, path, headers=None):
        return self.request("DELETE", area_path(self.jid, path, self.base), headers=headers)

    def listing(self, folder="", query=""):
        """The list as JSON."""
        answer = self.request("GET", area_path(self.jid, folder, self.base) + query, headers=JSON)
        assert answer.status == 200, answer.text
        return answer.json()

    def used_bytes(self):
        return self.listing()["used_bytes"]

    # Requests as a friend: the link and nothing else

    def open_link(self, link, method="GET", headers=None):
        """Requests a link without login."""
        return Client(self._server).request(method, link, headers=headers)
