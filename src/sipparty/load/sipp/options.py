"""What SIPp's command line says beside the scenario, by the names that it has here.

SIPp                here                SIPp                    here
-s                  service             -nr                     retransmit=False
-i, -p              local               -max_invite_retrans     max_invite_retransmissions
-t u1, t1           transport           -max_non_invite_retrans max_retransmissions
-au, -ap            user, password      -T2                     t2
-auth_uri           auth_uri            -base_cseq, -cid_str    base_cseq, call_id
-key, -set          keys, variables     -default_behaviors      default_behaviors
-inf                injections          -lost                   lost
-d, -recv_timeout   pause, timeout      -deadcall_wait          dead_call_wait
-mi, -mp            media               -3pcc                   twin
-aa                 auto_answer         -pause_msg_ign          ignore_in_pauses
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sipparty.errors import UsageError
from sipparty.load.sipp.document import nearest

__all__ = ["BEHAVIORS", "Options"]

#: What a call does by itself (`-default_behaviors`): say goodbye where it is given up, give up
#: after a message that is not expected, and answer PING.
BEHAVIORS = frozenset({"bye", "abortunexp", "pingreply"})
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a scenario is played.

    Args:
        service: `[service]`: the user part of who is called.
        transport: "UDP" or "TCP"; one socket for all calls.
        local: Numeric address and port to send from and to listen at; port 0 for a free one.
        media: Address and first port of `[media_ip]` and `[media_port]`; "" for that of `local`,
            port 0 for 6000.
        user: The user name for `[authentication]`; "" for `service`.
        password: The password for it.
        auth_uri: The URI for it; "" for that of the request.
        keys: Keywords of one's own, `[name]`, by name.
        variables: Global variables that are set from the beginning.
        injections: CSV files for `[field0]` and the others; the first is the default.
        users: How many users there are for files in the order USER.
        pause: Seconds of a `<pause/>` without a duration.
        timeout: Seconds that a `<recv>` without a timeout waits; None for as long as it takes.
        retransmit: Whether messages with `retrans` are sent again, by UDP.
        max_invite_retransmissions: How often an INVITE is.
        max_retransmissions: How often other messages are.
        t2: The longest time between two of them, in seconds, but of an INVITE.
        base_cseq: The first number that `[cseq]` stands for in a call.
        call_id: `[call_id]`: %u is the call's number, %p that of the process, %s our address.
        default_behaviors: Any of "bye", "abortunexp" and "pingreply".
        ignore_in_pauses: Whether a message that comes in a pause is ignored.
        auto_answer: Whether INFO, NOTIFY, OPTIONS and UPDATE that are not expected are answered
            200.
        lost: Percent of the messages that are lost on purpose, where the scenario does not say.
        dead_call_wait: Seconds that repetitions for a call that is over are answered for.
        twin: Where the other half of a 3PCC pair listens, or where this half listens for it:
            address and port.
        seed: What chance is drawn from; None for the system's.

    Raises:
        UsageError: One of them has a value that cannot be.
    """

    service: str = "service"
    transport: str = "UDP"
    local: tuple[str, int] = ("", 0)
    media: tuple[str, int] = ("", 6000)
    user: str = ""
    password: str = field(default="password", repr=False)
    auth_uri: str = ""
    keys: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    variables: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    injections: tuple[str | Path, ...] = ()
    users: int = 1
    pause: float = 0.0
    timeout: float | None = None
    retransmit: bool = True
    max_invite_retransmissions: int = 5
    max_retransmissions: int = 7
    t2: float = 4.0
    base_cseq: int = 1
    call_id: str = "%u-%p@%s"
    default_behaviors: frozenset[str] = BEHAVIORS
    ignore_in_pauses: bool = False
    auto_answer: bool = False
    lost: float = 0.0
    dead_call_wait: float = 33.0
    twin: tuple[str, int] | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if not self.media[1]:
            object.__setattr__(self, "media", (self.media[0], 6000))
        if self.transport not in ("UDP", "TCP"):
            raise UsageError(f"A scenario is played by UDP or TCP, not by {self.transport!r}.")
        unknown = set(self.default_behaviors) - BEHAVIORS
        if unknown:
            raise UsageError(
                f"default_behaviors has {', '.join(sorted(unknown))}: expected some of"
                f" {', '.join(sorted(BEHAVIORS))}."
            )
        if not 0 <= self.lost <= 100:
            raise UsageError(f"lost is {self.lost:g}: expected percent, 0 to 100.")
        if self.users < 1:
            raise UsageError(f"users is {self.users}: expected 1 or more.")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Options:
        """Return options by their names; a value may be the text that a command line has.

        Texts are numbers of seconds and the like, "true" or "false", "host:port", and lists with
        commas: "users.csv,more.csv", "key=value,key=value".

        Raises:
            UsageError: One is unknown, and the nearest known one is named; or has a wrong value.
        """
        known = {one.name: str(one.type) for one in fields(cls)}
        values: dict[str, Any] = {}
        for name, value in options.items():
            if name not in known:
                raise UsageError(
                    f"A scenario of SIPp has no option {name!r}.{nearest(name, known)}"
                )
            if isinstance(value, str):
                read, expected = _READ.get(known[name], (str, ""))
                try:
                    value = read(value)
                except (ValueError, KeyError):
                    raise UsageError(f"{name} is {value!r}: expected {expected}.") from None
            values[name] = value
        return cls(**values)


def _place(text: str) -> tuple[str, int]:
    """Return "host:port" as both; without a port it is that of media, or any."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.startswith("[")):
        return text.strip("[]"), 0
    return host.strip("[]"), int(port)


def _list(text: str) -> tuple[str, ...]:
    return tuple(part for one in text.split(",") if (part := one.strip()))


def _pairs(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in _list(text)]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError
    return {name: value for name, _, value in pairs}


_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NUMBER = (float, "a number")

#: By the type of an option: what reads its text, and what is expected.
_READ: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "float": _NUMBER,
    "float | None": _NUMBER,
    "int": (int, "a whole number"),
    "int | None": (int, "a whole number"),
    "bool": (lambda text: _FLAGS[text.lower()], "true or false"),
    "tuple[str, int]": (_place, "host:port"),
    "tuple[str, int] | None": (_place, "host:port"),
    "tuple[str | Path, ...]": (_list, "files with commas between"),
    "Mapping[str, str]": (_pairs, "name=value,name=value"),
    "frozenset[str]": (lambda text: frozenset(_list(text)), "words with commas between"),
}
