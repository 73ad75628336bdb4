"""What SIPp 3.6 does with the same file, seen on the wire."""

import pytest

from .conftest import UAC, UAS, ack, invite, recv, reply, scenario

CONTACT = b"Contact: <sip:[local_ip]:[local_port]>"
ROUTED = b"""Contact: "B, or not" <sip:b@10.0.0.2:5060;x=1>;q=1
    Record-Route: <sip:p2;lr>
    Record-Route: <sip:p1;lr>, <sip:p0;lr>"""


class TestVariables:
    @pytest.mark.parametrize(
        ("action", "text", "counts"),
        [
            ("<assign assign_to='v' value='5.25'/>", "5.250000", True),
            ("<assign assign_to='v' value='0'/>", "", False),
            ("<test assign_to='v' variable='v' compare='equal' value='0'/>", "true", True),
            ("<test assign_to='v' variable='v' compare='equal' value='1'/>", "", False),
            ("<assignstr assign_to='v' value=''/>", "", True),
            ("<ereg regexp='x*' search_in='msg' assign_to='v'/>", "", True),
            ("<ereg regexp='nothing' search_in='msg' assign_to='v'/>", "", False),
            (
                "<assignstr assign_to='v' value='old'/>"
                "<ereg regexp='nothing' search_in='msg' assign_to='v'/>",
                "old",
                True,
            ),
        ],
    )
    def test_as_text_and_as_conditions(self, stage, action, text, counts):
        called = scenario(
            recv("INVITE", "next='set' test='v'", action),
            reply(500, tag=";tag=b", more="X: |[$v]|"),
            recv("ACK", "next='end'"),
            "<label id='set'/>",
            reply(600, tag=";tag=b", more="X: |[$v]|"),
            recv("ACK"),
            "<label id='end'/><nop/>",
        )
        stage.play(scenario(invite(), recv(".", "regexp_match='true'"), ack()), called)
        (answer,) = stage.messages("SIP/2.0")
        assert (answer.split()[1], f"X: |{text}|\r\n" in answer) == (
            "600" if counts else "500",
            True,
        )


def test_the_first_number_of_a_call(stage):
    stage.play(UAC, UAS, base_cseq=100)
    assert "CSeq: 100 INVITE" in stage.messages("INVITE")[0]
    assert "CSeq: 101 BYE" in stage.messages("BYE")[0]


class TestLength:
    def test_in_the_body(self, stage):
        stage.play(UAC.replace(b"s=-", b"s=[len] octets"), UAS)
        head, _, body = stage.messages("INVITE")[0].partition("\r\n\r\n")
        assert f"Content-Length: {len(body)}\r\n" in head + "\r\n"
        assert f"s={len(body):5} octets\r\n" in body


class TestACallThatIsGivenUp:
    def test_while_it_rings(self, stage):
        rings = scenario(recv("INVITE"), reply(180, tag=";tag=b"), recv("CANCEL"))
        stage.play(scenario(invite(), recv(180), recv(200, "timeout='1000'")), rings)
        assert [text.split()[0] for text in stage.sent] == ["INVITE", "SIP/2.0", "CANCEL"]

    def test_when_it_was_answered_is_acknowledged_and_ended(self, stage):
        called = UAS.replace(CONTACT, ROUTED)
        stage.play(scenario(invite(), recv(486)), called)
        for method in ("ACK", "BYE"):
            (text,) = stage.messages(method)
            assert text.startswith(f"{method} sip:b@10.0.0.2:5060;x=1 SIP/2.0\r\n")
            assert "Route: <sip:p0;lr>\r\nRoute: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\n" in text

    def test_is_ended_where_the_answer_comes_too_late(self, stage):
        late = scenario(
            recv("INVITE"),
            reply(180, tag=";tag=b"),
            recv("CANCEL"),
            reply(200, tag=";tag=b").replace("[last_CSeq:]", "CSeq: 1 INVITE"),
            recv("ACK"),
            recv("BYE"),
            reply(200),
        )
        _, bob = stage.play(scenario(invite(), recv(180), recv(200, "timeout='1000'")), late)
        assert bob.statistics.succeeded == 1

    def test_a_transaction_by_name_has_a_branch_of_its_own_for_the_ack(self, stage):
        named = scenario(invite("start_txn='i'"), recv(200, "response_txn='i'"), ack("ack_txn='i'"))
        stage.play(named, UAS)
        assert "-1-0\r\n" in stage.messages("INVITE")[0]
        assert "-1-2\r\n" in stage.messages("ACK")[0]
