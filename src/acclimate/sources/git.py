"""The files of a git repository on one branch, as they are: nothing is checked out and nothing of the
repository runs.

A bare repository of our own, beside the library, takes the branch's last commit; the files are read
from it by their hashes. So there are no hooks, filters, submodules, links or attributes to mind. Git
runs without its users' and systems' configuration, with one protocol allowed, and connects to an
address that was checked (`http.curloptResolve`; `HostName` of ssh). The address, branch and user are
checked by pattern, and come after `--end-of-options`.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from acclimate.errors import SourceError
from acclimate.settings_sources import GitSource
from acclimate.sources.addresses import AddressGuard
from acclimate.sources.base import Chosen, secret_of
from acclimate.sources.client import basic, parse_url
from acclimate.sources.mirror import Mirror
from acclimate.sources.programs import run_within
from acclimate.sources.state import Item
from acclimate.system.proxies import proxy_of

_HERE = "refs/acclimate/mirrored"
_BRANCH = re.compile(r"^(?!-)(?!.*(?:\.\.|//|@\{|\.lock$|/$|\.$))[\w./+#=@-]+$")
_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_SSH = re.compile(rf"^ssh://(?:({_NAME})@)?({_NAME})(?::(\d+))?(/[^\s-][^\s]*)$")
_SCP = re.compile(rf"^(?:({_NAME})@)({_NAME}):(?!/?-)([^\s:][^\s]*)$")
_SITES = {
    "github.com": "/blob/{branch}/{path}",
    "gitlab.com": "/-/blob/{branch}/{path}",
    "codeberg.org": "/src/branch/{branch}/{path}",
}
_FILES = ("100644", "100755")
_MB = 1_000_000
_GROUP_BYTES = 64 * _MB
_LFS = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, slots=True)
class Remote:
    """Where the repository is: what git is given, the protocol that it may use, and what else has
    to be set."""

    address: str
    protocol: str
    config: Mapping[str, str]
    ssh: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a commit."""

    path: str
    blob: str
    size: int


def remote_of(chosen: GitSource, folder: Path, guard: AddressGuard) -> Remote:
    """The repository that a source names; a path is from `folder`. Raises SourceError for an
    address of another form."""
    url = chosen.url
    if url.startswith(("https://", "http://")):
        return _over_http(chosen, guard)
    found = _SSH.match(url) or _SCP.match(url)
    if found is not None:
        user, host = found[1] or "", found[2]
        port = int(found[3] or 22) if url.startswith("ssh://") else 22
        return Remote(url, "ssh", {}, _ssh_command(user, host, guard.addresses(host, port)[0]))
    if "://" in url or "::" in url or url.startswith("-"):
        raise SourceError(
            f"'{url}' is no address that git may be given.",
            hint="Use https://, ssh:// or the path of a repository.",
        )
    place = (folder / Path(url).expanduser()).resolve()
    if not place.is_dir():
        raise SourceError(f"there is no repository in {place}.", hint="Check url.")
    return Remote(str(place), "file", {})


def _over_http(chosen: GitSource, guard: AddressGuard) -> Remote:
    url = parse_url(chosen.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    proxy = proxy_of(chosen.url) if chosen.proxy else None
    config = {"http.followRedirects": "false", "http.proxy": proxy.url if proxy else ""}
    if proxy is None:
        pinned = [one if ":" not in one else f"[{one}]" for one in guard.addresses(url.host, port)]
        config["http.curloptResolve"] = f"{url.host}:{port}:{','.join(pinned)}"
    else:
        guard.check_before_proxy(url.host, port)
    if secret := secret_of(chosen.password_env):
        said = basic(chosen.user or "oauth2", secret)
        config[f"http.{url.scheme}://{url.netloc.decode('ascii')}/.extraHeader"] = (
            f"Authorization: {said}"
        )
    return Remote(str(url), url.scheme, config)


def _ssh_command(user: str, host: str, address: str) -> str:
    options = {
        "BatchMode": "yes",
        "HostName": address,
        "HostKeyAlias": host,
        "StrictHostKeyChecking": "yes",
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "PermitLocalCommand": "no",
        "ProxyCommand": "none",
        "ProxyJump": "none",
    } | ({"User": user} if user else {})
    parts = [
        "ssh",
        *(part for name, value in options.items() for part in ("-o", f"{name}={value}")),
    ]
    return shlex.join(parts)


class GitBranch:
    """Mirrors a branch; `cache` is the folder for the bare repository."""

    def __init__(self, chosen: GitSource, remote: Remote, mirror: Mirror, cache: Path) -> None:
        self._chosen, self._remote, self._mirror = chosen, remote, mirror
        self._cache = cache
        self._takes = Chosen(chosen.include, chosen.exclude)
        self._branch = chosen.branch
        if self._branch and not _BRANCH.match(self._branch):
            raise SourceError(f"'{self._branch}' is no name of a branch.")

    def run(self) -> None:
        """Fetch the branch and mirror its files. Raises SourceError where it cannot be fetched."""
        if shutil.which("git") is None:
            raise SourceError("the program git is not installed.", hint="apt install git")
        if not (self._cache / "HEAD").exists():
            shutil.rmtree(self._cache, ignore_errors=True)
            self._cache.mkdir(parents=True)
            self._git("init", "--quiet", "--bare", "--template=", str(self._cache))
        for lock in self._cache.rglob("*.lock"):  # of a git that was killed: the mirror is ours
            lock.unlink()
        if not self._branch:
            self._branch = self._default_branch()
        self._fetch()
        due = []
        for file in self._files():
            if not self._takes.takes(file.path):
                self._mirror.skip(file.path)
                continue
            old = self._mirror.known(file.path)
            if old is not None and old.tag == file.blob and old.url == self._address(file.path):
                self._mirror.keep(file.path)
            else:
                due.append(file)
        for group in self._groups(due):
            for file, content in zip(group, self._contents(group), strict=True):
                self._take(file, content)
        self._mirror.complete()

    def _groups(self, files: Sequence[File]) -> Iterator[list[File]]:
        """Files that are small enough, so many at a time as fit into memory."""
        group, size = list[File](), 0
        for file in files:
            if file.size > self._mirror.limits.file_bytes:
                most = self._mirror.limits.file_bytes // _MB
                self._mirror.fail(file.path, file.path, f"is larger than {most} MB (max_file_mb)")
                continue
            if group and size + file.size > _GROUP_BYTES:
                yield group
                group, size = [], 0
            group.append(file)
            size += file.size
        if group:
            yield group

    def _contents(self, files: Sequence[File]) -> Iterator[bytes]:
        """The bytes of each file, as `git cat-file --batch` prints them: a line with hash, kind and
        size, the bytes, a line feed."""
        wanted = "".join(f"{file.blob}\n" for file in files).encode()
        printed, at = self._git("cat-file", "--batch", told=wanted), 0
        for file in files:
            start = printed.index(b"\n", at) + 1
            if printed[at : start - 1] != f"{file.blob} blob {file.size}".encode():
                raise SourceError(f"git does not have {file.path}.", retryable=True)
            at = start + file.size + 1
            yield printed[start : at - 1]

    def _take(self, file: File, content: bytes) -> None:
        if content.startswith(_LFS) and file.size < 1000:
            self._mirror.fail(file.path, file.path, "is kept in Git LFS, which is not fetched")
            return
        version = Item(file.path, "", url=self._address(file.path), tag=file.blob)
        self._mirror.put(file.path, file.path.split("/"), [content], version)

    def _default_branch(self) -> str:
        said = self._git("ls-remote", "--symref", "--end-of-options", self._remote.address, "HEAD")
        for line in said.decode("utf-8", "replace").splitlines():
            if line.startswith("ref: refs/heads/"):
                name = line.removeprefix("ref: refs/heads/").split("\t")[0]
                if _BRANCH.match(name):
                    return name
        raise SourceError(
            f"{self._chosen.url} has no default branch.", hint="Set branch in the source's section."
        )

    def _fetch(self) -> None:
        wanted = f"+refs/heads/{self._branch}:{_HERE}"
        self._git(
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--end-of-options",
            self._remote.address,
            wanted,
        )

    def _files(self) -> Iterator[File]:
        """The regular files of the commit; links and submodules are none."""
        listed = self._git("ls-tree", "-r", "-z", "--long", "--full-tree", _HERE)
        for row in listed.split(b"\0"):
            if not row:
                continue
            about, _, name = row.partition(b"\t")
            mode, kind, blob, size = about.decode("ascii").split()
            if kind == "blob" and mode in _FILES:
                yield File(name.decode("utf-8", "replace"), blob, int(size))

    def _address(self, path: str) -> str:
        pattern = self._chosen.address
        if not pattern and self._remote.protocol == "https":
            url = httpx.URL(self._chosen.url)
            if tail := _SITES.get(url.host):
                pattern = str(url).removesuffix("/").removesuffix(".git") + tail
        return pattern.replace("{branch}", quote(self._branch)).replace("{path}", quote(path))

    def _git(self, *arguments: str, told: bytes = b"") -> bytes:
        try:
            return run_within(
                ["git", *arguments],
                self._environment(),
                self._mirror.pause,
                seconds=self._chosen.timeout_s,
                folder=self._cache,
                most_bytes=2 * self._mirror.limits.total_bytes,
                told=told,
            )
        except SourceError as error:
            raise SourceError(
                f"git {arguments[0]} of {self._chosen.url} failed: {error}",
                hint=error.hint or "Check url, branch, user and password_env.",
                retryable=True,
            ) from error

    def _environment(self) -> dict[str, str]:
        """What git sees. Configuration comes by variables, so that no password is in an argument."""
        kept = "PATH HOME SSH_AUTH_SOCK SSL_CERT_FILE SSL_CERT_DIR TMPDIR LANG SYSTEMROOT".split()
        config = {
            "protocol.allow": "never",
            f"protocol.{self._remote.protocol}.allow": "always",
            "core.hooksPath": os.devnull,
            "core.fsmonitor": "false",
            "credential.helper": "",
            "gc.auto": "0",
            "maintenance.auto": "false",
            "fetch.recurseSubmodules": "false",
            "transfer.bundleURI": "false",
            **self._remote.config,
        }
        if path := os.environ.get("SSL_CERT_FILE"):
            config["http.sslCAInfo"] = path
        settings = {"GIT_CONFIG_COUNT": str(len(config))}
        for number, (key, value) in enumerate(config.items()):
            settings |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            **settings,
            "GIT_DIR": str(self._cache),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_ALLOW_PROTOCOL": self._remote.protocol,
            "GIT_SSH_COMMAND": self._remote.ssh or "false",
            "GIT_NO_LAZY_FETCH": "1",
            "LC_ALL": "C.UTF-8",
        }
