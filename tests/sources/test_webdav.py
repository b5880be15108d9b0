"""A WebDAV folder is mirrored by its ETags."""

import pytest

from acclimate.sources.client import basic


@pytest.fixture
def cloud(dav):
    dav.page("/dav/a.md", "# A", "text/markdown")
    dav.page("/dav/Gr%C3%BC%C3%9Fe%20%26%20more/b%231.md", "# B", "text/markdown")
    dav.page("/dav/deep/er/c.pdf", b"%PDF-1.4", "application/pdf")
    dav.page("/dav/picture.png", b"\x89PNG", "image/png")
    dav.page("/dav/.hidden.md", "# H", "text/markdown")
    return dav


def test_a_folder_is_mirrored_and_then_only_what_changed(cloud, mirrored):
    report = mirrored(type="webdav", url=cloud.url + "/dav")
    assert list(mirrored.files()) == ["Grüße & more/b#1.md", "a.md", "deep/er/c.pdf"]
    assert (report.added, report.skipped, report.error) == (3, 2, "")
    cloud.forget()
    cloud.page("/dav/a.md", "# A two", "text/markdown")
    report = mirrored(type="webdav", url=cloud.url + "/dav/")
    assert (report.changed, report.unchanged, cloud.paths()) == (1, 2, ["/dav/a.md"])
    assert mirrored.files()["a.md"] == b"# A two"


def test_what_vanished_goes_but_not_where_a_folder_cannot_be_listed(cloud, mirrored):
    mirrored(type="webdav", url=cloud.url + "/dav/")
    cloud.broken["/dav/deep/"] = 500
    del cloud.pages["/dav/a.md"]
    report = mirrored(type="webdav", url=cloud.url + "/dav/")
    assert (report.removed, report.held, len(mirrored.files())) == (0, 2, 3)
    assert "500" in report.error
    cloud.broken.clear()
    report = mirrored(type="webdav", url=cloud.url + "/dav/")
    assert (report.removed, report.error) == (1, "")
    assert list(mirrored.files()) == ["Grüße & more/b#1.md", "deep/er/c.pdf"]


def test_an_account_is_used_and_a_wrong_password_removes_nothing(cloud, mirrored, monkeypatch):
    monkeypatch.setenv("CLOUD", "pass:wörd")
    cloud.password = basic("ada", "pass:wörd")
    section = {"url": cloud.url + "/dav/", "user": "ada", "password_env": "CLOUD"}
    assert mirrored(type="webdav", **section).added == 3
    monkeypatch.setenv("CLOUD", "old")
    report = mirrored(type="webdav", **section)
    assert "401" in report.error
    assert len(mirrored.files()) == 3
    monkeypatch.delenv("CLOUD")
    assert "CLOUD" in mirrored(type="webdav", **section).error


def test_a_file_of_nextcloud_has_an_address_for_people(mirrored, monkeypatch):
    from acclimate.settings_sources import WebdavSource
    from acclimate.sources.webdav import Entry, WebdavFolder

    url = "https://cloud.test/remote.php/dav/files/ada/"
    folder = WebdavFolder(WebdavSource(type="webdav", url=url), None, None)
    entry = Entry("a.md", url + "a.md", False, number="4711")
    assert folder._address(entry) == "https://cloud.test/f/4711"


@pytest.mark.parametrize(
    "href",
    ["/dav/../../etc/passwd.md", "/dav/%2e%2e/x.md", "/dav/a%2f..%2f..%2fx.md", "/else/x.md",
     "http://localhost/dav/x.md", "file:///etc/passwd.md", "//other.test/dav/x.md"],
)  # fmt: skip
def test_a_listing_names_nothing_outside_the_folder(cloud, mirrored, href):
    listing = (
        '<d:multistatus xmlns:d="DAV:"><d:response><d:href>/dav/</d:href></d:response>'
        f"<d:response><d:href>{href}</d:href><d:propstat><d:prop><d:resourcetype/></d:prop>"
        "</d:propstat></d:response></d:multistatus>"
    )
    cloud.listing = listing.encode()
    report = mirrored(type="webdav", url=cloud.url + "/dav/")
    assert (report.added, report.failures) == (0, ())
    assert cloud.paths() == []


def test_a_listing_with_entities_is_refused(cloud, mirrored):
    cloud.listing = (
        b'<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><d:multistatus xmlns:d="DAV:">'
        b"<d:response><d:href>&x;</d:href></d:response></d:multistatus>"
    )
    report = mirrored(type="webdav", url=cloud.url + "/dav/")
    assert "entities" in report.error
