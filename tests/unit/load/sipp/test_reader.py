"""What a scenario file may hold, and what is said of the rest."""

import random
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipparty.errors import SIPPartyError
from sipparty.load.sipp import ScenarioError, read_program
from sipparty.load.sipp.actions import ACTIONS_NOT_TAKEN
from sipparty.load.sipp.keywords import NOT_TAKEN

SEND = "<send><![CDATA[\n  OPTIONS sip:x SIP/2.0\n  {line}\n]]></send>"

#: What a scenario holds at its second line, the line that is named, and words of the error.
WRONG = [
    ("<sned/>", 2, "<sned> is no command of a scenario", "Did you mean 'send'?"),
    ("<recv/>", 2, "<recv> says what to wait for by either response", 'request="INVITE"'),
    ("<recv response='200' request='BYE'/>", 2, "either response"),
    ("<recv response='2oo'/>", 2, '<recv> has response="2oo": write a status such as 200'),
    ("<recv response='200' optinal='true'/>", 2, "'optinal' that is not taken", "'optional'?"),
    ("<recv response='200' optional='yes please'/>", 2, "write true, false, global"),
    ("<recv response='200' optional='true'/>", 2, "nothing that must come follows"),
    ("<recv request='(' regexp_match='true'/>", 2, "an expression that cannot be used"),
    ("<recv response='200' next='5'/>", 2, 'there is no <label id="5"/>'),
    ("<recv response='200' ontimeout='1'/><label id='1'/>", 2, 'write timeout="500"'),
    ("<recv response='200' timeout='-1'/>", 2, "write milliseconds, 0 or more"),
    ("<recv response='200' lost='101'/>", 2, "a number from 0 to 100"),
    ("<recv response='200' test='x'/>", 2, "nothing is ever assigned to the variable $x"),
    ("<recv response='200'>hello</recv>", 2, "<recv> has text in it, 'hello'"),
    ("<recv response='200'><send/></recv>", 2, "<send> is in <recv>, which takes <action> alone"),
    ("<label id='1'/>\n<label id='1'/>", 3, "is there already"),
    ("<label/>", 2, "has no name"),
    ("<send/>", 2, "<send> has no message: write it inside of <![CDATA[ ... ]]>."),
    ("<send>hello</send>", 2, "begins with 'hello': write a start line"),
    (SEND.format(line="[servise]"), 2, "[servise] is no keyword", "Did you mean 'service'?"),
    (SEND.format(line="[call_id"), 2, "'[call_id' is not closed"),
    (SEND.format(line="[]"), 2, "'[]' is no keyword"),
    (SEND.format(line="[$n]"), 2, "nothing is ever assigned to the variable $n"),
    (SEND.format(line="[authentication aka_K=1]"), 2, "by AKA is not taken"),
    (SEND.format(line="[authentication name=1]"), 2, "has no 'name': write username"),
    (SEND.format(line="[fill text=x]"), 2, "[fill] has no variable"),
    ("<pause milliseconds='soon'/>", 2, 'has milliseconds="soon": write a number'),
    ("<pause milliseconds='1' variable='x'/>", 2, "more than one of milliseconds"),
    ("<pause distribution='uniform' min='1'/>", 2, "has no max"),
    ("<pause distribution='bell'/>", 2, "write fixed, uniform, normal"),
    ("<pause distribution='gamma' k='0' theta='1'/>", 2, "takes numbers above 0"),
    ("<nop><action><eregg/></action></nop>", 2, "<eregg> is no action", "'ereg'"),
    ("<nop>\n<action>\n<ereg regexp='('/></action></nop>", 4, "has no assign_to"),
    ("<nop><action><ereg regexp='(' assign_to='1'/></action></nop>", 2, "which cannot be used"),
    ("<nop><action><ereg regexp='a' assign_to='1,2'/></action></nop>", 2, "has 0 groups"),
    (
        "<nop><action><ereg regexp='a' search_in='hdr' assign_to='1'/></action></nop>",
        *(2, 'write header="..."'),
    ),
    ("<nop><action><exec command='rm x'/></action></nop>", 2, "starts no programs"),
    ("<nop><action><exec int_cmd='stop'/></action></nop>", 2, "write stop_call, stop_now"),
    ("<nop><action><add assign_to='1'/></action></nop>", 2, "needs either value= or variable="),
    ("<nop><action><jump value='x'/></action></nop>", 2, 'has value="x": write a number'),
    ("<nop><action><gettimeofday assign_to='s'/></action></nop>", 2, 'assign_to="s,us"'),
    ("<Global/>", 2, "names no variables"),
    ("<init><pause/></init>", 2, "<pause> is in <init>, which takes <nop> alone"),
    ("<ResponseTimeRepartition value='a'/>", 2, "has no bounds"),
    ("<DefaultMessage/>", 2, "is not taken: leave it out"),
    ("<send>\n<b", 4, "this is no XML"),
    ("", 1, "has no commands"),
]
WRONG += [(SEND.format(line=f"[{name}]"), 2, why) for name, why in NOT_TAKEN.items()]
WRONG += [
    (f"<nop><action><{name}/></action></nop>", 2, why) for name, why in ACTIONS_NOT_TAKEN.items()
]


def read(text):
    return read_program(f"<scenario>\n{text}\n</scenario>".encode(), file="call.xml")


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong[0][:30])
def test_what_is_wrong_is_said_with_its_line(wrong):
    text, line, *words = wrong
    with pytest.raises(ScenarioError) as caught:
        read(text)
    assert str(caught.value).startswith(f"call.xml, line {line}: ")
    assert caught.value.line == line
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "line 1: this is no XML: no element found"),
        (b"<a/>", "line 1: <a> is not <scenario>"),
        (b"<scenario x='1'/>", "'x' that is not taken"),
        (b'<!DOCTYPE s [\n<!ENTITY a "b">]><scenario/>', "line 2: the entity &a; is defined"),
        (b"<?xml version='1.0' encoding='martian'?><scenario/>", "line 1: "),
        (b"<scenario>" * 40, "is inside of 32 others"),
        ("<scenario>é</scenario>".encode("latin-1"), "line 1: this is no XML"),
    ],
)
def test_files_that_are_none(data, words):
    with pytest.raises(ScenarioError) as caught:
        read_program(data)
    assert words in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SIPPartyError, match=r"uac.xml cannot be read: No such file"):
        read_program(tmp_path / "uac.xml")


def test_commands_are_as_they_are_written():
    program = read(
        """<ResponseTimeRepartition value="10, 20"/>
        <CallLengthRepartition value="5"/>
        <send retrans="500" lost="3" start_rtd="a,b" counter="c"><![CDATA[
          INVITE sip:[service]@x SIP/2.0
        ]]></send>
        <recv response="200" rtd="true" repeat_rtd="true" timeout="1500" ontimeout="1" crlf="true"/>
        <recv request="BYE|CANCEL" regexp_match="true" optional="global"/>
        <recv request="BYE" next="1" chance="0.5"/>
        <label id="1"/>
        <timewait milliseconds="4000"/>"""
    )
    sent, answered, either, ended, waited = program.commands
    assert (sent.method, sent.retrans, sent.lost, sent.start_rtd) == ("INVITE", 0.5, 3, ("a", "b"))
    assert (answered.expects, answered.rtd, answered.timeout) == ("200", ("1",), 1.5)
    assert answered.ontimeout == ended.next == waited.number == 4
    assert either.expects.search("CANCEL")
    assert program.calls
    assert (program.response_times, program.call_lengths) == ((0.01, 0.02), (0.005,))
    assert [command.name for command in program.commands] == [
        *("INVITE", "200", "BYE|CANCEL", "BYE", "Timewait"),
    ]


def test_who_calls():
    assert read(SEND.format(line="a: b")).calls
    assert not read("<pause/><recv request='INVITE'/>").calls
    assert not read("<recvCmd/>" + SEND.format(line="a: b")).answers


def test_keywords_of_ones_own():
    text = f"<scenario>{SEND.format(line='[mine]')}</scenario>".encode()
    assert read_program(text, {"mine": "x"}).commands
    with pytest.raises(ScenarioError, match=r"\[mine\] is no keyword"):
        read_program(text)


TAGS = ["send", "recv", "pause", "nop", "label", "action", "ereg", "exec", "x"]
NAMES = ["response", "request", "next", "id", "assign_to", "regexp", "value", "y"]


def any_element(chance, depth=3):
    def text():
        return "".join(chance.choices("ab[]$\\ 1<>&\"'", k=chance.randrange(8)))

    tag = chance.choice(TAGS)
    attributes = {chance.choice(NAMES): text() for _ in range(chance.randrange(3))}
    written = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    inside = [any_element(chance, depth - 1) for _ in range(chance.randrange(3) if depth else 0)]
    return f"<{tag}{written}>{escape(text())}{''.join(inside)}</{tag}>"


def test_any_file_is_read_or_refused():
    chance = random.Random(1)
    refused = 0
    for _ in range(500):
        try:
            read(any_element(chance))
        except ScenarioError:
            refused += 1
    assert 400 < refused < 500


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    try:
        read_program(data)
    except ScenarioError:
        pass
