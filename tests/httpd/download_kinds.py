"""The ways in which one file is downloaded when the meter is compared with the wire."""

from client import link_path
from downloads import Got, Reader, curl

FILE_BYTES = 20 << 20


class Case:
    """One kind of downloads of a file of an area of its own, through a proxy of its own."""

    def __init__(self, server, ledger, users, proxy):
        self.ledger = ledger
        self.owner = users.client(server)
        self.link = link_path(self.owner.put("film", bytes(FILE_BYTES)).link)
        self.owner.close()
        self._proxy = proxy
        self.front = proxy.front
        self.got = Got(0, 0)
        self.downloads = 0

    def curl(self, *args, downloads=1, **options):
        """Downloads with curl, by the link if `args` have no target."""
        self.got += curl(self.front, *(args or (self.link,)), **options)
        self.downloads += downloads

    def wire_bytes(self):
        """Bytes that the server has sent, whatever they were."""
        return self._proxy.server_bytes()


def whole(case):
    for _ in range(2):
        case.curl()


def one_range(case):
    case.curl("-r", "1000000-9999999", case.link)
    case.curl("-r", "-5000000", case.link)


def several_ranges(case):
    case.curl("-r", "0-999999,1000000-1999999,4000000-7999999", case.link)
    case.curl("-r", "9000000-9999999,0-99,5000000-5999999", case.link)


def kept_connection(case):
    case.curl(case.link, case.link, downloads=2)


def cut_by_head(case):
    for count in (1000, 7_000_000):
        case.curl(case.link, stop_after_bytes=count)


def cut_by_reset(case):
    for count in (100, 3_000_000, 15_000_000):
        with Reader(case.front) as reader:
            reader.ask(case.link)
            reader.read_head()
            reader.read(count)
            case.got += Got(count, reader.head_bytes)
            reader.reset()
        case.downloads += 1


def tls_whole(case):
    case.curl("--http1.1", case.link)


def tls_cut(case):
    case.curl("--http1.1", case.link, stop_after_bytes=9_000_000)


def http2_whole(case):
    case.curl("--http2", case.link)


def http2_ranges(case):
    case.curl("--http2", "-r", "0-999999,1000000-1999999,4000000-7999999", case.link)


def http2_parallel(case):
    case.curl("--http2", "--parallel", case.link, case.link, downloads=2)


def http2_cut(case):
    case.curl("--http2", case.link, stop_after_bytes=9_000_000)


COMPLETE = (whole, one_range, several_ranges, kept_connection)
CUT = (cut_by_head, cut_by_reset)
TLS_COMPLETE = (tls_whole, http2_whole, http2_ranges, http2_parallel)
TLS_CUT = (tls_cut, http2_cut)
ONE_CONNECTION = (kept_connection, http2_parallel)
