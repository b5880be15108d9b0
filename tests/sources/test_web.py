"""Web sites are mirrored by links and sitemaps, politely, and only where they changed."""

import gzip

import pytest

HOME = '<title>Home</title><p>Welcome.</p><a href="a.html">A</a> <a href="deep/">Deep</a>'


@pytest.fixture
def docs(site):
    """A small site below /docs/."""
    site.page("/docs/", HOME)
    site.page("/docs/a.html", "<title>A</title><p>Alpha.</p>")
    site.page("/docs/deep/", '<p>Deep.</p><a href="b.html">B</a><a href="/other/c.html">C</a>')
    site.page("/docs/deep/b.html", "<p>Beta.</p>")
    site.page("/other/c.html", "<p>Out of bounds.</p>")
    return site


def test_pages_below_the_address_are_followed_and_no_others(docs, mirrored):
    report = mirrored(type="web", url=docs.url + "/docs/")
    assert list(mirrored.files()) == ["a.html", "deep/b.html", "deep/index.html", "index.html"]
    assert (report.added, report.error, report.complete) == (4, "", True)
    assert "/other/c.html" not in docs.paths()
    assert mirrored.items["deep/b.html"].url == docs.url + "/docs/deep/b.html"


def test_an_unchanged_site_sends_no_page_twice(docs, mirrored):
    mirrored(type="web", url=docs.url + "/docs/")
    before = {path: (mirrored.folder / path).stat().st_mtime_ns for path in mirrored.files()}
    docs.forget()
    report = mirrored(type="web", url=docs.url + "/docs/")
    assert (report.added, report.changed, report.unchanged) == (0, 0, 4)
    asked = [headers for _, path, headers in docs.asked if path.startswith("/docs/")]
    assert len(asked) == 4
    assert all("If-None-Match" in headers for headers in asked)
    after = {path: (mirrored.folder / path).stat().st_mtime_ns for path in mirrored.files()}
    assert after == before


def test_without_tags_the_bytes_tell_what_changed(docs, mirrored):
    docs.tags = False
    mirrored(type="web", url=docs.url + "/docs/")
    docs.page("/docs/a.html", "<p>Alpha two.</p>")
    report = mirrored(type="web", url=docs.url + "/docs/")
    assert (report.changed, report.unchanged) == (1, 3)
    assert mirrored.files()["a.html"] == b"<p>Alpha two.</p>"


def test_what_vanished_is_removed_after_a_whole_listing(docs, mirrored):
    mirrored(type="web", url=docs.url + "/docs/")
    del docs.pages["/docs/a.html"]  # 404
    docs.page("/docs/deep/", "<p>Deep, without links.</p>")  # so b.html is found no more
    report = mirrored(type="web", url=docs.url + "/docs/")
    assert report.removed == 2
    assert list(mirrored.files()) == ["deep/index.html", "index.html"]


def test_where_a_page_fails_nothing_that_it_led_to_is_removed(docs, mirrored):
    mirrored(type="web", url=docs.url + "/docs/")
    docs.page("/docs/", HOME.replace('<a href="deep/">Deep</a>', ""))
    docs.broken["/docs/a.html"] = 500
    report = mirrored(type="web", url=docs.url + "/docs/")
    assert len(mirrored.files()) == 4
    assert (report.removed, report.held, report.complete) == (0, 2, False)
    assert "500" in report.error
    docs.broken.clear()
    assert mirrored(type="web", url=docs.url + "/docs/").removed == 2


def test_a_page_that_fails_for_a_moment_keeps_its_links(docs, mirrored):
    mirrored(type="web", url=docs.url + "/docs/")
    docs.broken["/docs/deep/"] = 503
    docs.page("/docs/deep/b.html", "<p>Beta two.</p>")
    assert mirrored(type="web", url=docs.url + "/docs/").changed == 1


def test_a_site_that_is_down_loses_nothing(docs, mirrored):
    mirrored(type="web", url=docs.url + "/docs/")
    for status in (500, 404, 403):
        docs.broken["/docs/"] = status
        report = mirrored(type="web", url=docs.url + "/docs/")
        assert (report.removed, len(mirrored.files())) == (0, 4)
        assert str(status) in report.error


def test_a_site_that_lost_most_of_its_pages_keeps_them_until_somebody_accepts(site, mirrored):
    links = "".join(f'<a href="{number}.html">.</a>' for number in range(30))
    site.page("/", links)
    for number in range(30):
        site.page(f"/{number}.html", f"<p>Page {number}.</p>")
    mirrored(type="web", url=site.url + "/")
    site.page("/", "<p>We are moving house.</p>")
    for _ in range(2):
        report = mirrored(type="web", url=site.url + "/")
        assert (report.removed, report.held, len(mirrored.files())) == (0, 30, 31)
        assert "--accept-removals" in report.hint
    report = mirrored(type="web", url=site.url + "/", accept=True)
    assert (report.removed, report.error, len(mirrored.files())) == (30, "", 1)


def test_robots_txt_is_obeyed_with_its_wildcards_and_its_delay(docs, mirrored):
    rules = "User-agent: *\nDisallow: /docs/*/b\nAllow: /docs/\nCrawl-delay: 7\n"
    docs.page("/robots.txt", rules, "text/plain")
    mirrored(type="web", url=docs.url + "/docs/")
    assert "/docs/deep/b.html" not in docs.paths()
    assert "deep/index.html" in mirrored.files()
    assert max(mirrored.pause.waited) > 6
    mirrored(type="web", url=docs.url + "/docs/", robots=False)
    assert "deep/b.html" in mirrored.files()


def test_a_robots_txt_that_fails_bars_everything(docs, mirrored):
    docs.broken["/robots.txt"] = 503
    report = mirrored(type="web", url=docs.url + "/docs/")
    assert "nothing may be read" in report.error
    assert set(docs.paths()) == {"/robots.txt"}


def test_a_barred_first_page_is_told(docs, mirrored):
    docs.page("/robots.txt", "User-agent: acclimate\nDisallow: /\n", "text/plain")
    assert "barred by robots.txt" in mirrored(type="web", url=docs.url + "/docs/").error


def test_sitemaps_are_read_also_packed_and_nested(site, mirrored):
    site.page("/", "<p>No links.</p>")
    site.page("/x/one.html", "<p>One.</p>")
    site.page("/x/two.pdf?v=2", b"%PDF-1.4 two", "application/pdf")
    inner = f"<urlset><url><loc>{site.url}/x/one.html</loc></url><url><loc>{site.url}/x/two.pdf?v=2"
    inner += "</loc></url><url><loc>https://elsewhere.test/</loc></url></urlset>"
    site.page("/inner.xml.gz", gzip.compress(inner.encode()), "application/gzip")
    outer = f"<sitemapindex><sitemap><loc>{site.url}/inner.xml.gz</loc></sitemap></sitemapindex>"
    site.page("/map.xml", outer, "application/xml")
    site.page("/robots.txt", f"Sitemap: {site.url}/map.xml\n", "text/plain")
    report = mirrored(type="web", url=site.url + "/")
    assert (report.error, report.added) == ("", 3)
    assert mirrored.files()["x/one.html"] == b"<p>One.</p>"
    assert any(path.startswith("x/two.pdf~") and path.endswith(".pdf") for path in mirrored.files())


@pytest.mark.parametrize(
    "sitemap",
    [
        b"<urlset><url><loc>http://half",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><urlset><url><loc>&x;</loc></url></urlset>',
    ],
)
def test_a_sitemap_that_cannot_be_trusted_is_told_and_removes_nothing(site, mirrored, sitemap):
    site.page("/", "<p>No links.</p>")
    site.page("/robots.txt", f"Sitemap: {site.url}/map.xml\n", "text/plain")
    site.page("/map.xml", sitemap, "application/xml")
    report = mirrored(type="web", url=site.url + "/")
    assert "sitemap cannot be read" in report.error
    assert "passwd" not in report.error
    assert list(mirrored.files()) == ["index.html"]


def test_a_bomb_in_gzip_is_not_unpacked_past_the_limit(site, mirrored):
    site.page("/", '<a href="bomb.txt">.</a>')
    bomb = gzip.compress(b"a" * 60_000_000)
    site.page("/bomb.txt", bomb, "text/plain\r\nContent-Encoding: gzip")
    report = mirrored(type="web", url=site.url + "/", max_file_mb=1)
    assert "max_file_mb" in report.failures[0].reason
    assert list(mirrored.files()) == ["index.html"]


def test_limits_end_a_listing_without_removing_anything(docs, mirrored):
    report = mirrored(type="web", url=docs.url + "/docs/", max_files=2)
    assert "max_files" in report.hint
    assert len(mirrored.files()) == 2
    assert not report.complete


def test_a_text_in_another_encoding_is_kept_as_utf8(site, mirrored):
    site.page("/", "<p>Grüße</p>".encode("cp1252"), "text/html; charset=windows-1252")
    mirrored(type="web", url=site.url + "/")
    assert mirrored.files()["index.html"].decode("utf-8-sig") == "<p>Grüße</p>"


def test_kinds_that_no_parser_reads_are_left_out(site, mirrored):
    site.page("/", '<a href="a.png">.</a><a href="b">.</a><a href="c.docx">.</a><a href="d">.</a>')
    site.page("/a.png", b"\x89PNG", "image/png")
    site.page("/b", b"%PDF-1.4", "application/pdf")
    site.page("/c.docx", b"PK", "application/octet-stream")
    site.page("/d", b"\0\1", "application/octet-stream")
    mirrored(type="web", url=site.url + "/")
    assert list(mirrored.files()) == ["b.pdf", "c.docx", "index.html"]


def test_a_page_and_a_folder_of_one_name_are_both_kept(site, mirrored):
    site.page(
        "/", '<a href="x">.</a><a href="x.html">.</a><a href="x.html/y">.</a><a href="X">.</a>'
    )
    for path in ("/x", "/x.html", "/x.html/y", "/X"):
        site.page(path, f"<p>{path}</p>")
    report = mirrored(type="web", url=site.url + "/")
    assert (report.added, report.failures) == (5, ())
    kept = {body.decode() for path, body in mirrored.files().items() if path != "index.html"}
    assert kept == {"<p>/x</p>", "<p>/x.html</p>", "<p>/x.html/y</p>", "<p>/X</p>"}
    assert mirrored(type="web", url=site.url + "/").unchanged == 5


def test_redirects_within_the_site_are_followed_once(docs, mirrored):
    docs.page("/docs/", HOME + '<a href="old.html">.</a><a href="loop">.</a>')
    docs.moved["/docs/old.html"] = "/docs/deep/b.html"
    docs.moved["/docs/loop"] = "/docs/loop"
    report = mirrored(type="web", url=docs.url + "/docs/")
    assert list(mirrored.files()) == ["a.html", "deep/b.html", "deep/index.html", "index.html"]
    assert "redirected more than" in report.failures[0].reason


def test_a_busy_server_is_asked_again_when_it_says(docs, mirrored):
    docs.broken["/docs/"] = 429
    mirrored(type="web", url=docs.url + "/docs/")
    assert docs.paths().count("/docs/") == 3
    assert {1.0, 2.0} <= set(mirrored.pause.waited)
