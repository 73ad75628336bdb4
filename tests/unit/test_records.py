"""Records: what `dataclass(frozen=True, slots=True)` makes, made late."""

import copy
import pickle

import pytest

from sipparty.records import Record, field


class Point(Record):
    """Two numbers."""

    x: int
    y: int = 0

    @property
    def sum(self):
        return self.x + self.y


class Named(Point):
    """A point with more."""

    name: str = field(default="", repr=False)
    by: str = field(default="me", kw_only=True)


class Alone(Record, eq=False):
    """Equal to itself alone."""

    x: int


class Checked(Record):
    """Checked when it is made."""

    __slots__ = ("double",)

    x: int

    def __post_init__(self):
        if self.x < 0:
            raise ValueError(self.x)
        object.__setattr__(self, "double", 2 * self.x)


def test_made_by_position_and_by_keyword():
    assert (Point(1).y, Point(1, 2).sum, Point(y=3, x=1).y) == (0, 3, 3)
    named = Named(1, 2, "A", by="you")
    assert (named.x, named.y, named.name, named.by) == (1, 2, "A", "you")
    for wrong in (lambda: Point(), lambda: Point(1, 2, 3), lambda: Point(1, z=1)):
        with pytest.raises(TypeError, match=r"Point\.__init__"):
            wrong()
    with pytest.raises(TypeError):
        Named(1, 2, "A", "you")


def test_it_cannot_be_changed_and_has_no_more_than_its_fields():
    point = Point(1)
    for name in ("x", "other"):
        with pytest.raises(AttributeError, match=f"Point.{name} cannot be changed"):
            setattr(point, name, 5)
        with pytest.raises(AttributeError, match="cannot be changed"):
            delattr(point, name)
    assert not hasattr(point, "__dict__")
    assert point == Point(1, 0)


def test_equal_by_class_and_value():
    assert Point(1) == Point(1, 0) != Point(2)
    assert Point(1) != Named(1)
    assert len({Point(1), Point(1), Named(1)}) == 2
    one = Alone(1)
    assert one == one != Alone(1)
    assert len({one, Alone(1)}) == 2


def test_what_it_looks_like():
    assert repr(Point(1)) == "Point(x=1, y=0)"
    assert repr(Named(1, name="A")) == "Named(x=1, y=0, by='me')"


def test_copies():
    named = Named(1, name="A", by="you")
    for other in (copy.copy(named), copy.deepcopy(named), pickle.loads(pickle.dumps(named))):
        assert other == named
        assert other is not named
    assert named.replace(x=5) == Named(5, name="A", by="you")


def test_patterns():
    match Named(1, 2):
        case Named(x, y, by=by):
            assert (x, y, by) == (1, 2, "me")


def test_a_check_when_it_is_made():
    assert Checked(2).double == 4
    with pytest.raises(ValueError, match="-1"):
        Checked(-1)
    assert Checked(3) == Checked(3)
