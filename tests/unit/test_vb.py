"""`sipparty.vb`: bound paths and delegates."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import pytest

from sipparty.errors import UsageError
from sipparty.parse import ParsedProperty, Parser, Piece
from sipparty.vb import BindingError, Delegate, ValueBinder


class Node(ValueBinder):
    """Anything may be set on it."""

    def __init__(self, **values: object) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    def double(self, value: int) -> int:
        return 2 * value


class Maker(Node):
    """Makes a missing `child`."""

    child = None

    def make_attribute(self, name: str) -> object | None:
        return Maker() if name == "child" else None


class Number(Parser):
    pieces = (Piece("value", "0-9", "a number", parse=int),)

    def __init__(self, value: int) -> None:
        self.value = value


class Picky(Node):
    number = ParsedProperty(Number)


class TestOneWay:
    def test_the_value_goes_over_at_once_and_later(self):
        node = Node(a=1, b=None)
        node.bind("a", "b")
        assert node.b == 1
        node.a = 2
        assert node.b == 2

    def test_not_backwards(self):
        node = Node(a=1)
        node.bind("a", "b")
        node.b = 5
        assert node.a == 1

    def test_attributes_may_come_later(self):
        node = Node()
        node.bind("a", "b")
        assert not hasattr(node, "b")
        node.a = 1
        assert node.b == 1

    def test_a_source_without_value_leaves_the_target_at_first(self):
        node = Node(a=None, b=5)
        node.bind("a", "b")
        assert node.b == 5
        node.a = 1
        node.a = None
        assert node.b is None

    def test_deep_paths(self):
        node = Node(a=Node(b=Node(c=1)), x=Node(y=None))
        node.bind("a.b.c", "x.y")
        node.a.b.c = 2
        assert node.x.y == 2
        node.a.b = Node(c=3)
        assert node.x.y == 3
        node.a = Node(b=Node(c=4))
        assert node.x.y == 4

    def test_what_was_replaced_is_followed_no_more(self):
        old = Node(b=1)
        node = Node(a=old, x=None)
        node.bind("a.b", "x")
        node.a = Node(b=2)
        old.b = 9
        assert node.x == 2

    def test_a_broken_source_reads_as_none(self):
        node = Node(a=Node(b=1), x=None)
        node.bind("a.b", "x")
        node.a = None
        assert node.x is None
        node.a = Node(b=2)
        assert node.x == 2

    def test_deleting_is_noticed(self):
        node = Node(a=1)
        node.bind("a", "b")
        del node.a
        assert node.b is None
        with pytest.raises(AttributeError):
            del node.a

    def test_a_new_object_on_the_targets_way_gets_the_value(self):
        node = Node(a=1, x=Node())
        node.bind("a", "x.y")
        node.x = Node(y=7)
        assert node.x.y == 1

    def test_a_value_waits_for_an_object_that_cannot_be_made(self):
        node = Node(a=1, x=None)
        node.bind("a", "x.y")
        assert node.x is None
        node.x = Node()
        assert node.x.y == 1

    def test_missing_objects_are_made(self):
        node = Maker(a=1)
        node.bind("a", "child.child.value")
        assert node.child.child.value == 1

    def test_none_makes_no_objects_and_does_not_bring_one_back(self):
        node = Maker(a=None)
        node.bind("a", "child.value")
        assert node.child is None
        node.a = 1
        node.child = None
        assert node.child is None
        node.a = 2
        assert node.child.value == 2

    def test_transformer(self):
        seen = []
        node = Node(a=None)
        node.bind("a", "b", lambda value: seen.append(value) or value * 10)
        node.a = 2
        assert node.b == 20
        node.a = None
        assert node.b is None
        assert seen == [2]

    def test_chains_and_diamonds(self):
        node = Node(a=1)
        node.bind("a", "b")
        node.bind("a", "c", lambda value: value + 1)
        node.bind("b", "d")
        node.bind("c", "d")
        node.a = 5
        assert (node.b, node.c, node.d) == (5, 6, 6)

    def test_the_last_set_of_two_sources_wins(self):
        node = Node(a=1, b=2)
        node.bind("a", "c")
        node.bind("b", "c")
        assert node.c == 2
        node.a = 3
        assert node.c == 3

    def test_setting_the_same_again_is_a_set(self):
        node = Node(a=1)
        node.bind("a", "b")
        node.b = 2
        node.a = 1
        assert node.b == 1

    def test_one_object_twice_on_a_path(self):
        node = Node(value=1, got=None)
        node.next = node
        node.bind("next.next.value", "got")
        node.value = 2
        assert node.got == 2
        node.next = Node(value=7, next=Node(value=8))
        assert node.got == 8

    def test_one_child_bound_by_two_roots(self):
        child = Node(value=1)
        one, other = Node(child=child), Node(child=child)
        one.bind("child.value", "got")
        other.bind("child.value", "got")
        child.value = 2
        assert one.got == other.got == 2


class TestBothWays:
    def test_each_side_follows(self):
        node = Node(a=1, b=2)
        node.bind_both("a", "b")
        assert node.b == 1
        node.b = 3
        assert node.a == 3

    def test_the_target_fills_an_empty_source(self):
        node = Node(a=None, b=2)
        node.bind_both("a", "b")
        assert node.a == 2

    def test_transformers_are_inverse(self):
        node = Node(a=1)
        node.bind_both("a", "b", str, int)
        assert node.b == "1"
        node.b = "7"
        assert node.a == 7

    def test_only_one_transformer(self):
        with pytest.raises(BindingError, match="only one of"):
            Node(a=1).bind_both("a", "b", str)

    def test_a_new_object_with_a_value_decides_and_one_without_adopts(self):
        node = Node(left=Node(v=1), right=Node(v=None))
        node.bind_both("left.v", "right.v")
        node.right = Node(v=5)
        assert node.left.v == 5
        node.left = Node(v=None)
        assert node.left.v == 5

    def test_a_side_without_its_object_waits(self):
        node = Maker(v=1)
        node.bind_both("child.v", "v")
        assert node.child.v == 1
        node.child = None
        assert node.child is None
        assert node.v == 1
        node.child = Maker(v=None)
        assert node.child.v == 1

    def test_none_set_at_the_end_goes_over(self):
        node = Node(a=1)
        node.bind_both("a", "b")
        node.b = None
        assert node.a is None

    def test_objects_are_shared_not_merely_equal(self):
        class Equal(Node):
            __hash__ = None

            def __eq__(self, other: object) -> bool:
                return True

        node = Node(a=Equal())
        node.bind_both("a", "b")
        node.b = new = Equal()
        assert node.a is new


class TestFailure:
    def test_a_refused_value_leaves_everything_as_it_was(self):
        node = Picky(a="1", side=None)
        node.bind("a", "side")
        node.bind("a", "number")
        number = node.number
        with pytest.raises(ValueError, match="a number"):
            node.a = "x"
        assert (node.a, node.side, node.number) == ("1", "1", number)
        node.a = "2"
        assert (node.side, node.number.value) == ("2", 2)

    def test_a_transformer_that_raises(self):
        node = Node(a=1)
        node.bind("a", "b")
        node.bind("b", "c", lambda value: 10 / value)
        with pytest.raises(ZeroDivisionError):
            node.a = 0
        assert (node.a, node.b, node.c) == (1, 1, 10.0)

    def test_a_bind_that_fails_binds_nothing(self):
        node = Picky(a="x", number="1")
        with pytest.raises(ValueError):
            node.bind("a", "number")
        assert node.bindings() == []
        assert node.number.value == 1
        node.a = "2"
        assert node.number.value == 1

    def test_replaced_objects_come_back_and_are_watched_again(self):
        first = Picky(n="1")
        node = Picky(child=first)
        node.bind("child.n", "number")
        with pytest.raises(ValueError):
            node.child = Picky(n="x")
        assert node.child is first
        first.n = "5"
        assert node.number.value == 5

    def test_what_does_not_settle(self):
        node = Node(a=1, b=None)
        node.bind("a", "b", lambda value: value + 1)
        with pytest.raises(
            BindingError, match=r"do not settle: '[ab]' was set from '[ab]' 101 times"
        ):
            node.bind("b", "a", lambda value: value + 1)
        assert (node.a, node.b) == (1, 2)
        assert node.bindings() == [("a", "b")]

    def test_a_cycle_that_settles(self):
        node = Node(a=1)
        node.bind("a", "b")
        node.bind("b", "c")
        node.bind("c", "a")
        node.c = 9
        assert (node.a, node.b, node.c) == (9, 9, 9)

    def test_what_cannot_be_watched_is_an_error(self):
        class Plain:
            b = 1

        node = Node(a=Plain(), x=None)
        with pytest.raises(
            BindingError, match="'b' belongs to a Plain, which is not a ValueBinder"
        ):
            node.bind("a.b", "x")
        with pytest.raises(BindingError, match="not a ValueBinder"):
            node.bind("x", "a.b")
        node = Node(a=Node(b=1), x=None)
        node.bind("a.b", "x")
        with pytest.raises(BindingError, match="not a ValueBinder"):
            node.a = Plain()
        assert node.a.b == 1
        node.a.b = 4
        assert node.x == 4

    def test_a_leaf_may_be_anything(self):
        node = Node(a=Node(b=object()))
        node.bind("a.b", "x")
        assert node.x is node.a.b

    @pytest.mark.parametrize("path", ["", "a..b", ".a", "a b", "1"])
    def test_no_path(self, path):
        with pytest.raises(BindingError, match="not a path"):
            Node(a=1).bind(path, "a")

    def test_twice_and_to_itself(self):
        node = Node(a=1)
        node.bind("a", "b")
        with pytest.raises(BindingError, match="bound to 'b' already"):
            node.bind("a", "b")
        with pytest.raises(BindingError, match="already"):
            node.bind_both("b", "a")
        with pytest.raises(BindingError, match="to itself"):
            node.bind("a", "a")
        assert node.bindings() == [("a", "b")]
        assert issubclass(BindingError, UsageError)


class TestUnbind:
    def test_one_way(self):
        node = Node(a=1)
        node.bind("a", "b")
        node.unbind("a", "b")
        node.a = 2
        assert node.b == 1
        assert node.bindings() == []

    @pytest.mark.parametrize("ends", [("a", "b"), ("b", "a")])
    def test_both_ways_from_either_side(self, ends):
        node = Node(a=1)
        node.bind_both("a", "b")
        node.unbind(*ends)
        node.a = 2
        node.b = 3
        assert (node.a, node.b) == (2, 3)

    def test_what_is_not_bound(self):
        with pytest.raises(BindingError, match="'a' is not bound to 'b'"):
            Node().unbind("a", "b")


class TestDelegate:
    class Party(Maker):
        deep = Delegate[int | None]("child.child.value")
        short = Delegate[int | None]("child.value")
        again = Delegate[int | None]("short")
        circle = Delegate[int | None]("elliptic")
        elliptic = Delegate[int | None]("circle")
        missing = Delegate[int | None]("nothing.value")

    def test_read_and_set(self):
        party = self.Party()
        assert party.deep is None
        party.deep = 1
        assert party.child.child.value == 1
        party.child.child.value = 2
        assert party.deep == 2
        party.again = 5
        assert party.short == party.child.value == 5

    def test_none_makes_nothing(self):
        party = self.Party()
        party.deep = None
        assert party.child is None

    def test_what_cannot_be_made(self):
        party = self.Party(nothing=None)
        assert party.missing is None
        with pytest.raises(BindingError, match=r"Party\.nothing is None and cannot be made"):
            party.missing = 1

    def test_a_name_that_is_not_there(self):
        with pytest.raises(AttributeError, match="nothing"):
            _ = self.Party().missing

    def test_a_circle(self):
        with pytest.raises(BindingError, match="circle"):
            _ = self.Party().circle

    def test_delegates_are_bound_as_what_they_stand_for(self):
        party = self.Party()
        party.bind("short", "got")
        party.short = 1
        assert party.got == 1
        party.child.value = 2
        assert party.got == 2
        party.child = Maker(value=3)
        assert party.got == 3
        party.bind("got", "deep")
        assert party.child.child.value == 3

    def test_a_refused_value_makes_nothing(self):
        class Strict(Node):
            child = None
            number = Delegate[Number | None]("child.number")

            def make_attribute(self, name: str) -> object | None:
                return Picky()

        strict = Strict()
        with pytest.raises(ValueError):
            strict.number = "x"
        assert strict.child is None


class TestLifetime:
    @pytest.fixture(autouse=True)
    def no_collector(self):
        gc.disable()
        yield
        gc.enable()

    def test_bindings_keep_nothing_alive(self):
        child = Node(value=1)
        root = Node(child=child, other=Node())
        root.bind("child.value", "got")
        root.bind_both("child.value", "other.value")
        root.bind("got", "doubled", root.double)
        assert root.doubled == 2
        gone = weakref.ref(root)
        del root
        assert gone() is None
        # Nor does the child remember who watched it.
        child.value = 2
        assert not any(len(links) for links in child.__dict__["_vb_watchers"].values())

    def test_a_replaced_object_is_let_go(self):
        root = Node(child=Node(value=1))
        root.bind("child.value", "got")
        gone = weakref.ref(root.child)
        root.child = Node(value=2)
        assert gone() is None

    def test_an_object_dropped_behind_its_back(self):
        root = Node(child=Node(value=1))
        root.bind("child.value", "got")
        gone = weakref.ref(root.child)
        root.__dict__["child"] = None
        assert gone() is None
        root.child = Node(value=3)
        assert root.got == 3


class TestCopy:
    @pytest.mark.parametrize(
        "copied",
        [copy.deepcopy, lambda node: pickle.loads(pickle.dumps(node))],
        ids=["deep", "pickle"],
    )
    def test_bindings_are_copied(self, copied):
        root = Node(child=Node(value=1))
        root.bind("child.value", "got", root.double)
        root.bind_both("got", "text", str, int)
        twin = copied(root)
        twin.child.value = 5
        assert (twin.got, twin.text) == (10, "10")
        twin.text = "6"
        assert twin.got == 6
        assert (root.got, root.text) == (2, "2")
        root.child.value = 2
        assert (root.got, twin.got) == (4, 6)

    def test_a_shallow_copy_watches_the_same_objects(self):
        root = Node(child=Node(value=1))
        root.bind("child.value", "got", root.double)
        twin = copy.copy(root)
        root.child.value = 3
        assert twin.got == root.got == 6

    def test_a_circle_of_objects(self):
        root = Node(child=Node(leaf=Node(value=1)))
        root.child.parent = root
        root.bind("child.leaf.value", "got")
        root.child.bind("parent.got", "seen")
        twin = copy.deepcopy(root.child).parent
        twin.child.leaf.value = 7
        assert (twin.got, twin.child.seen, root.got) == (7, 7, 1)


class Counting(Node):
    """Has an attribute that changes by itself."""

    count = 1

    @property
    def shown(self) -> str:
        return f"{self.count} in all"


class TestChanged:
    """What a program says of values that change by themselves."""

    def test_what_is_bound_follows(self):
        node = Counting(label=None, long=None)
        node.bind("shown", "label")
        node.bind("shown", "long", len)
        node.count = 12
        assert node.label == "1 in all"
        node.changed("shown")
        assert (node.label, node.long) == ("12 in all", 9)

    def test_what_nothing_is_bound_to(self):
        node = Counting(label=None)
        node.changed("shown")
        node.changed("nothing")
        assert node.label is None

    def test_what_fails_changes_nothing(self):
        def refuse(value: str) -> str:
            if node.count > 1:
                raise ZeroDivisionError
            return value

        node = Counting(label=None, other=None)
        node.bind("shown", "label")
        node.bind("shown", "other", refuse)
        node.count = 2
        with pytest.raises(ZeroDivisionError):
            node.changed("shown")
        assert (node.label, node.other) == ("1 in all", "1 in all")


def test_what_is_watched_forgets_who_is_gone():
    shared = Node(value=1)
    for _ in range(3):
        root = Node(child=shared, copy=None)
        root.bind("child.value", "copy")
    assert len(shared.__dict__["_vb_watchers"]["value"]) == 1
    del root
    assert shared.__dict__["_vb_watchers"] == {}
    shared.value = 2
