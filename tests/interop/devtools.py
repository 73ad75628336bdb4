"""A page in Chromium, asked and steered by the DevTools protocol."""

from __future__ import annotations

import base64
import json
import urllib.parse
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import connect

from .chromium import Chromium
from .peer import wait_for

__all__ = ["DevTools"]


class DevTools:
    """A page that the browser has open; a context manager, which closes it.

    Args:
        chromium: The browser.
        url: The page's address.
    """

    def __init__(self, chromium: Chromium, url: str) -> None:
        self._chromium = chromium
        self._target = chromium.ask("PUT", f"new?{urllib.parse.quote(url, safe='')}")
        # Pictures are long.
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(
            connect(self._target["webSocketDebuggerUrl"], max_size=64 << 20, close_timeout=0.1)
        )
        self._numbers = count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._chromium.ask("GET", f"close/{self._target['id']}")

    def send(self, method: str, **parameters: Any) -> Any:
        """Have a method of the protocol done, and return its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._socket.recv(timeout=20))
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]

    def evaluate(self, expression: str) -> Any:
        """Evaluate JavaScript in the page, and return what it gives, as JSON has it."""
        told = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait_for(self, expression: str, timeout: float = 20.0) -> Any:
        """Wait until JavaScript gives something that is true, and return it; an error is not."""
        patient = f"(() => {{ try {{ return {expression}; }} catch {{ return false; }} }})()"
        return wait_for(
            lambda: self.evaluate(patient),
            expression,
            timeout,
            lambda: str(self.evaluate("document.body.innerText")),
        )

    def press(self, key: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key)

    def look(self, path: Path, width: int = 1280, height: int = 900, *, dark: bool = False) -> None:
        """Write a picture of the page."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))
