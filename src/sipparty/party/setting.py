"""Settings: attributes that are declared once, checked when set, and bound to what runs; and the
checks.

    class PartySettings(DeepClass):
        max_calls: int | None = setting(check=count, binds={"max_calls": ""}, doc="...")

Laws:

* A setting is given to the constructor, to `configure`, as an attribute, or as the default of a
  subclass: the same checks hold everywhere, and a value that is refused changes nothing.
* None, or `del`, returns it to its default.
* What a setting changes of the user agent is bound to it (`sipparty.vb`), so it takes effect for
  the calls made, and taken, from then on.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from sipparty.deepclass import Attribute
from sipparty.errors import ParseError, UsageError
from sipparty.sip import MediaType
from sipparty.sip.grammar import check_line
from sipparty.sip.routing import route_to

__all__ = [
    "Setting",
    "authenticator",
    "count",
    "credentials",
    "flag",
    "host_names",
    "identities",
    "identity",
    "info_packages",
    "interval",
    "line",
    "local_address",
    "media_options",
    "media_ranges",
    "media_types",
    "next_hop",
    "one_of",
    "peers",
    "privacy",
    "seconds",
    "seconds_or_0",
    "setting",
    "texts",
    "urn",
]

#: Gives what is to be kept of a value, or raises: from the party, the setting's name, the value.
Check = Callable[[Any, str, Any], Any]


class Setting(Attribute[Any]):
    """A setting, as `setting` declares it.

    Args:
        check: Gives what is to be kept of a value, or raises.
        default: The value while none is set; a function of the party, where it depends on that.
        binds: The attributes of the user agent that follow it, each with the name of the party's
            method that makes its value; "" for the value itself.
        also: Other settings whose effect depends on it.
        doc: What it is.
    """

    def __init__(
        self,
        check: Check,
        default: Any,
        binds: Mapping[str, str],
        also: tuple[str, ...],
        doc: str,
    ) -> None:
        super().__init__(default=None if callable(default) else default, optional=True)
        self.check = check
        self.of_party = default if callable(default) else None
        self.binds = binds
        self.also = also
        self.__doc__ = doc

    def initial(self, instance: object) -> Any:
        """Return the default."""
        return self.default if self.of_party is None else self.of_party(instance)

    def accept(self, instance: object, value: object) -> object:
        """Return what to store for a value; raise what setting it is to raise."""
        return None if value is None else self.check(instance, self.name, value)

    def __set__(self, instance: object, value: object) -> None:
        value, values = self.accept(instance, value), instance.__dict__
        before = values.get(self.name)
        _put(values, self.name, value)
        try:
            for name in (self.name, *self.also):
                instance._follow(name, anew=name != self.name)  # type: ignore[attr-defined]
        except BaseException:
            _put(values, self.name, before)
            raise

    def with_default(self, owner: type, value: object) -> Setting:
        """Return the setting of a subclass that gives a default of its own.

        Raises:
            Exception: What setting the value on one of its parties would raise.
        """
        default = value if value is None else self.check(owner, self.name, value)
        made = Setting(self.check, default, self.binds, self.also, self.__doc__ or "")
        made.name = self.name
        return made


def _put(values: dict[str, Any], name: str, value: object) -> None:
    if value is None:
        values.pop(name, None)
    else:
        values[name] = value


def setting(
    default: Any = None,
    *,
    check: Check,
    binds: Mapping[str, str] | None = None,
    also: tuple[str, ...] = (),
    doc: str,
) -> Any:
    """Declare a setting; the class's annotation says its type. See `Setting`."""
    return Setting(check, default, binds or {}, also, doc)


# ---------------------------------------------------------------- checks
#
# Each raises TypeError for a value of the wrong kind, and UsageError, ParseError or BuildError for
# one that cannot be. What may be a password is not shown.


def flag(_party: Any, name: str, value: Any) -> bool:
    """Return True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is True or False, not {value!r}.")
    return value


def count(_party: Any, name: str, value: Any) -> int:
    """Return a count."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is a whole number, not {value!r}.")
    if value < 0:
        raise UsageError(f"{name} is 0 or more, not {value!r}.")
    return value


def seconds(_party: Any, name: str, value: Any) -> float:
    """Return a time."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} is a number of seconds, not {value!r}.")
    if not 0 < value < float("inf"):
        raise UsageError(f"The {name} is in seconds, above 0: not {value!r}.")
    return value


def seconds_or_0(_party: Any, name: str, value: Any) -> float:
    """Return a time, or 0 for none at all."""
    return 0.0 if value == 0 and value is not False else seconds(_party, name, value)


def interval(_party: Any, name: str, value: Any) -> int:
    """Return a session interval (RFC 4028 §4, §5)."""
    if count(_party, name, value) not in range(90, 2**32):
        raise UsageError(f"{name} is in whole seconds, 90 or more (RFC 4028 §4): not {value!r}.")
    return int(value)


def one_of(*values: str) -> Check:
    """Return the check of a setting that is one of some texts."""

    def check(_party: Any, name: str, value: Any) -> str:
        if value not in values:
            raise UsageError(f"{name} is {' or '.join(map(repr, values))}, not {value!r}.")
        return str(value)

    return check


def peers(_party: Any, name: str, value: Any) -> tuple[str, ...]:
    """Return addresses, networks and host names."""
    from sipparty.sip.identity import Peers

    names = tuple(_several(name, value))
    Peers(names)
    return names


def privacy(_party: Any, name: str, value: Any) -> tuple[str, ...]:
    """Return words of Privacy."""
    from sipparty.sip.identity import checked_privacy

    return checked_privacy(value)


def identities(_party: Any, name: str, value: Any) -> tuple[str, ...]:
    """Return one or two identities."""
    from sipparty.sip.identity import checked_identities

    return checked_identities(value)


def identity(_party: Any, name: str, value: Any) -> str:
    """Return one identity."""
    return identities(_party, name, [value])[0]


def line(_party: Any, name: str, value: Any) -> str:
    """Return text that can stand in a header."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is text, not {value!r}.")
    return check_line(value, name)


def urn(_party: Any, name: str, value: Any) -> str:
    """Return a URN (RFC 2141 §2): "urn:uuid:" and a UUID, as a rule."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is text, not {value!r}.")
    kind, _, rest = value[4:].partition(":")
    if value[:4].lower() != "urn:" or not kind or not rest or set(value) & set(' \t\r\n<>"\\'):
        raise UsageError(f'{name} is a URN, such as f"urn:uuid:{{uuid.uuid4()}}", not {value!r}.')
    return check_line(value, name)


def next_hop(_party: Any, name: str, value: Any) -> str:
    """Return an outbound proxy: a host, host:port or URI."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is a host, host:port or URI, not {value!r}.")
    route_to(value)
    return value


def local_address(_party: Any, _name: str, value: Any) -> str:
    """Return a numeric address."""
    try:
        address = ipaddress.ip_address(value)
        if not address.is_unspecified:
            return str(address)
    except ValueError:
        pass
    raise ParseError(str(value), "one numeric address of this host", 0, what="local address")


def media_types(_party: Any, name: str, value: Any) -> tuple[str, ...]:
    """Return media types in lower case."""
    return tuple(MediaType.parse(kind).essence for kind in _several(name, value))


def media_ranges(_party: Any, name: str, value: Any) -> tuple[str, ...]:
    """Return media types and ranges of them in lower case."""
    from sipparty.sip.typed import MediaRange

    return tuple(str(MediaRange.parse(kind)).lower() for kind in _several(name, value))


def info_packages(_party: Any, name: str, value: Any) -> tuple[str, ...]:
    """Return names of Info Packages."""
    from sipparty.sip.info import InfoPackages

    return InfoPackages(_several(name, value)).names


def texts(_party: Any, name: str, value: Any) -> tuple[str, ...]:
    """Return several texts."""
    return tuple(_several(name, value))


def host_names(_party: Any, name: str, value: Any) -> tuple[str, ...]:
    """Return hosts and addresses of the party."""
    from sipparty.sip.admission import read_name

    names = _several(name, value)
    for one in names:
        read_name(one)
    return tuple(names)


def _several(name: str, value: Any) -> list[Any]:
    if isinstance(value, str | bytes):
        raise TypeError(f"{name} is a list of texts, such as [{value!r}], not {value!r}.")
    return list(value)


def credentials(_party: Any, name: str, value: Any) -> Any:
    """Return a pair of user and password, a mapping of realms to such pairs, or a function."""
    pairs = {name: value}
    if isinstance(value, Mapping):
        pairs = {f"{name}[{realm!r}]": pair for realm, pair in value.items()}
    elif callable(value):
        return value
    for what, pair in pairs.items():
        if isinstance(pair, tuple) and [isinstance(one, str) for one in pair] == [True, True]:
            check_line(pair[0], "user name")
        elif not hasattr(pair, "username"):  # an `Account`
            raise TypeError(
                f'{what} is a pair, ("user", "password"), not a {type(pair).__name__};'
                ' or give {"realm": ("user", "password")}, or a function of the realm.'
            )
    return dict(value) if isinstance(value, Mapping) else value


def authenticator(party: Any, name: str, value: Any) -> Any:
    """Return passwords by user, or a `DigestServer`."""
    if isinstance(value, Mapping):
        return dict(value)
    from sipparty.sip.auth import DigestServer

    if not isinstance(value, DigestServer):
        raise TypeError(
            f'{name} is a mapping, {{"user": "password"}}, or a DigestServer, not a'
            f" {type(value).__name__}."
        )
    return value


def media_options(party: Any, name: str, value: Any) -> dict[str, Any]:
    """Return options that the media sessions of a party take, by `check_options` of theirs too."""
    if not isinstance(value, Mapping):
        raise TypeError(f'{name} is a mapping of options, {{"record": "call.wav"}}, not {value!r}.')
    session = None if isinstance(party, type) else party._session_kind
    if value and session is not None:
        import inspect

        taken = inspect.signature(session).parameters
        if not any(one.kind is one.VAR_KEYWORD for one in taken.values()):
            for option in value:
                if option not in taken:
                    import difflib

                    near = difflib.get_close_matches(str(option), taken, n=1)
                    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(taken)}"
                    raise TypeError(f"{session.__name__} has no option {option!r}; {hint}")
        if hasattr(session, "check_options"):
            session.check_options(**value)
    return dict(value)
