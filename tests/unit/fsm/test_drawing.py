"""Drawing: text, Graphviz and Mermaid, of a class and of an instance."""

from __future__ import annotations

import pytest

from sipparty.fsm import FSM, Row, Timer


class Light(FSM):
    table = (
        Row("Red", "tick", "Green", "switch", "note"),
        Row("Green", "tick", "Red", "switch"),
        Row(("Red", "Green"), "fail", "Dark"),
        Row("Dark", "fail", "Dark"),
    )
    timers = (Timer("tick", 30.0, "Red"), Timer("fail", "life", "Red", "Green", repeat=True))
    final = ("Dark",)
    life = 1000

    def switch(self) -> None: ...

    def note(self) -> None: ...


BODY = """
   Red (initial)
     tick -> Green  switch, note
     fail -> Dark
     timer tick: 30 s
     timer fail: every life

   Green
     tick -> Red    switch
     fail -> Dark
     timer fail: every life

   Dark (final)
     fail -> Dark"""


@pytest.fixture
def light() -> Light:
    Light._numbers = iter([7])
    light = Light()
    light.hit("tick")
    return light


def test_text_of_a_class() -> None:
    assert Light.text() == "Light\n" + BODY


def test_text_of_an_instance(light: Light) -> None:
    shown = "Light instance 'Light7' (current state 'Green')\n" + BODY.replace(
        "   Green\n", "-> Green (current)\n"
    )
    assert light.text() == shown
    assert str(light) == shown
    assert repr(light) == "<Light7 in state 'Green'>"


def test_text_in_spite_of_an_own_str(light: Light) -> None:
    class Lamp(Light):
        text = "a lamp"

        def __str__(self) -> str:
            return "mine"

    lamp = Lamp()
    assert str(lamp) == "mine"
    assert FSM.__str__(lamp).startswith("Lamp instance 'Lamp1' (current state 'Red')\n\n-> Red")


def test_dot(light: Light) -> None:
    expected = """\
digraph "Light" {
  label="LABEL";
  rankdir=LR;
  node [shape=box, style="rounded"];
  "Red";
  "Green";
  "Dark" [peripheries=2];
  "" [shape=point];
  "" -> "Red";
  "Red" -> "Green" [label="tick [30 s] / switch, note"];
  "Red" -> "Dark" [label="fail [every life]"];
  "Green" -> "Red" [label="tick / switch"];
  "Green" -> "Dark" [label="fail [every life]"];
  "Dark" -> "Dark" [label="fail"];
}"""
    assert Light.dot() == expected.replace("LABEL", "Light")
    assert light.dot() == expected.replace(
        "LABEL", "Light instance 'Light7' (current state 'Green')"
    ).replace('"Green";', '"Green" [style="rounded,filled", fillcolor="gold"];')


def test_mermaid(light: Light) -> None:
    expected = """\
---
title: "Light"
---
stateDiagram-v2
  state "Red" as s0
  state "Green" as s1
  state "Dark" as s2
  [*] --> s0
  s0 --> s1 : tick [30 s] / switch, note
  s0 --> s2 : fail [every life]
  s1 --> s0 : tick / switch
  s1 --> s2 : fail [every life]
  s2 --> s2 : fail
  s2 --> [*]"""
    assert Light.mermaid() == expected
    assert light.mermaid() == (
        expected.replace('"Light"', "\"Light instance 'Light7' (current state 'Green')\"")
        + "\n  classDef current fill:gold,color:black\n  class s1 current"
    )


class Odd(FSM):
    table = (
        Row('<b> "x"', "go: a;b", "end\\n"),
        Row("end\\n", "&back", '<b> "x"'),
        Row("end\\n", "stop", "Void"),
    )
    final = ("Void",)


def test_odd_names_are_escaped() -> None:
    dot = Odd.dot()
    assert '"<b> \\"x\\"" -> "end\\\\n" [label="go: a;b"];' in dot
    mermaid = Odd.mermaid()
    assert 'state "#60;b#62; #34;x#34;" as s0' in mermaid
    assert "s0 --> s1 : go#58; a#59;b" in mermaid


def test_an_abstract_class_is_drawn_empty() -> None:
    assert FSM.text() == "FSM (abstract, it has no table)"
    assert FSM.mermaid().endswith("stateDiagram-v2")
    assert FSM.dot().startswith('digraph "FSM" {')
    assert FSM.dot().endswith("}")
    assert "FSM (abstract, it has no table)" in FSM.svg()


def test_every_row_and_timer_is_in_every_drawing() -> None:
    for drawn in (Light.text(), Light.dot(), Light.mermaid(), Light.svg()):
        for word in ("Red", "Green", "Dark", "tick", "fail", "switch", "note", "30 s", "life"):
            assert word in drawn
