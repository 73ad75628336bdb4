"""Challenges of the party's, and what it takes for an answer (RFC 3261 §22; RFC 7616; RFC 8760)."""

from __future__ import annotations

from .digest import Proves, challenge
from .message import Message
from .probe import Probe, Scene, cases, run
from .stage import Stage
from .steps import Ack, Again, Cancel, Expect, Keep, Later, Quiet, Same, Send, Within

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
        party="authenticating",
    ),
    Probe(
        "RFC 3261 §22.1",
        "a first challenge is not stale",
        Send("OPTIONS"),
        Expect(401, check=_fresh),
        party="authenticating",
    ),
    Probe(
        "RFC 7616 §3.3",
        "each challenge has a nonce of its own",
        ASKED,
        Keep("nonce", lambda one: challenge(one)["nonce"]),
        ASKED,
        Same("nonce", lambda one: challenge(one)["nonce"], differs=True),
        party="authenticating",
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
        party="authenticating",
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
        party="authenticating",
    ),
    Probe(
        "RFC 3261 §22.2",
        "OPTIONS with credentials",
        ASKED,
        Proves("OPTIONS"),
        Expect(200),
        party="authenticating",
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
            party="authenticating",
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
            party="authenticating",
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
        party="authenticating",
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
        party="authenticating",
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
        party="authenticating",
    ),
    Probe(
        "RFC 7616 §3.3",
        "an old nonce with a wrong password is not called stale",
        ASKED,
        Later(400),
        Proves("OPTIONS", wrong={"password": "x"}),
        Expect(401, check=_fresh),
        party="authenticating",
    ),
    Probe(
        "RFC 3261 §22.4",
        "Basic is no way in",
        Send("OPTIONS", {"Authorization": "Basic YWxpY2U6d29uZGVy"}),
        Expect(401, check=_shape),
        party="authenticating",
    ),
    Probe(
        "RFC 3261 §22.1",
        "credentials for others do not matter",
        ASKED,
        Proves("OPTIONS", {"Proxy-Authorization": 'Digest realm="x"'}),
        Expect(200),
        party="authenticating",
    ),
    Probe(
        "RFC 3261 §22.2",
        "who asks for nobody learns nothing",
        Send("OPTIONS", uri="sip:nobody@biloxi.com"),
        Expect(401),
        party="authenticating",
    ),
    Probe(
        "RFC 3261 §22.2",
        "what nobody does is challenged too",
        Send("MESSAGE", {"Content-Type": "text/plain"}),
        Expect((401, 405)),
        party="authenticating",
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
        party="authenticating",
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
        party="authenticating",
    ),
    Probe(
        "RFC 3261 §22.1",
        "a CANCEL is not challenged",
        Send("INVITE"),
        Expect(401),
        Cancel(),
        Expect(481),
        Ack(),
        party="authenticating",
    ),
    Probe(
        "RFC 3261 §22.1", "an ACK is not challenged", Send("ACK"), Quiet(), party="authenticating"
    ),
    Probe(
        "RFC 3261 §22.2",
        "with credentials in a line that is folded",
        ASKED,
        Proves("OPTIONS", {"X": "y\r\n z"}),
        Expect(200),
        party="authenticating",
    ),
    Probe(
        "RFC 7616 §3.4.6",
        "credentials for another URI",
        ASKED,
        Proves("OPTIONS", say={"uri": "sip:carol@chicago.com"}),
        Expect((400, 401)),
        party="authenticating",
    ),
    Probe(
        "RFC 7616 §3.4.1",
        "credentials without the qop that was asked for",
        ASKED,
        Proves("OPTIONS", say={"qop": None, "nc": None, "cnonce": None}, wrong={"qop": ""}),
        Expect((400, 401)),
        party="authenticating",
    ),
)


@cases(ASKING)
def test_challenges(stage: Stage, probe: Probe, transport: str) -> None:
    """Each probe of the tables, by each of its transports."""
    run(stage, probe, transport)
