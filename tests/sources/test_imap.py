"""Mails are mirrored by UID, and nothing changes in the mailbox."""

import base64

import pytest
import trustme

from acclimate.documents.parsers import parse
from acclimate.errors import SourceError
from acclimate.sources.imap import in_utf7, quoted

from .servers import serving_mail

PLAIN = {"type": "imap", "host": "127.0.0.1", "user": "ada", "password_env": "MAIL"}


def mail_of(subject, text, attached=b""):
    """A mail's bytes; with an attached text where given."""
    head = f"From: Bo <bo@test>\r\nTo: ada@test\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
    if not attached:
        return f"{head}\r\n{text}\r\n".encode()
    part = base64.b64encode(attached).decode()
    return (
        f"{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{text}\r\n--b\r\n"
        f'Content-Type: text/plain\r\nContent-Disposition: attachment; filename="n.txt"\r\n'
        f"Content-Transfer-Encoding: base64\r\n\r\n{part}\r\n--b--\r\n"
    ).encode()


@pytest.fixture
def inbox(mail, monkeypatch):
    """A mailbox with two mails; what a source has to say to read it."""
    boxes, port = mail
    monkeypatch.setenv("MAIL", "lovelace")
    inside = {
        7: mail_of("Rent (2026/1)", "The rent is 900 euros."),
        9: mail_of("Lunch", "At noon."),
    }
    boxes.folders["INBOX"] = (1, inside)
    return boxes, {**PLAIN, "port": port, "security": "none"}


def test_mails_are_mirrored_with_their_attachments(inbox, mirrored):
    boxes, section = inbox
    boxes.folders["INBOX"][1][12] = mail_of(
        "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Hello.", b"Attached words."
    )
    report = mirrored(**section)
    assert (report.error, report.added) == ("", 3)
    assert list(mirrored.files()) == [
        "INBOX/000007 Rent (2026_1).eml", "INBOX/000009 Lunch.eml", "INBOX/000012 Grüße.eml",
    ]  # fmt: skip
    document = parse(mirrored.folder / "INBOX/000012 Grüße.eml", "x.eml")
    assert document.title == "Grüße"
    assert "Attached words." in document.text
    assert not any("STORE" in asked or asked.startswith("SELECT") for asked in boxes.asked)


def test_only_new_mails_are_fetched_and_deleted_ones_go(inbox, mirrored):
    boxes, section = inbox
    mirrored(**section)
    boxes.asked.clear()
    del boxes.folders["INBOX"][1][7]
    boxes.folders["INBOX"][1][11] = mail_of("New", "Words.")
    report = mirrored(**section)
    assert (report.added, report.unchanged, report.removed) == (1, 1, 1)
    assert [asked for asked in boxes.asked if "BODY" in asked] == ["UID FETCH 11 (BODY.PEEK[])"]


def test_numbers_of_another_series_are_other_mails(inbox, mirrored):
    boxes, section = inbox
    mirrored(**section)
    boxes.folders["INBOX"] = (2, {7: mail_of("Other", "Now another.")})
    report = mirrored(**section)
    assert (report.added, report.removed, report.error) == (1, 2, "")
    assert list(mirrored.files()) == ["INBOX/000007 Other.eml"]


def test_an_emptied_mailbox_and_a_missing_folder_remove_nothing(inbox, mirrored):
    boxes, section = inbox
    mirrored(**section)
    assert "cannot be opened" in mirrored(**section, folders=["INBOX", "None"]).error
    boxes.folders["INBOX"] = (1, {})
    report = mirrored(**section)
    assert "nothing was removed" in report.error
    assert len(mirrored.files()) == 2


def test_folders_have_names_in_any_script(inbox, mirrored):
    boxes, section = inbox
    boxes.folders["Entw&APw-rfe/台北"] = (1, {})
    boxes.folders["Entw&APw-rfe/&U,BTFw-"] = (3, {1: mail_of("Plan", "Soon.")})
    assert mirrored(**section, folders=["Entwürfe/台北"]).error == ""
    assert list(mirrored.files()) == ["Entwürfe/台北/000001 Plan.eml"]


def test_modified_utf7_is_that_of_the_standard():
    assert in_utf7("~peter/mail/台北/日本語") == "~peter/mail/&U,BTFw-/&ZeVnLIqe-"
    assert in_utf7("Tom & Jerry") == "Tom &- Jerry"
    assert quoted('a"b\\') == '"a\\"b\\\\"'
    for bad in ("a\r\nDELETE INBOX", "", "a\0"):
        with pytest.raises(SourceError):
            quoted(bad)


def test_a_wrong_password_is_told_and_not_repeated(inbox, mirrored, monkeypatch):
    boxes, section = inbox
    monkeypatch.setenv("MAIL", "wr0ng-secret")
    report = mirrored(**section)
    assert "wrong" in report.error
    assert "password_env" in report.hint
    assert "wr0ng-secret" not in repr(report)
    monkeypatch.setenv("MAIL", "x\r\nA1 DELETE INBOX")
    assert "line end" in mirrored(**section).error
    assert not any("DELETE" in asked for asked in boxes.asked)


def test_a_server_cannot_send_more_than_is_taken(inbox, mirrored):
    boxes, section = inbox
    boxes.announce = 3_000_000_000
    report = mirrored(**section, max_file_mb=1)
    assert "bytes at once" in report.error
    assert report.removed == 0


def test_mails_that_are_too_large_are_told_and_not_fetched(inbox, mirrored):
    boxes, section = inbox
    boxes.folders["INBOX"][1][8] = mail_of("Large", "x" * 1_100_000)
    report = mirrored(**section, max_file_mb=1)
    assert (report.added, report.failures[0].path) == (2, "INBOX/8")
    assert not any(asked.startswith("UID FETCH 8 (BODY") for asked in boxes.asked)


def test_a_private_server_and_an_open_line_have_to_be_meant(inbox, mirrored):
    boxes, section = inbox
    assert "without encryption" in mirrored(**section, allow_private=False).error
    report = mirrored(**{**section, "security": "tls", "allow_private": False})
    assert "no public address" in report.error
    assert boxes.asked == []


def test_tls_checks_the_servers_name(mirrored, monkeypatch, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("MAIL", "lovelace")
    mirrored.resolve = lambda *_: ["127.0.0.1"]
    with serving_mail(authority.issue_cert("mail.test")) as (boxes, port):
        boxes.folders["INBOX"] = (1, {1: mail_of("Hi", "There.")})
        section = {**PLAIN, "port": port}
        report = mirrored(**{**section, "host": "mail.test"})
        assert (report.error, report.added) == ("", 1)
        boxes.asked.clear()
        assert "certificate" in mirrored(**{**section, "host": "other.test"}).error
        assert boxes.asked == []
