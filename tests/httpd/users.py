"""Accounts in an htpasswd file, and a new user for each test that wants one."""

import itertools
import subprocess

from client import Client
from config import BASE

PASSWORD = "s3cret: with colon"
FRESH_USERS = 3000
# Login names that some test needs as they are written here.
SPECIAL_USERS = ("alice@example.org", "Dave@Example.ORG", "üwe@example.org",
                 "mallory@evil.example", "erin@second.example", "nodomain",
                 "roomy@example.org", "boundless@example.org",
                 "alice@example.org/phone", "@example.org")


class Users:
    """The htpasswd file and the users that no test has used yet."""

    def __init__(self, env, path):
        # One hash for all: SHA-1 needs no milliseconds per request, as bcrypt would.
        entry = subprocess.run([env.htpasswd, "-nbs", "x", PASSWORD], check=True, text=True,
                               stdout=subprocess.PIPE).stdout.strip()
        password_hash = entry.partition(":")[2]
        names = SPECIAL_USERS + tuple(f"user{n}@example.org" for n in range(FRESH_USERS))
        path.write_text("".join(f"{name}:{password_hash}\n" for name in names), encoding="utf-8")
        self.path = path
        self._numbers = itertools.count()

    def client(self, server, jid=None, base=BASE):
        """A client logged in as `jid`, or as somebody nobody has heard of yet."""
        return Client(server, jid or f"user{next(self._numbers)}@example.org", PASSWORD, base)
