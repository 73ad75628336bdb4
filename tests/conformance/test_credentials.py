"""Challenges of ours, and the party's answers (RFC 3261 §22; RFC 7616; RFC 8760)."""

from __future__ import annotations

from .digest import proves
from .message import Message, parameter
from .probe import Probe, cases, run
from .stage import Stage
from .steps import Expect, Keep, Quiet, Reply, Same
from .user import Asks, Dial, Does, Stands


def _challenge(**changes: str | None) -> str:
    """A challenge of ours."""
    said: dict[str, str | None] = {
        # What a server asked for before is remembered by its realm.
        "realm": '"r{unique}"',
        "nonce": '"n1"',
        "algorithm": "SHA-256",
        "qop": '"auth"',
        **changes,
    }
    return "Digest " + ", ".join(f"{name}={one}" for name, one in said.items() if one)


def _asks(status: int = 401, to: str = "INVITE", **changes: str | None) -> Reply:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    return Reply(status, to, headers={name: _challenge(**changes)}, tag=f"c{status}")


def _next(message: Message) -> int:
    return int(message.number) + 1


def _number(message: Message) -> int:
    return int(message.number)


def _from_tag(message: Message) -> str | None:
    return parameter(message.get("from"), "tag")


#: The party calls, and keeps what its next try is compared with.
CALLS = (
    Dial(),
    Expect("INVITE", {"Authorization": None, "Proxy-Authorization": None}),
    Keep("next", _next),
    Keep("call", lambda one: one.get("call-id")),
    Keep("tag", _from_tag),
    Keep("branch", lambda one: one.branch),
)

#: What a next try has in common with the one before (RFC 3261 §8.1.3.5, §22.2).
GOES_ON = (
    Same("next", _number),
    Same("call", lambda one: one.get("call-id")),
    Same("tag", _from_tag),
    Same("branch", lambda one: one.branch, differs=True),
)

HANG_UP = (Does("terminate"), Expect("BYE"), Reply(200, "BYE"), Stands("Terminated"))

UP = (Reply(200), Expect("ACK"), Stands("InDialog"))

ANSWERING = (
    *(
        Probe(
            "RFC 3261 §22.2",
            f"a call that is challenged with {what}",
            CALLS,
            _asks(**changes),
            Expect("ACK"),
            Expect("INVITE", {"To": "^[^;]*;?[^;]*>$"}, check=proves("Authorization", **wanted)),
            GOES_ON,
            UP,
            HANG_UP,
            party="account",
        )
        for what, changes, wanted in (
            ("SHA-256", {}, {"algorithm": "SHA-256", "qop": "auth", "nc": "00000001"}),
            ("MD5", {"algorithm": "MD5"}, {"algorithm": "MD5", "qop": "auth"}),
            ("MD5 by default", {"algorithm": None}, {"qop": "auth"}),
            ("an opaque", {"opaque": '"o p"'}, {"opaque": "o p"}),
            ("two qualities", {"qop": '"auth-int,auth"'}, {}),
            ("parameters that nobody knows", {"x": '"y, z"', "w": "1"}, {"nonce": "n1"}),
            ("a nonce with signs in it", {"nonce": '"a=b,c;d\\"e"'}, {}),
        )
    ),
    Probe(
        "RFC 3261 §22.3",
        "a call that a proxy challenges",
        CALLS,
        _asks(407),
        Expect("ACK"),
        Expect("INVITE", {"Authorization": None}, check=proves("Proxy-Authorization")),
        GOES_ON,
        UP,
        HANG_UP,
        party="account",
    ),
    Probe(
        "RFC 3261 §22.3",
        "a call that a proxy challenges, and then who is called",
        CALLS,
        _asks(407, realm='"proxy"'),
        Expect("ACK"),
        Expect("INVITE"),
        _asks(401),
        Expect("ACK"),
        Expect("INVITE", {"Proxy-Authorization": 'realm="proxy"'}, check=proves("Authorization")),
        UP,
        HANG_UP,
        party="account",
    ),
    Probe(
        "RFC 8760 §2.4",
        "the topmost of two challenges",
        CALLS,
        Reply(
            401,
            tag="c",
            headers={"WWW-Authenticate": (_challenge(), _challenge(algorithm="MD5", nonce='"n2"'))},
        ),
        Expect("ACK"),
        Expect("INVITE", check=proves("Authorization", algorithm="SHA-256", nonce="n1")),
        UP,
        HANG_UP,
        party="account",
    ),
    Probe(
        "RFC 8760 §2.4",
        "a challenge of an algorithm that is not known is passed over",
        CALLS,
        Reply(
            401,
            tag="c",
            headers={
                "WWW-Authenticate": (_challenge(algorithm="SHA-1024"), _challenge(nonce='"n2"'))
            },
        ),
        Expect("ACK"),
        Expect("INVITE", check=proves("Authorization", nonce="n2")),
        UP,
        HANG_UP,
        party="account",
    ),
    Probe(
        "RFC 7616 §3.3",
        "a stale nonce is worth another try",
        CALLS,
        _asks(),
        Expect("ACK"),
        Expect("INVITE"),
        _asks(nonce='"n2"', stale="true"),
        Expect("ACK"),
        Expect("INVITE", check=proves("Authorization", nonce="n2", nc="00000001")),
        UP,
        HANG_UP,
        party="account",
    ),
    Probe(
        "RFC 3261 §22.1",
        "what was refused is not tried again",
        CALLS,
        _asks(),
        Expect("ACK"),
        Expect("INVITE"),
        _asks(nonce='"n2"'),
        Expect("ACK"),
        Quiet(),
        Stands("Error", status=401),
        party="account",
    ),
    *(
        Probe(
            "RFC 3261 §22.2",
            f"a challenge {what} is not answered",
            CALLS,
            Reply(401, tag="c", headers=headers),
            Expect("ACK"),
            Quiet(),
            Stands("Error", status=401),
            party="account",
        )
        for what, headers in (
            ("of Basic", {"WWW-Authenticate": 'Basic realm="atlanta.com"'}),
            ("that is not there", {}),
            ("of a scheme that nobody knows", {"WWW-Authenticate": 'Token x="y"'}),
            ("of an algorithm that nobody knows", {"WWW-Authenticate": _challenge(algorithm="X")}),
            ("without a nonce", {"WWW-Authenticate": _challenge(nonce=None)}),
            ("without a realm", {"WWW-Authenticate": _challenge(realm=None)}),
            ("that is no text of one", {"WWW-Authenticate": 'Digest realm="'}),
        )
    ),
    Probe(
        "RFC 3261 §22.1",
        "the ACK has the INVITE's credentials",
        CALLS,
        _asks(),
        Expect("ACK", {"Authorization": None}),
        Expect("INVITE"),
        Keep("said", lambda one: one.get("authorization")),
        Reply(200),
        Expect("ACK"),
        Same("said", lambda one: one.get("authorization")),
        HANG_UP,
        party="account",
    ),
    Probe(
        "RFC 3261 §22.2",
        "our BYE is challenged, in a call that we placed",
        Dial(),
        Expect("INVITE"),
        UP,
        Does("terminate"),
        Expect("BYE"),
        Keep("next", _next),
        _asks(to="BYE"),
        Expect("BYE", check=proves("Authorization")),
        Same("next", _number),
        Reply(200, "BYE"),
        Stands("Terminated"),
        party="account",
    ),
    Probe(
        "RFC 3261 §22.2",
        "OPTIONS of ours are challenged",
        Asks("OPTIONS"),
        Expect("OPTIONS"),
        Keep("next", _next),
        _asks(to="OPTIONS"),
        Expect("OPTIONS", check=proves("Authorization")),
        Same("next", _number),
        Reply(200, "OPTIONS"),
        Stands("Answered", status=200),
        party="account",
    ),
    Probe(
        "RFC 3261 §22.2",
        "a challenge that comes after a CANCEL is not answered",
        Dial(),
        Expect("INVITE"),
        Reply(180),
        Does("terminate"),
        Expect("CANCEL"),
        Reply(200, "CANCEL"),
        _asks(),
        Expect("ACK"),
        Quiet(),
        Stands("Terminated"),
        party="account",
    ),
)


@cases(ANSWERING)
def test_credentials(stage: Stage, probe: Probe, transport: str) -> None:
    """Each probe of the tables, by each of its transports."""
    run(stage, probe, transport)
