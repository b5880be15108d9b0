"""What Linux, macOS and Windows do differently; every other file asks here.

Features are looked for where they are used, never the system's name: a Linux without one of them
takes the same path as the system that lacks it.
"""

from __future__ import annotations

import importlib
import mmap
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


def _module(name: str) -> Any:
    """A module of the standard library that Windows lacks, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


fcntl, resource = _module("fcntl"), _module("resource")
_CLOSE_S = 10.0  # what Windows may take to end a group of processes


_share: list[int] = []  # what `use_at_most` said last


def use_at_most(cpus: int) -> None:
    """Leave the other processors to others: from now on libraries are asked for so many threads."""
    _share[:] = [cpus]


def thread_limit() -> int | None:
    """What `use_at_most` said; None where nothing was said."""
    return _share[0] if _share else None


def usable_cpus() -> int:
    """The number of processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return min([len(os.sched_getaffinity(0)), *_share])
    return min([os.cpu_count() or 1, *_share])


def usable_cores() -> int:
    """Cores that this process may use; two threads of one core count once where the system
    tells."""
    if not hasattr(os, "sched_getaffinity"):
        return usable_cpus()
    siblings = set()
    for cpu in os.sched_getaffinity(0):
        file = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        siblings.add(file.read_text(encoding="ascii").strip() if file.is_file() else str(cpu))
    return min([len(siblings), *_share])


def group_options() -> dict[str, Any]:
    """Options of `subprocess.Popen` for a group of its own, which a terminal's Ctrl-C misses."""
    if hasattr(os, "killpg"):
        return {"process_group": 0}
    return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}


def kill_group(process: subprocess.Popen[Any]) -> None:
    """Kill a process that was started with `group_options`, and all that it has started."""
    if process.poll() is not None:
        return
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return
    # Windows knows no group to kill; taskkill walks down the tree.
    with suppress(OSError, subprocess.TimeoutExpired):
        command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(command, capture_output=True, timeout=_CLOSE_S, check=False)
    process.kill()


class FolderLock:
    """A lock on a folder that lasts until `release`, or as long as its process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        self._beside: Any = None

    def acquire(self) -> bool:
        """Take it; False where another process holds it, or the file system has no locks."""
        if fcntl is None:
            return self._acquire_beside()
        try:
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def _acquire_beside(self) -> bool:
        from filelock import FileLock, Timeout  # an engine's environment may lack it

        # Windows opens no folder, and moves none in which a file is open: the lock lies beside it.
        lock = FileLock(self._folder.with_name(self._folder.name + ".lock"))
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            return False
        self._beside = lock
        return True

    def release(self) -> None:
        """Give it back; it may be free already."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        if self._beside is not None:
            self._beside.release()
            with suppress(OSError):  # another process takes it just now
                Path(self._beside.lock_file).unlink(missing_ok=True)
            self._beside = None


def link_or_copy(source: Path, target: Path) -> None:
    """Have `source` under the name `target` too: by a link where the system allows one."""
    for link in (os.symlink, os.link, shutil.copyfile):
        try:
            link(source, target)
        except OSError:  # Windows wants a privilege for one, some file systems have neither
            if link is shutil.copyfile:
                raise
        else:
            return


def place_of(descriptor: int, name: str) -> str | None:
    """The path of `name` relative to the open folder `descriptor`; None where it is unknown."""
    try:
        if os.path.isdir("/proc/self/fd"):  # noqa: PTH112 -- called in an audit hook: no objects
            return f"{os.readlink(f'/proc/self/fd/{descriptor}')}/{name}"  # noqa: PTH115
        if hasattr(fcntl, "F_GETPATH"):  # macOS
            found = fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024))
            return f"{os.fsdecode(found.rstrip(bytes(1)))}/{name}"
    except OSError:
        return None
    return None


def limit_resources(memory: int, file_size: int) -> tuple[str, ...]:
    """Limit this process for good, in bytes; what this system cannot limit: "memory", "file size".

    Windows has no such limits, and macOS refuses the one on memory.
    """
    if resource is None:
        return ("memory", "file size")
    limits = {"memory": ("RLIMIT_AS", memory), "file size": ("RLIMIT_FSIZE", file_size)}
    missing = []
    for what, (name, size) in limits.items():
        try:
            resource.setrlimit(getattr(resource, name), (size, size))
        except (AttributeError, OSError, ValueError):
            missing.append(what)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return tuple(missing)


def missing_limits() -> tuple[str, ...]:
    """What `limit_resources` cannot limit here, tried in a process of its own."""
    command = [sys.executable, "-m", "acclimate.system.platforms"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    return tuple(done.stdout.splitlines())


def free_memory_gb() -> float | None:
    """Memory that a program may still take; None where the system does not say."""
    file = Path("/proc/meminfo")
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) / 1e6
    return None


def _probe() -> tuple[str, ...]:
    """What `limit_resources` did not limit in this process, which is good for nothing else then."""
    room = 1 << 31  # of addresses, more than a Python process takes
    missing = limit_resources(room, room)
    if "memory" in missing:
        return missing
    try:
        mmap.mmap(-1, 2 * room).close()
    except (OSError, ValueError, OverflowError):
        return missing
    return ("memory", *missing)  # the limit was taken and is not kept


if __name__ == "__main__":
    sys.stdout.write("".join(f"{what}\n" for what in _probe()))  # to the process that asks
