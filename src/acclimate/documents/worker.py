"""The process that parses, and pictures pages: reads file names from standard input, writes
documents to standard output, one JSON a line.

Before the first file it gives up what parsing does not need: memory and file size beyond limits,
sockets, other programs, and writing outside its own temporary folder. Started by `sandbox`; see
there for the limits.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from acclimate.documents.parsers import OtherFormatError, parse
from acclimate.documents.wire import pack_document, pack_page
from acclimate.errors import DocumentError
from acclimate.system.platforms import limit_resources, place_of

_FORBIDDEN = (
    *("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty."),
    # Windows only
    *("os.startfile", "_winapi.CreateProcess"),
    *("winreg.Create", "winreg.Set", "winreg.Delete", "winreg.SaveKey"),
)
_CHANGES = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
)
_LATE_S = 5  # after the limit, at which our parent ends us if it is still there
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main() -> None:
    """Serve until standard input ends."""
    memory, file_size, engine = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    limit_resources(memory, file_size)  # `acclimate doctor` tells which the system cannot keep
    # Asked for now: inside the hook, tempfile would wait for its own lock.
    own = os.path.normcase(os.path.realpath(tempfile.gettempdir())) + os.sep
    sys.addaudithook(lambda event, arguments: _forbid(event, arguments, own))

    def tell(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    for line in sys.stdin:
        asked = json.loads(line)
        in_time = _end_after(math.ceil(asked["seconds"]) + _LATE_S)
        try:
            if "show" in asked:
                # An engine's environment may lack what it needs.
                from acclimate.documents.render import render_page

                tell(
                    {
                        "picture": pack_page(
                            render_page(Path(asked["file"]), asked["path"], **asked["show"])
                        )
                    }
                )
                continue
            document = parse(
                Path(asked["file"]),
                asked["path"],
                lambda done, total: tell({"page": done, "pages": total}),
                engine,
                asked["pictures"],
                asked["hidden"],
            )
            tell({"document": pack_document(document)})
        except OtherFormatError:
            tell({"other": True})
        except DocumentError as error:
            tell({"error": str(error), "hint": error.hint})
        finally:
            in_time()


def _end_after(seconds: int) -> Callable[[], None]:
    """End this process when nobody waits for it any more, unless what is returned is called
    before."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)  # even while C code runs that lets no other thread in
        return _no_alarm
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()
    return timer.cancel


def _no_alarm() -> None:
    signal.alarm(0)


def _forbid(event: str, arguments: tuple[Any, ...], own: str) -> None:
    """Raise for what parsing has no business with; `own` is the folder that it may write to."""
    if event.startswith(_FORBIDDEN):
        raise PermissionError(f"parsing may not use {event}")
    writes = event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & _WRITES)
    if writes or event in _CHANGES:
        folder = arguments[-1] if event in ("os.remove", "os.rmdir", "os.mkdir", "os.chmod") else -1
        _check_place(arguments[0], own, folder)


def _check_place(place: object, own: str, folder: int) -> None:
    """Refuse a place outside `own`; `folder` is the descriptor that it is relative to, or -1."""
    if isinstance(place, int) or place == os.devnull:
        return
    name = os.fsdecode(place)  # type: ignore[arg-type]
    where = place_of(folder, name) if folder >= 0 else name
    path = os.path.realpath(where) if where is not None else name
    if where is None or not os.path.normcase(path).startswith(own):
        raise PermissionError(f"parsing may not write {path}")


if __name__ == "__main__":
    main()
