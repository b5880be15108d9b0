"""The mails of a mailbox, as they are: a file for each, named by its number (UID) in its folder.

A folder's UIDs mean the same mails as long as its UIDVALIDITY stays; where that changes, all are
fetched anew. Folders are opened read-only and mails fetched with PEEK, so nothing changes there.

Standards: RFC 3501 and RFC 9051 (IMAP4), section 5.1.3 of the former for names of folders.
"""

from __future__ import annotations

import binascii
import imaplib
import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser

import httpx

from acclimate.errors import SourceError
from acclimate.settings_sources import ImapSource
from acclimate.sources.addresses import AddressGuard
from acclimate.sources.base import Chosen, secret_of
from acclimate.sources.mirror import Mirror
from acclimate.sources.state import Item

_SIZES = 500  # mails whose sizes are asked for at once
_HEADER_BYTES = 1_000_000
_PORT, _TLS_PORT = 143, 993
_SUBJECT = 60  # characters of it in a file's name
_SIZE = re.compile(rb"UID (\d+)[^)]*RFC822\.SIZE (\d+)|RFC822\.SIZE (\d+)[^)]*UID (\d+)")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class _Connection(imaplib.IMAP4):
    """A connection to an address that was checked, with limits on what the server may send."""

    def __init__(self, chosen: ImapSource, guard: AddressGuard, most_bytes: int) -> None:
        self._chosen, self._guard, self._most = chosen, guard, most_bytes
        secure = chosen.security == "tls"
        self._context = httpx.create_ssl_context() if chosen.security != "none" else None
        port = chosen.port or (_TLS_PORT if secure else _PORT)
        super().__init__(chosen.host, port, chosen.timeout_s)
        if chosen.security == "starttls":
            try:
                self.starttls(self._context)
            except BaseException:
                self.shutdown()
                raise

    def _create_socket(self, timeout: float | None) -> socket.socket:
        fault: OSError | None = None
        for address in self._guard.addresses(self._chosen.host, self.port):
            try:
                opened = socket.create_connection((address, self.port), timeout)
            except OSError as error:
                fault = error
                continue
            if self._chosen.security == "tls" and self._context is not None:
                try:
                    return self._context.wrap_socket(opened, server_hostname=self._chosen.host)
                except OSError:
                    opened.close()
                    raise
            return opened
        raise fault or OSError("no address")

    def read(self, size: int) -> bytes:
        """What a server announces as so many bytes; refused where that is more than a mail may
        have."""
        if size > self._most:
            raise SourceError(f"the server sends {size:,} bytes at once.")
        return super().read(size)


class Mailbox:
    """Mirrors a mailbox; see the module's text."""

    def __init__(self, chosen: ImapSource, guard: AddressGuard, mirror: Mirror) -> None:
        self._chosen, self._guard, self._mirror = chosen, guard, mirror
        self._takes = Chosen(chosen.include, chosen.exclude)

    def run(self) -> None:
        """Mirror every folder. Raises SourceError where one cannot be listed."""
        secret = secret_of(self._chosen.password_env)
        limit = self._mirror.limits.file_bytes + _HEADER_BYTES
        with self._as_errors():
            connection = _Connection(self._chosen, self._guard, limit)
            try:
                connection.login(self._chosen.user, secret)
                for folder in self._chosen.folders:
                    self._folder(connection, folder)
                connection.logout()
            finally:
                with suppress(OSError):  # it was closed by logout
                    connection.shutdown()
        self._mirror.complete()

    def _folder(self, connection: imaplib.IMAP4, folder: str) -> None:
        kind, said = connection.select(quoted(folder), readonly=True)
        if kind != "OK":
            raise SourceError(
                f"the folder '{folder}' cannot be opened: {_text(said)}.",
                hint="Correct folders in the source's section.",
            )
        _, validity = connection.response("UIDVALIDITY")
        series = _text(validity)
        if not series.isdecimal():
            raise SourceError(f"the folder '{folder}' has no UIDVALIDITY.")
        numbers = self._search(connection)
        keys = {number: f"{folder};{series};{number}" for number in numbers}
        due = []
        for number, key in keys.items():
            if self._mirror.known(key):
                self._mirror.keep(key)
            else:
                due.append(number)
        for start in range(0, len(due), _SIZES):
            some = due[start : start + _SIZES]
            for number, size in self._sizes(connection, some).items():
                self._mail(connection, folder, number, size, keys[number])

    def _search(self, connection: imaplib.IMAP4) -> list[int]:
        wanted = ["ALL"]
        if self._chosen.days is not None:
            day = datetime.now(UTC).date() - timedelta(days=self._chosen.days)
            wanted = ["SINCE", f"{day.day}-{_MONTHS[day.month - 1]}-{day.year}"]
        kind, said = connection.uid("SEARCH", *wanted)
        if kind != "OK":
            raise SourceError(f"the mails cannot be listed: {_text(said)}.")
        return sorted({int(one) for row in said if row for one in row.split()})

    def _sizes(self, connection: imaplib.IMAP4, numbers: Sequence[int]) -> dict[int, int]:
        kind, said = connection.uid("FETCH", ",".join(map(str, numbers)), "(RFC822.SIZE)")
        if kind != "OK":
            raise SourceError(f"the mails' sizes cannot be had: {_text(said)}.")
        found = {}
        for row in said:
            line = row[0] if isinstance(row, tuple) else row
            if line and (match := _SIZE.search(line)):
                number, size = match[1] or match[4], match[2] or match[3]
                found[int(number)] = int(size)
        return {number: found[number] for number in numbers if number in found}

    def _mail(
        self, connection: imaplib.IMAP4, folder: str, number: int, size: int, key: str
    ) -> None:
        shown = f"{folder}/{number}"
        if size > self._mirror.limits.file_bytes:
            most = self._mirror.limits.file_bytes // 1_000_000
            self._mirror.fail(key, shown, f"is larger than {most} MB (max_file_mb)")
            return
        kind, said = connection.uid("FETCH", str(number), "(BODY.PEEK[])")
        content = next((row[1] for row in said if isinstance(row, tuple)), None)
        if kind != "OK" or content is None:
            self._mirror.gone(key)  # it has just been deleted
            return
        parts = [*folder.split("/"), _file_name(number, content)]
        if not self._takes.takes("/".join(parts)):
            self._mirror.skip(key)
            return
        self._mirror.put(key, parts, [content], Item(key, "", tag=str(size)))

    @contextmanager
    def _as_errors(self) -> Iterator[None]:
        place = self._chosen.host
        try:
            yield
        except imaplib.IMAP4.abort as error:
            raise SourceError(f"{place} broke off: {error}.", retryable=True) from error
        except imaplib.IMAP4.error as error:
            raise SourceError(
                f"{place} refused: {_text([error.args[0] if error.args else ''])}.",
                hint="Check user and password_env.",
            ) from None  # the cause may repeat what was sent
        except ssl.SSLCertVerificationError as error:
            raise SourceError(
                f"the certificate of {place} is not valid: {error.verify_message}."
            ) from error
        except OSError as error:
            said = error.strerror or error
            raise SourceError(f"{place} cannot be reached: {said}.", retryable=True) from error


def quoted(folder: str) -> str:
    """A folder's name as IMAP takes it: in modified UTF-7, as a quoted string. Raises SourceError for
    one with control characters."""
    if not folder or any(ord(character) < 32 or ord(character) == 127 for character in folder):
        raise SourceError(f"{folder!r} is no name of a folder.")
    return '"' + in_utf7(folder).replace("\\", "\\\\").replace('"', '\\"') + '"'


def in_utf7(text: str) -> str:
    """Modified UTF-7 (RFC 3501, section 5.1.3)."""

    def packed(match: re.Match[str]) -> str:
        if match[0] == "&":
            return "&-"
        wide = binascii.b2a_base64(match[0].encode("utf-16-be"), newline=False)
        return "&" + wide.decode("ascii").rstrip("=").replace("/", ",") + "-"

    return re.sub(r"&|[^\x20-\x7e]+", packed, text)


def _file_name(number: int, content: bytes) -> str:
    """The number, and the subject as far as it fits."""
    end = content.find(b"\r\n\r\n")
    head = content[: min(end, _HEADER_BYTES) if end >= 0 else _HEADER_BYTES]
    said = BytesHeaderParser().parsebytes(head).get("Subject", "")
    try:
        subject = str(make_header(decode_header(str(said))))
    except (ValueError, LookupError):
        subject = ""
    words = " ".join(subject.split())[:_SUBJECT].strip(" .")
    return f"{number:06d} {words}.eml" if words else f"{number:06d}.eml"


def _text(said: Sequence[object]) -> str:
    one = next((row for row in said if row), b"")
    if isinstance(one, tuple):
        one = one[0]
    return one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one)
