"""What a server takes of the machine at one moment."""

import os
import time
from pathlib import Path

import processes


def _memory_kib(pid):
    """A process's memory; of what it shares, its part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


class Burden:
    """All processes of a server together."""

    def __init__(self, server):
        pids = [server.parent(), *server.children()]
        self.processes = len(pids)
        self.threads = sum(len(os.listdir(f"/proc/{pid}/task")) for pid in pids)
        self.descriptors_max = max(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
        self.memory_kib = sum(map(_memory_kib, pids))
        self.cpu_seconds = sum(map(processes.cpu_seconds, pids))
        self.looked_at = time.monotonic()

    def cpu_since(self, before):
        """How many processors have worked for the server, if its processes are the same."""
        return (self.cpu_seconds - before.cpu_seconds) / (self.looked_at - before.looked_at)


def report_burden(idle, waiting, upload_count):
    """`waiting` is with so many uploads in progress."""
    of_each_kib = (waiting.memory_kib - idle.memory_kib) / upload_count
    print("| | idle | with the uploads | for each |\n|---|---|---|---|")
    print(f"| processes | {idle.processes} | {waiting.processes} | |")
    print(f"| threads | {idle.threads} | {waiting.threads} | |")
    print(f"| descriptors of a process | {idle.descriptors_max} | {waiting.descriptors_max} | |")
    print(f"| memory (PSS), MiB | {idle.memory_kib / 1024:.0f} | {waiting.memory_kib / 1024:.0f} "
          f"| {of_each_kib:.0f} KiB |")
