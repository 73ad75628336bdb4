"""Object graphs made on demand: declare the attributes, give any of them, at any depth, by keyword.

    class AOR(DeepClass):
        username = Attribute(str)
        host = Attribute(Host)

    class URI(DeepClass):
        scheme = Attribute(default="sip")
        aor = Attribute(AOR)

    uri = URI(aor__username="alice", aor__host__address="atlanta.com")

Laws:

* A `DeepClass` has the attributes it declares, in the order declared, those of its bases first.
  They are what its keyword arguments, its `repr` and its equality are about.
* A keyword with `__` in it is a path; objects missing along the path are made. Whole objects are
  set before their parts, whatever the order of the keywords. An unknown name is a `TypeError` that
  says which, and what comes near.
* Text given to an attribute whose class has `parse` is parsed; see `sipparty.parse`.
* A value that is refused changes nothing.
* Two objects are equal if their classes are the same and their attributes are equal. As they can
  change, they have no hash.
* Every `DeepClass` is a `sipparty.vb.ValueBinder`: its attributes can be bound and delegated.
"""

from __future__ import annotations

import copy
import reprlib
from collections.abc import Callable
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

from sipparty.parse import ParsedProperty
from sipparty.vb import Delegate, ValueBinder
from sipparty.vb.paths import expand_path, write_path

__all__ = ["Attribute", "DeepClass"]

T = TypeVar("T")
G = TypeVar("G")


class Attribute(ParsedProperty[G], Generic[G]):
    """An attribute of a `DeepClass`.

    Args:
        kind: The class of its values; None for any. Where it has a classmethod `parse`, text that
            is set is parsed.
        default: Its value while nothing has been set.
        factory: What makes that value, for one that can change; called when it is first read.
        parse: What has the `parse(text)` that reads text, where that is not `kind`.
        convert: What every value set passes through first, None excepted: gives the value to keep,
            raises `ValueError` or `TypeError` for one that cannot stand here.
        optional: Whether None may be set; by default, where there is neither `default` nor
            `factory`.
        hide_default: Leave the attribute out of the `repr` while it has its default value.

    Raises:
        ParseError: On setting: text is not valid.
        TypeError: On setting: the value's class is wrong, or it is None and may not be.
        Exception: On setting: whatever `convert` raises.
    """

    @overload
    def __init__(
        self: Attribute[T | None],
        kind: type[T],
        *,
        parse: Any = None,
        convert: Callable[[Any], T] | None = None,
        optional: bool | None = None,
        hide_default: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self: Attribute[T],
        kind: type[T] | None = None,
        *,
        default: T,
        parse: Any = None,
        convert: Callable[[Any], T] | None = None,
        optional: bool | None = None,
        hide_default: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self: Attribute[T],
        kind: type[T] | None = None,
        *,
        factory: Callable[[], T],
        parse: Any = None,
        convert: Callable[[Any], T] | None = None,
        optional: bool | None = None,
        hide_default: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self: Attribute[Any],
        kind: None = None,
        *,
        parse: Any = None,
        convert: Callable[[Any], Any] | None = None,
        optional: bool | None = None,
        hide_default: bool = False,
    ) -> None: ...
    def __init__(
        self,
        kind: type[Any] | None = None,
        *,
        default: Any = None,
        factory: Callable[[], Any] | None = None,
        parse: Any = None,
        convert: Callable[[Any], Any] | None = None,
        optional: bool | None = None,
        hide_default: bool = False,
    ) -> None:
        if default is not None and factory is not None:
            raise TypeError("an Attribute has a default or a factory, not both")
        if parse is not None and not callable(getattr(parse, "parse", None)):
            raise TypeError(f"{parse!r} has no parse()")
        self.kind = kind
        self.default = default
        self.factory = factory
        self.parser = parse if parse is not None else kind if hasattr(kind, "parse") else None
        self.convert = convert
        self.optional = default is None and factory is None if optional is None else optional
        self.hide_default = hide_default

    def initial(self, instance: object) -> G:
        """Return the default; what a factory made is kept, so that a change to it is not lost."""
        if self.factory is None:
            default: G = self.default
            return default
        made: G = self.factory()
        instance.__dict__[self.name] = made
        return made

    def accept(self, instance: object, value: object) -> object:
        """Return what to store for a value that is set; raise what setting it is to raise."""
        if value is not None and self.convert is not None:
            try:
                value = self.convert(value)
            except TypeError as error:
                where = f"{type(instance).__name__}.{self.name}"
                raise TypeError(f"{where} cannot be {repr(value)[:80]}: {error}") from error
        return super().accept(instance, value)

    def shown(self, value: object) -> bool:
        """Whether the `repr` shows the attribute with this value."""
        if not self.hide_default:
            return True
        return bool(value != (self.default if self.factory is None else self.factory()))


class DeepClass(ValueBinder):
    """An object whose attributes are declared, and which makes what is missing beneath it.

    Args:
        attributes: Values by attribute name, or by a path of names joined with "__". A `Delegate`
            of the class counts as an attribute here.

    Raises:
        TypeError: A name is unknown, or a value's class is wrong.
        ParseError: A text is not what its attribute takes.
        BindingError: A path leads through an attribute whose object cannot be made on demand.
    """

    #: The attributes in the order declared, those of the bases first.
    deep_attributes: ClassVar[dict[str, ParsedProperty[Any]]] = {}

    __hash__ = None  # type: ignore[assignment]  # it can change, and equality is by value

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        found: dict[str, ParsedProperty[Any]] = {}
        for base in reversed(cls.__mro__):
            for name, value in vars(base).items():
                if isinstance(value, ParsedProperty):
                    if "__" in name:
                        raise TypeError(f"{cls.__name__}.{name}: '__' joins the names of a path")
                    if hasattr(DeepClass, name):
                        raise TypeError(f"{cls.__name__}.{name}: DeepClass has that name already")
                    found[name] = value
                else:
                    # A subclass may put something else in an attribute's place: a Delegate.
                    found.pop(name, None)
        cls.deep_attributes = found

    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        paths = {tuple(keyword.split("__")): value for keyword, value in attributes.items()}
        for path in paths:
            self._check_path(path)
        # Stable: whole objects before their parts, otherwise in the order given.
        for path in sorted(paths, key=lambda path: len(expand_path(self, path))):
            write_path(self, path, paths[path])

    def make_attribute(self, name: str) -> object | None:
        """Return a new object of the attribute's class, made without arguments."""
        kind = getattr(type(self).deep_attributes.get(name), "kind", None)
        return kind() if kind is not None and issubclass(kind, ValueBinder) else None

    def copy(self) -> Self:
        """Return a deep copy, bindings included: no change to either shows in the other."""
        return copy.deepcopy(self)

    @classmethod
    def _check_path(cls, path: tuple[str, ...]) -> None:
        """Refuse a keyword before anything is set, as far down as the classes are declared."""
        owner: type | None = cls
        for at, name in enumerate(path):
            if owner is None or not issubclass(owner, DeepClass):
                return
            if name not in owner.deep_attributes and not _settable(owner, name):
                keyword, known = "__".join(path), ", ".join(_names(owner))
                where = f" ({name!r} is not one of {owner.__name__}'s)" if len(path) > 1 else ""
                import difflib

                near = difflib.get_close_matches(name, _names(owner), n=3)
                hint = " or ".join(
                    repr("__".join((*path[:at], match, *path[at + 1 :]))) for match in near
                )
                raise TypeError(
                    f"{cls.__name__} has no attribute {keyword!r}{where}"
                    + (f"; did you mean {hint}?" if hint else f"; it has {known}")
                )
            owner = _kind_at(owner, name)

    @reprlib.recursive_repr()
    def __repr__(self) -> str:
        shown = []
        for name, attribute in type(self).deep_attributes.items():
            value = getattr(self, name)
            if not isinstance(attribute, Attribute) or attribute.shown(value):
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not type(self):
            return NotImplemented
        return all(
            getattr(self, name) == getattr(other, name) for name in type(self).deep_attributes
        )


def _settable(owner: type, name: str) -> bool:
    """Whether a keyword may name what is no attribute: a delegate, or a property with a setter."""
    found = getattr(owner, name, None)
    return isinstance(found, Delegate) or (isinstance(found, property) and found.fset is not None)


def _names(owner: type[DeepClass]) -> list[str]:
    """The names that may stand in a keyword."""
    return [*owner.deep_attributes, *(name for name in dir(owner) if _settable(owner, name))]


def _kind_at(owner: type, name: str) -> type | None:
    """The declared class of what an attribute or a delegate holds, or None."""
    kind: type | None = owner
    for part in expand_path(owner, (name,)):
        if kind is None or not issubclass(kind, DeepClass):
            return None
        if isinstance(getattr(kind, part, None), Delegate):
            kind = _kind_at(kind, part)
        else:
            kind = getattr(kind.deep_attributes.get(part), "kind", None)
    return kind
