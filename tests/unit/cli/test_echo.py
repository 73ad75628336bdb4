from sipparty.cli.echo import Echo, Tee
from sipparty.media import MemorySink, Sink, Source


def test_an_echo_gives_back_what_it_took_and_silence_after_it():
    echo = Echo()
    assert isinstance(echo, Sink)
    assert isinstance(echo, Source)
    echo.start(8000)
    echo.write(b"\x01\0\x02\0\x03\0")
    assert echo.read(2) == b"\x01\0\x02\0"
    assert echo.read(2) == b"\x03\0\0\0"
    assert echo.read(2) == bytes(4)


def test_what_waits_is_bounded_and_the_oldest_goes():
    echo = Echo(max_delay=0.001)  # eight samples
    echo.write(bytes(range(20)))
    assert echo.read(8) == bytes(range(4, 20))


def test_a_tee_tells_each_sink_everything():
    sinks = MemorySink(), MemorySink()
    tee = Tee(*sinks)
    tee.start(8000)
    tee.write(b"\x01\0")
    tee.close()
    assert [sink.pcm for sink in sinks] == [b"\x01\0"] * 2
