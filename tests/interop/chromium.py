"""Chromium without a window: a page of ours in it is a user agent over WebSocket (RFC 7118).

One browser serves many tests: each opens a page of its own, `pages/sip.html`, whose address says
what it is to do, and which posts what happened to the server that it came from.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .certificates import Certificates
from .peer import Peer, Transport, require, wait_for

__all__ = ["Chromium", "Page"]

_PAGE = Path(__file__).parent / "pages" / "sip.html"

#: No window, no helpers that need rights, and nothing by itself that goes out of this machine.
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-domain-reliability",
    "--metrics-recording-only",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE ::1",
    "--remote-debugging-port=0",
)


class Page:
    """A page, and the server that it is from.

    Args:
        chromium: The browser.
        transport: How SIP travels: "ws" or "wss", over IPv4 or IPv6.
    """

    def __init__(self, chromium: Chromium, transport: Transport) -> None:
        #: What it told so far.
        self.events: list[dict[str, Any]] = []
        self._chromium = chromium
        self._transport = transport
        self._target: Any = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        #: The web site that it is of.
        self.origin = f"http://127.0.0.1:{self._server.server_port}"

    def open(self, plan: str, port: int, user: str = "bob") -> None:
        """Have the browser open it.

        Args:
            plan: What it is to do: a name of its `PLANS`.
            port: Where its WebSocket goes.
            user: Whom it is to call there.
        """
        socket = f"{self._transport.name}://{self._transport.literal}:{port}/"
        query = urllib.parse.urlencode({"plan": plan, "socket": socket, "user": user})
        address = urllib.parse.quote(f"{self.origin}/?{query}", safe="")
        self._target = self._chromium.ask("PUT", f"new?{address}")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        events = self.events

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = self.path.startswith("/?")
                self._send(200 if page else 404, _PAGE.read_bytes() if page else b"")

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                events.append(json.loads(self.rfile.read(length)))
                self._send(200, b"")

            def _send(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def wait_for_event(self, kind: str, timeout: float = 20.0) -> dict[str, Any]:
        """Wait until it told of something, such as "open", "done" or "failed"; return what it told.

        Fails at once where it told that it has failed.
        """

        def find() -> dict[str, Any] | None:
            told = {event["type"]: event for event in list(self.events)}
            assert kind == "failed" or "failed" not in told, self.describe()
            return told.get(kind)

        found = wait_for(find, f"the page told {kind!r}", timeout, self.describe)
        assert found is not None
        return found

    def describe(self) -> str:
        """What it told."""
        return "\n".join(map(str, self.events))

    def close(self) -> None:
        """Close the page and its server."""
        try:
            if self._target is not None:
                self._chromium.ask("GET", f"close/{self._target['id']}")
        finally:
            self._server.shutdown()
            self._thread.join(5)
            self._server.server_close()


class Chromium:
    """One browser.

    Args:
        folder: Where its profile goes.
        certificates: For WSS: it believes in this certificate though it knows no such authority.
    """

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        program = require("chromium")
        certificate = x509.load_pem_x509_certificate(certificates.certificate.read_bytes())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        known = base64.b64encode(hashlib.sha256(key).digest()).decode()
        profile = folder / "profile"
        command = [program, *_OPTIONS, f"--user-data-dir={profile}"]
        command += [f"--ignore-certificate-errors-spki-list={known}", "about:blank"]
        self._peer = Peer(
            command, folder, "chromium", environment={"HOME": str(folder), "TMPDIR": str(folder)}
        )
        self._port_file = profile / "DevToolsActivePort"

    def wait_until_ready(self) -> None:
        """Wait until it takes pages."""
        wait_for(
            lambda: self._port_file.exists() or not self._peer.running,
            "Chromium takes pages",
            30,
            lambda: self._peer.output,
        )
        assert self._peer.running, self._peer.output

    def ask(self, method: str, what: str) -> Any:
        """Ask its control port, and return its answer.

        Args:
            method: Of HTTP.
            what: Such as "new?" and the address of a page.
        """
        port = int(self._port_file.read_text().split()[0])
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/json/{what}", method=method)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            said = answer.read()
        return json.loads(said) if said.startswith((b"{", b"[")) else said.decode()

    def stop(self) -> None:
        """End it; may be called more than once."""
        self._peer.stop()
