"""Notes, in the file WATCH_NOTES, what this Python process and its children ask of the network or write.

Python imports a module of this name by itself where its folder is on PYTHONPATH, which children inherit. One JSON list
a line: process, event, what it was about. Loopback addresses, and places below the folders in WATCH_MAY_WRITE, are
left out. What compiled code does by itself raises no such events: so the same commands also run under strace.
"""

import json
import os
import sys

_CONNECTIONS = {"socket.connect": 1, "socket.bind": 1, "socket.sendto": 1, "socket.sendmsg": 1}
_LOOKUPS = {
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
    "socket.getnameinfo": 0,
}
# The places that an event changes, and where the folder stands that they are relative to.
_CHANGES = {
    "os.mkdir": ((0,), 2),
    "os.remove": ((0,), 1),
    "os.rmdir": ((0,), 1),
    "os.rename": ((0, 1), None),
    "os.link": ((1,), 3),
    "os.symlink": ((1,), 2),
    "os.truncate": ((0,), None),
    "sqlite3.connect": ((0,), None),
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_LOOPBACK = ("127.", "::1", "localhost", "::ffff:127.")


def _watch():
    # Opened before anything may be forbidden; other threads and forks append whole lines.
    notes = os.open(os.environ["WATCH_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    asked = os.environ["WATCH_MAY_WRITE"].split(os.pathsep)
    roots = {*asked, *map(os.path.realpath, asked)}
    program = [os.path.basename(part) for part in sys.orig_argv[:4]]

    def note(event, what):
        os.write(notes, json.dumps([program, event, what]).encode() + b"\n")

    def outside(place, folder=None):
        if isinstance(place, int) or place is None:
            return None
        name = os.fsdecode(place)
        if name.startswith("file:") or name == ":memory:":
            name = name.removeprefix("file:").partition("?")[0]
        if not name or name == ":memory:":
            return None
        if isinstance(folder, int) and folder >= 0:
            name = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), name)
        # The place of an entry is its folder's, wherever the entry points.
        folder, entry = os.path.split(os.path.abspath(name))
        full = os.path.join(os.path.realpath(folder), entry)
        inside = any(full == root or full.startswith(root + os.sep) for root in roots)
        return None if inside or full.startswith(("/dev/", "/proc/")) else full

    def hear(event, arguments):
        if event in _CONNECTIONS:
            address = arguments[_CONNECTIONS[event]]
            host = address[0] if isinstance(address, tuple) else address
            if isinstance(address, tuple) and not str(host).startswith(_LOOPBACK):
                note(event, repr(address))
        elif event in _LOOKUPS:
            host = arguments[_LOOKUPS[event]]
            host = host[0] if isinstance(host, tuple) else host
            host = host.decode() if isinstance(host, bytes) else host
            if host is not None and not str(host).startswith(_LOOPBACK):
                note(event, repr(host))
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
            if (place := outside(arguments[0])) is not None:
                note(event, place)
        elif event in _CHANGES:
            places, folder = _CHANGES[event]
            for at in places:
                place = outside(arguments[at], arguments[folder] if folder is not None else None)
                if place is not None and not (
                    event == "os.mkdir" and os.path.isdir(place)
                ):  # which changes nothing
                    note(event, place)

    sys.addaudithook(hear)
    note("started", "")


_watch()
