"""Servers whose users log in with their Jabber password, and their helper process."""

import base64
import os
from pathlib import Path

from client import Client
from config import Site
from processes import name_of

CACHE = "shmcb:run/authn-cache(512000)"
# One that can be looked into.
CACHE_IN_FILE, CACHE_FILES = "dbm:run/authn-cache", "authn-cache*"
PROGRAM_NAME = "jabberfilesd"
# What the error log says when a user's server cannot be asked.
TROUBLE = r"JF0020.*503, login of "


def jabber_site(program, *domains, cache_seconds=None, cache=CACHE, limit="Off", **more):
    """A site for JabberFilesDomain lines; with `cache_seconds` logins are cached that long.
    Guessing is not limited unless `limit` says so: most tests guess a lot."""
    base_lines = f"JabberFilesLoginLimit {limit}\n" + more.pop("base_lines", "")
    server_lines = f'JabberFilesDaemon "{program}"\n' + more.pop("server_lines", "")
    modules = more.pop("modules", ())
    provider = "jabber"
    if cache_seconds is not None:
        provider = "socache jabber"
        modules += ("authn_socache", f"socache_{cache.partition(':')[0]}")
        server_lines += f"\nAuthnCacheEnable\nAuthnCacheSOCache {cache}\n"
        base_lines += "\nAuthnCacheProvideFor jabber\nAuthnCacheContext jabberfiles\n" \
            f"AuthnCacheTimeout {cache_seconds}\n"
    fields = {"provider": provider, "domains": domains, "modules": modules, **more}
    return Site(base_lines=base_lines, server_lines=server_lines, **fields)


def login(server, user, password=None, **options):
    """A client with a user's login, or with another password."""
    return Client(server, user.jid, user.password if password is None else password, **options)


def helpers(server):
    """Process ids of the helpers that httpd's parent has."""
    return [pid for pid in server.children() if name_of(pid) == PROGRAM_NAME]


def workers(server):
    """Process ids of httpd's own children."""
    return [pid for pid in server.children() if name_of(pid) not in (PROGRAM_NAME, None)]


def sockets(server):
    """The Unix sockets in the runtime directory."""
    return [path for path in (server.root / "run").iterdir() if path.is_socket()]


def forms_of(password):
    """How a password might be written down: as it is, in base64 at any offset, in hexadecimal."""
    data = password.encode()
    forms = [data, data.hex().encode(), data.hex().upper().encode()]
    for offset in range(3):
        # What does not depend on the neighbours.
        encoded = base64.b64encode(bytes(offset) + data + bytes(3))
        forms.append(encoded[4 if offset else 0:(offset + len(data)) // 3 * 4])
    return [form for form in forms if len(form) > 4]


def files_with(password, directory):
    """Files below a directory that have the password in them."""
    found = []
    for folder, _, names in os.walk(directory):
        for path in (Path(folder) / name for name in names):
            if path.is_file() and any(form in path.read_bytes() for form in forms_of(password)):
                found.append(path)
    return found
