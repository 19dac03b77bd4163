"""What /proc tells about processes."""

import os
from pathlib import Path


def name_of(pid):
    """The name of a process, None if it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


def stat_of(pid):
    """The fields of a process's stat file from the third (its state) on."""
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()


def state_of(pid):
    """The letter of a process's state: R runs, S sleeps, Z and X have ended."""
    try:
        return stat_of(pid)[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def cpu_seconds(pid):
    """The time a process has worked, in user and in system mode."""
    return sum(map(int, stat_of(pid)[11:13])) / os.sysconf("SC_CLK_TCK")


def is_gone(pid):
    """True if there is no such process, or only what is left of it until its parent looks."""
    return state_of(pid) in "ZX"


def children_of(pid):
    """Process ids of the children of a process's main thread, oldest first."""
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        return [int(word) for word in words]
    except (FileNotFoundError, ProcessLookupError):
        return []
