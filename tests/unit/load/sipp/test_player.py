"""Calls of scenarios, caller and called both played here."""

import asyncio
import random

import pytest

from sipparty import NoMediaSimpleCallsParty
from sipparty.errors import UsageError
from sipparty.load.sipp import ScenarioError

from .conftest import UAC, UAS, ack, bye, invite, recv, reply, scenario


def rows(player):
    return [row.messages for row in player.statistics.rows]


def only_failure(player):
    ((reason, count),) = player.statistics.failures.items()
    assert count == player.statistics.failed
    return reason


class TestACall:
    def test_goes_through_on_both_sides(self, stage):
        alice, bob = stage.play(UAC, UAS, calls=3)
        assert rows(alice) == [3, 0, 3, 3, 3, 3]
        assert rows(bob) == [3, 3, 3, 3, 3]
        for player in alice, bob:
            assert player.statistics.succeeded == 3
            assert player.statistics.failed == player.statistics.current == 0
            assert player.statistics.retransmissions == 0
        assert alice.statistics.outgoing == bob.statistics.incoming == 3
        assert alice.statistics.response_times["1"].count == 3

    def test_its_messages_are_as_they_are_written(self, stage):
        stage.play(UAC, UAS, service="bob")
        (first,) = stage.messages("INVITE")
        head, _, body = first.partition("\r\n\r\n")
        lines = head.split("\r\n")
        assert lines[0] == "INVITE sip:bob@10.0.0.2:5060 SIP/2.0"
        assert "CSeq: 1 INVITE" in lines
        assert f"Content-Length: {len(body)}" in lines
        assert body.endswith("m=audio 6000 RTP/AVP 0\r\n")
        (last,) = stage.messages("BYE")
        assert "CSeq: 2 BYE" in last
        assert ";tag=b\r\n" in last

    def test_repeats_what_is_lost(self, stage):
        stage.network.link("10.0.0.1", "10.0.0.2", loss=0.3)
        stage.network.link("10.0.0.2", "10.0.0.1", loss=0.3)
        alice, _bob = stage.play(UAC, UAS, calls=20, rate=100)
        assert alice.statistics.succeeded == 20
        assert alice.statistics.retransmissions > 5
        assert alice.engine.counters()["retransmitted"] > 5

    def test_of_tcp_repeats_nothing(self, stage):
        alice, bob = stage.play(UAC, UAS, calls=2, transport="TCP", called_transport="TCP")
        assert alice.statistics.succeeded == bob.statistics.succeeded == 2
        assert "SIP/2.0/TCP" in stage.messages("INVITE")[0]

    def test_many_go_on_at_a_time(self, stage):
        slow = UAC.replace(
            b'<send retrans="500"><![CDATA[\n    BYE',
            b"<pause milliseconds='500'/><send><![CDATA[\n    BYE",
        )
        alice, _ = stage.play(slow, UAS, calls=30, rate=100)
        assert alice.statistics.succeeded == 30
        assert alice.statistics.peak > 20


class TestWhatGoesWrong:
    def test_nobody_answers(self, stage):
        never = scenario(recv("INVITE"), recv("INVITE"))
        alice, _ = stage.play(UAC, never)
        assert only_failure(alice) == "INVITE was sent 6 times in vain"
        assert alice.statistics.rows[0].retransmissions == 5
        assert stage.messages("CANCEL") == []  # RFC 3261 §9.1: not before a response

    def test_another_message_comes(self, stage):
        busy = scenario(recv("INVITE"), reply(486, tag=";tag=b"), recv("ACK"))
        alice, bob = stage.play(UAC, busy)
        assert only_failure(alice) == "unexpected 486 in the place of the 200 of line 22"
        assert alice.statistics.rows[1].unexpected == 1
        assert bob.statistics.succeeded == 1

    def test_credentials_are_refused(self, stage):
        def register(number):
            text = bye('retrans="500"', more="Max-Forwards: 70").replace("BYE", "REGISTER")
            return text.replace("[cseq]", str(number))

        asks = scenario(register(1), recv(401), register(2), recv(200))
        refuses = scenario(*(recv("REGISTER"), reply(401, tag=";tag=b")) * 2)
        alice, _ = stage.play(asks, refuses)
        assert only_failure(alice).startswith("unexpected 401 in the place of the 200 of line")
        assert alice.statistics.retransmissions == 0

    def test_an_established_call_is_hung_up(self, stage):
        again = scenario(invite(), recv(200), ack(), recv("INFO"))
        alice, bob = stage.play(again, UAS, timeout=1.0)
        assert only_failure(alice) == "no INFO came in time"
        assert alice.statistics.rows[3].timeouts == 1
        assert len(stage.messages("BYE")) == 1
        assert bob.statistics.succeeded == 1

    def test_without_the_behaviors_nothing_is_sent(self, stage):
        again = scenario(invite(), recv(200), ack(), recv("INFO"))
        stage.play(again, UAS, timeout=1.0, default_behaviors=frozenset())
        assert stage.messages("BYE") == []

    def test_the_other_side_hangs_up(self, stage):
        waits = scenario(
            invite(), recv(200), ack(), "<pause milliseconds='5000'/>", bye(), recv(200)
        )
        quits = scenario(
            recv("INVITE"),
            reply(200, tag=";tag=b"),
            recv("ACK"),
            """<send><![CDATA[
              BYE sip:alice@10.0.0.1 SIP/2.0
              Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
              [last_From:]
              [last_To:]
              [last_Call-ID:]
              CSeq: 1 BYE
              Content-Length: 0
            ]]></send>""",
            recv(200),
        )
        alice, bob = stage.play(waits, quits)
        assert only_failure(alice) == "unexpected BYE"
        assert bob.statistics.succeeded == 1

    def test_a_scenario_that_never_waits(self, stage):
        round_and_round = scenario("<label id='1'/>", "<nop next='1'/>", invite())
        alice, _ = stage.play(round_and_round, UAS)
        assert "goes round in circles without waiting" in only_failure(alice)

    def test_what_is_no_message_is_counted(self, stage):
        async def main():
            async with stage.called(UAS) as bob:
                bob.exchange.messages_received([(b"nothing", None), (b"\r\n\r\n", None)])
                return bob

        assert stage.network.run(main()).exchange.malformed == 1

    def test_a_caller_needs_somebody_to_call(self, stage):
        async def main():
            async with stage._player(0, UAC, {}, None):
                raise AssertionError

        with pytest.raises(UsageError, match="say whom to call"):
            stage.network.run(main())

    def test_what_is_under_way_ends_with_the_player(self, stage):
        async def main():
            async with stage.caller(UAC) as alice:
                call = alice.begin()
            return alice, call

        alice, call = stage.network.run(main())
        assert call.failure == "the run was stopped"
        assert alice.statistics.failed == 1


class TestBranches:
    def test_by_a_variable(self, stage):
        choose = scenario(
            recv(
                "INVITE",
                actions="<ereg regexp='vip' search_in='hdr' header='Subject:' assign_to='vip'/>",
            ),
            reply(403, 'test="vip" next="yes"', tag=";tag=b"),
            recv("ACK", 'next="end"'),
            "<label id='yes'/>",
            recv("ACK"),
            reply(999),
            "<label id='end'/>",
            "<nop/>",
        )
        refused = scenario(invite(more="Subject: plain"), recv(403), ack())
        alice, bob = stage.play(refused, choose)
        assert alice.statistics.succeeded == bob.statistics.succeeded == 1
        assert rows(bob) == [1, 1, 1, 0, 0, 1]

    def test_by_an_optional_message(self, stage):
        both = scenario(
            invite(),
            recv(486, 'optional="true" next="busy"'),
            recv(200),
            ack(),
            "<label id='busy'/>",
            ack('counter="busy"'),
        )
        busy = scenario(recv("INVITE"), reply(486, tag=";tag=b"), recv("ACK"))
        alice, _ = stage.play(both, busy)
        assert rows(alice) == [1, 1, 0, 0, 1]
        assert alice.statistics.counters == {"busy": 1}

    def test_by_chance(self, stage):
        some = scenario(
            invite(),
            recv(200),
            ack('next="short" chance="0.5"'),
            "<pause milliseconds='10'/>",
            "<label id='short'/>",
            bye(),
            recv(200),
        )
        alice, _ = stage.play(some, UAS, calls=40, rate=1000)
        assert 8 < alice.statistics.rows[3].messages < 32

    def test_after_a_timeout(self, stage):
        patient = scenario(
            invite(),
            recv(200),
            ack(),
            recv("INFO", 'timeout="300" ontimeout="1"'),
            "<label id='1'/>",
            bye(),
            recv(200),
        )
        alice, _ = stage.play(patient, UAS)
        assert alice.statistics.succeeded == 1
        assert alice.statistics.rows[3].timeouts == 1

    def test_by_a_jump_and_arithmetic(self, stage):
        loop = scenario(
            "<nop><action><assign assign_to='n' value='1'/></action></nop>",
            "<label id='again'/>",
            "<pause milliseconds='1'/>",
            """<nop next="again" test="more"><action>
              <multiply assign_to='n' value='2'/>
              <test assign_to='more' variable='n' compare='less_than' value='100'/>
            </action></nop>""",
            invite(more="Subject: [$n]"),
            recv(200),
            ack(),
            bye(),
            recv(200),
        )
        stage.play(loop, UAS)
        assert "Subject: 128.000000\r\n" in stage.messages("INVITE")[0]

    def test_on_what_is_not_expected(self, stage):
        handles = scenario(
            invite(),
            recv(200),
            ack(),
            bye(),
            recv(200),
            "<nop next='end'/>",
            "<label id='_unexp.main'/>",
            ack('counter="odd"'),
            "<label id='end'/>",
            "<nop/>",
        )
        busy = scenario(recv("INVITE"), reply(486, tag=";tag=b"), recv("ACK"))
        alice, _ = stage.play(handles, busy)
        assert alice.statistics.succeeded == 1
        assert alice.statistics.counters == {"odd": 1}

    def test_conditions_leave_commands_out(self, stage):
        quiet = scenario(
            "<nop><action><assign assign_to='no' value='0'/></action></nop>",
            "<pause milliseconds='60000' condexec='no'/>",
            "<nop condexec='no' condexec_inverse='true' counter='yes'/>",
            invite(),
            recv(200),
            ack(),
            bye(),
            recv(200),
        )
        alice, _ = stage.play(quiet, UAS, seconds=5)
        assert alice.statistics.counters == {"yes": 1}


class TestWhatIsKept:
    def test_parts_of_messages(self, stage):
        expression = "o=(.*) ([0-9]+) [0-9]+ IN IP4 ([[:digit:].]+)"
        called = scenario(
            recv(
                "INVITE",
                actions=f"<ereg regexp='{expression}' search_in='body' assign_to='a,b,c,d'/>",
            ),
            reply(200, tag=";tag=b", more="X: [$b]/[$c]/[$d]"),
            recv("ACK"),
            recv("BYE"),
            reply(200),
        )
        stage.play(UAC, called)
        assert "X: -/1/10.0.0.1\r\n" in stage.messages("SIP/2.0 200")[0]

    def test_a_check_that_fails_fails_the_call(self, stage):
        checks = scenario(
            recv("INVITE", actions="<ereg regexp='x{9}' assign_to='1' check_it='true'/>"),
            reply(200),
        )
        _, bob = stage.play(UAC, checks, timeout=1.0)
        assert only_failure(bob) == "the regexp 'x{9}' of line 2 failed"

    def test_routes_and_the_target(self, stage):
        called = UAS.replace(
            b"Contact: <sip:[local_ip]:[local_port]>",
            b'Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nContact: "B" <sip:b@10.0.0.2:5060>',
        )
        routed = scenario(
            invite(),
            recv(200, 'rrs="true"'),
            ack(more="[routes]\nX: [next_url]"),
            bye(more="[routes]"),
            recv(200),
        )
        stage.play(routed, called)
        (sent,) = stage.messages("ACK")
        assert "Route: <sip:p2;lr>, <sip:p1;lr>\r\n" in sent
        assert "X: sip:b@10.0.0.2:5060\r\n" in sent

    def test_lines_that_are_not_there_leave_no_gap(self, stage):
        stage.play(UAC, UAS)
        answer = stage.messages("SIP/2.0 200")[0]
        assert "Subject" not in answer
        assert "\r\n\r\n" not in answer[:-4]

    def test_global_variables_are_of_all_calls(self, stage):
        counts = (
            b"<scenario><Global variables='n'/>"
            + scenario(
                "<nop><action><add assign_to='n' value='1'/></action></nop>",
                invite(more="Subject: [$n]"),
                recv(200),
                ack(),
                bye(),
                recv(200),
            )[len("<scenario>") :]
        )
        stage.play(counts, UAS, calls=3, variables={"n": "10"})
        subjects = [text.split("Subject: ")[1][:2] for text in stage.messages("INVITE")]
        assert subjects == ["11", "12", "13"]


class TestInjection:
    def test_a_line_for_each_call(self, stage, tmp_path):
        file = tmp_path / "users.csv"
        file.write_text("SEQUENTIAL\n# who\nalice;1\nbob;[call_number]2\n")
        caller = scenario(
            invite(more="Subject: [field0] [field1]"), recv(200), ack(), bye(), recv(200)
        )
        stage.play(caller, UAS, calls=3, injections=(file,))
        subjects = [
            text.split("Subject: ")[1].split("\r\n")[0] for text in stage.messages("INVITE")
        ]
        assert subjects == ["alice 1", "bob 22", "alice 1"]

    def test_a_short_row_is_missed_before_the_first_call(self, stage, tmp_path):
        file = tmp_path / "users.csv"
        file.write_text("SEQUENTIAL\nalice;1\nbob\n")
        caller = scenario(invite(more="Subject: [field1]"), recv(200))
        with pytest.raises(ScenarioError, match=r"users.csv, line 3: \[field1\] is wanted"):
            stage.play(caller, UAS, injections=(file,))

    def test_a_file_that_is_not_given(self, stage):
        caller = scenario(invite(more="Subject: [field1]"), recv(200))
        with pytest.raises(ScenarioError, match=r"scenario0.xml, line 2: \[field1\] needs a CSV"):
            stage.play(caller, UAS)


class TestAuthentication:
    CALLED = scenario(
        recv("INVITE"),
        reply(401, tag=";tag=b", more='WWW-Authenticate: Digest realm="x", nonce="n", qop="auth"'),
        recv("ACK"),
        recv(
            "INVITE",
            actions="<verifyauth assign_to='ok' username='alice' password='secret'/>",
        ),
        "<nop next='yes' test='ok'/>",
        reply(403, 'next="end"', tag=";tag=b"),
        "<label id='yes'/>",
        reply(200, tag=";tag=b"),
        "<label id='end'/>",
        recv("ACK"),
    )

    @staticmethod
    def caller(last, keyword):
        return scenario(
            invite(), recv(401, 'auth="true"'), ack(), invite(more=keyword), recv(last), ack()
        )

    @pytest.mark.parametrize(
        ("status", "keyword"),
        [
            (200, "[authentication username=alice password=secret]"),
            (403, "[authentication username=alice password=guessed]"),
            (403, "[authentication]"),
        ],
    )
    def test_credentials(self, stage, status, keyword):
        alice, _ = stage.play(self.caller(status, keyword), self.CALLED)
        assert alice.statistics.succeeded == 1, alice.statistics.failures

    def test_by_the_options(self, stage):
        caller = self.caller(200, "[authentication]")
        alice, _ = stage.play(caller, self.CALLED, user="alice", password="secret")
        assert alice.statistics.succeeded == 1

    def test_without_a_challenge(self, stage):
        alice, _ = stage.play(scenario(invite(more="[authentication]"), recv(200)), UAS)
        assert "no challenge came" in only_failure(alice)


def test_losses_on_purpose_are_counted(stage):
    alice, _ = stage.play(UAC, UAS, calls=20, rate=100, lost=30.0)
    assert alice.statistics.succeeded > 15
    assert sum(row.lost for row in alice.statistics.rows) > 10


def test_options_are_answered_by_themselves(stage):
    asks = UAS.replace(
        b'<recv request="ACK" >',
        b"""<send><![CDATA[
          OPTIONS sip:alice@10.0.0.1 SIP/2.0
          Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]o
          From: <sip:b@x>;tag=b
          To: <sip:a@x>
          Call-ID: [call_id]
          CSeq: 7 OPTIONS
          Content-Length: 0
        ]]></send><recv response="200" optional="true"></recv><recv request="ACK" >""",
    )
    slow = scenario(invite(), recv(200), ack(), "<pause milliseconds='900'/>", bye(), recv(200))
    alice, _ = stage.play(slow, asks, auto_answer=True)
    assert alice.statistics.auto_answered == 1
    assert alice.statistics.succeeded == 1


def test_a_scenario_may_stop_the_run(stage):
    stops = scenario(
        invite(),
        recv(200),
        ack(),
        bye(),
        recv(200, actions="<exec int_cmd='stop_gracefully'/>"),
    )
    alice, _ = stage.play(stops, UAS, calls=5)
    assert alice.statistics.succeeded == alice.statistics.outgoing == 1


def test_statistics_are_text_and_json(stage):
    uac = UAC.replace(b"</scenario>", b'<ResponseTimeRepartition value="10, 50"/></scenario>')
    alice, _ = stage.play(uac, UAS, calls=2)
    found = alice.statistics.as_dict()
    assert found["calls"]["succeeded"] == 2
    assert found["response_times"]["1"]["parts"] == [("0-10", 0), ("10-50", 2), (">=50", 0)]
    text = str(alice.statistics)
    assert "INVITE ---------->         2        0        0           0     0" in text
    assert "2 begun, 2 succeeded, 0 failed" in text


def test_a_call_id_of_ones_own(stage):
    stage.play(UAC, UAS, call_id="%u///%%x-%s")
    assert "Call-ID: 1///%x-10.0.0.1\r\n" in stage.messages("INVITE")[0]


def test_cancelled_waiting_leaves_nothing(stage):
    async def main():
        async with stage.called(UAS) as bob:
            waiting = asyncio.ensure_future(bob.play(1))
            await asyncio.sleep(1)
            waiting.cancel()
        return bob

    bob = stage.network.run(main())
    assert bob.calls == {}


def test_no_message_stops_a_player(stage):
    whole = stage.play(UAC, UAS) and [text.encode() for text in stage.sent]
    chance = random.Random(1)

    async def main():
        async with stage.called(UAS) as bob:
            flow = bob.exchange._endpoint.flow_to("10.0.0.1", 5060)
            for number in range(400):
                data = bytearray(chance.choice(whole))
                for _ in range(chance.randrange(1, 6)):
                    data[chance.randrange(len(data))] = chance.choice(b"\r\n :;<>\0\xffA1")
                data = data[: chance.randrange(len(data))] if number % 3 == 0 else data
                bob.exchange._take(bytes(data), flow)
            bob.exchange._take(b"\r\n" + whole[0].replace(b"\r\n", b"\n"), flow)
            assert bob.exchange.malformed > 50
            assert bob.statistics.incoming > 1

    stage.network.run(main())


class TestWithAParty:
    def test_which_is_called(self, stage):
        bob = NoMediaSimpleCallsParty("bob@10.0.0.2", engine=stage.engines[1]).listen()

        async def main():
            async with stage.caller(UAC, service="bob") as alice:
                return await alice.play(5, rate=100)

        found = stage.network.run(main())
        assert found.succeeded == 5, found.failures
        assert bob.calls == []

    def test_which_calls(self, stage):
        carol = NoMediaSimpleCallsParty("carol@10.0.0.1", engine=stage.engines[0])

        async def main():
            async with stage.called(UAS) as bob:
                call = carol.invite("sip:bob@10.0.0.2:5060")
                await call
                await call.terminate()
                await asyncio.sleep(1)
                return bob.statistics

        found = stage.network.run(main())
        assert found.succeeded == 1, found.failures

    def test_that_takes_time_is_cancelled(self, stage):
        carol = NoMediaSimpleCallsParty("carol@10.0.0.1", engine=stage.engines[0])
        rings = scenario(
            recv("INVITE"), reply(180, tag=";tag=b"), recv("CANCEL"), reply(200, tag=";tag=b")
        )

        async def main():
            async with stage.called(rings) as bob:
                call = carol.invite("sip:bob@10.0.0.2:5060")
                await asyncio.sleep(1)
                call.terminate()
                await asyncio.sleep(1)
                return bob.statistics

        assert stage.network.run(main()).succeeded == 1
