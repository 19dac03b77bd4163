"""What each server does with files: a store takes and gives them."""

import itertools
import os

from client import JSON, area_path
from config import BASE
from environment import give_to_server
from loads import Request
from processes import cpu_seconds
from slots import OCTETS, sign_v2

AREAS = 64
PAGE_FILES = 100


class Store:
    """A server in one of its roles; `files` is the directory with what was uploaded."""

    def __init__(self, name, server, files):
        self.name = name
        self.server = server
        self._files = files
        self._serials = itertools.count()

    @property
    def port(self):
        return self.server.port

    def put_requests(self, count, size_bytes):
        """Requests that put so many new files of this size."""
        return [self._put_request(next(self._serials), size_bytes) for _ in range(count)]

    def _put_request(self, serial, size_bytes):
        raise NotImplementedError

    def get_request(self, put_request):
        """The request that gets what another one has put."""
        return Request(put_request.target.partition("?")[0])

    def renew(self):
        """A new measurement begins."""

    def cpu_seconds(self):
        """How long the server has worked."""
        return sum(map(cpu_seconds, self.server.children()))

    def empty(self):
        """Gives back the room of all files, and keeps them: ext4 looks at every file that was
        deleted in the last minutes before it makes a new one, and gets slower by the thousand."""
        for folder, _, names in os.walk(self._files):
            for path in (os.path.join(folder, name) for name in names):
                if os.stat(path).st_size:
                    os.truncate(path, 0)
        os.sync()

    def settle(self):
        """Writes all files to the disk and reads them again: then the kernel has them in memory in
        the same form, whoever wrote them."""
        os.sync()
        for folder, _, names in os.walk(self._files):
            for name in names:
                with open(os.path.join(folder, name), "rb", buffering=0) as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                    while file.read(1 << 20):
                        pass


class Folders(Store):
    """Puts files where it is told, into as many folders as there are areas."""

    def __init__(self, name, server, files, base, get_base=None):
        super().__init__(name, server, files)
        self._base = base
        self._get_base = get_base or base
        # Stores of one server have the same folders.
        self._prefix = self._get_base.strip("/")

    def _put_request(self, serial, size_bytes):
        return Request(f"{self._base}/u{serial % AREAS}/{self._prefix}{serial}",
                       (f"Content-Type: {OCTETS}",))

    def get_request(self, put_request):
        return Request(put_request.target.replace(self._base, self._get_base, 1))


def make_folders(directory):
    """The directory of a Folders, which the server may write to."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in (directory, *(directory / f"u{number}" for number in range(AREAS))):
        path.mkdir(exist_ok=True)
        give_to_server(path)
    return directory


class Areas(Store):
    """The module: owners log in and put files into their areas."""

    def __init__(self, name, server, users):
        super().__init__(name, server, server.store / "objects")
        self._take(users.client(server, f"user{number}@example.org") for number in range(AREAS))

    def _take(self, owners):
        self.owners = list(owners)
        self._fields = [(f"Authorization: {owner.authorization}", f"Content-Type: {OCTETS}")
                        for owner in self.owners]

    def _put_request(self, serial, size_bytes):
        number = serial % len(self.owners)
        return Request(area_path(self.owners[number].jid, f"{serial}.bin"), self._fields[number])

    def get_request(self, put_request):
        return Request(put_request.target, put_request.fields[:1])


class OneArea(Areas):
    """One area only: a new one for each measurement, or one that has files: that of `owner`, with
    a page of the list behind the path `after`."""

    def __init__(self, name, server, users, owner=None, after=""):
        super().__init__(name, server, users)
        self.is_new = owner is None
        self._new_owners = iter(self.owners[:]) if self.is_new else itertools.repeat(owner)
        self._after = after
        self.renew()

    def renew(self):
        self._take([next(self._new_owners)])

    def list_request(self):
        """Asks for one page of the list, as JSON."""
        owner, = self.owners
        return Request(f"{area_path(owner.jid)}?limit={PAGE_FILES}&after={self._after}",
                       (f"Authorization: {owner.authorization}", f"Accept: {JSON['Accept']}"))


class Slots(Store):
    """The module: uploads into slots that a Jabber server has signed, downloads by their links."""

    def __init__(self, name, server):
        super().__init__(name, server, server.store / "objects")

    def _put_request(self, serial, size_bytes):
        path = f"{self.name.replace(' ', '-').replace(',', '')}-{serial:016x}/file.bin"
        return Request(f"{BASE}/{path}?v2={sign_v2(path, size_bytes, OCTETS)}",
                       (f"Content-Type: {OCTETS}",))
