"""A page that shows calls as they are made: on this machine, for who has its token.

Laws:

1. It listens on a loopback address alone. A request without the token, for another host than the
   page's own address (as after a name was bound anew, RFC 7230 §5.4), or from the page of another
   site, is refused with 403 and a sentence; nothing that it asks changes a call.
2. It runs on a thread of its own: a slow browser keeps no call waiting. What is not fetched in time
   is not queued, the latest state is sent instead.
3. What comes from the wire is text to the page, or in a picture whose texts are escaped; a policy
   (Content-Security-Policy) lets no other script run than the page's own.
4. `close` gives back its thread and socket, and ends the trace.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
import threading
from collections.abc import Callable
from importlib import resources
from typing import Any, Final, Self
from urllib.parse import parse_qs

from sipparty.errors import ListenError
from sipparty.fsm.drawing import svg
from sipparty.live.graphs import quality_svg
from sipparty.live.model import LiveCall, LiveModel
from sipparty.live.sources import Source
from sipparty.trace.calls import OVER
from sipparty.trace.text import one_line

__all__ = ["LivePage"]

_log = logging.getLogger(__name__)

#: Browsers at a time; each is sent pictures.
_CLIENTS: Final = 16
#: Characters of a Call-ID.
_LONGEST: Final = 500
#: Rows of a ladder, and machines, that are drawn.
_ROWS, _MACHINES = 500, 8

_FORBIDDEN: Final = {
    "host": "This page answers to {} alone: use the address as it was printed.",
    "token": "This page needs its token: open the whole address that was printed, with ?token=.",
    "origin": "This page takes no connections from other sites.",
}


class LivePage:
    """The page, while it is served. A context manager.

    Args:
        source: What it shows.
        port: Its port on 127.0.0.1; 0 for a free one.
        interval: Seconds between two looks at what has happened.

    Raises:
        ListenError: The port is taken.
        OSError: The trace cannot be read.

    Attributes:
        url: Its address, with its token: whoever has that sees all calls.
    """

    def __init__(self, source: Source, port: int = 0, *, interval: float = 0.5) -> None:
        self._source = source
        self._model = LiveModel()
        self._interval = interval
        self._token = secrets.token_urlsafe(24)
        self._nonce = secrets.token_urlsafe(16)
        self._clients = 0
        self._hosts: frozenset[str] = frozenset()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._started: threading.Event = threading.Event()
        self._error: OSError | None = None
        self.url = ""
        self._thread = threading.Thread(target=self._run, args=(port,), name="sipparty page")
        self._thread.daemon = True  # a program that forgets to close it ends all the same
        source.__enter__()
        self._thread.start()
        self._started.wait()
        if self._error is not None:
            self.close()
            raise ListenError(f"The page cannot listen on port {port}: {self._error.strerror}.")

    def close(self) -> None:
        """Serve it no more; may be called more than once."""
        if self._thread.is_alive():
            try:
                self._loop.call_soon_threadsafe(self._stop.set)
            except RuntimeError:
                pass  # it has just ended by itself
            self._thread.join()
        self._source.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LivePage {self.url.partition('?')[0]}>"

    # ---------------------------------------------------------------- on its thread

    def _run(self, port: int) -> None:
        try:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(self._serve(port))
        except OSError as error:
            self._error = error
        finally:
            self._loop.close()
            self._started.set()

    async def _serve(self, port: int) -> None:
        from websockets.asyncio.server import serve

        async with serve(
            self._show,
            "127.0.0.1",
            port,
            process_request=self._answer,
            max_size=4096,
            compression=None,
            open_timeout=1,  # a browser may open connections that it does not use
            close_timeout=1,
        ) as server:
            number = server.sockets[0].getsockname()[1]
            names = ("127.0.0.1", "localhost")
            self._hosts = frozenset(f"{name}:{number}" for name in names)
            if number == 80:
                self._hosts |= frozenset(names)
            self.url = f"http://127.0.0.1:{number}/?token={self._token}"
            self._started.set()
            while not self._stop.is_set():
                try:
                    self._source.update(self._model)
                except Exception:
                    _log.exception("The page could not be brought up to date.")
                try:
                    await asyncio.wait_for(self._stop.wait(), self._interval)
                except TimeoutError:
                    pass

    def _answer(self, connection: Any, request: Any) -> Any:
        """Answer what is no WebSocket, and what is refused; None lets a WebSocket be opened."""
        hosts = request.headers.get_all("Host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return self._refuse(connection, "host")
        path, _, query = request.path.partition("?")
        given = parse_qs(query).get("token", [""])[0].encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._token.encode()):
            return self._refuse(connection, "token")
        if path == "/live":
            origins = request.headers.get_all("Origin")
            if any(
                one.lower() not in {f"http://{host}" for host in self._hosts} for one in origins
            ):
                return self._refuse(connection, "origin")
            if self._clients >= _CLIENTS:
                return connection.respond(503, f"{_CLIENTS} browsers show this page already.\n")
            return None
        if path != "/":
            return connection.respond(404, "There is nothing here but the page itself.\n")
        response = connection.respond(200, "")
        response.body = self._page()
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(response.body))),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", self._policy()),
        ):
            if name in response.headers:
                del response.headers[name]
            response.headers[name] = value
        return response

    def _refuse(self, connection: Any, why: str) -> Any:
        sentence = _FORBIDDEN[why].format(self.url.partition("/?")[0])
        return connection.respond(403, f"{sentence}\n")

    def _policy(self) -> str:
        sockets = " ".join(f"ws://{host}" for host in sorted(self._hosts))
        return (
            f"default-src 'none'; script-src 'nonce-{self._nonce}'; style-src 'unsafe-inline';"
            f" img-src data:; connect-src {sockets}; base-uri 'none'; form-action 'none';"
            " frame-ancestors 'none'"
        )

    def _page(self) -> bytes:
        text = resources.files("sipparty.live").joinpath("page.html").read_text("utf-8")
        return text.replace("NONCE", self._nonce).encode()

    # ---------------------------------------------------------------- one browser

    async def _show(self, socket: Any) -> None:
        """Send a browser what changes, and what it asks to see."""
        from websockets.exceptions import ConnectionClosed

        self._clients += 1
        shown = _Shown(self._model, self._source)
        asked = asyncio.create_task(self._listen(socket, shown))
        try:
            while not self._stop.is_set() and not asked.done():
                shown.asked.clear()
                for message in shown.news():
                    await socket.send(json.dumps(message))
                try:
                    await asyncio.wait_for(shown.asked.wait(), self._interval)
                except TimeoutError:
                    pass
        except ConnectionClosed:
            pass
        finally:
            self._clients -= 1
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    async def _listen(self, socket: Any, shown: _Shown) -> None:
        async for message in socket:
            try:
                wanted = json.loads(message)
            except ValueError:
                continue
            if isinstance(wanted, dict) and isinstance(wanted.get("show"), str):
                shown.show(wanted["show"])


class _Shown:
    """What one browser shows."""

    def __init__(self, model: LiveModel, source: Source) -> None:
        self._model, self._source = model, source
        self.asked = asyncio.Event()
        self._call_id = ""
        self._calls: Any = None
        self._version = -1

    def show(self, call_id: str) -> None:
        """Show a call."""
        self._call_id, self._version = call_id, -1
        self.asked.set()

    def news(self) -> list[dict[str, Any]]:
        """What it does not know yet."""
        found: list[dict[str, Any]] = []
        model, source = self._model, self._source
        rows = [_row(call, model.now) for call in model.calls()]
        calls = {"calls": rows, "title": source.title, "trouble": source.trouble}
        if calls != self._calls:
            self._calls = calls
            found.append(calls)
        for call in model.calls():
            if _id(call) == self._call_id and call.records != self._version:
                self._version = call.records
                found.append({"shown": _details(call, model.names)})
        return found


def _id(call: LiveCall) -> str:
    """What the page knows a call by: its Call-ID, which may have octets that JSON cannot carry."""
    return one_line(call.call_id, _LONGEST)


def _row(call: LiveCall, now: float) -> dict[str, Any]:
    mos = call.mos
    return {
        "id": _id(call),
        "method": call.method,
        "caller": call.caller,
        "callee": call.callee,
        "phase": call.phase,
        "state": call.state,
        "over": call.phase in OVER,
        "time": round(call.duration(now)) if call.answered is not None else None,
        "mos": None if mos is None else round(mos, 1),
    }


def _details(call: LiveCall, names: dict[Any, str]) -> dict[str, Any]:
    draw: Callable[..., str] = svg
    return {
        "id": _id(call),
        "ladder": call.ladder(names).svg(limit=_ROWS),
        "quality": quality_svg(call.quality, names),
        "machines": [
            {"name": view.name, "state": view.state, "svg": draw(view)}
            for view in call.machines()[:_MACHINES]
        ],
    }
