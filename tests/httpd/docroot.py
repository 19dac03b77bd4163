"""Document roots of other upload servers, and what became of them after an import."""

import hashlib
import os
import random
import string
import time

from wire import Wire, request_head

OLD_BASE = "/upload"
LETTERS = string.ascii_letters + string.digits


def sha1_of(jid):
    """What ejabberd calls a user in URLs."""
    return hashlib.sha1(jid.encode()).hexdigest()


def random_part():
    return "".join(random.choices(LETTERS, k=40))


def content_of(path, size_bytes):
    """Bytes that are different for each path."""
    block = hashlib.sha256(path.encode("utf-8", "surrogateescape")).digest()
    return (block * (size_bytes // len(block) + 1))[:size_bytes]


class Docroot:
    """A directory of files, and what each of them contains."""

    def __init__(self, root):
        self.root = root
        self.root.mkdir()
        self.files = {}

    def add(self, path, content=None, age_seconds=0):
        """Puts a file there; returns its path as the URL has it."""
        content = content_of(path, 100) if content is None else content
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        then = time.time() - age_seconds
        os.utime(place, (then, then))
        self.files[path] = content
        return path

    def fill(self, user, count, size_bytes_max):
        """Adds so many files of different sizes for one user, or for none."""
        for number in range(count):
            path = "/".join(filter(None, (user, random_part(), f"{number}.bin")))
            self.add(path, content_of(path, number * 7919 % (size_bytes_max + 1)))

    def size_bytes(self):
        return sum(map(len, self.files.values()))

    def look(self):
        """All that can be seen of everything below, and above all of what must not change."""
        seen = {}
        for directory, names, files in os.walk(os.fsencode(self.root)):
            for name in names + files:
                found = os.lstat(os.path.join(directory, name))
                seen[os.path.join(directory, name)] = (found.st_mode, found.st_ino, found.st_size,
                                                       found.st_mtime_ns, found.st_ctime_ns)
        return seen


def get(server, target, method="GET"):
    """Requests a target exactly as it is written, in UTF-8 if that is what it has."""
    with Wire(server) as wire:
        wire.send(request_head(method, target.encode().decode("latin-1")))
        return wire.read_answer(method)


def assert_all_served(nobody, docroot, encode):
    """Every file is at its old URL, whole."""
    for path, content in docroot.files.items():
        answer = nobody.request("GET", f"{OLD_BASE}/" + "/".join(map(encode, path.split("/"))))
        assert (answer.status, answer.body) == (200, content), path
