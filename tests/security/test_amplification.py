"""What a datagram makes a party send: who forges the address that it comes from must not have
others flooded by us (RFC 3261 §26.3.2.4).

`SIPPARTY_WRITE_TABLES=1 pytest tests/security/test_amplification.py` writes the table of the page
on being reachable anew.
"""

import itertools
import logging
import os
import re
from collections import defaultdict
from pathlib import Path

import pytest

from .amplification import PARTIES, SCENARIOS, SOURCE, THIRD, measure, rows

PAGE = Path(__file__).parents[2] / "docs" / "topics" / "being-reachable.md"
TABLE = re.compile(r"(?<=<!-- amplification -->\n).*?(?=<!-- end -->)", re.S)

T1, T2 = 0.5, 4.0
#: A grain of the engine's timers, each time.
GRAIN = 0.2

every_scenario = pytest.mark.parametrize("scenario", SCENARIOS)


#: Those in which nobody has shown to receive at the address that it came from.
UNPROVEN = [name for name in SCENARIOS if "ACK" not in name or name == "ACK"]
#: Those in which media is wanted at an address that is not the source's.
ELSEWHERE = [
    name for name in SCENARIOS if name not in UNPROVEN and ("third" in name or "else" in name)
]


@pytest.fixture(autouse=True)
def quiet(caplog):
    """Attacks are logged; here is nothing but attacks."""
    caplog.set_level(logging.ERROR)


@every_scenario
def test_a_authenticating_party_sends_at_most_twice_as_much_once_to_the_source(scenario):
    result = measure(scenario, "authenticating").result
    assert result.ratio() <= 2.0
    assert len(result.sent) <= result.datagrams
    assert result.hosts("sip", "media", "connect") <= {SOURCE[0]}


@pytest.mark.parametrize("party", ["open", "audio"])
@every_scenario
def test_nothing_is_sent_beyond_retransmissions(scenario, party):
    world = measure(scenario, party)
    times = defaultdict(list)
    for time, message in zip(world.result.times("sip"), world.answers, strict=True):
        times[message].append(time)
    # RFC 3261 §13.3.1.4, §17.1.2.2, §17.2.1: after T1, then twice as long each time up to T2, for
    # 64 * T1; and once more for each time that its request came again.
    for message, sent in times.items():
        again = world.result.datagrams - 1
        assert len(sent) <= 11 + again, message
        assert sent[-1] - sent[0] <= 64 * T1 + GRAIN
        if not again:
            waits = [later - earlier for earlier, later in itertools.pairwise(sent)]
            for number, wait in enumerate(waits):
                assert wait >= min(T1 * 2**number, T2) - GRAIN, message
    # A ringing, an answer and a BYE at the most.
    assert len(times) <= 3 * world.result.datagrams


@pytest.mark.parametrize("party", PARTIES)
@every_scenario
def test_no_signalling_goes_to_a_third_party(scenario, party):
    assert THIRD[0] not in measure(scenario, party).result.hosts("sip", "connect")


@pytest.mark.parametrize("scenario", UNPROVEN)
def test_no_media_before_the_ack(scenario):
    result = measure(scenario, "audio").result
    assert result.packets("media") == 0


@pytest.mark.parametrize("scenario", ELSEWHERE)
def test_media_for_a_third_party_stops_and_the_call_stays(scenario):
    world = measure(scenario, "audio")
    sent = [one[0] for one in world.result.sent if one[1] == "media" and one[3][0] == THIRD[0]]
    assert sent
    assert sent[-1] - sent[0] <= 5.0
    assert "MediaUnproven" in [type(event).__name__ for event in world.media_events]
    assert world.calls == 1


def test_media_does_not_go_to_a_stranger():
    """Who knows the port of a call sends to it, and would have the call's media in return."""
    result = measure("INVITE, ACK and RTP, of an unknown source too", "audio").result
    assert result.packets("media") > 0
    assert result.hosts("media") == {SOURCE[0]}


def test_the_page_says_what_was_measured():
    page = PAGE.read_text()
    written = TABLE.search(page)[0].splitlines()
    made = rows()
    if os.environ.get("SIPPARTY_WRITE_TABLES") == "1":
        PAGE.write_text(TABLE.sub(lambda _: "\n".join([*made, ""]), page))
        return
    assert [_shape(line) for line in written] == [_shape(line) for line in made]
    for there, here in zip(written, made, strict=True):
        assert _numbers(there) == pytest.approx(_numbers(here), rel=0.05, abs=0.15), here


def _shape(line):
    return re.sub(r"[0-9.,]+", "0", line)


def _numbers(line):
    return [float(one.replace(",", "")) for one in re.findall(r"[0-9][0-9.,]*", line)]
