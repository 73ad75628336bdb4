"""The layout of machines: nothing lies on anything, and arrows begin and end where they should."""

from __future__ import annotations

from itertools import combinations

import pytest

from sipparty.fsm.drawing.layout import Arrow, Place, lay_out
from sipparty.fsm.drawing.view import view_of
from sipparty.sip.dialog import SimpleCall
from sipparty.sip.notification.subscriber import Subscription
from sipparty.sip.transaction.server import InviteServerTransaction
from sipparty.transport.keepalive import KeepAlive

LABEL = (70.0, 20.0)


def sides(place: Place) -> tuple[float, float, float, float]:
    left = place.x - place.width / 2
    return left, place.top, left + place.width, place.top + place.height


def overlap(one: Place, other: Place) -> bool:
    left, top, right, bottom = sides(one)
    left2, top2, right2, bottom2 = sides(other)
    slack = 0.01
    across = left + slack < right2 and left2 + slack < right
    return across and top + slack < bottom2 and top2 + slack < bottom


def checked(states, arrows):
    plan = lay_out(tuple(states), tuple(arrows))
    for one, other in combinations((*plan.states, *plan.labels), 2):
        assert not overlap(one, other)
    for place in (*plan.states, *plan.labels):
        left, top, right, bottom = sides(place)
        assert left >= -0.01
        assert right <= plan.width + 0.01
        assert top >= -0.01
        assert bottom <= plan.height + 0.01
    for arrow, points, label in zip(arrows, plan.paths, plan.labels, strict=True):
        for state, (x, y), _ in ((arrow.source, points[0], 0), (arrow.target, points[-1], 1)):
            left, top, right, bottom = sides(plan.states[state])
            assert left <= x <= right
            assert min(abs(y - top), abs(y - bottom)) < 0.01
        straight = list(zip(points[1::2], points[2::2], strict=False))
        assert any(
            abs(x - label.x) < 0.01 and min(y, y2) <= label.top + 0.01
            for (x, y), (_, y2) in straight
        )
        for (x, y), (_, y2) in straight:
            line = Place(x, min(y, y2), 0.0, abs(y2 - y))
            for place in (*plan.states, *plan.labels):
                assert place == label or not overlap(place, line)
    return plan


def test_one_state() -> None:
    plan = checked([(80.0, 30.0)], [])
    assert plan.states == (Place(40.0, 0.0, 80.0, 30.0),)
    assert (plan.width, plan.height) == (80.0, 30.0)


def test_no_state() -> None:
    assert lay_out((), ()) == (0.0, 0.0, (), (), ())


def test_a_chain_is_one_straight_column() -> None:
    plan = checked([(80.0, 30.0)] * 4, [Arrow(n, n + 1, LABEL) for n in range(3)])
    assert len({place.x for place in (*plan.states, *plan.labels)}) == 1
    assert [place.top for place in plan.states] == sorted(place.top for place in plan.states)


def test_an_arrow_back_goes_up() -> None:
    plan = checked([(80.0, 30.0)] * 2, [Arrow(0, 1, LABEL), Arrow(1, 0, LABEL)])
    there, back = plan.paths
    assert there[0][1] < there[-1][1]
    assert back[0][1] > back[-1][1]


def test_a_cycle_of_three_and_what_nothing_leads_to() -> None:
    arrows = [Arrow(0, 1, LABEL), Arrow(1, 2, LABEL), Arrow(2, 0, LABEL), Arrow(3, 1, LABEL)]
    checked([(80.0, 30.0)] * 4, arrows)


def test_arrows_that_need_not_cross_do_not() -> None:
    # Two pairs, listed so that the order of the states would cross them.
    arrows = [Arrow(0, 1, LABEL), Arrow(0, 2, LABEL), Arrow(1, 4, LABEL), Arrow(2, 3, LABEL)]
    plan = checked([(60.0, 30.0)] * 5, arrows)
    left = plan.states[1].x < plan.states[2].x
    assert left is (plan.states[4].x < plan.states[3].x)


@pytest.mark.parametrize(
    "machine",
    [SimpleCall, Subscription, InviteServerTransaction, KeepAlive],
    ids=lambda m: m.__name__,
)
def test_the_largest_machines(machine) -> None:
    view = view_of(machine)
    numbers = {state: number for number, state in enumerate(view.states())}
    ends = dict.fromkeys(
        (numbers[state], numbers[row.next_state])
        for state in view.states()
        for row in view.rows(state)
        if row.next_state != state
    )
    plan = checked([(180.0, 60.0)] * len(numbers), [Arrow(*pair, LABEL) for pair in ends])
    assert plan.width < 1600
    assert plan.height < 2400
