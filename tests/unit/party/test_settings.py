"""Settings of a party: checked when set, readable, undoable, and bound to what runs."""

import ast
import math
from pathlib import Path

import pytest

from sipparty.errors import BuildError, CallRejected, ParseError, SIPPartyError, UsageError
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.party import Party, settings
from sipparty.party.setting import Setting
from sipparty.sip.events import CallReceived

LOOPBACK = "127.0.0.1"

#: Every setting, a value for it, and what it reads as then.
VALUES = {
    "display_name": ("Alice", "Alice"),
    "proxy": ("10.0.0.2:5070", "10.0.0.2:5070"),
    "credentials": (("alice", "tea"), ("alice", "tea")),
    "media": ({"ptime": 30}, {"ptime": 30}),
    "local_address": ("127.0.0.2", "127.0.0.2"),
    "user_agent": ("Phone/1.0", "Phone/1.0"),
    "auto_answer": (False, False),
    "rings": (False, False),
    "max_calls": (3, 3),
    "patience": (10, 10),
    "follow_redirects": (0, 0),
    "retry_wait": (5, 5),
    "session_expires": (1800, 1800),
    "min_se": (300, 300),
    "session_refresher": ("local", "local"),
    "trusted_peers": (["10.0.0.0/8"], ("10.0.0.0/8",)),
    "asserted_identity": ("sip:a@b.com", ("<sip:a@b.com>",)),
    "preferred_identity": ("sip:a@b.com", "<sip:a@b.com>"),
    "privacy": ("id", ("id",)),
    "history_info": (True, True),
    "answer_mode": (True, True),
    "keep_forks": (True, True),
    "reliable_provisionals": ("off", "off"),
    "history": (True, True),
    "accepts": (["Application/PIDF+xml"], ("application/pidf+xml",)),
    "message_types": (["Text/*", "a/b"], ("text/*", "a/b")),
    "info_packages": (["foo", "bar"], ("foo", "bar")),
    "authenticator": ({"alice": "tea"}, {"alice": "tea"}),
    "authenticator_algorithms": (["SHA-256"], ("SHA-256",)),
    "catch_all": (True, True),
    "names": (["203.0.113.7"], ("203.0.113.7",)),
    "instance_id": ("urn:uuid:1", "urn:uuid:1"),
}

every_setting = pytest.mark.parametrize("name", VALUES)


def declared():
    return {n for n, one in Party.deep_attributes.items() if isinstance(one, Setting)}


def test_the_table_here_the_types_and_the_attributes_are_one_list():
    assert set(VALUES) == declared()
    tree = ast.parse(Path(settings.__file__).read_text())
    [typed] = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == "Settings"]
    names = {one.target.id for one in typed.body if isinstance(one, ast.AnnAssign)}
    assert declared() == names - {"aor", "username", "host", "address", "port"}
    assert all(Party.deep_attributes[name].__doc__ for name in declared())


class TestAttributes:
    @every_setting
    @pytest.mark.parametrize("undo", ["none", "del", "configure"])
    def test_set_read_and_undone(self, name, undo):
        party, (given, read) = Party("bob@b.com"), VALUES[name]
        default = getattr(party, name)
        setattr(party, name, given)
        assert getattr(party, name) == read != default
        if undo == "none":
            setattr(party, name, None)
        elif undo == "del":
            delattr(party, name)
        else:
            party.configure(**{name: None})
        assert getattr(party, name) == default

    @every_setting
    def test_by_constructor_by_configure_and_by_class(self, name):
        given, read = VALUES[name]
        kind = type("Own", (Party,), {name: given})
        assert getattr(Party("bob@b.com", **{name: given}), name) == read
        assert getattr(Party().configure(**{name: given}), name) == read
        assert getattr(kind(), name) == read
        party = kind(**{name: given})
        setattr(party, name, None)
        assert getattr(party, name) == read  # the default of the class

    @pytest.mark.parametrize(
        ("name", "value", "error", "text"),
        [
            ("display_name", "a\r\nb", BuildError, "display_name"),
            ("display_name", 5, TypeError, "display_name is text, not 5"),
            ("proxy", "two words", ParseError, "two words"),
            ("proxy", 5, TypeError, "proxy is a host, host:port or URI, not 5"),
            ("credentials", "secret", TypeError, r'credentials is a pair, \("user", "password"\)'),
            ("credentials", ("a", "b", "c"), TypeError, "is a pair"),
            ("credentials", {"home": "secret"}, TypeError, r"credentials\['home'\] is a pair"),
            ("credentials", ("a\nb", "secret"), BuildError, "user name"),
            ("media", "call.wav", TypeError, "mapping of options"),
            ("local_address", "0.0.0.0", ParseError, "one numeric address"),
            ("local_address", "here", ParseError, "one numeric address"),
            ("user_agent", "a\nb", BuildError, "user_agent"),
            ("auto_answer", "no", TypeError, "auto_answer is True or False, not 'no'"),
            ("max_calls", -1, UsageError, "0 or more"),
            ("max_calls", 1.5, TypeError, "whole number"),
            ("max_calls", True, TypeError, "whole number"),
            ("patience", 0, UsageError, "in seconds, above 0: not 0"),
            ("patience", math.inf, UsageError, "above 0"),
            ("patience", "1", TypeError, "a number of seconds"),
            ("retry_wait", -1, UsageError, "in seconds"),
            ("retry_wait", False, TypeError, "a number of seconds"),
            ("accepts", "application/sdp", TypeError, "a list of texts"),
            ("accepts", ["sdp"], ParseError, "sdp"),
            (
                "authenticator",
                ["alice"],
                TypeError,
                r'authenticator is a mapping, \{"user": "password"\}',
            ),
            ("names", ["sip:"], ParseError, "sip:"),
        ],
    )
    def test_what_is_refused_changes_nothing(self, name, value, error, text):
        party = Party("bob@b.com")
        before = getattr(party, name)
        for change in (
            lambda: setattr(party, name, value),
            lambda: party.configure(rings=False, **{name: value}),
            lambda: Party("bob@b.com", **{name: value}),
            lambda: type("Own", (Party,), {name: value}),
        ):
            with pytest.raises(error, match=text) as caught:
                change()
            assert "secret" not in str(caught.value)
        assert getattr(party, name) == before
        assert party.rings is True

    @pytest.mark.parametrize(
        ("wrong", "right"),
        [("urii", "uri"), ("displayname", "display_name"), ("max_call", "max_calls")],
    )
    def test_a_typo_is_an_error_that_says_the_nearest_name(self, wrong, right):
        party = Party("bob@b.com")
        with pytest.raises(AttributeError, match=f"no attribute '{wrong}'; did you mean '{right}'"):
            setattr(party, wrong, 1)
        for change in (lambda: Party(**{wrong: 1}), lambda: party.configure(**{wrong: 1})):
            with pytest.raises(TypeError, match=f"'{wrong}'; did you mean '{right}'"):
                change()

    def test_attributes_of_ones_own(self):
        class Own(Party):
            name: str
            call = None

        party = Own()
        party.name, party.call, party.greeting = "Bob", 1, "hello"
        assert (party.name, party.call, party.greeting) == ("Bob", 1, "hello")
        with pytest.raises(AttributeError, match="declared in the class"):
            Party().name = "Bob"

    def test_what_it_looks_like_names_no_secret(self, bob):
        bob.credentials = ("bob", "secret")
        port = bob.contact_uri.port
        assert (
            repr(bob)
            == f"<NoMediaSimpleCallsParty sip:bob@biloxi.com, listens at {LOOPBACK}:{port}>"
        )
        assert repr(Party()) == "<Party without an address>"


class TestEffect:
    """What is set counts for what comes after it."""

    def test_the_display_name_and_the_product(self, alice, peer):
        seen = []
        for name, product in (("", "sipparty"), ("Al", "Phone/1"), ("Ali", None)):
            alice.configure(display_name=name, user_agent=product)
            alice.invite("bob@b.com", proxy=peer.place)
            invite = peer.receive("INVITE")
            seen.append((invite["From"].display_name, invite["User-Agent"]))
        assert [(name or "", str(product)) for name, product in seen] == [
            ("", "sipparty"),
            ("Al", "Phone/1"),
            ("Ali", "sipparty"),
        ]

    def test_credentials_after_the_first_call(self, alice, bob):
        bob.authenticator = {"alice": "tea"}
        assert alice.options(bob).wait(5).status == 401
        alice.credentials = ("alice", "tea")
        assert alice.options(bob).wait(5).status == 200
        bob.authenticator = {"alice": "coffee"}
        with pytest.raises(CallRejected, match="password is wrong"):
            alice.options(bob).wait(5)
        bob.authenticator = None
        alice.credentials = None
        assert alice.options(bob).wait(5).status == 200

    def test_the_algorithms_of_a_authenticator_that_is_there(self, bob):
        bob.authenticator = {"alice": "tea"}
        for algorithms in (("SHA-256",), ("MD5",)):
            bob.authenticator_algorithms = algorithms
            offered = [text for _, text in bob._agent.authenticator.challenge(0.0).headers]
            assert [text.rpartition("algorithm=")[2] for text in offered] == list(algorithms)

    def test_a_proxy_set_later_is_one_s_own_server(self, alice, bob):
        alice.credentials = ("alice", "tea")
        alice.options(bob).wait(5)
        digest = alice._agent.digest
        alice.proxy = "10.0.0.2"
        assert alice._agent.digest is not digest
        assert "10.0.0.2" in alice._agent.digest.trust._home

    def test_max_calls_is_read_and_undone(self, make_party):
        bob = make_party("bob@biloxi.com", SingleRTPSessionSimplenParty).listen(
            None, address=LOOPBACK
        )
        agent, default = bob._agent, bob.max_calls
        assert default == agent.max_calls > 0
        assert agent.max_calls_of_one == default * agent.core.limits.max_share // 100
        bob.max_calls = 3
        assert (agent.max_calls, agent.max_calls_of_one) == (3, None)
        bob.max_calls = None
        assert (bob.max_calls, agent.max_calls) == (default, default)
        assert agent.max_calls_of_one == default * agent.core.limits.max_share // 100
        assert NoMediaSimpleCallsParty().max_calls is None

    def test_a_new_address_takes_the_settings_along(self, alice, peer):
        alice.display_name = "Al"
        alice.invite("bob@b.com", proxy=peer.place)
        peer.receive("INVITE")
        alice.uri = "sip:alicia@atlanta.com"
        alice.rings = False
        alice.invite("bob@b.com", proxy=peer.place)
        assert peer.receive("INVITE")["From"].display_name == "Al"
        assert (alice._agent.user, alice._agent.rings) == ("alicia", False)

    def test_automatic_answers_come_back_with_the_last_handler_gone(self, alice, bob):
        handlers = [lambda event: None, lambda event: None]
        for handler in handlers:
            bob.on(CallReceived, handler)
        assert bob.auto_answer is bob._agent.auto_answer is False
        bob.off(CallReceived, handlers[0])
        assert bob.auto_answer is bob._agent.auto_answer is False
        bob.off(CallReceived, handlers[1])
        assert bob.auto_answer is bob._agent.auto_answer is True
        assert alice.invite(bob).wait(5).state == "InDialog"

    def test_a_port_that_is_an_address_says_what_to_write(self, alice):
        with pytest.raises(TypeError, match=r"listen\(address='127.0.0.1'\)"):
            alice.listen("127.0.0.1")

    @pytest.mark.parametrize("option", ["playy", "recrd"])
    def test_an_option_that_no_session_has(self, option):
        with pytest.raises(TypeError, match=f"no option '{option}'; did you mean"):
            SingleRTPSessionSimplenParty(media={option: "call.wav"})

    def test_a_setting_that_fails_is_an_error_of_ours_or_of_the_language(self):
        for name in VALUES:
            with pytest.raises((SIPPartyError, TypeError)):
                setattr(Party("bob@b.com"), name, object())


def test_a_user_agent_follows_what_was_set_alone(listening):
    """A binding takes half a kilobyte; most parties change little."""
    bob = listening()
    address = set(bob.bindings())
    assert len(address) == 4
    bob.rings = False
    bob.rings = True
    bob.on(CallReceived, print)
    assert set(bob.bindings()) - address == {
        ("rings", "_agent.rings"),
        ("auto_answer", "_agent.auto_answer"),
    }


def test_a_setting_that_cannot_take_effect_is_as_it_was(listening):
    bob = listening()
    bob._make_authenticator = lambda given: 1 / 0
    with pytest.raises(ZeroDivisionError):
        bob.authenticator = {"alice": "tea"}
    assert bob.authenticator is bob._agent.authenticator is None


@pytest.mark.parametrize("most", [1, 2])
def test_calls_that_a_subclass_allows_may_all_be_of_one_source(alice, make_party, most):
    class Line(NoMediaSimpleCallsParty):
        max_calls = most

    line = make_party("line@biloxi.com", Line).listen(None, address=LOOPBACK)
    for _ in range(most):
        assert alice.invite(line).wait(10).state == "InDialog"
    with pytest.raises(CallRejected, match="486"):
        alice.invite(line).wait(10)


def test_a_source_has_one_call_where_few_descriptors_allow_few(alice, make_party, monkeypatch):
    monkeypatch.setattr(settings.PartySettings, "_most_calls", lambda party: 1)
    line = make_party("line@biloxi.com").listen(None, address=LOOPBACK)
    assert alice.invite(line).wait(10).state == "InDialog"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("session_expires", 89, "90 or more"),
        ("session_expires", 2**32, "90 or more"),
        ("min_se", 89, "90 or more"),
        ("session_refresher", "uac", "'local' or 'remote'"),
    ],
)
def test_a_session_timer_that_cannot_be_is_refused(name, value, says):
    with pytest.raises(UsageError, match=says):
        Party("bob@b.com", **{name: value})
