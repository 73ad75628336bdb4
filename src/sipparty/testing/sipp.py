"""SIPp, the program: a scenario is played against a party, and the test fails where it is not
followed.

    def test_by_sipp(sip_party, sipp):
        bob = sip_party("bob@biloxi.com")
        sipp.call(bob, "uac.xml").finish()

A scenario is the path of a file, its XML as text, or the name of one that SIPp has: "uac", "uas".
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sipparty.errors import SIPPartyError, UsageError
from sipparty.sip.flow import host_port

__all__ = ["SIPp", "SIPpRun"]

#: Seconds that SIPp waits for a message, and that it takes in all.
_PATIENCE, _MOST = 8, 30


class SIPpRun:
    """One scenario being played.

    Args:
        process: The program.
        folder: Where its logs are.
        name: What it is called there.
        address: Its host and port.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], folder: Path, name: str, address: tuple[str, int]
    ) -> None:
        self.process = process
        self.address = address
        self._folder = folder
        self._name = name

    def uri(self, user: str = "service") -> str:
        """The URI to call it by."""
        return f"sip:{user}@{host_port(*self.address)}"

    def finish(self, timeout: float = 20.0) -> None:
        """Wait for its end.

        Raises:
            AssertionError: It has not followed its scenario to the end; what it says of that.
        """
        __tracebackhide__ = True
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.stop()
            raise AssertionError(
                f"SIPp did not end within {timeout:g} s.\n{self.describe()}"
            ) from None
        if code:
            reason = _EXIT_CODES.get(code, "it has failed")
            raise AssertionError(f"SIPp ended with {code}: {reason}.\n{self.describe()}")

    def describe(self, most: int = 4000) -> str:
        """What it logged, cut to so many characters."""
        texts = []
        for name in (f"{self._name}.errors", f"{self._name}.out"):
            path = self._folder / name
            text = path.read_text(errors="backslashreplace").strip() if path.exists() else ""
            if text:
                texts.append(text[-most:])
                break
        return "\n".join(texts)

    def stop(self) -> None:
        """End it, if it runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(5)


#: What SIPp says by its exit code.
_EXIT_CODES = {
    1: "at least one call failed",
    97: "it was ended by a command",
    99: "it has seen no call",
    253: "it cannot listen at its port",
    254: "it could not connect",
    255: "it has met an error",
}


class SIPp:
    """Starts SIPp.

    Args:
        folder: Where scenarios and logs go.
        address: The address that it is at.

    Raises:
        UsageError: SIPp is not installed.
    """

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        program = shutil.which("sipp")
        if program is None:
            raise UsageError("SIPp is not installed; Debian has it as the package sip-tester.")
        self._program = program
        self._folder = folder
        self._address = address
        self._runs: list[SIPpRun] = []

    def answer(self, scenario: str | os.PathLike[str] = "uas", *options: str) -> SIPpRun:
        """Wait for one call; returns once it listens.

        Args:
            scenario: What is played.
            options: Further options of SIPp, such as "-m", "10" for ten calls.

        Raises:
            SIPPartyError: It does not come to listen; what it says of that.
        """
        run = self._start(scenario, (), options)
        _wait_until(lambda: _is_bound(run.address, options) or run.process.poll() is not None)
        if run.process.poll() is not None:
            raise SIPPartyError(f"SIPp ended at once.\n{run.describe()}")
        return run

    def call(
        self,
        target: Any,
        scenario: str | os.PathLike[str] = "uac",
        *options: str,
        user: str | None = None,
    ) -> SIPpRun:
        """Call a party, or an address, at once.

        Args:
            target: A party that listens, or "host:port".
            scenario: What is played.
            options: Further options of SIPp.
            user: Whom it calls; the party's own name by default.
        """
        uri = getattr(target, "contact_uri", None)
        place = str(target) if uri is None else host_port(str(uri.host.address), uri.port or 5060)
        name = user or getattr(target, "username", None) or "service"
        return self._start(scenario, (place, "-s", str(name)), options)

    def _start(
        self, scenario: str | os.PathLike[str], target: tuple[str, ...], options: tuple[str, ...]
    ) -> SIPpRun:
        name = f"sipp{len(self._runs)}"
        text = os.fspath(scenario)
        if text.lstrip().startswith("<"):
            path = self._folder / f"{name}.xml"
            path.write_text(text)
            played = ["-sf", str(path)]
        elif text.endswith(".xml"):
            if not Path(text).exists():
                raise UsageError(f"There is no scenario {text!r}.")
            played = ["-sf", str(Path(text).resolve())]
        else:
            played = ["-sn", text]
        port, control, media = (_free_port(self._address) for _ in range(3))
        command = [self._program, *target, *played, "-i", self._address, "-p", str(port)]
        command += ["-bind_local", "-mi", self._address, "-mp", str(media & ~1), "-nostdin"]
        command += ["-ci", "127.0.0.1", "-cp", str(control), "-timer_resol", "2"]
        command += ["-timeout", f"{_MOST}s", "-timeout_error"]
        command += ["-recv_timeout", str(_PATIENCE * 1000)]
        command += ["-trace_err", "-error_file", f"{name}.errors"]
        if "-m" not in options:
            command += ["-m", "1"]
        with (self._folder / f"{name}.out").open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - the program that the test asks for
                [*command, *options],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        run = SIPpRun(process, self._folder, name, (self._address, port))
        self._runs.append(run)
        return run

    def stop(self) -> None:
        """End what still runs."""
        for run in self._runs:
            run.stop()


def _free_port(address: str) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def _is_bound(address: tuple[str, int], options: tuple[str, ...]) -> bool:
    """Whether somebody listens there."""
    transport = options[options.index("-t") + 1] if "-t" in options else "u1"
    stream = transport.startswith("t")
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(address)
        except OSError:
            return True
    return False


def _wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    import time

    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
