"""Small immutable objects that are cheap to declare.

    class CallEnded(CallEvent):
        error: CallFailed | None

A `Record` is what `dataclasses.dataclass(frozen=True, slots=True)` makes, for type checkers too,
but nothing is compiled when the class is made: there are dozens of them, of which a program uses a
few, and an import would take twice as long. `__init__` is compiled with the first instance.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self, dataclass_transform

__all__ = ["Record", "field"]

_NONE: Any = object()


class _Field:
    __slots__ = ("default", "kw_only", "repr")

    def __init__(self, default: Any, kw_only: bool, repr: bool) -> None:
        self.default, self.kw_only, self.repr = default, kw_only, repr


def field(*, default: Any = _NONE, kw_only: bool = False, repr: bool = True) -> Any:
    """Say more of a field than its type.

    Args:
        default: Its default; none by default.
        kw_only: Whether it is given by keyword alone.
        repr: Whether the object's `repr` shows it.
    """
    return _Field(default, kw_only, repr)


class _RecordType(type):
    """Makes fields of a class's annotations."""

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *, eq: bool = True
    ) -> Any:
        fields: dict[str, _Field] = {}
        for base in bases:
            fields.update(getattr(base, "_fields", {}))
        slots = list(namespace.get("__slots__", ()))
        for one, kind in namespace.get("__annotations__", {}).items():
            if not str(kind).startswith("ClassVar") and one not in slots:
                given = namespace.pop(one, _NONE)
                if one not in fields:
                    slots.append(one)
                fields[one] = given if isinstance(given, _Field) else _Field(given, False, True)
        positional = tuple(one for one, about in fields.items() if not about.kw_only)
        namespace.update(__slots__=tuple(slots), __match_args__=positional, _fields=fields)
        if not eq:
            namespace.update(__eq__=object.__eq__, __hash__=object.__hash__)
        return super().__new__(mcls, name, bases, {"__init__": _compile_init, **namespace})


def _compile_init(self: Any, *args: Any, **values: Any) -> None:
    """Compile the `__init__` of a class, and call it."""
    cls = type(self)
    fields: dict[str, _Field] = cls._fields
    scope: dict[str, Any] = {"set": object.__setattr__}
    arguments: list[str] = []
    for one, about in sorted(fields.items(), key=lambda pair: pair[1].kw_only):
        if about.kw_only and "*" not in arguments:
            arguments.append("*")
        arguments.append(one if about.default is _NONE else f"{one}=_{one}")
        scope[f"_{one}"] = about.default
    lines = [f"set(self, {one!r}, {one})" for one in fields]
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    body = "; ".join(lines) or "pass"
    exec(f"def __init__(self, {', '.join(arguments)}): {body}", scope)  # noqa: S102 - from its fields
    cls.__init__ = made = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made(self, *args, **values)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Record(metaclass=_RecordType):
    """An immutable object whose fields are the class's annotations, those of its bases first.

    `class ...(Record, eq=False)` is equal to itself alone. `__post_init__` is called at the end of
    `__init__`.
    """

    _fields: ClassVar[dict[str, _Field]]

    def replace(self, **changes: Any) -> Self:
        """Return another one with some fields changed."""
        return type(self)(**{**{one: getattr(self, one) for one in self._fields}, **changes})

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, one) for one in self._fields])

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record) or type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        shown = [f"{one}={getattr(self, one)!r}" for one, of in self._fields.items() if of.repr]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __copy__(self) -> Self:
        return self.replace()

    def __reduce__(self) -> tuple[Any, ...]:
        return _remake, (type(self), {one: getattr(self, one) for one in self._fields})


def _remake(cls: type[Record], values: dict[str, Any]) -> Record:
    return cls(**values)
