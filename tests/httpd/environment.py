"""What the build tells the tests: the JSON file that JF_TEST_ENV names."""

import dataclasses
import grp
import json
import os
import pwd
import subprocess


@dataclasses.dataclass(frozen=True)
class Environment:
    """One member for each key of the JSON file, and what follows from them."""

    httpd: str
    httpd_modules_dir: str
    module: str
    admin: str
    jabberfiles: str
    htpasswd: str
    sanitizers: str
    builddir: str
    srcdir: str
    version: str

    @property
    def daemon(self):
        """The helper process that asks Jabber servers."""
        return os.path.join(self.builddir, "tools", "jabberfilesd", "jabberfilesd")

    @property
    def streamer(self):
        """The relay between two clients."""
        return os.path.join(self.builddir, "tools", "socketstreamer", "socketstreamer")

    @property
    def has_sanitizers(self):
        return self.sanitizers == "yes"

    @property
    def under_valgrind(self):
        return os.environ.get("JF_TEST_VALGRIND") == "1"

    @property
    def patience(self):
        """Factor for every deadline: how much slower this build runs."""
        if self.under_valgrind:
            return 10
        return 3 if self.has_sanitizers else 1


def load():
    """Reads the environment; a missing file or key is an error, never a skip."""
    with open(os.environ["JF_TEST_ENV"], encoding="utf-8") as file:
        values = json.load(file)
    names = [field.name for field in dataclasses.fields(Environment)]
    return Environment(**{name: values[name] for name in names})


def server_account():
    """(user, group) that httpd's children run as, or None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("www-data", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return user.pw_name, grp.getgrgid(user.pw_gid).gr_name
    raise RuntimeError("no account for httpd: neither www-data nor nobody exists")


def give_to_server(path):
    """Makes `path` owned by the account of httpd's children."""
    account = server_account()
    if account:
        os.chown(path, pwd.getpwnam(account[0]).pw_uid, grp.getgrnam(account[1]).gr_gid)


def shared_library(name):
    """Path of a run-time library of the compiler or the C library, for LD_PRELOAD."""
    found = subprocess.run(["gcc", f"-print-file-name={name}"], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.strip()
    if not os.path.isabs(found):
        raise RuntimeError(f"{name} is not installed")
    return found
