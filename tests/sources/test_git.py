"""Files of a git repository are mirrored, and nothing of it runs."""

import os
import subprocess

import pytest

from acclimate.settings_sources import GitSource
from acclimate.sources.addresses import AddressGuard
from acclimate.sources.client import basic
from acclimate.sources.git import GitBranch, remote_of

from .servers import serving_git

ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    **{
        f"GIT_{who}_{what}": "ada@test"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    },
}


class Repository:
    """A repository of the user's, whose branch `main` changes."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self("init", "--quiet", "--initial-branch=main")

    def __call__(self, *arguments, folder=None):
        command = ["git", *arguments]
        return subprocess.run(
            command, cwd=folder or self.folder, env=ENVIRONMENT, check=True, capture_output=True
        ).stdout

    def commit(self, **files):
        for name, text in files.items():
            file = self.folder / name.replace("__", "/").replace("_md", ".md")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self("add", "--all")
        self("commit", "--quiet", "--allow-empty", "--message", "x")


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "theirs")
    made.commit(a_md="# A", deep__b_md="# B", code_py="print()")
    return made


def test_a_branch_is_mirrored_and_then_what_changed(repository, mirrored):
    report = mirrored(type="git", url="theirs")
    assert (report.error, report.added, report.skipped) == ("", 2, 1)
    assert mirrored.files() == {"a.md": b"# A", "deep/b.md": b"# B"}
    repository("rm", "--quiet", "deep/b.md")
    repository.commit(a_md="# A two", c_md="# C")
    report = mirrored(type="git", url="theirs")
    assert (report.added, report.changed, report.removed) == (1, 1, 1)
    assert mirrored.files() == {"a.md": b"# A two", "c.md": b"# C"}
    assert mirrored(type="git", url="theirs").unchanged == 2


def test_another_branch_patterns_and_addresses(repository, mirrored):
    repository("checkout", "--quiet", "-b", "next/1")
    repository.commit(new_md="# N")
    address = "https://git.test/{branch}/{path}"
    section = {"url": "theirs", "branch": "next/1", "include": ["*.md"], "exclude": ["deep/*"]}
    mirrored(type="git", address=address, **section)
    assert list(mirrored.files()) == ["a.md", "new.md"]
    assert mirrored.items["new.md"].url == "https://git.test/next/1/new.md"
    report = mirrored(type="git", url="theirs", branch="none")
    assert "none" in report.error
    assert len(mirrored.files()) == 2


def test_history_is_not_fetched(repository, mirrored, tmp_path):
    for number in range(3):
        repository.commit(a_md=f"# {number}")
    mirrored(type="git", url="theirs")
    counted = repository("rev-list", "--all", "--count", folder=tmp_path / "cache")
    assert counted.strip() == b"1"


def test_it_is_fetched_over_http_with_a_token_that_stays_secret(
    repository, mirrored, tmp_path, monkeypatch
):
    repository("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    monkeypatch.setenv("TOKEN", "s3cret")
    with serving_git() as site:
        site.repositories, site.password = tmp_path, basic("oauth2", "s3cret")
        section = {"type": "git", "url": f"{site.url}/bare.git", "password_env": "TOKEN"}
        report = mirrored(**section)
        assert (report.error, report.added) == ("", 2)
        monkeypatch.setenv("TOKEN", "wr0ng")
        wrong = mirrored(**section)
    assert "uthentication" in wrong.error or "could not read Username" in wrong.error
    assert sorted(mirrored.files()) == ["a.md", "deep/b.md"]
    kept = b"".join(file.read_bytes() for file in mirrored.project.rglob("*") if file.is_file())
    for secret in ("s3cret", "wr0ng", basic("oauth2", "s3cret")):
        assert secret.encode() not in kept
        assert secret not in repr((report, wrong))


def test_a_redirect_of_git_is_not_followed(mirrored, site):
    site.moved["/x.git/info/refs?service=git-upload-pack"] = "http://localhost/y.git/info/refs"
    report = mirrored(type="git", url=f"{site.url}/x.git", branch="main")
    assert "302" in report.error
    assert len(site.asked) == 1


def test_git_connects_to_the_address_that_was_checked(mirrored, site):
    mirrored.resolve = lambda *_: ["127.0.0.1"]
    mirrored(type="git", url=f"http://docs.test:{site.port}/x.git", branch="main")
    assert site.asked[0][2]["Host"] == f"docs.test:{site.port}"
    site.forget()
    report = mirrored(
        type="git", url=f"http://localhost:{site.port}/x.git", branch="main", allow_private=False
    )
    assert "no public address" in report.error or "127.0.0.1" in report.error
    assert site.asked == []


@pytest.mark.parametrize(
    "url",
    ["--upload-pack=touch pwned", "-x", "ext::sh -c touch% pwned", "fd::17", "file:///etc",
     "git://host/x", "ftp://host/x", "ssh://-oProxyCommand=x/y", "ssh://host;x/y", "ssh://host/-x",
     "a@-oProxyCommand=x:y", "a@host:-x", "a@host:/-x", "-oProxyCommand=x@host:y", "ssh://a@h$(x)/y"],
)  # fmt: skip
def test_no_address_is_an_option_or_a_program(url, mirrored, tmp_path):
    mirrored.resolve = lambda *_: ["127.0.0.1"]
    report = mirrored(type="git", url=url)
    assert "no address that git may be given" in report.error or "no repository" in report.error
    assert not (tmp_path / "pwned").exists()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "branch",
    ["--upload-pack=x", "-x", "a..b", "a b", "a:b", "@{-1}", "a\nb", "x.lock", "/", "*", "+a"],
)
def test_no_branch_is_an_option(repository, mirrored, branch):
    report = mirrored(type="git", url="theirs", branch=branch)
    assert report.error
    assert report.added == 0


def test_nothing_of_a_hostile_repository_runs_or_leads_out(repository, mirrored, tmp_path):
    pwned = tmp_path / "pwned"
    script = f"#!/bin/sh\ntouch {pwned}\n"
    for hook in ("post-checkout", "post-merge", "reference-transaction"):
        file = repository.folder / ".git" / "hooks" / hook
        file.parent.mkdir(exist_ok=True)
        file.write_text(script)
    (repository.folder / "link.md").symlink_to("/etc/passwd")
    (repository.folder / ".gitattributes").write_text("*.md filter=bad export-ignore\n")
    modules = f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch% {pwned}\n'
    (repository.folder / ".gitmodules").write_text(modules)
    repository("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},x")
    repository.commit(big_md="version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n")
    file.write_text(script)
    file.chmod(0o755)
    report = mirrored(type="git", url="theirs")
    assert sorted(mirrored.files()) == ["a.md", "deep/b.md"]
    assert "Git LFS" in report.failures[0].reason
    assert not pwned.exists()


def test_the_users_own_git_configuration_is_not_read(repository, mirrored, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    pwned = tmp_path / "pwned"
    (home / ".gitconfig").write_text(
        f'[core]\n\tsshCommand = touch {pwned}\n[url "/none/"]\n\tinsteadOf = /\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_SSH_COMMAND", f"touch {pwned}")
    assert mirrored(type="git", url="theirs").error == ""
    assert not pwned.exists()


def test_locks_of_a_git_that_was_killed_do_not_stay(repository, mirrored, tmp_path):
    mirrored(type="git", url="theirs")
    repository.commit(a_md="# later")
    (tmp_path / "cache" / "shallow.lock").touch()
    (tmp_path / "cache" / "refs" / "acclimate" / "mirrored.lock").touch()
    report = mirrored(type="git", url="theirs")
    assert (report.error, report.changed) == ("", 1)


@pytest.mark.parametrize(
    ("url", "pattern"),
    [
        ("https://github.com/acme/docs.git", "https://github.com/acme/docs/blob/main/a%20b.md"),
        ("https://gitlab.com/acme/docs", "https://gitlab.com/acme/docs/-/blob/main/a%20b.md"),
        ("https://git.test/acme/docs", ""),
    ],
)
def test_known_sites_give_addresses_for_people(url, pattern):
    chosen = GitSource(type="git", url=url, branch="main")
    remote = remote_of(chosen, None, AddressGuard(resolve=lambda *_: ["8.8.8.8"]))
    assert GitBranch(chosen, remote, None, None)._address("a b.md") == pattern


def test_ssh_goes_to_the_checked_address_and_asks_nothing():
    chosen = GitSource(type="git", url="git@git.test:acme/docs.git")
    remote = remote_of(chosen, None, AddressGuard(resolve=lambda *_: ["8.8.8.8"]))
    assert "HostName=8.8.8.8" in remote.ssh
    assert "HostKeyAlias=git.test" in remote.ssh
    assert "BatchMode=yes" in remote.ssh
