"""Mistakes of people who begin: refused at the line that makes them, in words that help."""

import copy
import pickle
import queue

import pytest

from sipparty import (
    AudioParty,
    BuildError,
    CallReceived,
    CallRejected,
    Incomplete,
    ListenError,
    MediaError,
    NoMediaSimpleCallsParty,
    ParseError,
    UsageError,
)

PATIENCE = 10


@pytest.fixture
def alice(make_party):
    return make_party("alice@atlanta.com", AudioParty)


@pytest.fixture
def bob(make_party):
    return make_party("bob@biloxi.com", AudioParty).listen(None, address="127.0.0.1")


def make(**settings):
    return AudioParty("alice@atlanta.com", **settings)


#: What is written, the error, and words of it.
SETTINGS = [
    ({"credentials": "secret"}, TypeError, 'is a pair, ("user", "password"), not a str'),
    ({"credentials": {"realm": "secret"}}, TypeError, "credentials['realm'] is a pair"),
    ({"credentials": ("alice",)}, TypeError, "is a pair"),
    ({"displayname": "Alice"}, TypeError, "did you mean 'display_name'"),
    ({"display_name": 1}, TypeError, "display_name is text"),
    ({"media": {"playy": "x.wav"}}, TypeError, "did you mean 'play'"),
    ({"media": "x.wav"}, TypeError, "is a mapping"),
    ({"media": {"play": "/missing.wav"}}, MediaError, "Cannot read /missing.wav"),
    ({"media": {"play": b"\0\0" * 5000}}, UsageError, "10000 bytes cannot be played"),
    ({"media": {"record": "/no/folder/x.wav"}}, MediaError, "there is no folder /no/folder"),
    ({"media": {"codecs": ["nonsense"]}}, UsageError, "nonsense"),
    ({"media": {"codecs": "PCMU"}}, TypeError, 'codecs is several names, such as ("PCMU",)'),
    ({"proxy": "not a host"}, ParseError, "'not a host' is not a valid proxy"),
    ({"max_calls": "5"}, TypeError, "max_calls is a whole number"),
    ({"patience": -1}, UsageError, "above 0"),
    ({"authenticator": "secret"}, TypeError, "authenticator is a mapping"),
]


@pytest.mark.parametrize(("settings", "error", "words"), SETTINGS)
def test_settings_that_cannot_be(settings, error, words):
    with pytest.raises(error) as caught:
        make(**settings)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(("settings", "error", "words"), SETTINGS)
def test_settings_that_cannot_be_set_later(settings, error, words):
    party = make()
    with pytest.raises(error) as caught:
        party.configure(**settings)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("sipp:bob@biloxi.com", ParseError, "the scheme sip or sips, not 'sipp'"),
        ("ssip:bob@biloxi.com", ParseError, "the scheme sip or sips, not 'ssip'"),
        ("bob@", ParseError, "expected a host name"),
        ("", ParseError, "expected a host name"),
        (None, TypeError, "not NoneType"),
        (5060, TypeError, "not int"),
        ("tel:+1-201-555-0123", ParseError, "a sip: or sips: URI"),
    ],
)
def test_targets_that_cannot_be(alice, text, error, words):
    with pytest.raises(error) as caught:
        alice.invite(text)
    assert words in str(caught.value)
    assert alice.calls == []


def test_a_password_in_an_address_is_still_one(alice):
    assert alice.invite("sip:bob:tea@127.0.0.1:9").remote.uri.password == "tea"


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"port": "127.0.0.1"}, TypeError, "listen(address='127.0.0.1')"),
        ({"address": 5060}, TypeError, "listen(5060)"),
        ({"port": 70000}, ListenError, "a port is 0 to 65535"),
    ],
)
def test_places_to_listen_that_cannot_be(alice, arguments, error, words):
    with pytest.raises(error) as caught:
        alice.listen(**arguments)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (None, "incomplete uri"),
        ("sip:atlanta.com", "incomplete uri: it has no user, as in alice@atlanta.com"),
    ],
)
@pytest.mark.parametrize("verb", ["invite", "listen"])
def test_which_part_of_an_address_lacks(bob, uri, words, verb):
    party = NoMediaSimpleCallsParty() if uri is None else NoMediaSimpleCallsParty(uri)
    with pytest.raises(Incomplete) as caught:
        party.invite(bob) if verb == "invite" else party.listen(None)
    assert str(caught.value) == f"Party instance can't {verb} as it has an {words}"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"media": {"playy": "x.wav"}}, TypeError, "did you mean 'play'"),
        ({"media": {"play": "/missing.wav"}}, MediaError, "Cannot read /missing.wav"),
        ({"media": {"record": "/no/folder/x.wav"}}, MediaError, "no folder /no/folder"),
        ({"expires": "soon"}, UsageError, "expires is in seconds"),
        ({"proxy": "not a host"}, ParseError, "not a valid proxy"),
        ({"headers": {"From": "<sip:x@y>"}}, BuildError, "From cannot be given as a header: it is"),
        ({"headers": {"to": "<sip:x@y>"}}, BuildError, "it is the target"),
        ({"headers": {"i": "1"}}, BuildError, "i cannot be given as a header: each call"),
        ({"headers": {"Call-ID": "1"}}, BuildError, "each call has one of its own"),
        ({"headers": {"CSeq": "1 INVITE"}}, BuildError, "counts the requests"),
        ({"headers": {"Via": "SIP/2.0/UDP x"}}, BuildError, "the transport writes it"),
        ({"headers": [("v", "x")]}, BuildError, "the transport writes it"),
        ({"headers": {"Contact": "<sip:x@y>"}}, BuildError, "listen(advertise=...)"),
        ({"headers": {"Content-Type": "text/plain"}}, BuildError, "parts=[...]"),
    ],
)
def test_calls_that_cannot_be(alice, bob, options, error, words):
    with pytest.raises(error) as caught:
        alice.invite(bob, **options)
    assert words in str(caught.value)
    assert alice.calls == bob.calls == []


@pytest.mark.parametrize("name", ["User-Agent", "Allow", "Supported", "Expires"])
def test_a_header_that_is_given_stands_once(alice, bob, name):
    requests = queue.Queue()
    bob.on(CallReceived, lambda event: requests.put(event.request))
    options = {"expires": 7} if name == "Expires" else {}
    alice.invite(bob, headers={name: "7"}, **options)
    assert list(requests.get(timeout=PATIENCE).lines(name)) == ["7"]


def test_what_cannot_be_played_or_recorded(alice, bob):
    session = alice.invite(bob).wait(PATIENCE).session
    for what, words in (
        (b"\0\1" * 5000, "10000 bytes cannot be played: give MemorySource"),
        (5, "5 cannot be played"),
    ):
        with pytest.raises(UsageError) as caught:
            session.play(what)
        assert words in str(caught.value)
        assert len(str(caught.value)) < 200
    with pytest.raises(MediaError, match="no folder /no/folder"):
        session.record("/no/folder/x.wav")


@pytest.mark.parametrize("status", [401, 407])
def test_a_challenge_without_credentials_says_what_to_give(alice, bob, status):
    bob.on(CallReceived, lambda event: event.call.reject(status))
    with pytest.raises(CallRejected, match=r"Give the party that calls credentials=\(user, passw"):
        alice.invite(bob).wait(PATIENCE)


def test_a_party_that_does_not_listen_cannot_be_called(alice):
    with pytest.raises(UsageError, match=r"does not listen: listen\(\) comes first"):
        alice.invite(make())


def test_a_handler_that_loses_the_race_is_no_error(alice, bob, caplog):
    """The caller cancels while the handler decides: what it does then has no effect."""
    done = []

    @bob.on(CallReceived)
    def slow(event):
        call = event.call.ring()
        alice.calls[0].terminate()
        call.waitForStateCondition("Terminated".__eq__, PATIENCE)
        done.append(call.ring().accept().reject().state)

    alice.invite(bob).waitForStateCondition("Terminated".__eq__, PATIENCE)
    while not done:
        alice.options(bob).wait(PATIENCE)
    assert done == ["Terminated"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_media_of_one_call_that_cannot_be_had_is_in_the_log(alice, bob, caplog):
    """What a handler sets on a call is used when that is accepted: 500, and the log says why."""

    @bob.on(CallReceived)
    def take(event):
        event.call.media = {"record": "/no/folder/x.wav"}
        event.call.accept()

    with pytest.raises(CallRejected, match="500"):
        alice.invite(bob).wait(PATIENCE)
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "carries bad media" in line.getMessage()
    assert "there is no folder /no/folder" in line.exc_text


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"media": {"playy": "x.wav"}}, TypeError, "did you mean 'play'"),
        ({"media": {"play": "/missing.wav"}}, MediaError, "Cannot read /missing.wav"),
        ({"headers": {"From": "<sip:x@y>"}}, BuildError, "From cannot be given as a header"),
    ],
)
def test_answers_that_cannot_be(alice, bob, options, error, words):
    incoming = bob.incoming()
    call = alice.invite(bob)
    theirs = incoming.next(PATIENCE)
    with pytest.raises(error) as caught:
        theirs.accept(**options)
    assert words in str(caught.value)
    theirs.accept()
    call.wait(PATIENCE)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps, AudioParty.copy])
def test_a_party_is_not_copied(bob, copied):
    with pytest.raises(TypeError, match="A SingleRTPSessionSimplenParty is not copied or pickled"):
        copied(bob)
    assert bob.listening


def test_media_that_cannot_be_asked_for_is_refused_at_once(alice, bob):
    call = alice.invite(bob).wait(PATIENCE)
    with pytest.raises(UsageError, match="has no setting codec; it has codecs, ptime"):
        call.update_media(codec=["PCMA"])
    with pytest.raises(UsageError, match="nonsense"):
        call.update_media(codecs=["nonsense"])
    call.update_media(codecs=["PCMA"]).wait(PATIENCE)


@pytest.mark.parametrize(("verb", "words"), [("ring", "provisional"), ("reject", "refuse")])
@pytest.mark.parametrize("status", ["busy", None, 200])
def test_a_status_that_cannot_be(alice, bob, verb, words, status):
    calls = bob.incoming()
    alice.invite(bob)
    with pytest.raises(UsageError, match=f"{status!r} .*{words}"):
        getattr(calls.next(PATIENCE), verb)(status)


@pytest.mark.parametrize(
    ("method", "error", "words"),
    [("M E", BuildError, "'M E' cannot be a method"), ("INVITE", UsageError, "CallReceived")],
)
def test_a_method_that_nobody_can_handle_leaves_nothing(bob, method, error, words):
    with pytest.raises(error, match=words):
        bob.on_request(method, print)
    bob.on_request("MESSAGE", print)


@pytest.mark.parametrize("headers", ["Subject: lunch", ["Subject"], [("Subject",)], ["ab"]])
def test_headers_that_are_no_headers(alice, bob, headers):
    with pytest.raises(TypeError, match="headers are "):
        alice.invite(bob, headers=headers)


def test_what_is_sent_alone_is_a_request(alice):
    with pytest.raises(TypeError, match=r"send\(\) takes a Request"):
        alice.send("OPTIONS")
