"""Attributes that follow one another: `ValueBinder` binds paths, `Delegate` passes an attribute on.

Laws:

* A path is attribute names joined by dots, read from the object that binds: `uri.aor.host`. A path
  with a None, or nothing, on its path is broken and reads as None.
* `bind(source, target)` keeps target equal to source: whatever is set on either path, at any depth,
  the binding notices. What it does then is this table ("it": the source's value):

      what was set               one direction                 both directions
      the source's last name     it goes over                  it goes over
      an object on the           it goes over, None where the  it goes over; where it is None, the
      source's path              path is broken now            other side's value comes back
      an object on the           it goes over once more        the target is a source too: as above
      target's path              unless it is None
      None in place of an        None goes over, if on the     nothing: a side without its object
      object on the path         source's path; else nothing   waits for the next one

* None means "no value": it passes transformers by, and makes no objects.
* Objects missing on the target's path are made on demand by `make_attribute`; where that gives
  none, the value waits until one is set.
* Several bindings may have one target; the last set wins.
* A set is all or nothing. If following it raises, or does not settle, all is as it was before.
* Every object whose attribute is watched must be a `ValueBinder`; one that is not is an error.
* The object that binds holds its bindings; they hold it, and what they watch, weakly. A transformer
  that is a method of that object is held weakly too; what a closure holds is the program's own
  doing.
* An object and those it is bound to belong to one thread at a time.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from types import MethodType
from typing import Any, ClassVar

from sipparty.vb.paths import BindingError, make_missing, read_path, split_path, walk_path

__all__ = ["Transformer", "ValueBinder"]

#: What turns a value of one side into a value of the other; never called with None.
Transformer = Callable[[Any], Any]

# What a watched attribute is to a link: flags, since one attribute can be several at once
# (`next.next`).
_LEAF = 1
_HOP = 2
_TARGET = 4
# Added to those when the attribute is None now.
_GONE = 8

_LINKS = "_vb_links"
_WATCHERS = "_vb_watchers"
_SPECS = "_vb_specs"
_OWN = (_LINKS, _WATCHERS)

_ABSENT: Any = object()


class _Link:
    """One direction of one binding, held by its root alone; what it holds, it holds weakly."""

    __slots__ = (
        *("__weakref__", "function", "of_root", "reverse", "root", "source", "source_path"),
        *("target", "target_path", "watched"),
    )

    def __init__(
        self, root: ValueBinder, source: str, target: str, transformer: Transformer | None
    ) -> None:
        self.watched: list[tuple[weakref.ref[ValueBinder], str]] = []
        self.root = weakref.ref(root)
        self.source_path = source
        self.target_path = target
        self.source = split_path(source)
        self.target = split_path(target)
        # A method of the root would hold the root: keep its function only.
        self.of_root = False
        self.function: Any = transformer
        if isinstance(transformer, MethodType) and transformer.__self__ is root:
            self.of_root, self.function = True, transformer.__func__
        self.reverse: weakref.ref[_Link] | None = None

    def __repr__(self) -> str:
        return f"<{self.source_path} -> {self.target_path}>"

    def transformer(self, root: ValueBinder) -> Transformer | None:
        if self.of_root:
            method: Transformer = self.function.__get__(root)
            return method
        transformer: Transformer | None = self.function
        return transformer

    def wire(self, root: ValueBinder) -> None:
        """Watch what the paths lead through now."""
        self.unwire()
        for owner, name, rest in walk_path(root, self.source):
            self._watch(owner, name, _HOP if rest else _LEAF)
        if self.reverse is None:
            for owner, name, rest in walk_path(root, self.target):
                if rest:
                    self._watch(owner, name, _TARGET)
                else:
                    self._require(owner, name)

    def unwire(self) -> None:
        for owner_ref, name in self.watched:
            owner = owner_ref()
            watchers = {} if owner is None else owner.__dict__.get(_WATCHERS, {})
            left = [pair for pair in watchers.get(name, ()) if pair[0]() not in (self, None)]
            if left:
                watchers[name] = left
            else:
                watchers.pop(name, None)
        self.watched.clear()

    __del__ = unwire

    def _require(self, owner: object, name: str) -> None:
        if not isinstance(owner, ValueBinder):
            raise BindingError(
                f"Cannot bind {self.source_path!r} to {self.target_path!r}: {name!r} belongs to a "
                f"{type(owner).__name__}, which is not a ValueBinder and cannot be watched."
            )

    def _watch(self, owner: ValueBinder, name: str, kind: int) -> None:
        self._require(owner, name)
        watchers = owner.__dict__.setdefault(_WATCHERS, {})
        kinds = 0
        others: list[tuple[weakref.ref[_Link], int]] = []
        for pair in watchers.get(name, ()):
            if pair[0]() is self:
                kinds = pair[1]
            else:
                others.append(pair)
        watchers[name] = [*others, (weakref.ref(self), kinds | kind)]
        self.watched.append((weakref.ref(owner), name))

    def fire(self, settling: _Settling, kinds: int) -> None:
        """React to a set, by the table in this module's docstring."""
        root = self.root()
        if root is None or root.__dict__.get(_LINKS, {}).get(self._key()) is not self:
            return
        if kinds & (_HOP | _TARGET):
            settling.touched.append(self)
            self.wire(root)
        value = read_path(root, self.source)
        reverse = self.reverse and self.reverse()
        if not kinds & _LEAF:
            if kinds & _GONE and (reverse or not kinds & _HOP):
                return
            if value is None and reverse:
                value = read_path(root, reverse.source)
                if value is not None:
                    reverse.push(settling, root, value)
                return
            if value is None and not kinds & _HOP:
                return
        self.push(settling, root, value)

    def push(self, settling: _Settling, root: ValueBinder, value: Any) -> None:
        transformer = None
        if value is not None:
            transformer = self.transformer(root)
            if transformer is not None:
                value = transformer(value)
        for owner, name, rest in walk_path(root, self.target):
            if not rest:
                old = getattr(owner, name, None)
                if not _same(old, value, by_value=transformer is not None):
                    self._require(owner, name)
                    settling.count(self, value)
                    settling.store(owner, name, value)
            elif value is not None and getattr(owner, name, None) is None:
                made = make_missing(owner, name, rest, value)
                if made is not None:
                    self._require(owner, name)
                    settling.count(self, value)
                    settling.store(owner, name, made)
                return

    def _key(self) -> tuple[str, str]:
        return self.source_path, self.target_path


def _same(old: Any, new: Any, *, by_value: bool) -> bool:
    """Whether a set would change nothing.

    Objects that have attributes to bind are compared as objects, since a later change to one does
    not show in an equal one; a transformer, though, makes new ones each time, so that behind it
    value is all there is to compare.
    """
    if old is new:
        return True
    if isinstance(new, ValueBinder) and not by_value:
        return False
    return type(old) is type(new) and bool(old == new)


class _Settling:
    """One set and all that follows from it: a queue of what to do, a log to take it back."""

    def __init__(self) -> None:
        self.queue: deque[tuple[_Link, int]] = deque()
        self.log: list[tuple[ValueBinder, dict[str, Any]]] = []
        self.touched: list[_Link] = []
        self.counts: dict[_Link, int] = {}

    def store(
        self, owner: ValueBinder, name: str, value: Any = _ABSENT, *, by_user: bool = False
    ) -> None:
        """Set an attribute, or delete it where no value is given, and queue those who watch it.

        What a user sets goes over even if it was there before: the target may have been set since,
        and the last set wins.
        """
        old = getattr(owner, name, _ABSENT)
        self.log.append((owner, {k: v for k, v in owner.__dict__.items() if k not in _OWN}))
        if value is _ABSENT:
            super(ValueBinder, owner).__delattr__(name)
        else:
            super(ValueBinder, owner).__setattr__(name, value)
        new = getattr(owner, name, None)
        watchers = owner.__dict__.get(_WATCHERS, {})
        if name in watchers and (by_user or new is not old):
            self.watched(watchers[name], _GONE if new is None else 0)

    def watched(self, links: list[tuple[weakref.ref[_Link], int]], gone: int) -> None:
        """Queue those who watch what was set."""
        alive = ((link(), kinds | gone) for link, kinds in links)
        self.queue.extend((link, kinds) for link, kinds in alive if link is not None)

    def count(self, link: _Link, value: object) -> None:
        root = link.root()
        times = self.counts[link] = self.counts.get(link, 0) + 1
        if root is not None and times > root.settle_limit:
            raise BindingError(
                f"The bindings of {type(root).__name__} do not settle: {link.target_path!r} was "
                f"set from {link.source_path!r} {times} times, the last time to {repr(value)[:80]}."
            )

    def settle(self) -> None:
        """Follow until nothing is left to follow; take all back where that raises."""
        try:
            while self.queue:
                link, kinds = self.queue.popleft()
                link.fire(self, kinds)
        except BaseException:
            self.roll_back()
            raise

    def roll_back(self) -> None:
        for owner, state in reversed(self.log):
            own = {name: owner.__dict__[name] for name in _OWN if name in owner.__dict__}
            owner.__dict__.clear()
            owner.__dict__.update(state, **own)
        for link in self.touched:
            root = link.root()
            if root is not None:
                link.wire(root)


class ValueBinder:
    """A mixin whose attributes can be watched and bound to one another.

        class Phone(ValueBinder):
            def __init__(self, line: Line) -> None:
                self.line = line
                self.label = None
                self.bind("line.number", "label", lambda number: f"ext. {number}")

    The class needs an instance `__dict__` and no `__init__` call. Bindings are copied with the
    object by `copy.copy`, `copy.deepcopy` and `pickle`.
    """

    #: How often one binding may set its target while one set is being followed; against
    #: bindings that chase each other for ever.
    settle_limit: ClassVar[int] = 100

    def bind(self, source: str, target: str, transformer: Transformer | None = None) -> None:
        """Make `target` follow `source`, from now on until `unbind`.

        If the source has a value now, it goes over at once.

        Args:
            source: A path from this object, such as "uri.aor".
            target: Another one.
            transformer: What to make of the value in between; by default it goes as it is.

        Raises:
            BindingError: The two are bound already or are one; an object on the path is no
                `ValueBinder`; or the values do not settle.
            Exception: What setting the target, or the transformer, raises; then nothing is bound.
        """
        self._vb_bind(self._vb_new(source, target, transformer))

    def bind_both(
        self,
        source: str,
        target: str,
        transformer: Transformer | None = None,
        inverse: Transformer | None = None,
    ) -> None:
        """Make two paths follow each other; the side that is set last decides.

        If the source has a value now, it goes over; if it has none, the target's comes back.

        Args:
            source: A path from this object.
            target: Another one.
            transformer: What to make of the source's value before it is set at the target.
            inverse: Its inverse, for the other direction; the two come together.

        Raises:
            BindingError: As for `bind`, or one transformer came without the other.
            Exception: As for `bind`.
        """
        if (transformer is None) != (inverse is None):
            raise BindingError(
                f"Cannot bind {source!r} and {target!r} to each other with only one of transformer "
                "and inverse."
            )
        self._vb_bind(self._vb_new(source, target, transformer, inverse))

    def unbind(self, source: str, target: str) -> None:
        """End a binding; one in both directions ends in both, and may be named from either side.

        Raises:
            BindingError: The two are not bound.
        """
        links: dict[tuple[str, str], _Link] = self.__dict__.get(_LINKS, {})
        link = links.get((source, target))
        if link is None:
            raise BindingError(
                f"{source!r} is not bound to {target!r} in this {type(self).__name__}."
            )
        reverse = link.reverse and link.reverse()
        self._vb_drop([link, reverse] if reverse else [link])

    def bindings(self) -> list[tuple[str, str]]:
        """Return the bindings in the order made, as pairs of source and target, both directions."""
        return list(self.__dict__.get(_LINKS, ()))

    def changed(self, name: str) -> None:
        """Have what is bound to an attribute follow it now: its value has changed by itself.

        Raises:
            BindingError: The values do not settle.
            Exception: What setting a target, or a transformer, raises; then nothing was changed.
        """
        watchers = self.__dict__.get(_WATCHERS, {})
        if name in watchers:
            settling = _Settling()
            settling.watched(watchers[name], 0)
            settling.settle()

    def make_attribute(self, name: str) -> object | None:
        """Return a new object for an attribute that is None while a path through it is set.

        None means that none can be made. The object must not be stored here: whoever asked sets it
        once it is complete. A class that is no `DeepClass` overrides this to have its objects made
        on demand.
        """
        return None

    def _vb_new(self, source: str, target: str, *transformers: Transformer | None) -> list[_Link]:
        """Make the link of a binding, or with two transformers the links in both directions."""
        links = [_Link(self, source, target, transformers[0])]
        for inverse in transformers[1:]:
            links.append(_Link(self, target, source, inverse))
            links[0].reverse, links[1].reverse = weakref.ref(links[1]), weakref.ref(links[0])
        return links

    def _vb_bind(self, new: list[_Link]) -> None:
        links: dict[tuple[str, str], _Link] = self.__dict__.setdefault(_LINKS, {})
        for link in new:
            if link.source == link.target:
                raise BindingError(f"Cannot bind {link.source_path!r} to itself.")
            if link._key() in links:
                raise BindingError(
                    f"{link.source_path!r} is bound to {link.target_path!r} already in this "
                    f"{type(self).__name__}."
                )
        settling = _Settling()
        try:
            for link in new:
                links[link._key()] = link
                link.wire(self)
            first, last = new[0], new[-1]
            side = first if read_path(self, first.source) is not None else last
            value = read_path(self, side.source)
            if value is not None:
                side.push(settling, self, value)
            settling.settle()
        except BaseException:
            self._vb_drop(new)
            settling.roll_back()
            raise

    def _vb_drop(self, gone: list[_Link]) -> None:
        links = self.__dict__[_LINKS]
        for link in gone:
            if links.get(link._key()) is link:
                del links[link._key()]
            link.unwire()

    def _vb_store(self, name: str, value: Any = _ABSENT) -> None:
        settling = _Settling()
        try:
            settling.store(self, name, value, by_user=True)
        except BaseException:
            settling.roll_back()
            raise
        settling.settle()

    def __setattr__(self, name: str, value: Any) -> None:
        watchers = self.__dict__.get(_WATCHERS)
        if watchers and name in watchers:
            self._vb_store(name, value)
        else:
            super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        watchers = self.__dict__.get(_WATCHERS)
        if watchers and name in watchers:
            self._vb_store(name)
        else:
            super().__delattr__(name)

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in self.__dict__.items() if name not in _OWN}
        links: dict[tuple[str, str], _Link] = self.__dict__.get(_LINKS, {})
        specs: list[tuple[tuple[str, str], tuple[tuple[bool, Any], ...]]] = []
        done: set[_Link] = set()
        for key, link in links.items():
            if link not in done:
                reverse = link.reverse and link.reverse()
                pair = (link, reverse) if reverse else (link,)
                done.update(pair)
                specs.append((key, tuple((one.of_root, one.function) for one in pair)))
        if specs:
            state[_SPECS] = specs
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        specs = state.pop(_SPECS, ())
        self.__dict__.update(state)
        for key, functions in specs:
            links = self.__dict__.setdefault(_LINKS, {})
            for link in self._vb_new(
                *key, *(f.__get__(self) if of_root else f for of_root, f in functions)
            ):
                links[link._key()] = link
                link.wire(self)
        # In a circle of objects, others may watch this one from before it had its attributes.
        for name in list(self.__dict__.get(_WATCHERS, ())):
            for watching, _ in self.__dict__[_WATCHERS].get(name, ()):
                link = watching()
                root = None if link is None else link.root()
                if link is not None and root is not None:
                    link.wire(root)
