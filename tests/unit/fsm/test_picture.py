"""Pictures of machines: everything is in them, what was gone is marked, and names are inert."""

from __future__ import annotations

from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from sipparty.fsm import FSM
from sipparty.fsm.drawing import svg, view_of, view_of_records
from sipparty.sip.dialog import SimpleCall

from .test_drawing import Light as Base
from .test_drawing import Odd

SVG = "{http://www.w3.org/2000/svg}"


class Light(Base):
    """With numbers of its own."""


class Taken(NamedTuple):
    machine: str
    kind: str
    old: str
    input: str
    new: str


def parsed(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)


def words(picture: str, look: str) -> list[str | None]:
    """The texts that have a look."""
    spans = parsed(picture).iter(f"{SVG}tspan")
    return [span.text for span in spans if look in span.get("class", "").split()]


def groups(picture: str, look: str) -> list[str]:
    """The first words of the groups that have a look."""
    found = []
    for group in parsed(picture).iter(f"{SVG}g"):
        if look in group.get("class", "").split():
            spans = list(group.iter(f"{SVG}tspan"))
            found.append(spans[0].text or "" if spans else "arrow")
    return found


def test_a_class() -> None:
    picture = Light.svg()
    assert Light._repr_html_() == picture
    assert words(picture, "name") == ["Red", "Green", "Dark"]
    assert "tick: 30 s" in (words(picture, "timer"))
    assert words(picture, "timer").count("fail: every life") == 2
    assert groups(picture, "here") == groups(picture, "way") == []
    titles = [title.text for title in parsed(picture).iter(f"{SVG}title")]
    assert titles[0] == "Light"
    assert "tick -> Green: switch, note" in titles
    assert len([one for one in parsed(picture).iter() if one.get("class") == "ring"]) == 1


def test_the_state_of_an_instance() -> None:
    light = Light()
    light.hit("tick")
    assert groups(light.svg(), "here") == ["Green"]
    assert words(light.svg(), "number") == []


def test_the_way_that_it_came() -> None:
    light = Light()
    way: list[object] = [
        Taken(light.name, "Light", *one)
        for one in [("Red", "tick", "Green"), ("Green", "tick", "Red"), ("Red", "fail", "Dark")]
    ]
    way += ["a message", Taken("Light99", "Light", "Green", "fail", "Dark")]
    light.hit("fail")
    picture = svg(view_of(light, way))
    assert groups(picture, "here") == ["Dark"]
    # Three arrows, the one from the dot, and three states.
    assert sorted(groups(picture, "way")) == ["Dark", "Green", "Red", *["arrow"] * 4]
    assert words(picture, "number") == ["1 ", "3 ", "2 "]
    assert words(picture, "step") == ["tick", "fail", "tick"]


def test_an_input_that_came_often_has_its_last_numbers() -> None:
    light = Light()
    way = [Taken(light.name, "Light", "Dark", "fail", "Dark")] * 12
    assert words(svg(view_of(light, way)), "number") == ["…10,11,12 "]


def test_what_a_machine_keeps_of_its_way_is_drawn() -> None:
    class Step(NamedTuple):
        state: str
        what: str

    class Keeping(Light):
        steps = (Step("Green", "tick"), Step("Green", "nothing known"))

    view = view_of(Keeping())
    assert view.way == (("Red", "tick", "Green"), ("Green", "nothing known", "Green"))
    assert words(svg(view), "number") == ["1 "]


def test_records_alone_find_the_class() -> None:
    steps = [("Initial", "invite", "InitiatingDialog"), ("InitiatingDialog", "provisional", "X")]
    view = view_of_records([Taken("SimpleCall3", "SimpleCall", *step) for step in steps], FSM)
    assert view is not None
    assert view.plan is SimpleCall.plan
    assert (view.name, view.state) == ("SimpleCall3", "X")
    assert parsed(svg(view)) is not None  # a state that this version has not


def test_a_class_of_the_same_name_that_takes_something_else_is_another() -> None:
    view = view_of_records([Taken("SimpleCall1", "SimpleCall", "One", "go", "Two")], FSM)
    assert view is not None
    assert words(svg(view), "name") == ["One", "Two"]


def test_records_of_an_unknown_class_are_drawn_as_far_as_they_go() -> None:
    records = [
        Taken("A1", "Unheard", "One", "go", "Two"),
        Taken("A1", "Unheard", "Two", "x", "Two"),
    ]
    view = view_of_records(records, FSM)
    assert view is not None
    picture = svg(view)
    assert words(picture, "name") == ["One", "Two"]
    assert words(picture, "number") == ["1 ", "2 "]
    assert groups(picture, "here") == ["Two"]
    assert view_of_records([], FSM) is None


def test_records_without_end_make_no_picture_without_end() -> None:
    records = [Taken("A1", "Unheard", f"s{n}", "go", f"s{n + 1}") for n in range(2000)]
    view = view_of_records(records, FSM)
    assert view is not None
    assert len(view.states()) <= 65
    assert len(svg(view)) < 100_000


@pytest.mark.parametrize(
    "text", ["</svg><script>", "\"&<>'", "\x1b[31m", "\u202eevil", "\x00", "a" * 999]
)
def test_hostile_names_are_inert(text: str) -> None:
    records = [Taken(text, text, text, text, "Two")]
    view = view_of_records(records, FSM)
    assert view is not None
    picture = svg(view)
    parsed(picture)
    assert not {"\x1b", "\u202e", "\x00"} & set(picture)
    assert "<script" not in picture
    assert len(picture) < 20_000


def test_odd_names() -> None:
    assert set(words(Odd.svg(), "name")) == {'<b> "x"', "end\\n", "Void"}


def test_the_inputs_by_which_a_state_stays_are_broken_into_lines() -> None:
    picture = SimpleCall.svg()
    texts = parsed(picture).iter(f"{SVG}text")
    lines = ["".join(span.text or "" for span in text) for text in texts]
    assert max(map(len, lines)) < 60
    for state in SimpleCall.States:
        assert state in words(picture, "name")
