"""The connection between the halves of a 3PCC controller."""

import asyncio

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.errors import ListenError, TransportError, UsageError
from sipparty.load.sipp import Options, Player, read_program
from sipparty.load.sipp.twin import Twin

from .conftest import invite, recv, scenario

SEND = "<sendCmd><![CDATA[Call-ID: [call_id]\nX: 1]]></sendCmd>"


async def pair():
    taken = asyncio.Queue()
    one, other = Twin(taken.put_nowait), Twin(taken.put_nowait)
    await one.listen("127.0.0.1", 0)
    port = one._server.sockets[0].getsockname()[1]
    await other.connect("127.0.0.1", port)
    return one, other, port, taken


async def test_commands_go_both_ways():
    one, other, _, taken = await pair()
    other.send("Call-ID: 1\r\n\r\n")
    other.send("Call-ID: 2")
    assert [await taken.get(), await taken.get()] == ["Call-ID: 1\r\n\r\n", "Call-ID: 2"]
    one.send("Call-ID: 3")
    assert await taken.get() == "Call-ID: 3"
    await other.close()
    await one.close()


async def test_there_is_one_twin():
    one, other, port, taken = await pair()
    other.send("a")
    await taken.get()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.read() == b""
    writer.close()
    await other.close()
    await one.close()


async def test_a_twin_that_is_not_there():
    one, other, port, taken = await pair()
    await other.close()
    await one.close()
    with pytest.raises(TransportError, match="twin is not there"):
        other.send("a")
    with pytest.raises(TransportError, match=f"twin at 127.0.0.1 port {port} cannot be reached"):
        await Twin(taken.put_nowait).connect("127.0.0.1", port)
    with pytest.raises(ListenError, match="Cannot listen for the twin"):
        await Twin(taken.put_nowait).listen("192.0.2.1", 1)


async def test_a_player_says_what_is_missing():
    engine = Engine.current()
    half = read_program(scenario(SEND, invite(), recv(200)))
    with pytest.raises(UsageError, match="say where the other one is"):
        await Player(engine, half, Options(), ("127.0.0.1", 9)).start()
    await engine.aclose()
