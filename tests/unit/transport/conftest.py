"""What the tests of connections share: an engine's stand-in, a clock that can be put forward,
listeners and raw peers on the loopback address, certificates.
"""

import asyncio
import contextlib
import datetime
import ipaddress
import random
import socket
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sipparty.trace import Wire
from sipparty.transport.connecting import connect
from sipparty.transport.stream import Connection
from sipparty.transport.stream_listener import StreamListener, bind_tcp

LOOPBACK = "127.0.0.1"
PATIENCE = 10


class Owner:
    """Stands for the engine: notes what it is told; sends its answers at the end of a batch."""

    def __init__(self):
        self.wire = Wire([])
        self.chance = random.random
        self.received, self.malformed, self.gone, self.failed = [], [], [], []
        self.answers = []
        self.batches = 0
        self.stun, self.pongs = [], []
        self.held, self.most_held = 0, float("inf")
        self.happened = asyncio.Event()

    def malformed_received(self, head, flow, error):
        self.malformed.append((head, flow, error))

    def messages_received(self, batch):
        self.received += batch
        self.batches += 1
        flows = [flow for _, flow in self.received] + [flow for _, flow, _ in self.malformed]
        for answer in self.answers:
            if not flows[-1].endpoint.closed:
                flows[-1].endpoint.send(answer, flows[-1])
        self.answers.clear()
        self.happened.set()

    def stun_received(self, data, flow):
        self.stun.append((data, flow))
        self.happened.set()

    def pong_received(self, flow):
        self.pongs.append(flow)
        self.happened.set()

    def hold(self, host, size):
        self.held += size
        return self.held <= self.most_held

    def send_failed(self, flow, reason):
        self.failed.append((flow, reason))
        self.happened.set()

    def flow_closed(self, flow, reason):
        self.gone.append((flow, reason))
        self.happened.set()

    async def until(self, condition):
        """Wait until something that it is told makes a condition true."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self.happened.clear()
                await self.happened.wait()

    @property
    def messages(self):
        return [data for data, _ in self.received]

    @property
    def reasons(self):
        return [reason for _, reason in self.gone]


async def _eventually(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0)


class Clock:
    """The loop's time, which can be put forward."""

    def __init__(self, loop, monkeypatch):
        self._time = loop.time
        self._ahead = 0.0
        monkeypatch.setattr(loop, "time", lambda: self._time() + self._ahead, raising=False)

    def advance(self, seconds):
        self._ahead += seconds


class Target(NamedTuple):
    transport: str
    address: str
    port: int
    server_name: str = ""


class Peer:
    """The raw other end of a connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.socket = writer.get_extra_info("socket")

    def write(self, data):
        self.writer.write(data)

    async def read(self, number):
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(number)

    async def read_to_end(self):
        """Everything until the other side ends it, in good order or not."""
        got = bytearray()
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                while piece := await self.reader.read(65536):
                    got += piece
        return bytes(got)

    async def close(self):
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@pytest.fixture
def eventually():
    """Let the loop turn until a condition is true that nobody is told of."""
    return _eventually


@pytest.fixture
def turns():
    """Let the loop turn a few times."""

    async def turn(number=5):
        for _ in range(number):
            await asyncio.sleep(0)

    return turn


@pytest.fixture
def clock(monkeypatch, event_loop_of_the_test):
    return Clock(event_loop_of_the_test, monkeypatch)


@pytest.fixture
async def event_loop_of_the_test():
    return asyncio.get_running_loop()


@pytest.fixture
def owner():
    return Owner()


@pytest.fixture(autouse=True)
async def nothing_is_raised():
    """Fail a test where asyncio had to report an exception."""
    reports = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    yield
    assert reports == []


@pytest.fixture
async def serve(owner):
    """Listen: `listener = serve("TLS", context=...)`; its connections are of `kind`, with some
    class attributes changed.
    """
    listeners = []

    def start(
        transport="TCP", address=LOOPBACK, context=None, kind=Connection, options=None, **attributes
    ):
        kind = type(kind.__name__, (kind,), attributes)
        listener = StreamListener(
            asyncio.get_running_loop(),
            owner,
            bind_tcp(address, 0),
            transport,
            lambda listener: kind(owner, transport, listener=listener, **(options or {})),
            context,
        )
        listeners.append(listener)
        return listener

    yield start
    for listener in listeners:
        listener.abort()
        listener.abort()
        await _eventually(lambda listener=listener: not (listener.connections or listener._coming))


@pytest.fixture
async def dial(owner):
    """Be a raw peer: `peer = await dial(listener)`."""
    peers = []

    async def start(listener, **tls):
        async with asyncio.timeout(PATIENCE):
            peer = Peer(*await asyncio.open_connection(*listener.address, **tls))
        peers.append(peer)
        return peer

    yield start
    for peer in peers:
        await peer.close()


@pytest.fixture
async def accept():
    """Be a raw server: `server = await accept(context)`, then `peer = await server.peer()`."""
    servers = []

    class Server:
        async def start(self, context):
            self.peers = asyncio.Queue()
            self.all = []
            self.server = await asyncio.start_server(self._came, LOOPBACK, 0, ssl=context)
            self.address = self.server.sockets[0].getsockname()
            return self

        async def _came(self, reader, writer):
            peer = Peer(reader, writer)
            self.all.append(peer)
            self.peers.put_nowait(peer)

        async def peer(self):
            async with asyncio.timeout(PATIENCE):
                return await self.peers.get()

    async def start(context=None):
        server = await Server().start(context)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.server.close()
        for peer in server.all:
            await peer.close()
        await server.server.wait_closed()


@pytest.fixture
async def open_to(owner):
    """Connect: `connection = await open_to("TLS", address, "biloxi.com", tls=...)`."""
    opened = []

    async def start(transport, address, server_name="", **options):
        target = Target(transport, *address[:2], server_name)
        connection = await connect(owner, target, **options)
        opened.append(connection)
        return connection

    yield start
    for connection in opened:
        connection.abort()
        await _eventually(lambda connection=connection: _is_over(connection))


def _is_over(connection):
    sock = connection._pipe.get_extra_info("socket")
    return sock is None or sock.fileno() < 0


@pytest.fixture
def free_port():
    """A port where nobody listens, and nobody can begin to."""
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        yield sock.getsockname()[1]


# -------------------------------------------------------------------- certificates

DAY = datetime.timedelta(days=1)


class Authority:
    """Makes certificates, in a folder."""

    def __init__(self, folder, name="An authority"):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.name, self.key, [], ca=True)
        self.file = folder / f"{name.replace(' ', '-')}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(
        self, subject, key, alternatives, ca=False, begin=-DAY, end=DAY, own=False, usage=None
    ):
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if own else self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begin)
            .not_valid_after(now + end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        # What a strict client wants (RFC 5280 §4.2.1).
        issuer = key if own else self.key
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False
        ).add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        if ca:
            others = ("content_commitment", "data_encipherment", "decipher_only")
            others += ("digital_signature", "encipher_only", "key_agreement", "key_encipherment")
            uses = dict.fromkeys(others, False)
            builder = builder.add_extension(
                x509.KeyUsage(key_cert_sign=True, crl_sign=True, **uses), critical=True
            )
        if alternatives:
            names = x509.SubjectAlternativeName(alternatives)
            builder = builder.add_extension(names, critical=False)
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        return builder.sign(key if own else self.key, hashes.SHA256())

    def issue(self, *names, common_name="somebody", password=None, usage=None, **options):
        """Make a certificate with its key in one file; return the file's path.

        Args:
            names: "sip:...", "mailto:..." and so on are URIs; addresses are addresses; others are
            DNS names.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        usages = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, None: None}
        alternatives = [alternative(name) for name in names]
        certificate = self._sign(subject, key, alternatives, usage=usages[usage], **options)
        protection = serialization.NoEncryption()
        if password:
            protection = serialization.BestAvailableEncryption(password.encode())
        path = self.folder / f"{len(list(self.folder.iterdir()))}.pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
            )
        )
        return path


def alternative(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if ":" in name:
        return x509.UniformResourceIdentifier(name)
    return x509.DNSName(name)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(Path(tmp_path_factory.mktemp("authority")))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    """An authority that nobody trusts."""
    return Authority(Path(tmp_path_factory.mktemp("stranger")), "A stranger")
