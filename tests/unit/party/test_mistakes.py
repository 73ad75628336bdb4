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
    InfoReceived,
    ListenError,
    MediaError,
    MessageReceived,
    NoMediaSimpleCallsParty,
    ParseError,
    TransferRequested,
    UnexpectedInput,
    UsageError,
)
from sipparty.sip.packages import Presence

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
        (b"\0\1" * 5000, "10000 bytes cannot be played: give their rate"),
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
    with pytest.raises(TypeError, match="SimplenParty: no party is copied or pickled"):
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


#: A verb that is wrong as it is called: what does it, the error, and words of it.
NEW_VERBS = [
    (lambda a, b: a.register(5), TypeError, 'registrar is text, such as "sip:biloxi.com", not 5'),
    (lambda a, b: a.register("sip:bob@biloxi.com"), UsageError, "names a user"),
    (lambda a, b: a.register(expires=0), UsageError, "expires is a number of seconds"),
    (lambda a, b: a.register(expires="600"), UsageError, "expires is a number of seconds"),
    (lambda a, b: a.register(outbound=True), TypeError, 'a list of proxies, ["sip:edge'),
    (lambda a, b: a.register(contacts="sip:a@b.c"), TypeError, "contacts is a list"),
    (lambda a, b: a.register(gruu="yes"), UsageError, 'gruu is "public", "temporary"'),
    (lambda a, b: a.register(q=2), UsageError, "q is from 0.0 to 1.0"),
    (lambda a, b: a.register(headers=5), TypeError, 'headers are {"Subject": "lunch"}'),
    (lambda a, b: a.fetch_bindings(5), TypeError, "registrar is text"),
    (lambda a, b: a.subscribe("presence", b, within=5), TypeError, "within is a call that is up"),
    (lambda a, b: a.subscribe("presence", b, expires="3"), UsageError, "expires is in whole"),
    (lambda a, b: a.subscribe("nonsense", b), UsageError, 'accept=["text/plain"]'),
    (lambda a, b: a.subscribe(5, b), TypeError, "An event package is a name or an EventPackage"),
    (lambda a, b: b.offer("presence", "open"), TypeError, "'open' is no state of 'presence'"),
    (lambda a, b: b.offer("presence").notify("open"), TypeError, "is no state of 'presence'"),
    (lambda a, b: a.publish("presence", 5, target=b), TypeError, "5 is no state of 'presence'"),
    (lambda a, b: a.publish("presence", "", target=b), UsageError, "nothing to publish"),
    (lambda a, b: a.take_unsolicited(5), TypeError, "An event package is a name"),
    (lambda a, b: a.message(b, 5), TypeError, "The text of a message is a str, not 5"),
    (lambda a, b: a.message(b), UsageError, 'message(target, "Hello")'),
    (lambda a, b: a.message(b, body=b"{}"), UsageError, 'content_type="application/json"'),
    (lambda a, b: a.message(b, "x", expires=-1), UsageError, "expires is in seconds"),
    (lambda a, b: a.ping(b, up=200), TypeError, "up is a set of statuses, such as {200}"),
    (lambda a, b: a.ping(b, up={"200"}), TypeError, "up is a set of statuses"),
    (lambda a, b: a.ping(b, period=0), UsageError, "period is a number above 0"),
    (lambda a, b: a.ping(5), TypeError, "not int"),
    (lambda a, b: a.refer(b, 5), TypeError, "not int"),
    (lambda a, b: a.configure(asserted_identity=5), TypeError, "An identity is text, such as"),
    (lambda a, b: a.configure(privacy=5), TypeError, 'privacy is text, such as "id"'),
    (lambda a, b: a.configure(privacy="secret"), UsageError, "privacy is of header"),
    (lambda a, b: a.configure(session_expires=10), UsageError, "90 or more"),
    (lambda a, b: a.configure(trusted_peers="10.0.0.1"), TypeError, "is a list of texts"),
    (lambda a, b: a.configure(instance_id="1"), UsageError, "instance_id is a URN"),
    (lambda a, b: a.configure(info_packages="x"), TypeError, "is a list of texts"),
]


@pytest.mark.parametrize(("verb", "error", "words"), NEW_VERBS)
def test_verbs_outside_of_calls_that_cannot_be(alice, bob, verb, error, words):
    with pytest.raises(error) as caught:
        verb(alice, bob)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("verb", "error", "words"),
    [
        (lambda call: call.transfer(5), TypeError, "not int"),
        (lambda call: call.transfer(call), UsageError, "not transferred to itself"),
        (lambda call: call.transfer("sip:a@b.c", patience="1"), UsageError, "patience is a number"),
        (lambda call: call.transfer("sip:a@b.c", hold="inactive"), TypeError, "hold is True or"),
        (lambda call: call.transfer("sip:a@b.c", reports="no"), TypeError, "reports is True or"),
        (lambda call: call.info(5), BuildError, "5 cannot be an Info Package"),
        (lambda call: call.info("x", b"1", "text/plain"), UsageError, "info_packages=()"),
        (lambda call: call.info(None, b"1"), UsageError, 'content_type="application/json"'),
        (lambda call: call.message(5), TypeError, "The text of a message is a str, not 5"),
        (lambda call: call.send(5), BuildError, "5 cannot be a method"),
        (lambda call: call.hold("off"), UsageError, '"sendonly" or "inactive"'),
        (lambda call: call.hold(method="INFO"), UsageError, "not by 'INFO'"),
        (lambda call: call.terminate(headers=5), TypeError, 'headers are {"Subject": "lunch"}'),
        (lambda call: call.add_headers("FOO", {}), UsageError, "Headers are added to ACK and"),
        (lambda call: call.messages, UsageError, "history=True"),
    ],
)
def test_verbs_of_calls_that_cannot_be(alice, bob, verb, error, words):
    call = alice.invite(bob).wait(PATIENCE)
    with pytest.raises(error) as caught:
        verb(call)
    assert words in str(caught.value)
    assert call.state == "InDialog"


def test_every_handle_can_be_ended_and_looked_at(alice, bob):
    """Each shows itself in a line, has its party, and `dir` lists what is of use."""
    made = [
        alice.register(f"127.0.0.1:{bob.contact_uri.port}"),
        alice.subscribe("presence", bob),
        alice.publish("presence", "<presence/>", target=bob),
        alice.ping(bob),
        alice.invite(bob).wait(PATIENCE).transfer(bob),
    ]
    for handle in made:
        kind = type(handle).__name__
        assert "\n" not in str(handle)
        assert repr(handle).startswith(f"<{kind}")
        assert handle.party is alice
        names = dir(handle)
        assert {"wait", "wait_for", "events", "on", "state", "terminate", "party"} <= set(names)
        assert not {"hit", "hear", "table", "core", "agent", "give_up", "settled"} & set(names)
    assert {"unregister", "refresh", "bindings", "flows", "remaining"} <= set(dir(made[0]))
    assert {"value", "refresh", "forks"} <= set(dir(made[1]))
    assert {"stop", "loss", "round_trip", "sent"} <= set(dir(made[3]))
    assert {"status", "target", "call"} <= set(dir(made[4]))
    for handle in made:
        # Decided on the engine's thread: some end by themselves meanwhile.
        alice.engine.run(lambda one=handle: one.takes("terminate") and one.terminate())


def test_a_handle_that_is_over_may_be_ended_again(alice, bob):
    """Its other side may have ended it at any time."""
    bob.offer("presence", Presence.of("sip:bob@biloxi.com", is_open=True))
    ping = alice.ping(bob).wait(PATIENCE).terminate()
    assert ping.state == "Terminated"
    assert ping.terminate() is ping.stop() is ping
    subscription = alice.subscribe("presence", bob).wait(PATIENCE)
    seen = [subscription.terminate().name for _ in subscription]  # the last NOTIFY has one as well
    assert len(seen) >= 1
    subscription.wait_for("Terminated", PATIENCE)
    with pytest.raises(UnexpectedInput, match="current state 'Terminated'"):
        subscription.refresh()


def test_what_is_repeated_sent_raw_or_tampered_with(alice, bob):
    from sipparty.testing import answer_nothing, repeat, send_raw, shift_cseq, tamper

    for verb, words in (
        (lambda: repeat(alice), "is a request, as send"),
        (lambda: send_raw(alice, "INVITE", "127.0.0.1:9"), "bytes or a message"),
        (lambda: tamper(bob, 5), "a function of a message"),
        (lambda: answer_nothing(bob, "3"), "requests is a whole number"),
        (lambda: shift_cseq(bob, "1"), "by is a whole number"),
    ):
        with pytest.raises(TypeError) as caught:
            verb()
        assert words in str(caught.value)


def test_a_call_may_be_redirected_to_a_party(alice, bob, make_party):
    carol = make_party("carol@chicago.com", AudioParty)
    calls = queue.Queue()
    bob.on(CallReceived, lambda event: calls.put(event.call))
    call = alice.invite(bob)
    came = calls.get(timeout=PATIENCE)
    with pytest.raises(UsageError, match="The party to redirect to does not listen"):
        came.redirect(carol)
    carol.listen(None, address="127.0.0.1")
    came.redirect((carol, 0.5))
    call.wait(PATIENCE)
    assert call.remote_target == str(carol.contact_uri)


def test_a_transfer_that_is_answered_480_gives_the_call_back(alice, bob):
    """It is no request of the call's usage."""
    bob.on(TransferRequested, lambda event: event.reject(480))
    call = alice.invite(bob).wait(PATIENCE)
    with pytest.raises(CallRejected, match="480"):
        call.transfer("carol@127.0.0.1").wait(PATIENCE)
    assert call.state == "InDialog"


def test_what_a_session_timer_lists(alice, bob):
    alice.session_expires = 1800
    timer = alice.invite(bob).wait(PATIENCE).session_timer
    assert {"interval", "refresher", "state"} <= set(dir(timer))
    assert all(hasattr(timer, name) for name in dir(timer))
    assert "hit" not in dir(timer)


def test_what_comes_in_a_request_was_made_by_it(alice, bob):
    """`event.request` and `event.made_by` are the message, whatever kind of event it is."""
    seen = queue.Queue()
    for kind in (MessageReceived, InfoReceived, TransferRequested):
        bob.on(kind, seen.put)
    bob.on_request("PUBLISH")(lambda event: (seen.put(event), event.incoming.respond(200)))
    call = alice.invite(bob).wait(PATIENCE)
    call.message("Hello")
    call.info()
    call.transfer("carol@127.0.0.1")
    call.send("PUBLISH")
    events = [seen.get(timeout=PATIENCE) for _ in range(4)]
    assert {event.made_by.method for event in events} == {"MESSAGE", "INFO", "REFER", "PUBLISH"}
    assert all(event.request is event.made_by for event in events)
