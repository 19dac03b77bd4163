"""A file system without a past, for each row its own.

ext4 gives the inode of a deleted file to nobody for some minutes, and looks at each such inode
before it makes a new file nearby. So what one benchmark has deleted slows the next one down, twice
or more. As root we work in a new file system, in a file that is mounted in a namespace of our own:
nobody else sees it, and it goes with us, however we end."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMAGE_BYTES = 24 << 30
# A small file takes as much; by default there would be an inode for each 16 KiB only.
BYTES_PER_INODE = 4096
IN_NAMESPACE = "JF_BENCH_NAMESPACE"
UNMOUNT_TRIES = 100


def enter_namespace():
    """Starts this program again where its mounts are its own. As root only."""
    if os.geteuid() == 0 and IN_NAMESPACE not in os.environ:
        os.environ[IN_NAMESPACE] = "yes"
        with contextlib.suppress(FileNotFoundError):
            os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])


def _run(*command):
    done = subprocess.run(list(map(str, command)), check=True, text=True, capture_output=True)
    return done.stdout.strip()


def _mount(image, mountpoint):
    with open(image, "wb") as file:
        file.truncate(IMAGE_BYTES)
    _run("mkfs.ext4", "-q", "-F", "-i", BYTES_PER_INODE, "-m", 0, "-E",
         "lazy_itable_init=1,lazy_journal_init=1,nodiscard", image)
    # What is in it is in the page cache once, not twice.
    device = _run("losetup", "--direct-io=on", "--show", "--find", image)
    try:
        _run("mount", "-o", "noatime,noinit_itable", device, mountpoint)
    finally:
        _run("losetup", "--detach", device)


def _unmount(mountpoint):
    for _ in range(UNMOUNT_TRIES):
        if subprocess.run(["umount", str(mountpoint)], capture_output=True,
                          check=False).returncode == 0:
            return
        time.sleep(0.1)
    _run("umount", "--lazy", mountpoint)


@contextlib.contextmanager
def fresh_disk():
    """Yields a directory on a new file system, or what there is below $TMPDIR."""
    with tempfile.TemporaryDirectory(prefix="jabberfiles-disk.") as name:
        directory = Path(name)
        directory.chmod(0o755)
        mountpoint = directory / "mount"
        mountpoint.mkdir()
        try:
            _mount(directory / "image", mountpoint)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"No new file system ({error}): what was deleted before may slow this down.")
            yield directory
            return
        try:
            yield mountpoint
        finally:
            _unmount(mountpoint)
