import random

import pytest

from sipparty.errors import BuildError, ParseError
from sipparty.media.dtmf.telephone_event import TelephoneEvent


def test_a_report_is_four_octets_and_back():
    # RFC 4733 section 2.3: event 11 with the end, -7 dBm0, 1760 ticks.
    data = bytes((11, 0x87, 0x06, 0xE0))
    assert TelephoneEvent.parse(data) == (TelephoneEvent(11, 1760, True, 7),)
    assert bytes(TelephoneEvent(11, 1760, True, 7)) == data
    assert bytes(TelephoneEvent(255, 0xFFFF, False, 63)) == b"\xff\x3f\xff\xff"


def test_the_reserved_bit_is_ignored():
    assert TelephoneEvent.parse(b"\x01\x4a\x00\xa0") == (TelephoneEvent(1, 160, False, 10),)


def test_a_packet_may_hold_several():
    one, two = TelephoneEvent(1, 400, True), TelephoneEvent(2, 160)
    assert TelephoneEvent.parse(bytes(one) + bytes(two)) == (one, two)
    assert len(TelephoneEvent.parse(bytes(32))) == 8


@pytest.mark.parametrize("size", [0, 1, 3, 5, 7, 36, 160])
def test_what_is_none_is_refused(size):
    with pytest.raises(ParseError, match=f"not {size} octets"):
        TelephoneEvent.parse(bytes(size))


@pytest.mark.parametrize(
    "made",
    [
        TelephoneEvent(256, 0),
        TelephoneEvent(-1, 0),
        TelephoneEvent(1, 0x10000),
        TelephoneEvent(1, 1, volume=64),
        TelephoneEvent(1, 1, volume=-1),
    ],
)
def test_what_does_not_fit_is_refused(made):
    with pytest.raises(BuildError, match="telephone event"):
        bytes(made)


def test_whatever_comes_is_read_or_refused():
    chance = random.Random(4733)
    for _ in range(2000):
        data = chance.randbytes(chance.randrange(40))
        try:
            found = TelephoneEvent.parse(data)
        except ParseError:
            continue
        assert len(found) * 4 == len(data)
        assert all(0 <= one.volume <= 63 and 0 <= one.duration <= 0xFFFF for one in found)
