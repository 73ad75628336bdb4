"""The settings of a party: what they are called, their types, defaults and meaning, and what of the
user agent follows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from sipparty.deepclass import Attribute, DeepClass
from sipparty.party import setting as checks
from sipparty.party.setting import Setting, setting
from sipparty.sip import AOR, URI, NextHop, SimpleCall
from sipparty.sip.events import CallReceived
from sipparty.sip.grammar import quote
from sipparty.sip.redirects import MAX_REDIRECTS
from sipparty.sip.routing import route_to
from sipparty.vb import Delegate

if TYPE_CHECKING:
    from typing import TypedDict, Unpack

    from sipparty.party.calls import History
    from sipparty.party.party import Party
    from sipparty.sip.agent import UserAgent
    from sipparty.sip.auth import DigestClient, DigestServer
    from sipparty.sip.info import InfoPackages

    class Settings(TypedDict, total=False):
        """What the constructor and `configure` take: the attributes of `Party` by these names."""

        aor: AOR | str | bytes
        username: str
        address: str
        port: int | None
        proxy: str | None
        credentials: Credentials | None
        display_name: str | None
        media: Mapping[str, object] | None
        local_address: str | None
        user_agent: str | None
        auto_answer: bool | None
        rings: bool | None
        max_calls: int | None
        patience: float | None
        follow_redirects: int | None
        retry_wait: float | None
        session_expires: int | None
        min_se: int | None
        session_refresher: str | None
        trusted_peers: Iterable[str] | None
        asserted_identity: str | Iterable[str] | None
        preferred_identity: str | None
        privacy: str | Iterable[str] | None
        history_info: bool | None
        answer_mode: bool | None
        keep_forks: bool | None
        reliable_provisionals: str | None
        history: bool | None
        accepts: Iterable[str] | None
        message_types: Iterable[str] | None
        info_packages: Iterable[str] | None
        authenticator: DigestServer | Mapping[str, str] | None
        authenticator_algorithms: Iterable[str] | None
        names: Iterable[str] | None
        instance_id: str | None
        catch_all: bool | None
else:
    Settings = dict

__all__ = ["Credentials", "PartySettings", "Settings", "Target"]

#: Who to call: another party, or an address with or without its scheme.
Target: TypeAlias = "Party[Any, Any] | URI | AOR | str | bytes"

#: What answers challenges: user and password, for one's own servers, by realm, or by a function.
Credentials: TypeAlias = (
    "tuple[str, str] | Mapping[str, tuple[str, str]] | Callable[[str], tuple[str, str] | None]"
)


class PartySettings(DeepClass):
    """What can be set of a party; `Party` says who it is and what it does."""

    _agent: UserAgent | None
    _session_kind: Any

    uri = Attribute(URI)
    aor = Delegate["AOR | None"]("uri.aor")
    username = Delegate["str | None"]("uri.username")
    host = Delegate[Any]("uri.host")
    address = Delegate["str | None"]("uri.address")
    port = Delegate["int | None"]("uri.port")

    display_name: str = setting(
        "",
        check=checks.line,
        binds={"address": "_from_address"},
        doc='The name that people see; "" for none.',
    )
    proxy: str | None = setting(
        check=checks.next_hop,
        also=("credentials",),
        doc="The outbound proxy of every request: a host, host:port or URI; None for none.",
    )
    credentials: Credentials | None = setting(
        check=checks.credentials,
        binds={"digest": "_make_digest"},
        doc="What answers challenges (RFC 3261 §22): user and password for one's own servers,"
        " those of the party's domain and its proxy; a mapping of realms to such pairs; or a"
        " function that gives a pair for a realm, or None. `Policy.challenges` says whose are"
        " answered.",
    )
    media: Mapping[str, object] = setting(
        lambda party: {},
        check=checks.media_options,
        doc='Options for each media session, such as `{"record": "call.wav"}`.',
    )
    local_address: str | None = setting(
        check=checks.local_address,
        binds={"local_address": ""},
        doc="The numeric address of this host that requests and media are sent from, over every"
        " transport. None leaves it to the system's routes; a party that listens on one address"
        " sends from that one then. Whether the address is ours is found out when it is used: a"
        " call that cannot be sent from it fails, and says so.",
    )
    user_agent: str = setting(
        "sipparty",
        check=checks.line,
        binds={"product": ""},
        doc="What User-Agent says.",
    )
    auto_answer: bool = setting(
        lambda party: not (party._handlers or {}).get(CallReceived),
        check=checks.flag,
        binds={"auto_answer": ""},
        doc="Answer calls as they come. True by default, unless a handler for `CallReceived` is"
        " there to decide.",
    )
    rings: bool = setting(
        True,
        check=checks.flag,
        binds={"rings": ""},
        doc="Whether an automatic answer is preceded by 180 Ringing.",
    )
    max_calls: int | None = setting(
        lambda party: party._most_calls(),
        check=checks.count,
        binds={"max_calls": "", "max_calls_of_one": "_most_of_one"},
        doc="Calls beyond so many at a time are answered 486 Busy Here. By default any number"
        " (None) without media, and with it as many as half of the process's file descriptors are"
        " enough for, of which one source has no more than `Limits.max_share`.",
    )
    patience: float = setting(
        SimpleCall.PATIENCE,
        check=checks.seconds,
        binds={"patience": ""},
        doc="Seconds that a call may wait for an answer here, at the most; then it is answered 480"
        " Temporarily Unavailable. The Expires of an INVITE makes it less, never more (RFC 3261"
        " §13.3.1).",
    )
    follow_redirects: int = setting(
        MAX_REDIRECTS,
        check=checks.count,
        binds={"follow_redirects": ""},
        doc="How many redirections a request follows; 0 for none (RFC 3261 §8.1.3.4).",
    )
    retry_wait: float = setting(
        0.0,
        check=checks.seconds_or_0,
        binds={"retry_wait": ""},
        doc="Seconds that a request waits at the most, each time, where a server asks for time by"
        " 413 or 503 with Retry-After (RFC 3261 §21.4.11, §21.5.4); 0 for not at all.",
    )
    session_expires: int | None = setting(
        check=checks.interval,
        binds={"session_expires": ""},
        doc="The session interval that calls ask for, in seconds, 90 or more; 1800 is usual (RFC"
        " 4028). None asks for no session timer; one that the other side asks for is kept.",
    )
    min_se: int = setting(
        90,
        check=checks.interval,
        binds={"min_se": ""},
        doc="The shortest session interval that is taken, in seconds, 90 or more; less is answered"
        " 422 (RFC 4028 §9).",
    )
    session_refresher: str | None = setting(
        check=checks.one_of("local", "remote"),
        binds={"session_refresher": ""},
        doc='Who is to refresh sessions where that is ours to choose: "local" or "remote". None'
        " leaves it to the side that is called, and there chooses who calls (RFC 4028 Table 2).",
    )
    trusted_peers: Iterable[str] = setting(
        (),
        check=checks.peers,
        binds={"trusted_peers": "_read_peers"},
        doc="Whose P-Asserted-Identity is believed, and who is given ours: addresses and networks"
        ' such as "10.0.0.0/8", and next hops by their names, which are not resolved (RFC 3325).',
    )
    asserted_identity: str | Iterable[str] = setting(
        (),
        check=checks.identities,
        binds={"asserted_identity": ""},
        doc="Who we are, as we assert it to trusted peers by P-Asserted-Identity: a SIP URI, a tel"
        " URI, or one of each.",
    )
    preferred_identity: str | None = setting(
        check=checks.identity,
        binds={"preferred_identity": ""},
        doc="Which of our identities a trusted proxy should assert, by P-Preferred-Identity.",
    )
    privacy: str | Iterable[str] = setting(
        (),
        check=checks.privacy,
        binds={"privacy": ""},
        doc='What calls ask to be kept private (RFC 3323): "id", "user", "header", "session",'
        ' "history", "critical", or "none". With "id" or "user" a call comes from'
        " sip:anonymous@anonymous.invalid.",
    )
    history_info: bool = setting(
        False,
        check=checks.flag,
        binds={"history_info": ""},
        doc="Whether calls that are placed, redirected or answered say by History-Info where they"
        " have been (RFC 7044).",
    )
    answer_mode: bool = setting(
        False,
        check=checks.flag,
        binds={"answer_mode": ""},
        doc="Whether a caller may have a call answered at once, by Answer-Mode (RFC 5373) or the"
        " older Call-Info and Alert-Info, if it has authenticated itself or is a trusted peer.",
    )
    keep_forks: bool = setting(
        False,
        check=checks.flag,
        binds={"keep_forks": ""},
        doc="Whether further answers to a forked call are kept.",
    )
    reliable_provisionals: str = setting(
        "supported",
        check=checks.one_of("supported", "required", "off"),
        binds={"reliable_provisionals": ""},
        doc="Whether provisional responses are sent until a PRACK comes (RFC 3262)."
        ' "supported": those to us are acknowledged; ours are reliable where the caller requires'
        " it, and where the caller supports it and they carry the answer to its offer"
        ' (`ring(media=True)`), or `ring(reliable=True)` asks for it. "required": calls are made'
        " to and taken from those alone who support it, others get 421 Extension Required; all of"
        ' ours are reliable. "off": none is, and who requires it gets 420 Bad Extension.',
    )
    history: bool = setting(
        False,
        check=checks.flag,
        binds={"history": "_make_history"},
        doc="Keep messages, the latest 10,000 of the engine or 32 MiB, for `call.messages`.",
    )
    accepts: Iterable[str] = setting(
        ("application/sdp",),
        check=checks.media_types,
        binds={"accepts": ""},
        doc="The media types that a call may bring, as body or part; what else has to be understood"
        " is answered 415 (RFC 5621 §8.4).",
    )
    message_types: Iterable[str] = setting(
        ("text/plain", "message/cpim"),
        check=checks.media_ranges,
        binds={"message_types": ""},
        doc="The media types that an instant message may bring, such as `text/*`; what else it has"
        " is answered 415 (RFC 3428 §7).",
    )
    info_packages: Iterable[str] | None = setting(
        check=checks.info_packages,
        binds={"info": "_make_info"},
        doc="The Info Packages that calls of the party take (RFC 6086), said with each INVITE. ()"
        " is for who sends them and takes none; None, the default, for who knows none.",
    )
    authenticator: DigestServer | Mapping[str, str] | None = setting(
        check=checks.authenticator,
        binds={"authenticator": "_make_authenticator"},
        doc="Who may call, as passwords by user for the realm of the party's host, or as a"
        " `DigestServer`, for requests outside of dialogs (RFC 3261 §22.2); None for everybody.",
    )
    authenticator_algorithms: Iterable[str] = setting(
        ("MD5", "SHA-256"),
        check=checks.texts,
        also=("authenticator",),
        doc="What an authenticator with passwords offers, in order.",
    )
    catch_all: bool = setting(
        False,
        check=checks.flag,
        binds={"catch_all": ""},
        doc="Take the calls and requests to every user that nobody else here listens as, such as"
        " the numbers of a trunk; `request.uri` says who was meant.",
    )
    names: Iterable[str] = setting(
        (),
        check=checks.host_names,
        binds={"names": "_read_names"},
        doc="Further hosts and addresses that an authenticator takes credentials for.",
    )

    instance_id: str | None = setting(
        check=checks.urn,
        binds={"instance_id": ""},
        doc="What names this party among all user agents, as a URN that stays the same over"
        ' restarts: "urn:uuid:..." (RFC 5626 §4.1). Registrations say it. By default one is made up'
        " where it is needed.",
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        for name, value in list(vars(cls).items()):
            declared = next((vars(base)[name] for base in cls.__mro__[1:] if name in vars(base)), 0)
            if isinstance(declared, Setting) and not hasattr(value, "__get__"):
                setattr(cls, name, declared.with_default(cls, value))
        super().__init_subclass__(**kwargs)

    def configure(self, **settings: Unpack[Settings]) -> Self:
        """Change several settings, all of them or none.

        Raises:
            TypeError: There is no such setting, or its value is of the wrong kind.
            Exception: What setting the attribute raises.
        """
        for name, value in settings.items():
            self._check_path((name,))
            declared = type(self).deep_attributes.get(name)
            if declared is not None:
                declared.accept(self, value)
        for name, value in settings.items():
            setattr(self, name, value)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        kind = type(self)
        if name[0] != "_" and name not in self.__dict__ and not hasattr(kind, name):
            # What is nobody's mistake for a name that there is may be kept here.
            known = [one for one in dir(kind) if one[0] != "_"]
            import difflib

            near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
            if near and not any(
                name in vars(base).get("__annotations__", ()) for base in kind.__mro__
            ):
                raise AttributeError(
                    f"{kind.__name__} has no attribute {name!r}; did you mean {near[0]!r}?"
                    " (One of your own is declared in the class.)"
                )
        super().__setattr__(name, value)

    def _follow(self, name: str, *, anew: bool) -> None:
        """Have the user agent follow a setting, whose value is there; `anew` if it follows it."""
        bound = self.__dict__.get("_agent") and self.bindings()
        if bound is None:
            return
        declared = type(self).deep_attributes[name]
        assert isinstance(declared, Setting)
        for target, make in declared.binds.items():
            if (name, f"_agent.{target}") not in bound:
                self.bind(name, f"_agent.{target}", getattr(self, make) if make else None)
            elif anew:
                self.changed(name)

    def _follow_settings(self) -> None:
        """Have a new user agent follow what is not as it has it by itself."""
        for name, declared in type(self).deep_attributes.items():
            if isinstance(declared, Setting):
                value, given = getattr(self, name), name in self.__dict__
                for target, make in declared.binds.items():
                    made = (
                        getattr(self, make)(value)
                        if make and value is not None and not given
                        else value
                    )
                    if given or made != getattr(self._agent, target):
                        self._follow(name, anew=False)

    # ---------------------------------------------------------------- what bindings make of them

    def _from_address(self, name: str) -> str:
        assert self._agent is not None
        return f"{quote(name)} <{self._agent.uri}>" if name else f"<{self._agent.uri}>"

    def _make_digest(self, given: Any) -> DigestClient:
        agent = self._agent
        assert agent is not None
        policy = agent.core.policy
        home = [agent.host]
        if self.proxy is not None:
            home.append(NextHop.of(route_to(self.proxy)[1:-1]).place)
        from sipparty.sip.auth import DigestClient, Trust

        one = not (isinstance(given, Mapping) or callable(given))
        return DigestClient(
            None if one else given,
            default=given if one else None,
            tokens=agent.core.tokens.tag,
            algorithms=policy.algorithms,
            trust=Trust(home, policy.challenges, policy.challenges_without_qop),
        )

    def _make_authenticator(self, given: Any) -> DigestServer:
        if not isinstance(given, Mapping):
            return given  # type: ignore[no-any-return]
        import os

        from sipparty.sip.admission import password_authenticator

        return password_authenticator(
            str(self.host), given, self.authenticator_algorithms, os.urandom
        )

    def _make_info(self, names: Iterable[str]) -> InfoPackages:
        from sipparty.sip.info import InfoPackages, InfoReceived

        assert self._agent is not None
        InfoReceived.enable(self._agent)  # Allow says so, whether anybody takes one yet or not
        return InfoPackages(names)

    def _make_history(self, wanted: bool) -> History | None:
        party: Any = self
        former = party._agent.history
        if former is not None:
            former.end()
        if not wanted:
            return None
        from sipparty.party.calls import History

        made = History(party.engine.wire)
        party._streams.add(made)
        return made

    def _most_calls(self) -> int | None:
        from sipparty.concurrency.descriptors import media_calls

        return media_calls(self._descriptors) if self._descriptors else None

    def _most_of_one(self, most: int) -> int | None:
        assert self._agent is not None
        declared: Any = type(self).deep_attributes["max_calls"]
        chosen = "max_calls" in self.__dict__ or declared.of_party is None
        return None if chosen else max(1, most * self._agent.core.limits.max_share // 100)

    @property
    def _descriptors(self) -> int:
        """How many file descriptors the media of a call take."""
        return getattr(self._session_kind, "descriptors", 0)

    def _read_names(self, names: Iterable[str]) -> Any:
        from sipparty.sip.admission import read_name

        return tuple(read_name(name) for name in names)

    def _read_peers(self, names: Iterable[str]) -> Any:
        if not names:
            return None  # as with most parties, which load nothing for it
        from sipparty.sip.identity import Peers

        return Peers(names)
