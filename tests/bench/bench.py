#!/usr/bin/python3
"""The module beside Apache's core and mod_dav, nginx, and the upload services of Jabber servers.

    make -C build bench [BENCHFLAGS="--only 'put-*' --rounds 7"]
    make -C build bench-peers

README.md beside this file tells what the rows are and how to read them."""

import argparse
import contextlib
import fnmatch
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

# bench_server lets the modules of the tests be found.
from bench_server import bench
import environment
from fresh_disk import enter_namespace, fresh_disk
from loads import Failed, load_of
from rounds import Bench
from rows import ROWS

# What a store or row is made of, and the package of Debian that has it.
PROGRAMS = {"nginx": ("nginx", "nginx-light"), "prosody": ("prosody", "prosody"),
            "ejabberd": ("erl", "ejabberd"), "curl": ("curl", "curl"),
            "openssl": ("openssl", "openssl")}


def programs_of(row, arguments):
    """Which of them a row needs."""
    if getattr(row, "tls", False):
        yield from ("curl", "openssl")
    if arguments.peers and getattr(row, "peers", ()):
        yield "openssl"
        yield from row.peers
    yield from (name for name in row.stores if name in PROGRAMS)


def check_programs(rows, arguments):
    """Ends the program if something is missing."""
    needed = {name for row in rows for name in programs_of(row, arguments)}
    missing = [PROGRAMS[name] for name in sorted(needed) if not shutil.which(PROGRAMS[name][0])]
    for program, package in missing:
        print(f"bench: {program} is not installed; on Debian: apt-get install {package}",
              file=sys.stderr)
    if missing:
        sys.exit(1)


def choose(patterns):
    """The rows that are asked for."""
    chosen = [row for row in ROWS
              if any(fnmatch.fnmatchcase(row.name, pattern) for pattern in patterns)]
    if not chosen:
        sys.exit(f"bench: no row is named {', '.join(patterns)}; --list shows all of them")
    return chosen


def first_line(*command):
    """What a program says first; nothing if there is none."""
    try:
        done = subprocess.run(command, text=True, capture_output=True, check=False)
    except FileNotFoundError:
        return ""
    return (done.stdout or done.stderr).splitlines()[0]


def file_system_of(directory):
    """The type of the file system that a directory is in."""
    return subprocess.run(["df", "--output=fstype", directory], check=True, text=True,
                          capture_output=True).stdout.split()[-1]


def introduce(env):
    """Says what is measured where."""
    directory = tempfile.gettempdir()
    print(f"Command: {shlex.join(sys.argv[1:]) or 'no options'}\n"
          f"Machine: {os.cpu_count()} processors, Linux {platform.release()}, "
          f"{file_system_of(directory)} at {directory}\n"
          f"Servers: {first_line(env.httpd, '-v')}; {first_line('nginx', '-v')}; "
          f"jabberfiles {env.version}", flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="*", help="names of rows, as 'put-4k,get-*'")
    parser.add_argument("--list", action="store_true", help="show the names of all rows")
    parser.add_argument("--peers", action="store_true", help="Prosody and ejabberd, too")
    parser.add_argument("--rounds", type=int, default=5, help="that count")
    parser.add_argument("--seconds", type=float, default=2, help="of small requests, each time")
    parser.add_argument("--clients", type=int, help="instead of what the row says")
    parser.add_argument("--noise", type=float, default=0.05,
                        help="part of the machine that others may use when a measurement begins")
    parser.add_argument("--patience", type=float, default=30,
                        help="seconds to wait for that, each time")
    parser.add_argument("--plain", action="store_true",
                        help="below $TMPDIR as it is, also for root")
    parser.add_argument("--json", help="a file that every single figure is added to")
    return parser.parse_args()


def end(*_):
    """Lets the servers end with us, undisturbed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit("bench: terminated")


def disk(arguments):
    """Where a row works."""
    return contextlib.nullcontext() if arguments.plain or os.geteuid() else fresh_disk()


def main():
    signal.signal(signal.SIGTERM, end)
    arguments = parse_arguments()
    rows = choose(arguments.only.split(","))
    if arguments.list:
        print("\n".join(f"{row.name:16}{row.title}" for row in rows))
        return
    check_programs(rows, arguments)
    if not arguments.plain:
        enter_namespace()
    env = environment.load()
    introduce(env)
    for row in rows:
        with disk(arguments) as parent, bench(parent) as place:
            row.run(Bench(place, load_of(env), arguments))


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")
