"""Servers of what sources mirror: a web site, a WebDAV folder, a mailbox; each on this machine."""

import hashlib
import os
import socketserver
import ssl
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote


class Site:
    """What a web server answers. `pages`: path → (type, bytes); `moved`: path → address; `broken`:
    path → status. `asked` has every request as (method, path, headers)."""

    def __init__(self):
        self.pages, self.moved, self.broken, self.asked = {}, {}, {}, []
        self.tags = True
        self.password = ""
        self.listing = b""  # of WebDAV, in the place of the true one
        self.url = ""

    def page(self, path, body, kind="text/html; charset=utf-8"):
        self.pages[path] = (kind, body.encode() if isinstance(body, str) else body)

    def paths(self, method="GET"):
        return [path for asked, path, _ in self.asked if asked == method]

    def forget(self):
        self.asked.clear()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _reply(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refused(self):
        site = self.server.site
        site.asked.append((self.command, self.path, dict(self.headers)))
        path = self.path.partition("?")[0]
        if site.password and self.headers.get("Authorization") != site.password:
            self._reply(401)
        elif path in site.broken:
            self._reply(site.broken[path])
        elif self.path in site.moved:
            self._reply(302, Location=site.moved[self.path])
        else:
            return False
        return True

    def do_GET(self):
        site = self.server.site
        if self._refused():
            return
        if self.path not in site.pages:
            self._reply(404)
            return
        kind, body = site.pages[self.path]
        tag = f'"{hashlib.sha256(body).hexdigest()[:12]}"'
        if site.tags and self.headers.get("If-None-Match") == tag:
            self._reply(304, ETag=tag)
            return
        self._reply(200, body, Content_Type=kind, **({"ETag": tag} if site.tags else {}))


class _DavHandler(_Handler):
    def do_PROPFIND(self):
        if self._refused():
            return
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.site.listing:
            self._reply(207, self.server.site.listing, Content_Type="application/xml")
            return
        folder = unquote(self.path).rstrip("/") + "/"
        files = {unquote(path): body for path, (_, body) in self.server.site.pages.items()}
        below = {
            path[len(folder) :]: body for path, body in files.items() if path.startswith(folder)
        }
        if not below and folder != "/dav/":
            self._reply(404)
            return
        folders = sorted({path.split("/")[0] + "/" for path in below if "/" in path})
        hrefs = [quote(folder), *(quote(folder + name) for name in folders)]
        rows = [f"<d:response><d:href>{href}</d:href>{_COLLECTION}</d:response>" for href in hrefs]
        for name, body in below.items():
            if "/" not in name:
                tag = hashlib.sha256(body).hexdigest()[:12]
                rows.append(
                    f"<d:response><d:href>{quote(folder + name)}</d:href><d:propstat><d:prop>"
                    f"<d:resourcetype/><d:getetag>&quot;{tag}&quot;</d:getetag>"
                    f"<oc:fileid>{len(name)}7</oc:fileid></d:prop></d:propstat></d:response>"
                )
        text = f"<d:multistatus {_NAMES}>{''.join(rows)}</d:multistatus>"
        self._reply(207, text.encode(), Content_Type="application/xml")


_NAMES = 'xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"'
_COLLECTION = (
    "<d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype></d:prop></d:propstat>"
)


@contextmanager
def serving(handler=_Handler, certificate=None):
    """A site's server while the block runs."""
    site = Site()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.site, server.daemon_threads = site, True
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            server.names = []
            context.sni_callback = lambda _, name, __: server.names.append(name)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            site.names, scheme = server.names, "https"
        site.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
        site.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


class _GitHandler(_Handler):
    """Git's own server over HTTP, for the repositories in `site.repositories`."""

    def do_GET(self):
        if not self._refused():
            self._run()

    do_POST = do_GET  # noqa: N815

    def _run(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        variables = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.site.repositories),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        command = ["git", "http-backend"]
        done = subprocess.run(command, input=body, env=variables, capture_output=True, check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        told = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(told.pop("Status", "200").split()[0])
        self._reply(status, body, **{name.replace("-", "_"): said for name, said in told.items()})


def serving_git():
    """Git repositories over HTTP."""
    return serving(_GitHandler)


def serving_dav():
    """A WebDAV folder's server, below /dav/."""
    return serving(_DavHandler)


class Mailboxes:
    """What an IMAP server has: folder → (UIDVALIDITY, {UID: bytes}); names as they travel."""

    def __init__(self):
        self.folders = {"INBOX": (1, {})}
        self.user, self.password = "ada", "lovelace"
        self.asked = []
        self.announce = 0  # a size that is promised in the place of the true one


class _ImapHandler(socketserver.StreamRequestHandler):
    """The few commands of RFC 3501 that are needed to read a mailbox."""

    def handle(self):
        self._folder = None
        self._send(b"* OK ready")
        while line := self.rfile.readline():
            tag, _, rest = line.decode().strip().partition(" ")
            verb, _, told = rest.partition(" ")
            self.server.boxes.asked.append(rest)
            if verb == "UID":
                verb, _, told = told.partition(" ")
            done = getattr(self, f"_{verb.lower()}", lambda _: "BAD unknown")(told)
            self._send(f"{tag} {done}".encode())
            if verb == "LOGOUT":
                return

    def _send(self, line):
        self.wfile.write(line + b"\r\n")

    def _capability(self, _):
        self._send(b"* CAPABILITY IMAP4rev1")
        return "OK done"

    def _logout(self, _):
        self._send(b"* BYE")
        return "OK done"

    def _login(self, told):
        boxes = self.server.boxes
        right = told == f'{boxes.user} "{boxes.password}"'
        return "OK in" if right else "NO [AUTHENTICATIONFAILED] wrong"

    def _examine(self, told):
        name = told.strip('"')
        if name not in self.server.boxes.folders:
            return "NO there is no such folder"
        validity, mails = self.server.boxes.folders[name]
        self._folder = mails
        self._send(f"* {len(mails)} EXISTS".encode())
        self._send(f"* OK [UIDVALIDITY {validity}] valid".encode())
        return "OK [READ-ONLY] open"

    def _search(self, _):
        self._send(("* SEARCH " + " ".join(map(str, self._folder))).strip().encode())
        return "OK found"

    def _fetch(self, told):
        numbers, _, what = told.partition(" ")
        for place, number in enumerate(map(int, numbers.split(",")), 1):
            mail = self._folder.get(number)
            if mail is None:
                continue
            if "SIZE" in what:
                self._send(f"* {place} FETCH (UID {number} RFC822.SIZE {len(mail)})".encode())
            else:
                size = self.server.boxes.announce or len(mail)
                head = f"* {place} FETCH (UID {number} BODY[] {{{size}}}".encode()
                self.wfile.write(head + b"\r\n" + mail + b")\r\n")
        return "OK fetched"


class _ImapServer(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True


@contextmanager
def serving_mail(certificate=None):
    """A mail server while the block runs: its mailboxes, and its port."""
    with _ImapServer(("127.0.0.1", 0), _ImapHandler) as server:
        server.boxes = Mailboxes()
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server.boxes, server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
