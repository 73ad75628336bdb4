"""Fixtures of the tests against real peers.

    transport   how SIP travels; tests marked `everywhere` are run over each transport
    ports       a block of free ports
    capture     the packets of the test, checked with Wireshark's dissectors when it is over
    parties     makes our parties, in the block of ports, and closes them
    sink        what a talking party hears
    talking     makes a party that plays a tone
    sentences   what we say, and what a peer says
    saying      makes a party that says our sentence
    sipp        starts SIPp
    baresip     starts baresip
    linphone    starts linphonec
    kamailio    starts a Kamailio
    pbx         starts a Kamailio that is a PBX: registrar, presence server, edge proxies
    chromium    a browser, the same one for all tests

What goes wrong inside of our stack is logged there, so that a peer cannot stop it; here any error
in the log of `sipparty` fails the test.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.media import MemorySink, MemorySource, ToneSource
from sipparty.parties import SingleRTPSessionSimplenParty
from sipparty.party import Party
from sipparty.transport import TLSConfig

from .baresip import Baresip
from .certificates import Certificates
from .chromium import Chromium
from .kamailio import Kamailio
from .linphone import Linphone
from .media import OURS
from .pbx import PBX
from .peer import UDP, Ports, Transport
from .sipp import SIPp
from .sound import Sentences, codec_rate, speech
from .tshark import Capture

_HERE = "tests/interop/"


def pytest_configure(config: pytest.Config) -> None:
    """Know the mark that every test here has, to be selected by: `-m "not interop"`."""
    config.addinivalue_line("markers", "interop: talks to a program of somebody else's")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.nodeid.startswith(_HERE):
            item.add_marker("interop")


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> Transport:
    """How SIP travels: UDP over IPv4, unless the test is marked with `everywhere`."""
    chosen: Transport = getattr(request, "param", UDP)
    try:
        with socket.socket(chosen.family, chosen.kind) as probe:
            probe.bind((chosen.host, 0))
    except OSError as error:
        pytest.skip(f"{chosen.host} is not an address of this machine: {error.strerror}")
    return chosen


@pytest.fixture
def ports(transport: Transport) -> Iterator[Ports]:
    """The test's ports."""
    made = Ports(transport)
    yield made
    made.close()


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(logging.Formatter("%(name)s: %(message)s").format(record))


@pytest.fixture(autouse=True)
def logged_errors() -> Iterator[list[str]]:
    """What our stack logged as an error; there must be none."""
    handler = _Errors()
    logger = logging.getLogger("sipparty")
    logger.addHandler(handler)
    try:
        yield handler.seen
    finally:
        logger.removeHandler(handler)
    assert not handler.seen, "\n".join(handler.seen)


@pytest.fixture(autouse=True)
def capture(tmp_path: Path, ports: Ports) -> Iterator[Capture | None]:
    """The packets of the test; None without tshark, where it is not required."""
    tshark = shutil.which("tshark")
    if tshark is None:
        if os.environ.get("SIPPARTY_REQUIRE_PEERS") == "1":
            pytest.fail("tshark is not installed, and SIPPARTY_REQUIRE_PEERS=1 wants it.")
        yield None
        return
    made = Capture(tshark, tmp_path, ports)
    try:
        yield made
        made.check()
    finally:
        made.close()


class Parties:
    """Makes parties of ours that listen in the test's block of ports.

    Args:
        ports: The test's ports.
        transport: How SIP travels.
        capture: What has to know SIP ports.
        certificates: For TLS.
    """

    def __init__(
        self,
        ports: Ports,
        transport: Transport,
        capture: Capture | None,
        certificates: Certificates,
    ) -> None:
        self._certificates = certificates
        self._ports = ports
        self._transport = transport
        self._capture = capture
        self._made: list[Party] = []
        self._engines: list[Engine] = []

    def __call__(
        self,
        kind: type[Party],
        user: str = "alice",
        *,
        timing: Any = None,
        resolver: Any = None,
        websocket: Any = None,
        credentials: Any = None,
        media: dict[str, Any] | None = None,
        transport: str | None = None,
        proxy: str | None = None,
        policy: Any = None,
        media_threads: int = 0,
        **settings: Any,
    ) -> Any:
        """Make a party; it listens at its `contact_uri`.

        Args:
            kind: The class.
            user: The user part of its address.
            timing: Timer values, for an engine of its own; None for the shared one.
            resolver: What finds targets, for the engine of its own.
            websocket: How it serves WebSockets, with an engine of its own.
            credentials: What it answers challenges with.
            media: Options of its sessions.
            transport: What it listens by; "" for nothing; the test's by default. One that is not
                the test's has an engine of its own, with certificates.
            proxy: The next hop of its requests.
            policy: What is done at a peer's word, with an engine of its own.
            media_threads: How many threads there are for media, with an engine of its own.
            settings: For `configure`.
        """
        name = self._transport.name if transport is None else transport
        own = timing or websocket or policy or media_threads or transport is not None
        if not own and name not in ("tls", "wss"):
            engine = Engine.shared()
        else:
            engine = Engine(
                timing=timing,
                resolver=resolver,
                tls=self._tls_config(),
                policy=policy,
                websocket=websocket,
                media_threads=media_threads,
            )
            self._engines.append(engine)
        first = self._ports.take(8)
        options = {"port_range": (first, first + 7)} if kind.__name__.startswith("Single") else {}
        party = kind(
            f"{user}@example.com",
            engine=engine,
            credentials=credentials,
            media={**options, **(media or {})},
            proxy=proxy,
        )
        self._made.append(party)
        party.configure(**settings)
        port = self._ports.take()
        if name:
            party.listen(port, address=self._transport.host, transport=name)
        if self._capture is not None:
            self._capture.add(name, port)
            self._capture.watch(engine)
        return party

    def _tls_config(self) -> TLSConfig:
        made = self._certificates
        return TLSConfig(
            certificate=made.both,
            authorities=made.authority,
            key_log=None if self._capture is None else self._capture.key_log,
        )

    def close(self) -> None:
        """Close every party and every engine of its own."""
        for party in self._made:
            party.close()
        for engine in self._engines:
            engine.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What TLS takes."""
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def parties(
    ports: Ports, transport: Transport, capture: Capture | None, certificates: Certificates
) -> Iterator[Parties]:
    """Makes our parties."""
    made = Parties(ports, transport, capture, certificates)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def sink() -> MemorySink:
    """What `talking` hears."""
    return MemorySink()


@pytest.fixture
def talking(parties: Parties, sink: MemorySink) -> Callable[..., Any]:
    """Makes a party that plays our tone and keeps what it hears."""

    def make(**options: Any) -> Any:
        media = {"play": ToneSource(OURS), "record": sink, **options.pop("media", {})}
        return parties(SingleRTPSessionSimplenParty, media=media, **options)

    return make


@pytest.fixture(scope="session")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Sentences:
    """What we say, and what a peer says."""
    folder = tmp_path_factory.mktemp("speech")
    # Without a comma there is no pause, so that any second of it has something to be found.
    ours = "this is alice and i would like to order three boxes of oranges and a pound of coffee "
    theirs = "the next train to the coast leaves at twelve minutes past seven from platform nine "
    return Sentences(
        speech(f"{ours}to be at the harbour on friday evening before the boat sails", folder),
        speech(f"{theirs}and stops in every village that lies on the way", folder, "en+f2"),
    )


@pytest.fixture
def saying(parties: Parties, sink: MemorySink, sentences: Sentences) -> Callable[..., Any]:
    """Makes a party that says our sentence in a codec, once a call, and keeps what it hears."""

    def make(codec: str = "PCMU", **options: Any) -> Any:
        rate = codec_rate(codec)
        play = MemorySource(sentences.ours.pcm(rate), rate)
        media = {"codecs": (codec,), "play": play, "record": sink, **options.pop("media", {})}
        return parties(SingleRTPSessionSimplenParty, media=media, **options)

    return make


@pytest.fixture
def sipp(
    tmp_path: Path, ports: Ports, transport: Transport, capture: Capture | None
) -> Iterator[SIPp]:
    """Starts SIPp."""
    made = SIPp(tmp_path, ports, transport, capture)
    try:
        yield made
    finally:
        made.stop()


_FoldersPeer = TypeVar("_FoldersPeer", Baresip, Linphone)
Starting = Callable[
    [type[_FoldersPeer]], contextlib.AbstractContextManager[Callable[..., _FoldersPeer]]
]


@pytest.fixture
def starting(
    tmp_path: Path,
    ports: Ports,
    transport: Transport,
    capture: Capture | None,
    certificates: Certificates,
) -> Starting[Any]:
    """Gives what starts a peer that keeps its settings in a folder, and stops each in the end."""

    @contextlib.contextmanager
    def of(kind: type[_FoldersPeer]) -> Iterator[Callable[..., _FoldersPeer]]:
        made: list[_FoldersPeer] = []

        def start(**options: Any) -> _FoldersPeer:
            own = tmp_path / f"{kind.__name__.lower()}{len(made)}"
            own.mkdir()
            peer = kind(own, ports, transport, certificates, **options)
            made.append(peer)
            if capture is not None:
                capture.add(transport.name, peer.port)
            peer.wait_until_ready()
            return peer

        try:
            yield start
        finally:
            for peer in made:
                peer.stop()

    return of


@pytest.fixture
def baresip(starting: Starting[Baresip]) -> Iterator[Callable[..., Baresip]]:
    """Starts a baresip, with the options of `Baresip`."""
    with starting(Baresip) as start:
        yield start


@pytest.fixture
def linphone(starting: Starting[Linphone]) -> Iterator[Callable[..., Linphone]]:
    """Starts a linphonec, with the options of `Linphone`."""
    with starting(Linphone) as start:
        yield start


@pytest.fixture
def kamailio(
    tmp_path: Path,
    ports: Ports,
    transport: Transport,
    capture: Capture | None,
    certificates: Certificates,
) -> Iterator[Callable[..., Kamailio]]:
    """Starts a Kamailio, with the options of `Kamailio`."""
    made: list[Kamailio] = []

    def start(**options: Any) -> Kamailio:
        peer = Kamailio(tmp_path, ports, transport, capture, certificates=certificates, **options)
        made.append(peer)
        peer.wait_until_ready()
        return peer

    try:
        yield start
    finally:
        for peer in made:
            peer.stop()


@pytest.fixture
def pbx(
    tmp_path: Path,
    ports: Ports,
    transport: Transport,
    capture: Capture | None,
    certificates: Certificates,
) -> Iterator[Callable[..., PBX]]:
    """Starts a PBX, with the options of `PBX`."""
    made: list[PBX] = []

    def start(**options: Any) -> PBX:
        peer = PBX(tmp_path, ports, transport, capture, certificates, **options)
        made.append(peer)
        peer.wait_until_ready()
        return peer

    try:
        yield start
    finally:
        for peer in made:
            peer.stop()


@pytest.fixture(scope="session")
def chromium(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Chromium]:
    """A browser; each test opens pages of its own in it."""
    made = Chromium(tmp_path_factory.mktemp("chromium"), certificates)
    try:
        made.wait_until_ready()
        yield made
    finally:
        made.stop()
