import pytest

from sipparty.fsm import FSM, Row, Timer, Timers
from sipparty.fsm.watching import unwatch, watch


class Lamp(FSM):
    table = (
        Row("Dark", "press", "Lit"),
        Row("Lit", "press", "Lit", "_note"),
        Row("Lit", "timer_off", "Dark"),
        Row("Lit", "break", "Broken", "_fail"),
    )
    timers = (Timer("timer_off", 5.0, "Lit"),)
    final = ("Broken",)

    def __init__(self, scheduler):
        super().__init__(scheduler)
        self.order = []

    def _note(self):
        self.order.append("action")

    def _fail(self):
        raise RuntimeError("it does not break")

    def on_enter_Lit(self):
        self.order.append("entered")


@pytest.fixture
def timers():
    return Timers()


@pytest.fixture
def seen(timers):
    found = []

    def see(machine, *what):
        found.append((machine.name, *what))
        getattr(machine, "order", []).append("seen")

    watch(timers, see)
    yield found
    unwatch(timers, see)


def test_a_transition_is_shown_with_what_it_armed(timers, seen):
    lamp = Lamp(timers)
    lamp.hit("press")
    assert seen == [(lamp.name, "Dark", "press", "Lit", False, (("timer_off", 5.0),))]
    lamp.hit("press")
    assert seen[1:] == [(lamp.name, "Lit", "press", "Lit", False, ())]
    assert lamp.order == ["seen", "entered", "action", "seen"]


def test_the_input_of_a_timer_is_told_from_the_same_by_the_program(timers, seen):
    lamp = Lamp(timers)
    lamp.hit("press")
    timers.handle_timers(5.0)
    lamp.hit("press")
    lamp.hit("timer_off")
    assert [one[2:5] for one in seen] == [
        ("press", "Lit", False),
        ("timer_off", "Dark", True),
        ("press", "Lit", False),
        ("timer_off", "Dark", False),
    ]
    assert seen[2][5] == (("timer_off", 5.0),)


def test_a_transition_that_failed_is_not_shown(timers, seen):
    lamp = Lamp(timers)
    lamp.hit("press")
    with pytest.raises(RuntimeError):
        lamp.hit("break")
    assert len(seen) == 1


def test_machines_of_other_timers_are_not_shown(seen):
    Lamp(Timers()).hit("press")
    Lamp(None).hit("press")
    assert seen == []


def test_a_class_that_is_made_meanwhile_is_seen_too(timers, seen):
    class Door(FSM):
        table = (Row("Shut", "open", "Open"), Row("Open", "close", "Shut"))

    Door(timers).hit("open")
    assert [one[1:4] for one in seen] == [("Shut", "open", "Open")]


def test_hooks_of_each_transition_are_still_called(timers, seen):
    class Bell(FSM):
        table = (Row("Still", "press", "Rings"), Row("Rings", "press", "Still"))
        moved = ()

        def on_transition(self, *step):
            self.moved += (step,)

    bell = Bell(timers)
    bell.hit("press")
    assert bell.moved == (("Still", "press", "Rings"),)
    assert len(seen) == 1


def test_the_last_to_look_away_gives_the_machines_their_own_tables_back(timers):
    own = Lamp.plan.moves
    assert Lamp._moves is own
    several, others = [], Timers()
    watch(timers, several.append)
    first = Lamp._moves
    assert first is not own
    watch(timers, print)
    watch(others, print)
    assert Lamp._moves is first
    unwatch(timers, several.append)
    unwatch(timers, several.append)
    unwatch(timers, print)
    assert Lamp._moves is first
    unwatch(others, print)
    assert Lamp._moves is own
    unwatch(others, print)

    class Late(FSM):
        table = (Row("A", "go", "B"),)
        final = ("B",)

    assert Late._moves is Late.plan.moves


def test_each_of_several_is_shown(timers):
    one, other = [], []
    watch(timers, lambda *what: one.append(what))
    watch(timers, lambda *what: other.append(what))
    try:
        Lamp(timers).hit("press")
    finally:
        import sipparty.fsm.watching as watching

        for see in watching._watching.pop(timers):
            watch(timers, see)
            unwatch(timers, see)
    assert len(one) == len(other) == 1
