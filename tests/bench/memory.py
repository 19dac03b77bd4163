"""The row about memory: how much a child has held at most, before and after large files."""

from servers import Servers

SMALL_BYTES = 1 << 20
LARGE_BYTES = 2 << 30


def peak_mib(pid):
    """The most memory that a process has held so far."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        peak_kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return peak_kib / 1024


class MemoryRow:
    """Not a comparison with anybody: test_70_memory.py says what must hold."""

    name = "memory"
    title = "peak memory of a child, 2 GiB up and down"
    stores = ("one_child",)

    @staticmethod
    def _transfer(bench, store, size_bytes):
        requests = store.put_requests(1, size_bytes)
        bench.load.run(store, "PUT", requests, size_bytes)
        bench.load.run(store, "GET", list(map(store.get_request, requests)))

    def run(self, bench):
        """Measures and prints."""
        servers = Servers(bench.place)
        try:
            store, = servers.stores(self.stores)
            print(f"\n**{self.name}**: {self.title}\n\n| after | MiB |\n|---|---|")
            for what, size_bytes in (("1 MiB", SMALL_BYTES), ("2 GiB", LARGE_BYTES)):
                self._transfer(bench, store, size_bytes)
                child, = store.server.children()
                print(f"| {what} | {peak_mib(child):.1f} |", flush=True)
            store.empty()
        finally:
            servers.close()
