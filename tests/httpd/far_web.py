"""A web server at a public address, in a network that is this machine alone: links from there may
be followed, and where they lead on to is what the test is about.

    python3 far_web.py LOCATION COMMAND...      within `unshare --net`

The server redirects everything to LOCATION, in which FAR is the address of another public server,
NEAR the port of one at every private IPv4 address of this machine, NEAR6 of one at ::1. The
command's "URL" is a link of the far server. Prints what became of it as JSON."""

import json
import subprocess
import sys

from http_script import HttpScript, answer

FAR_ADDRESS = "198.41.0.4"
NEAR_ADDRESSES = ("127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "fd00::1")
SECRET = b"what only this machine can see"


def make_network():
    """The addresses, all on the loopback interface."""
    commands = [["link", "set", "lo", "up"]]
    for address in (FAR_ADDRESS, *NEAR_ADDRESSES):
        if address not in ("127.0.0.1", "::1"):
            more = ["nodad"] if ":" in address else []
            commands.append(["address", "add", address, "dev", "lo", *more])
    for command in commands:
        subprocess.run(["ip", *command], check=True)


def main(location, command):
    make_network()
    with HttpScript([answer(200, SECRET)], address="0.0.0.0") as near, \
            HttpScript([answer(200, SECRET)], address="::1") as near6, \
            HttpScript([answer(200, b"public")], address=FAR_ADDRESS) as public:
        target = location.replace("NEAR6", str(near6.port)).replace("NEAR", str(near.port)) \
            .replace("FAR", f"{FAR_ADDRESS}:{public.port}")
        with HttpScript([answer(302, headers={"Location": target})], address=FAR_ADDRESS) as far:
            link = far.url("/a.txt")
            done = subprocess.run([link if word == "URL" else word for word in command],
                                  capture_output=True, text=True, check=False, timeout=60)
            print(json.dumps({
                "code": done.returncode, "out": done.stdout, "err": done.stderr,
                "far": far.methods(), "public": public.methods(),
                "near": near.connection_count + near6.connection_count}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
