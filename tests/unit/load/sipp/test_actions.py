"""What actions do to variables, and to the call."""

import pytest

from .conftest import UAS, ack, bye, invite, recv, scenario


def subject_of(stage, actions, shown, **options):
    """The Subject of an INVITE that is sent after some actions."""
    source = scenario(
        f"<nop><action>{actions}</action></nop>",
        *(invite(more=f"Subject: {shown}"), recv(200), ack(), bye(), recv(200)),
    )
    stage.play(source, UAS, **options)
    (sent,) = stage.messages("INVITE")
    return sent.partition("Subject: ")[2].partition("\r\n")[0]


TEXT = "<assignstr assign_to='t' value='{}'/>"
TWO = "<assignstr assign_to='a' value='{}'/><assignstr assign_to='b' value='{}'/>"


@pytest.mark.parametrize(
    ("actions", "found"),
    [
        (TWO.format("x", "y") + "<strcmp assign_to='t' variable='a' variable2='b'/>", "-1.000000"),
        (TWO.format("y", "x") + "<strcmp assign_to='t' variable='a' variable2='b'/>", "1.000000"),
        (TEXT.format("x") + "<strcmp assign_to='t' variable='t' value='x'/>", ""),
        (TEXT.format("  x ") + "<trim assign_to='t'/>", "x"),
        (TEXT.format(" x") + "<trim variable='t'/>", "x"),
        (TEXT.format("a b&amp;") + "<urlencode variable='t'/>", "a%20b%26"),
        (TEXT.format("a%20b") + "<urldecode variable='t'/>", "a b"),
        (TEXT.format("2.5x") + "<todouble assign_to='t' variable='t'/>", ""),
        (TEXT.format("2.5") + "<todouble assign_to='t' variable='t'/>", "2.500000"),
        ("<assign assign_to='t' value='7'/><subtract assign_to='t' value='2'/>", "5.000000"),
        ("<assign assign_to='t' value='7'/><divide assign_to='t' value='2'/>", "3.500000"),
        ("<sample assign_to='t' distribution='fixed' value='4'/>", "4.000000"),
        ("<lookup assign_to='t' file='users.csv' key='bob'/>", "1.000000"),
        ("<lookup assign_to='t' file='users.csv' key='eve'/>", "-1.000000"),
    ],
)
def test_a_variable_has(stage, actions, found):
    users = stage.folder / "users.csv"
    users.write_text("SEQUENTIAL\nalice;1\nbob;2\n")
    assert subject_of(stage, actions, "[$t]", injections=(str(users),)) == found


@pytest.mark.parametrize("compare", ["equal", "not_equal", "greater_than_equal", "less_than"])
@pytest.mark.parametrize("number", [1, 2])
def test_numbers_are_compared(stage, compare, number):
    right = {
        "equal": number == 2,
        "not_equal": number != 2,
        "greater_than_equal": number >= 2,
        "less_than": number < 2,
    }
    actions = f"""<assign assign_to='n' value='{number}'/>
        <test assign_to='t' variable='n' compare='{compare}' value='2'/>"""
    assert subject_of(stage, actions, "[$t]") == ("true" if right[compare] else "")


def test_the_time_of_day(stage):
    begin = stage.network.loop.wall_clock()
    source = scenario(
        "<pause milliseconds='250'/>",
        "<nop><action><gettimeofday assign_to='s,us'/></action></nop>",
        *(invite(more="Subject: [$s] [$us]"), recv(200), ack(), bye(), recv(200)),
    )
    stage.play(source, UAS)
    shown = stage.messages("INVITE")[0].partition("Subject: ")[2].split()
    assert float(shown[0]) == int(begin + 0.25)
    assert float(shown[1]) == pytest.approx((begin + 0.25) % 1 * 1e6, abs=10)


def test_an_error_ends_the_call(stage):
    source = scenario("<nop><action><error message='no [call_number]'/></action></nop>", "<nop/>")
    alice, _ = stage.play(source, UAS)
    assert alice.statistics.failures == {"no 1": 1}
    assert [row.messages for row in alice.statistics.rows][1] == 0


def test_another_destination(stage):
    source = scenario(
        "<nop><action><setdest host='10.0.0.2' port='5070'/></action></nop>",
        *(invite(), recv(200), ack(), bye(), recv(200)),
    )
    alice, _ = stage.play(source, UAS, called_local=("10.0.0.2", 5070))
    assert alice.statistics.succeeded == 1


@pytest.mark.parametrize("port", ["0", "65536", "x"])
def test_no_destination(stage, port):
    source = scenario(
        f"<nop><action><setdest host='10.0.0.2' port='{port}'/></action></nop>", invite()
    )
    alice, _ = stage.play(source, UAS)
    assert alice.statistics.failures == {f"setdest has the port '{port}'": 1}
    assert stage.messages("INVITE") == []


def test_what_is_looked_at_of_a_message(stage):
    looks = "".join(
        f"<ereg regexp='{regexp}' {where} assign_to='{name}'/>"
        for name, regexp, where in (
            ("a", "[0-9]+", "search_in='hdr' header='CSeq:'"),
            ("b", "^v=0", "search_in='body'"),
            ("c", "^SIP/2.0 2..", "search_in='msg' start_line='true'"),
            ("d", "Content-Length", ""),
        )
    )
    answers = scenario(
        recv("INVITE"),
        """<send retrans="500"><![CDATA[
    SIP/2.0 200 Yes
    [last_Via:]
    [last_From:]
    [last_To:];tag=b
    [last_Call-ID:]
    [last_CSeq:]
    Content-Length: [len]

    v=0]]></send>""",
        recv("ACK"),
    )
    asks = scenario(invite(), recv(200, actions=looks), ack(more="Subject: [$a],[$b],[$c],[$d]"))
    stage.play(asks, answers)
    (sent,) = stage.messages("ACK")
    assert "Subject: 1,v=0,SIP/2.0 200,Content-Length\r\n" in sent
