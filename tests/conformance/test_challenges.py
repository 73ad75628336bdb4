"""Challenges and credentials, from both sides (RFC 3261 §22; RFC 7616; RFC 8760)."""

from __future__ import annotations

from .digest import Proves, challenge, proves
from .message import Message, parameter
from .probe import Probe, Scene, cases, run
from .stage import Stage
from .steps import (
    Ack,
    Again,
    Asks,
    Cancel,
    Dial,
    Does,
    Expect,
    Keep,
    Later,
    Quiet,
    Reply,
    Same,
    Send,
    Stands,
    Within,
)

END = (Within("BYE"), Expect(200))


def _fresh(scene: Scene, message: Message) -> str:
    stale = challenge(message).get("stale", "false").lower()
    return "" if stale == "false" else f"stale is {stale}"


def _stale(scene: Scene, message: Message) -> str:
    stale = challenge(message).get("stale", "").lower()
    return "" if stale == "true" else f"stale is {stale}"


def _shape(scene: Scene, message: Message) -> str:
    texts = message.all("www-authenticate")
    kinds = [challenge(message, kind) for kind in ("SHA-256", "MD5")]
    realms = {one["realm"] for one in kinds}
    if len(texts) != 2 or realms != {"biloxi.com"}:
        return f"the challenges are {texts}"
    # RFC 7616 §3.3: these are quoted, algorithm and stale are not.
    wrong = [one for one in texts if 'qop="' not in one or 'algorithm="' in one]
    return f"{wrong} are written wrongly" if wrong else ""


#: A request that is challenged.
ASKED = (Send("OPTIONS"), Expect(401))

ASKING = (
    Probe(
        "RFC 7616 §3.3",
        "what a challenge looks like",
        Send("OPTIONS"),
        Expect(401, check=_shape),
        party="guarded",
    ),
    Probe(
        "RFC 3261 §22.1",
        "a first challenge is not stale",
        Send("OPTIONS"),
        Expect(401, check=_fresh),
        party="guarded",
    ),
    Probe(
        "RFC 7616 §3.3",
        "each challenge has a nonce of its own",
        ASKED,
        Keep("nonce", lambda one: challenge(one)["nonce"]),
        ASKED,
        Same("nonce", lambda one: challenge(one)["nonce"], differs=True),
        party="guarded",
    ),
    Probe(
        "RFC 3261 §22.2",
        "a call with credentials",
        Send("INVITE"),
        Expect(401),
        Ack(),
        Proves("INVITE"),
        Expect(200),
        Ack(),
        Quiet(),
        END,
        party="guarded",
    ),
    Probe(
        "RFC 8760 §2.3",
        "a call with credentials of MD5",
        Send("INVITE"),
        Expect(401),
        Ack(),
        Proves("INVITE", algorithm="MD5"),
        Expect(200),
        Ack(),
        END,
        party="guarded",
    ),
    Probe(
        "RFC 3261 §22.2",
        "OPTIONS with credentials",
        ASKED,
        Proves("OPTIONS"),
        Expect(200),
        party="guarded",
    ),
    *(
        Probe(
            "RFC 3261 §22.2",
            f"{what} are challenged anew, and not called stale",
            ASKED,
            Proves("OPTIONS", wrong=wrong),
            Expect(401, check=_fresh),
            Proves("OPTIONS"),
            Expect(200),
            party="guarded",
        )
        for what, wrong in (
            ("credentials of a wrong password", {"password": "nonsense"}),
            ("credentials of nobody", {"user": "nobody"}),
        )
    ),
    *(
        Probe(
            "RFC 7616 §3.4",
            f"credentials with {what}",
            ASKED,
            Proves("OPTIONS", say=say),
            Expect(status),
            party="guarded",
        )
        for what, say, status in (
            ("another realm", {"realm": "atlanta.com"}, 401),
            ("a nonce of one's own", {"nonce": "made-up"}, 401),
            ("a proof that is no number", {"response": "x"}, (400, 401)),
            ("no proof", {"response": None}, (400, 401)),
            ("no user", {"username": None}, (400, 401)),
            ("no nonce", {"nonce": None}, (400, 401)),
            ("no uri", {"uri": None, "response": "0" * 64}, (400, 401)),
            ("no cnonce", {"cnonce": None}, (400, 401)),
            ("no count", {"nc": None, "response": "0" * 64}, (400, 401)),
            ("a count that is none", {"nc": "one"}, (400, 401)),
            (
                "an algorithm that nobody knows",
                {"algorithm": "CRC32", "response": "0" * 8},
                (400, 401),
            ),
            ("a qop that nobody knows", {"qop": "x"}, (400, 401)),
        )
    ),
    Probe(
        "RFC 7616 §3.4",
        "a count may be used once",
        ASKED,
        Proves("OPTIONS"),
        Expect(200),
        Proves("OPTIONS"),
        Expect(401),
        party="guarded",
    ),
    Probe(
        "RFC 7616 §3.4",
        "counts may go up",
        ASKED,
        Proves("OPTIONS"),
        Expect(200),
        Proves("OPTIONS", say={"nc": "00000002"}),
        Expect(200),
        Proves("OPTIONS", say={"nc": "0000000a"}),
        Expect(200),
        party="guarded",
    ),
    Probe(
        "RFC 7616 §3.3",
        "an old nonce is stale, and only that",
        ASKED,
        Later(400),
        Proves("OPTIONS"),
        Expect(401, check=_stale),
        Proves("OPTIONS"),
        Expect(200),
        party="guarded",
    ),
    Probe(
        "RFC 7616 §3.3",
        "an old nonce with a wrong password is not called stale",
        ASKED,
        Later(400),
        Proves("OPTIONS", wrong={"password": "x"}),
        Expect(401, check=_fresh),
        party="guarded",
    ),
    Probe(
        "RFC 3261 §22.4",
        "Basic is no way in",
        Send("OPTIONS", {"Authorization": "Basic YWxpY2U6d29uZGVy"}),
        Expect(401, check=_shape),
        party="guarded",
    ),
    Probe(
        "RFC 3261 §22.1",
        "credentials for others do not matter",
        ASKED,
        Proves("OPTIONS", {"Proxy-Authorization": 'Digest realm="x"'}),
        Expect(200),
        party="guarded",
    ),
    Probe(
        "RFC 3261 §22.2",
        "who asks for nobody learns nothing",
        Send("OPTIONS", uri="sip:nobody@biloxi.com"),
        Expect(401),
        party="guarded",
    ),
    Probe(
        "RFC 3261 §22.2",
        "what nobody does is challenged too",
        Send("MESSAGE", {"Content-Type": "text/plain"}),
        Expect((401, 405)),
        party="guarded",
    ),
    Probe(
        "RFC 3261 §26.3.2.4",
        "a challenge is sent once",
        Send("INVITE"),
        Expect(401),
        Later(20),
        Quiet(),
        Ack(),
        Quiet(),
        party="guarded",
    ),
    Probe(
        "RFC 3261 §8.2.7",
        "a challenge without state has the same tag again",
        Send("INVITE"),
        Expect(401),
        Keep("tag", lambda one: one.to_tag),
        Again("INVITE"),
        Expect(401),
        Same("tag", lambda one: one.to_tag),
        Ack(),
        party="guarded",
    ),
    Probe(
        "RFC 3261 §22.1",
        "a CANCEL is not challenged",
        Send("INVITE"),
        Expect(401),
        Cancel(),
        Expect(481),
        Ack(),
        party="guarded",
    ),
    Probe("RFC 3261 §22.1", "an ACK is not challenged", Send("ACK"), Quiet(), party="guarded"),
    Probe(
        "RFC 3261 §22.2",
        "with credentials in a line that is folded",
        ASKED,
        Proves("OPTIONS", {"X": "y\r\n z"}),
        Expect(200),
        party="guarded",
    ),
    Probe(
        "RFC 7616 §3.4.6",
        "credentials for another URI",
        ASKED,
        Proves("OPTIONS", say={"uri": "sip:carol@chicago.com"}),
        Expect((400, 401)),
        party="guarded",
    ),
    Probe(
        "RFC 7616 §3.4.1",
        "credentials without the qop that was asked for",
        ASKED,
        Proves("OPTIONS", say={"qop": None, "nc": None, "cnonce": None}, wrong={"qop": ""}),
        Expect((400, 401)),
        party="guarded",
    ),
)


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


@cases(ASKING, ANSWERING)
def test_challenges(stage: Stage, probe: Probe, transport: str) -> None:
    """Each probe of the tables, by each of its transports."""
    run(stage, probe, transport)
