"""What strangers send to a scenario that waits for calls: it neither raises nor stays for ever."""

import pytest

from sipparty.sip.limits import Limits

from .conftest import recv, reply, scenario

INVITE = (
    b"INVITE sip:bob@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1\r\n"
    b"From: <sip:eve@10.0.0.9>;tag=1\r\nTo: <sip:bob@10.0.0.2>\r\nCall-ID: %s\r\n"
    b"CSeq: 1 INVITE\r\nSubject: %s\r\n\r\n"
)
TAKE = '<ereg regexp=".*" search_in="hdr" header="Subject: " assign_to="1"/>'


@pytest.fixture
def sent(stage):
    """Send messages to a scenario; give its player, and what it has answered."""

    def sent(source, *messages):
        async def main():
            async with stage.called(source) as player:
                flow = player.exchange.flow_to("10.0.0.9", 5060)
                player.exchange.messages_received([(data, flow) for data in messages])
                return player, dict(player.statistics.failures), len(player.calls)

        return stage.network.run(main())

    return sent


@pytest.mark.parametrize("number", [b"inf", b"-inf", b"nan", b"1e999", b"none"])
def test_numbers_without_an_end_are_none(sent, caplog, number):
    source = scenario(
        recv("INVITE", actions=TAKE + '<todouble assign_to="2" variable="1"/>'),
        reply(200, more="X: [fill variable=2]", actions='<jump variable="2"/>'),
    )
    _, failures, under_way = sent(source, INVITE % (b"1", number))
    assert (failures, under_way) == ({}, 1)  # it is back at the INVITE, the first command
    assert not caplog.records


def test_a_filling_is_no_longer_than_a_message(sent):
    source = scenario(
        recv("INVITE", actions=TAKE + '<todouble assign_to="2" variable="1"/>'),
        reply(200, more="X: [fill variable=2]"),
    )
    _, failures, _ = sent(source, INVITE % (b"1", b"99999999999"))
    assert failures == {"[fill] is of 99999999999 characters: 65535 are the most": 1}


def test_octets_that_are_no_text_are_quoted_and_come_back(sent, stage, caplog):
    source = scenario(
        recv("INVITE", actions=TAKE + '<urlencode variable="1"/>'),
        reply(183, more="X: [$1]", actions='<urldecode variable="1"/>'),
        reply(200, more="Y: [$1]"),
    )
    sent(source, INVITE % (b"1", b"\xffa b"))
    assert "X: %FFa%20b\r\n" in stage.messages("SIP/2.0 183")[0]
    assert "Y: \ufffda b\r\n" in stage.messages("SIP/2.0 200")[0]
    assert not caplog.records


def test_a_defect_ends_one_call_alone(sent, monkeypatch, caplog):
    from sipparty.load.sipp.statistics import ScenarioStatistics

    def broken(*_):
        raise ZeroDivisionError("of\x1bours")

    monkeypatch.setattr(ScenarioStatistics, "response_time", broken)
    source = scenario(recv("INVITE", 'rtd="1"'), reply(200))
    _, failures, under_way = sent(source, INVITE % (b"1", b""), INVITE % (b"2", b""))
    assert failures == {r"ZeroDivisionError: of\x1bours": 2}
    assert under_way == 0
    assert "call 1 failed" in caplog.text


def test_calls_are_bounded(stage, sent):
    stage.engines[1].core.limits = Limits(max_dialogs=5)
    source = scenario(recv("INVITE"), reply(200), recv("ACK"))
    many = [INVITE % (b"%d" % number, b"") for number in range(20)]
    player, _, under_way = sent(source, *many)
    assert under_way == 5
    assert player.statistics.out_of_call == 15
    assert len(stage.messages("SIP/2.0 200")) == 5


def test_calls_that_are_over_are_bounded(stage, sent):
    stage.engines[1].core.limits = Limits(max_dialogs=5)
    kept = []
    source = scenario(recv("INVITE"), reply(200))

    async def main():
        async with stage.called(source) as player:
            flow = player.exchange.flow_to("10.0.0.9", 5060)
            for number in range(20):
                player.exchange.messages_received([(INVITE % (b"%d" % number, b""), flow)])
            kept.append((len(player._over), player._coming.qsize(), player.statistics.succeeded))

    stage.network.run(main())
    assert kept == [(5, 5, 20)]
