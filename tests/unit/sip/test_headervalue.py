"""Header parameters, and what all typed header values share."""

from __future__ import annotations

import copy
import pickle

import pytest

from sipparty.errors import BuildError, ParseError
from sipparty.sip.grammar import MAX_PARAMETERS, as_text
from sipparty.sip.headervalue import HeaderParameters, HeaderValue, as_octets
from sipparty.sip.values import DNameURI, MediaType, Via

# -------------------------------------------------------------------- header parameters


def parameters(text):
    return HeaderParameters.parse(text)


def test_parameters_are_a_mapping():
    found = parameters(';A=1; b = "x;\\"y" ;c;;a=2')
    assert list(found) == ["A", "b", "c"]
    assert dict(found) == {"A": "1", "b": 'x;"y', "c": None}
    assert (found["a"], found["B"], found["c"]) == ("1", 'x;"y', None)
    assert len(found) == 3
    assert "C" in found
    assert "d" not in found
    assert 5 not in found
    assert found.get("d", "?") == "?"
    assert found == {"A": "1", "b": 'x;"y', "c": None}
    assert found == str(found) == ';A=1; b = "x;\\"y" ;c;;a=2'
    assert repr(found) == repr(str(found))
    with pytest.raises(KeyError):
        found["d"]
    with pytest.raises(KeyError):
        del found["d"]
    with pytest.raises(KeyError):
        found[""]


def test_parameters_change_one_at_a_time():
    found = parameters(';A=1; b = "x" ;c;;a=2')
    found["a"] = 5
    assert str(found) == ';A=5; b = "x" ;c;'
    found["B"] = "z"  # stays in quotes
    found["d"] = None
    del found["C"]
    assert str(found) == ';A=5;b="z";;d'
    found.clear()
    assert (str(found), len(found)) == (";", 0)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("x", None, ";x"),
        ("x", "a-b", ";x=a-b"),
        ("x", 5, ";x=5"),
        ("x", "", ';x=""'),
        ("x", "a b", ';x="a b"'),
        ("x", 'a"b', ';x="a\\"b"'),
        ("received", "2001:db8::1", ";received=2001:db8::1"),
        ("maddr", "[::1]", ";maddr=[::1]"),
        ("+sip.instance", "<urn:uuid:1>", ';+sip.instance="<urn:uuid:1>"'),
        ("+g", "plain", ';+g="plain"'),
    ],
)
def test_values_are_quoted_where_they_have_to_be(name, value, text):
    made = HeaderParameters({name: value})
    assert str(made) == text
    assert parameters(text)[name] == (str(value) if isinstance(value, int) else value)


def test_quotes_on_demand_and_names_twice():
    made = HeaderParameters()
    made.add("methods", "INVITE", quoted=True)
    made.add("x", 1)
    made.add("X", 2)
    assert str(made) == ';methods="INVITE";x=1;X=2'
    made["x"] = 3
    assert str(made) == ';methods="INVITE";x=3'


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "a\r\n", 5])
def test_names_are_tokens(name):
    with pytest.raises(BuildError, match="expected a token"):
        HeaderParameters().add(name, "1")


@pytest.mark.parametrize("value", [True, 1.5, b"x", ["x"], "a\r\nb", "\0"])
def test_values_are_text_of_one_line(value):
    with pytest.raises(BuildError):
        HeaderParameters({"x": value})


def test_parameters_of_a_value_are_its_own():
    one = parameters(";a=1")
    value = DNameURI("sip:b", parameters=one)
    assert str(value) == "<sip:b>;a=1"
    value.parameters["a"] = "2"
    assert str(one) == ";a=1"
    value.parameters = {"z": None}
    assert str(value) == "<sip:b>;z"
    value.parameters = ""
    assert str(value) == "<sip:b>"


@pytest.mark.parametrize("space", ["", " ", "\t "])
def test_what_stands_before_the_parameters_stays_as_it_came(space):
    value = DNameURI.parse(f"A  B <sip:b>;a=1{space}")
    value.parameters["a"] = "2"
    assert str(value) == "A  B <sip:b>;a=2"
    value = DNameURI.parse(f"A  B <sip:b>;a=1{space}")
    value.uri.host = "c"
    assert str(value) == "A  B <sip:c>;a=1"


def test_one_parameter_without_its_quotes():
    value = DNameURI.parse('<sip:b>;+sip.instance="<urn:x>";OB;e=""')
    for _ in range(2):
        assert value.parameter("+SIP.instance") == "<urn:x>"
        assert (value.parameter("ob"), value.parameter("e"), value.parameter("z")) == ("", "", None)
        assert value.parameters["ob"] is None  # and once it was handed out


def test_looking_at_many_parameters():
    many = [f";p{at}={at}" for at in range(MAX_PARAMETERS + 1)]
    found = parameters("".join(many[1:]))
    assert len(dict(found)) == len(found) == MAX_PARAMETERS
    assert found["p256"] == "256"
    with pytest.raises(ParseError, match="at most 256 parameters") as refusal:
        parameters("".join(many))
    assert refusal.value.text == "".join(many)[:200]


def test_more_parameters_may_be_made_than_are_read():
    found = HeaderParameters((f"p{at}", at) for at in range(MAX_PARAMETERS + 9))
    assert found["p264"] == "264"


def test_what_was_not_handed_out_is_still_as_it_was_read():
    text = "SIP/2.0/UDP h;branch=1"
    value = Via.parse(text)
    assert value._is_still(text)
    _ = value.branch, value.host
    assert value._is_still(text)
    _ = value.parameters
    assert not value._is_still(text)
    assert not DNameURI("sip:a")._is_still("<sip:a>")


def test_text_and_octets():
    assert as_text("a") == as_text(b"a") == "a"
    assert as_octets(as_text(b"\xff")) == b"\xff"
    assert as_octets(memoryview(b"a")) == b"a"


# -------------------------------------------------------------------- what all share

SAMPLES = [
    DNameURI.parse('"A" <sip:a@b>;tag=1'),
    Via.parse("SIP/2.0/UDP h;branch=1"),
    MediaType.parse("application/sdp;x"),
]


@pytest.mark.parametrize("value", SAMPLES, ids=lambda value: type(value).__name__)
def test_copies_are_independent(value):
    for made in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert made == value
        assert hash(made) == hash(value)
        assert made is not value
        made.parameters["copied"] = None
        assert made != value
        assert "copied" not in str(value)


@pytest.mark.parametrize("value", SAMPLES, ids=lambda value: type(value).__name__)
def test_looking_changes_nothing(value):
    before = str(value)
    assert isinstance(value, HeaderValue)
    _ = (dict(value.parameters), value.parameter("x"), repr(value), value == object())
    assert str(value) == before
    assert repr(value) == f"{type(value).__name__}({before!r})"


def test_values_of_other_kinds_are_not_equal():
    assert DNameURI.parse("<a:b>") != MediaType.parse("a/b")
    assert DNameURI.parse("<sip:a>") != "<sip:a>"


def test_octets_that_are_not_utf8_survive():
    raw = b'"\xff\xfe" <sip:b@c>;x=\xff'
    value = DNameURI.parse(raw)
    value.tag = "1"
    assert bytes(value) == raw + b";tag=1"


def test_a_value_of_ones_own():
    class Mood(HeaderValue):
        __slots__ = ("_mood",)

        @classmethod
        def parse(cls, text):
            self = cls()
            mood, semicolon, tail = text.partition(";")
            self._raw, self._mood, self._tail, self._parameters = text, mood, semicolon + tail, None
            return self

        def _write(self):
            return self._mood + self._tail

    mood = Mood.parse("good;since=today")
    assert mood.parameter("since") == "today"
    mood.parameters["since"] = "ever"
    assert str(mood) == "good;since=ever"
    mood._raw = None
    assert str(mood) == "good;since=ever"
    with pytest.raises(NotImplementedError):
        HeaderValue.parse("x")
