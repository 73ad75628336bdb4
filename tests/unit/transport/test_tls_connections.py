"""Connections by TLS: who proves what, what is said where it fails, and that nothing hangs."""

import asyncio
import datetime
import os
import re
import socket
import ssl
import stat

import pytest

from sipparty.errors import TransportError
from sipparty.transport.tls import TLSConfig, TLSError

LOOPBACK = "127.0.0.1"
DAY = datetime.timedelta(days=1)

ONE = b"OPTIONS sip:bob@biloxi.com SIP/2.0\r\nContent-Length: 0\r\n\r\n"


async def shake_hands(peer, context, last=b""):
    """Be a TLS server by hand: `last` goes out with the last of the handshake. Unlike asyncio it
    says what is wrong before it hangs up.
    """
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(into, out, server_side=True)
    while True:
        try:
            tls.do_handshake()
            tls.write(last)
        except ssl.SSLWantReadError:
            peer.write(out.read())
            async with asyncio.timeout(10):
                into.write(await peer.reader.read(65536))
        except ssl.SSLError:
            break
        else:
            break
    peer.write(out.read())
    peer.writer.write_eof()
    await peer.read_to_end()


@pytest.fixture
def serve_tls(serve, authority):
    """Listen: `serve_tls("biloxi.com", ask_client=True)`, with a certificate for the names."""

    def start(*names, config=None, transport="TLS", issued=None, options=None, **settings):
        issued = issued or authority.issue(*names, **(options or {}))
        config = config or TLSConfig(issued, authorities=authority.file, **settings)
        return serve(transport, context=config.server_context())

    return start


@pytest.fixture
def trusting(authority):
    return TLSConfig(authorities=authority.file)


@pytest.mark.parametrize(
    ("issued", "name"),
    [
        (["biloxi.com"], "biloxi.com"),
        (["sip:biloxi.com"], "Biloxi.com"),
        (["sip.biloxi.com", "sip:biloxi.com"], "biloxi.com"),
        ([LOOPBACK], LOOPBACK),
        ([LOOPBACK], ""),
    ],
)
async def test_a_peer_that_proves_its_name(owner, serve_tls, open_to, trusting, issued, name):
    listener = serve_tls(*issued)
    connection = await open_to("TLS", listener.address, name, tls=trusting)
    assert connection.flow.transport == "TLS"
    owner.answers.append(ONE + b"")
    connection.send(ONE, connection.flow)
    await owner.until(lambda: len(owner.received) == 2)
    assert owner.messages == [ONE, ONE]
    there, back = (flow for _, flow in owner.received)
    assert (there.transport, there.listener) == ("TLS", listener)
    assert back == connection.flow
    connection.close()
    await owner.until(lambda: len(owner.gone) == 2)


async def test_the_server_is_told_the_name_that_is_wanted(serve, open_to, authority, trusting):
    context = TLSConfig(authority.issue("biloxi.com", LOOPBACK)).server_context()
    seen = []
    context.sni_callback = lambda sock, name, context: seen.append(name)
    listener = serve("TLS", context=context)
    await open_to("TLS", listener.address, "biloxi.com", tls=trusting)
    await open_to("TLS", listener.address, LOOPBACK, tls=trusting)
    assert seen == ["biloxi.com", None]


BAD = {
    "another name": (["atlanta.com"], {}, "the certificate is not for biloxi.com: it is for atlan"),
    "a wildcard": (["*.com"], {}, "the certificate is not for biloxi.com: it is for *.com; in SIP"),
    "a common name": (
        ["atlanta.com"],
        {"common_name": "biloxi.com"},
        "the certificate is not for biloxi.com: it is for atlanta.com.",
    ),
    "expired": (
        ["biloxi.com"],
        {"begin": -2 * DAY, "end": -DAY},
        "the certificate is not accepted: it has expired.",
    ),
    "too early": (
        ["biloxi.com"],
        {"begin": DAY, "end": 2 * DAY},
        "the certificate is not accepted: it is not valid yet.",
    ),
    "self-signed": (
        ["biloxi.com"],
        {"own": True},
        "the certificate is not accepted: it is self-signed, and not among",
    ),
    "another purpose": (
        ["biloxi.com"],
        {"usage": "client"},
        "the certificate is not accepted: it is not meant for this end of a connection.",
    ),
}


@pytest.mark.parametrize(("issued", "options", "reason"), BAD.values(), ids=BAD)
async def test_certificates_that_are_wrong(
    owner, serve_tls, open_to, trusting, issued, options, reason
):
    listener = serve_tls(*issued, options=options)
    with pytest.raises(TLSError) as raised:
        await open_to("TLS", listener.address, "biloxi.com", tls=trusting)
    place = f"127.0.0.1 port {listener.address[1]} (biloxi.com)"
    assert str(raised.value).startswith(f"Cannot connect by TLS to {place}: {reason}")
    assert [flow for flow, _ in owner.gone if flow.listener is None] == []


async def test_an_authority_that_nobody_trusts(serve, open_to, stranger, trusting):
    context = TLSConfig(stranger.issue("biloxi.com")).server_context()
    listener = serve("TLS", context=context)
    with pytest.raises(TLSError, match=r"its authority is not among those that are trusted\.$"):
        await open_to("TLS", listener.address, "biloxi.com", tls=trusting)
    # By default the system's are trusted, and this one is not among them.
    with pytest.raises(TLSError, match=r"its authority is not among those that are trusted\.$"):
        await open_to("TLS", listener.address, "biloxi.com")


async def test_who_does_not_ask_takes_anybody(owner, serve_tls, open_to, authority):
    listener = serve_tls("atlanta.com", options={"own": True})
    connection = await open_to("TLS", listener.address, "biloxi.com", tls=TLSConfig(verify=False))
    connection.send(ONE, connection.flow)
    await owner.until(lambda: owner.received)


async def test_what_is_said_before_the_name_is_proved_is_not_heard(
    owner, accept, open_to, authority, trusting
):
    context = TLSConfig(authority.issue("atlanta.com")).server_context()
    # Here the server has the last word of the handshake, and can go on at once.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = await accept()

    async def talk(name):
        talking = asyncio.create_task(open_to("TLS", server.address, name, tls=trusting))
        await shake_hands(await server.peer(), context, ONE)
        return await talking

    await talk("atlanta.com")
    assert owner.messages == [ONE]
    with pytest.raises(TLSError):
        await talk("biloxi.com")
    assert owner.messages == [ONE]
    assert len(owner.gone) == 1


async def test_clients_have_to_show_a_certificate(
    owner, serve_tls, open_to, authority, stranger, trusting, caplog
):
    caplog.set_level("INFO", "sipparty")
    listener = serve_tls("biloxi.com", ask_client=True)
    other = TLSConfig(stranger.issue("a.com"), authorities=authority.file)
    for config, words in (
        (trusting, "failed: the other side showed no certificate"),
        (other, "failed: the certificate is not accepted: its authority is not among those"),
    ):
        owner.gone.clear()
        # In TLS 1.3 a client is through before its certificate is looked at.
        connection = await open_to("TLS", listener.address, "biloxi.com", tls=config)
        connection.send(ONE, connection.flow)
        await owner.until(lambda: owner.gone)
        assert words in caplog.text
    assert owner.received == []
    ours = TLSConfig(authority.issue("a.com"), authorities=authority.file)
    connection = await open_to("TLS", listener.address, "biloxi.com", tls=ours)
    connection.send(ONE, connection.flow)
    await owner.until(lambda: owner.received)
    assert owner.messages == [ONE]


async def test_what_a_server_says_of_our_certificate(
    owner, accept, open_to, authority, stranger, trusting
):
    asking = TLSConfig(authority.issue("biloxi.com"), authorities=authority.file, ask_client=True)
    server = await accept()
    other = TLSConfig(stranger.issue("a.com"), authorities=authority.file)
    old = TLSConfig(authority.issue("a.com", begin=-2 * DAY, end=-DAY), authorities=authority.file)
    for version, missing in (
        (ssl.TLSVersion.TLSv1_2, "the two sides do not agree on ciphers or certificates"),
        (ssl.TLSVersion.TLSv1_3, "the other side asks for a certificate of ours"),
    ):
        context = asking.server_context()
        context.minimum_version = context.maximum_version = version
        for config, words in (
            (trusting, missing),
            (other, "the other side does not trust the authority of our certificate"),
            (old, "the other side says that our certificate has expired"),
        ):
            owner.gone.clear()
            opening = asyncio.create_task(open_to("TLS", server.address, "biloxi.com", tls=config))
            await shake_hands(await server.peer(), context)
            try:
                await opening
            except TLSError as error:
                said = str(error)
            else:
                await owner.until(lambda: owner.gone)
                said = owner.reasons[0]
            assert words in said
        context.minimum_version = ssl.TLSVersion.TLSv1_2


async def test_reload(serve_tls, open_to, authority, stranger, trusting):
    path = authority.issue("biloxi.com")
    key = path.with_suffix(".key")
    key.write_bytes(path.read_bytes())
    config = TLSConfig(path, key, authorities=authority.file)
    listener = serve_tls(config=config)

    async def works(name):
        try:
            await open_to("TLS", listener.address, name, tls=trusting)
        except TLSError:
            return False
        return True

    assert await works("biloxi.com")
    path.write_bytes(authority.issue("atlanta.com").read_bytes())
    with pytest.raises(TLSError, match="the key is not the certificate's"):
        config.reload()
    assert await works("biloxi.com")
    key.write_bytes(path.read_bytes())
    config.reload()
    assert not await works("biloxi.com")
    assert await works("atlanta.com")


async def test_key_log(serve_tls, open_to, authority, tmp_path):
    log = tmp_path / "keys"
    listener = serve_tls("biloxi.com")
    config = TLSConfig(authorities=authority.file, key_log=log)
    await open_to("TLS", listener.address, "biloxi.com", tls=config)
    assert re.search(r"^\w+_SECRET(_0)? [0-9a-f]{64} [0-9a-f]+$", log.read_text(), re.MULTILINE)
    assert stat.S_IMODE(os.stat(log).st_mode) == 0o600


async def test_a_handshake_that_is_only_begun(serve_tls, dial, eventually, caplog):
    caplog.set_level("INFO", "sipparty")
    listener = serve_tls("biloxi.com")
    listener.HANDSHAKE = 0.02
    peer = await dial(listener)
    peer.write(b"\x16\x03\x01")
    assert await peer.read_to_end() == b""
    await eventually(lambda: not listener._coming)
    assert listener.connections == set()
    assert re.search(
        r"A connection to TLS 127\.0\.0\.1 port \d+ failed: ssl handshake", caplog.text
    )


async def test_a_listener_closes_while_handshakes_are_under_way(serve_tls, dial, eventually):
    listener = serve_tls("biloxi.com")
    peer = await dial(listener)
    peer.write(b"\x16\x03\x01")
    await eventually(lambda: listener._coming)
    listener.close()
    assert await peer.read_to_end() == b""


async def test_plain_text_to_a_secure_port(serve_tls, dial, caplog):
    caplog.set_level("INFO", "sipparty")
    peer = await dial(serve_tls("biloxi.com"))
    peer.write(ONE * 3)
    await peer.read_to_end()
    assert "failed: the other side does not speak TLS there" in caplog.text


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"SIP/2.0 400 Bad Request\r\n\r\n", "the other side does not speak TLS there"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "the two sides have no version of TLS in common"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "the two sides do not agree on ciphers or certificates"),
        (b"\x15\x03\x03\x00\x02\x02\x70", "the other side has no certificate for that name"),
        (b"", "the connection was closed"),
    ],
)
async def test_servers_that_do_not_get_on(accept, open_to, trusting, said, reason):
    server = await accept()

    async def answer():
        peer = await server.peer()
        peer.write(said)
        peer.writer.write_eof()
        await peer.read_to_end()

    answering = asyncio.create_task(answer())
    with pytest.raises(TransportError) as raised:
        await open_to("TLS", server.address, "biloxi.com", tls=trusting)
    await answering
    assert f"(biloxi.com): {reason}" in str(raised.value)


async def test_a_server_that_does_not_answer(accept, open_to, trusting):
    server = await accept()
    with pytest.raises(TransportError, match=r"the TLS handshake was not done in time \(0\.02 s\)"):
        await open_to("TLS", server.address, "biloxi.com", tls=trusting, timeout=0.02)
    peer = await server.peer()
    assert (await peer.read_to_end()).startswith(b"\x16\x03")


async def test_files_are_wrong_when_connecting(open_to, tmp_path):
    config = TLSConfig(authorities=tmp_path / "none.pem")
    with pytest.raises(TLSError) as raised:
        await open_to("TLS", (LOOPBACK, 5061), tls=config)
    assert str(raised.value) == (
        "Cannot connect by TLS to 127.0.0.1 port 5061: the authorities in "
        f"{tmp_path / 'none.pem'} cannot be used: no such file or directory."
    )


async def test_garbage_by_tls_is_answered_and_ends_the_connection(owner, serve_tls, dial):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    peer = await dial(serve_tls("biloxi.com"), ssl=context)
    owner.answers.append(b"SIP/2.0 400 Bad Request\r\n\r\n")
    peer.write(b"\0")
    assert await peer.read_to_end() == b"SIP/2.0 400 Bad Request\r\n\r\n"
    assert owner.reasons == ["what came is no SIP"]


async def test_a_reset_in_mid_connection(owner, serve_tls, open_to, trusting, eventually):
    listener = serve_tls("biloxi.com")
    connection = await open_to("TLS", listener.address, "biloxi.com", tls=trusting)
    await eventually(lambda: listener.connections)
    (other,) = listener.connections
    sock = connection._pipe.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.abort()
    await owner.until(lambda: len(owner.gone) == 2)
    assert set(owner.reasons) == {
        "the connection was closed by this side",
        "connection reset by peer",
    }
    assert other.closed
