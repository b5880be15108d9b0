"""What a page, a name or a server does to make a source reach, or write, where it may not."""

import socket

import pytest
import trustme
from pydantic import TypeAdapter, ValidationError

from acclimate.errors import SettingsError, SourceError
from acclimate.settings import make_settings
from acclimate.settings_sources import SourceSettings
from acclimate.sources.addresses import AddressGuard
from acclimate.sources.client import RefusedError, parse_url
from acclimate.sources.names import safe_path

from .servers import serving

PRIVATE = [
    "127.0.0.1", "127.1", "0x7f.1", "0177.0.0.1", "2130706433", "017700000001", "10.1.2.3",
    "172.16.0.1", "192.168.1.1", "0300.0250.1.1", "100.64.0.1", "192.0.2.1", "198.18.0.1",
    "240.0.0.1", "255.255.255.255", "localhost", "::1", "[::1]", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1",
    "2002:7f00:1::1", "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "fc00::1",
    "fec0::1", "2001:db8::1", "3fff::1", "5f00::1",
]  # fmt: skip
NEVER = [
    "169.254.169.254", "0251.0376.0251.0376", "2852039166", "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe", "fe80::1", "fd00:ec2::254", "100.100.100.200", "168.63.129.16",
    "0.0.0.0", "0", "::", "224.0.0.1", "ff02::1",  # noqa: S104
]  # fmt: skip


def numeric(host, port):
    """The addresses of hosts that are written as numbers, by the system's resolver; no names."""
    flags = 0 if host == "localhost" else socket.AI_NUMERICHOST
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [address[0] for *_, address in found]


@pytest.mark.parametrize("host", [*PRIVATE, *NEVER])
def test_no_spelling_of_a_private_address_gets_through(host):
    with pytest.raises(SourceError, match=r"no public address|no source may have"):
        AddressGuard(resolve=numeric).addresses(host, 80)


@pytest.mark.parametrize("host", NEVER)
def test_addresses_that_no_setting_opens(host):
    with pytest.raises(SourceError, match="no source may have"):
        AddressGuard(allow_private=True, resolve=numeric).addresses(host, 80)


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_reached(host):
    assert AddressGuard(resolve=numeric).addresses(host, 443)


def test_one_private_address_among_public_ones_is_refused():
    guard = AddressGuard(resolve=lambda *_: ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(SourceError, match=r"docs\.test is 10\.0\.0\.1"):
        guard.addresses("docs.test", 443)


def test_a_private_server_is_not_asked_unless_it_is_allowed(site, mirrored):
    site.page("/", "<p>Inside.</p>")
    for host in ("127.0.0.1", "2130706433", "0x7f.1", "localhost"):
        report = mirrored(type="web", url=f"http://{host}:{site.port}/", allow_private=False)
        assert "no public address" in report.error
        assert "allow_private" in report.hint
    assert site.asked == []
    assert mirrored(type="web", url=site.url + "/").added == 1


def test_a_name_that_changes_its_meaning_gets_nowhere(site, mirrored):
    """DNS rebinding: public when it is checked, this machine when it is connected to."""
    site.page("/", "<p>Inside.</p>")
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) > 1 else ["8.8.8.8"]

    guard = AddressGuard(resolve=rebinding)
    assert guard.addresses("docs.test", 80) == ["8.8.8.8"]  # what a check beforehand would see
    mirrored.resolve = rebinding
    report = mirrored(type="web", url=f"http://docs.test:{site.port}/", allow_private=False)
    assert "docs.test is 127.0.0.1" in report.error
    assert site.asked == []


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(site, mirrored):
    """The system's resolver knows no docs.test: only the checked address can have been used."""
    site.page("/", "<p>Inside.</p>")
    mirrored.resolve = lambda host, _: {"docs.test": ["127.0.0.1"]}[host]
    report = mirrored(type="web", url=f"http://docs.test:{site.port}/")
    assert (report.error, report.added) == ("", 1)
    assert {headers["Host"] for *_, headers in site.asked} == {f"docs.test:{site.port}"}


def test_tls_names_and_checks_the_host_not_the_address(mirrored, monkeypatch, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    mirrored.resolve = lambda *_: ["127.0.0.1"]
    with serving(certificate=authority.issue_cert("docs.test")) as site:
        site.page("/", "<p>Inside.</p>")
        report = mirrored(type="web", url=f"https://docs.test:{site.port}/")
        assert (report.error, report.added) == ("", 1)
        assert set(site.names) == {"docs.test"}
        wrong = mirrored(type="web", url=f"https://other.test:{site.port}/")
        assert "CERTIFICATE_VERIFY_FAILED" in wrong.error


@pytest.mark.parametrize(
    "target",
    ["http://169.254.169.254/latest/", "http://[::1]:{port}/x", "http://localhost:{port}/x",
     "//127.1:{port}/x", "file:///etc/passwd", "ftp://127.0.0.1/x", "http://127.0.0.1:1/",
     "http://u@127.0.0.1:{port}/x", "https://127.0.0.1:{port}/x", "gopher://127.0.0.1:{port}/_x"],
)  # fmt: skip
def test_redirects_are_checked_as_the_first_address_is(site, mirrored, target):
    site.page("/", '<a href="go">.</a>')
    site.page("/x", "<p>Elsewhere.</p>")
    site.moved["/go"] = target.format(port=site.port)
    report = mirrored(type="web", url=site.url + "/")
    assert list(mirrored.files()) == ["index.html"]
    assert "/x" not in site.paths()
    assert report.added == 1


@pytest.mark.parametrize(
    "link",
    ["http://127.0.0.1@localhost:{port}/x", "http://localhost:{port}/x", "//localhost:{port}/x",
     "/a/../../x", "/docs/%2e%2e/x", "/docs/..%2fx", "/docs/..%5cx", "/docs\\..\\x", "/docsx",
     "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://[::1", "/docs/\x01x",
     "http://127.0.0.1:{port}\\@localhost:{port}/docs/x", "https://127.0.0.1:{port}/docs/x"],
)  # fmt: skip
def test_links_lead_nowhere_else(site, mirrored, link):
    site.page("/docs/", f'<a href="{link.format(port=site.port)}">.</a>')
    for path in ("/x", "/docs/%2e%2e/x", "/docs/..%2fx", "/docs/..%5cx", "/docsx"):
        site.page(path, "<p>Elsewhere.</p>")
    report = mirrored(type="web", url=site.url + "/docs/")
    assert (list(mirrored.files()), report.error) == (["index.html"], "")
    asked = {path for path in site.paths() if path not in ("/robots.txt", "/sitemap.xml")}
    assert asked == {"/docs/"}
    assert {headers["Host"] for *_, headers in site.asked} == {f"127.0.0.1:{site.port}"}


@pytest.mark.parametrize(
    "text",
    ["http://user@host/", "http://user:word@host/", "http://host\\@other/", "http://host/ x",
     "http://host/\nx", "ftp://host/", "http:///x", "//host/", "http://[::1", "http://a" + "b" * 5000],
)  # fmt: skip
def test_addresses_that_readers_take_differently_are_refused(text):
    with pytest.raises(RefusedError):
        parse_url(text)


def test_the_password_goes_to_its_origin_only_and_into_no_message(site, mirrored, monkeypatch):
    monkeypatch.setenv("DOCS_TOKEN", "s3cret-token")
    site.password = "Bearer s3cret-token"
    site.page("/", '<a href="away">.</a>')
    with serving() as other:
        site.moved["/away"] = other.url + "/x"
        report = mirrored(type="web", url=site.url + "/", password_env="DOCS_TOKEN")
        assert report.added == 1
        assert other.asked == []
        site.password = "Bearer another"
        wrong = mirrored(type="web", url=site.url + "/", password_env="DOCS_TOKEN")
    assert "401" in wrong.error
    kept = b"".join(file.read_bytes() for file in mirrored.project.rglob("*") if file.is_file())
    assert b"s3cret" not in kept
    assert "s3cret" not in repr((report, wrong))


def test_a_password_is_not_sent_without_encryption(site, mirrored, monkeypatch):
    monkeypatch.setenv("DOCS_TOKEN", "s3cret")
    mirrored.resolve = lambda *_: ["8.8.8.8"]
    report = mirrored(
        type="web", url="http://docs.test/", password_env="DOCS_TOKEN", allow_private=False
    )
    assert "without encryption" in report.error
    assert site.asked == []


@pytest.mark.parametrize(
    "section",
    [
        {"type": "web", "url": "https://user:s3cret@host/"},
        {"type": "git", "url": "https://user:s3cret@host/x.git"},
        {"type": "git", "url": "ssh://user:s3cret@host/x.git"},
        {"type": "webdav", "url": "https://host/", "password": "s3cret"},
    ],
)
def test_a_password_in_the_settings_is_refused_and_not_repeated(section):
    with pytest.raises(SettingsError) as fault:
        make_settings({"sources": {"one": section}}, "acclimate.toml")
    assert "s3cret" not in str(fault.value) + fault.value.hint


@pytest.mark.parametrize("name", ["../x", "a/b", "A", ".hidden", "", "x" * 50, "a b", "-x"])
def test_a_source_is_named_plainly(name):
    with pytest.raises(SettingsError):
        make_settings({"sources": {name: {"type": "web", "url": "https://host/"}}}, "test")


def test_a_kind_that_is_none_is_told():
    with pytest.raises(ValidationError):
        TypeAdapter(SourceSettings).validate_python({"type": "gopher"})


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        (["..", "..", "etc", "passwd"], "_/_/etc/passwd"),
        (["/etc", "passwd"], "_etc/passwd"),
        (["a/../../b.md"], "a_.._.._b.md"),
        (["..\\..\\b.md"], "_.._.._b.md"),
        ([".ssh", ".env"], "_.ssh/_.env"),
        (["con", "NUL.txt"], "_con/_NUL.txt"),
        (["a\x00b\u202egnp.exe"], "a_b_gnp.exe"),
        (["", ".", ""], "_"),
        (["C:", "x"], "C_/x"),
    ],
)
def test_no_name_leads_out_of_the_folder(parts, path):
    assert safe_path(parts) == path


def test_long_names_and_deep_folders_are_cut_and_stay_apart():
    one, two = (safe_path(["x" * 300 + end + ".html"]) for end in "ab")
    assert one != two
    assert len(one.encode()) <= 120
    assert one.endswith(".html")
    assert len(safe_path(["d"] * 200 + ["x.md"]).split("/")) == 16


def test_a_certificate_file_that_is_missing_is_told(mirrored, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    report = mirrored(type="web", url="https://127.0.0.1:1/")
    assert "certificates" in report.error
