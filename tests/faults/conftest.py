"""Fixtures of the tests under attack and faults.

certificates    what TLS takes
defended        makes a `Defender`: a party that listens, is attacked, and has to serve on
logged_errors   what our stack logged as an error; there must be none
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.parties import NoMediaSimpleCallsParty
from sipparty.transport import TLSConfig

from ..interop.certificates import Certificates
from .defender import Defender
from .raw import LOOPBACK

_HERE = "tests/faults/"


def pytest_configure(config: pytest.Config) -> None:
    """Know the mark that every test here has, to be selected by: `-m "not faults"`."""
    config.addinivalue_line("markers", "faults: attacks a party, or takes away what it needs")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.nodeid.startswith(_HERE):
            item.add_marker("faults")


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(logging.Formatter("%(name)s: %(message)s").format(record))


@pytest.fixture(autouse=True)
def logged_errors() -> Iterator[list[str]]:
    """What our stack, or its loop, logged as an error; there must be none."""
    handler = _Errors()
    loggers = [logging.getLogger(name) for name in ("sipparty", "asyncio")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield handler.seen
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
    assert not handler.seen, "\n".join(handler.seen)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What TLS takes."""
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def defended(
    make_party: Callable[..., Any], certificates: Certificates
) -> Iterator[Callable[..., Defender]]:
    """Make a defender: `defended("tcp", authenticator={...})`, with settings for `configure`;
    `options` are those of its engine.
    """
    engines: list[Engine] = []

    def start(**options: Any) -> Engine:
        tls = TLSConfig(certificate=certificates.both, authorities=certificates.authority)
        engines.append(Engine(tls=tls, **options))
        return engines[-1]

    def make(
        transport: str = "udp",
        *,
        kind: Any = NoMediaSimpleCallsParty,
        credentials: Any = None,
        options: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Defender:
        party = make_party("bob@biloxi.com", kind, engine=start(**options or {}))
        party.configure(**settings).listen(None, address=LOOPBACK, transport=transport)
        friend = make_party("alice@atlanta.com", kind, engine=start(), credentials=credentials)
        return Defender(party, friend)

    yield make
    for engine in engines:
        engine.close()
