"""The tutorial's promises, T1 to T16, by the numbers of the contract."""

import logging
import re
import socket

import pytest

from sipparty.errors import AlreadyListening, Incomplete, ListenError, ParseError, UsageError
from sipparty.fsm import FSM, UnexpectedInput
from sipparty.parties import (
    AllPartyTypes,
    NoMediaSimpleCallsParty,
    SingleRTPSessionSimplenParty,
)
from sipparty.sip import AOR, Dialog, Host
from sipparty.sip.events import CallReceived

LOOPBACK = "127.0.0.1"


@pytest.fixture
def p1(listening):
    return listening("sip:me2@myhost.com")


@pytest.fixture
def p2(make_party):
    return make_party(None, aor="you@yourhost.com")


def is_bound(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return True
    return False


def test_T01_the_types_of_party():
    assert AllPartyTypes == [SingleRTPSessionSimplenParty, NoMediaSimpleCallsParty]
    assert [f"{kind.__module__}.{kind.__qualname__}" for kind in AllPartyTypes] == [
        "sipparty.parties.SingleRTPSessionSimplenParty",
        "sipparty.parties.NoMediaSimpleCallsParty",
    ]


def test_T02_without_a_uri_a_party_cannot_listen():
    with pytest.raises(Incomplete) as caught:
        NoMediaSimpleCallsParty().listen()
    assert str(caught.value) == "Party instance can't listen as it has an incomplete uri"


def test_T03_a_uri_becomes_an_object_graph():
    p1 = NoMediaSimpleCallsParty()
    p1.uri = "sip:me2@myhost.com"
    assert repr(p1.uri) == (
        "URI(headers='', absoluteURIPart=None, scheme='sip', aor=AOR(username='me2',"
        " host=Host(port=None, address='myhost.com')), parameters='')"
    )
    assert str(p1.uri) == "sip:me2@myhost.com"


def test_T04_a_bad_uri_keeps_the_old_value():
    p1 = NoMediaSimpleCallsParty()
    p1.uri = "sip:me2@myhost.com"
    old = p1.uri
    with pytest.raises(ParseError) as caught:
        p1.uri = "notavalidURI-as-no-protocol-info"
    error = caught.value
    assert isinstance(error, ValueError)
    assert error.text == "notavalidURI-as-no-protocol-info"
    assert error.expected
    assert error.position is not None
    for part in (repr(error.text), f"expected {error.expected}", f"position {error.position}"):
        assert part in str(error)
    assert p1.uri is old
    assert str(p1.uri) == "sip:me2@myhost.com"


def test_T05_listen_takes_port_5060(make_party, port_5060):
    p1 = make_party("sip:me2@myhost.com")
    if port_5060:
        p1.listen()
        assert p1.contact_uri.port == 5060
        assert is_bound(5060)
    else:  # another program has it, so that is what we must hear of
        with pytest.raises(ListenError, match="port 5060"):
            p1.listen()


@pytest.mark.parametrize("rest", [0, 1])
def test_T06_a_port_filter_chooses_a_free_port(make_party, rest):
    p1 = make_party("sip:me2@myhost.com")
    p1.listen(port=None, port_filter=lambda x: x % 2 == rest)
    assert p1.contact_uri.port % 2 == rest
    assert is_bound(p1.contact_uri.port)


@pytest.mark.parametrize("verb", ["stop_listen", "unlisten"])
def test_T07_listening_again_takes_stopping_first(p1, verb):
    port = p1.contact_uri.port
    with pytest.raises(AlreadyListening, match="stop_listen") as caught:
        p1.listen(port=None, port_filter=lambda x: x % 2 == 0)
    assert isinstance(caught.value, UsageError)
    assert p1.contact_uri.port == port  # and nothing has changed
    getattr(p1, verb)()
    assert p1.contact_uri is None
    assert not is_bound(port)
    p1.listen(port, address=LOOPBACK)
    assert p1.contact_uri.port == port
    assert is_bound(port)


def test_T08_invite_returns_a_dialog_and_calls(p1, p2, wire, events):
    happened = events(p1, CallReceived)  # so that nobody answers
    records = wire()
    dlg = p2.invite(p1)
    assert isinstance(dlg, Dialog)
    assert dlg.state == "InitiatingDialog"
    call = happened.next()
    assert call.call.remote.uri.aor == AOR.parse("you@yourhost.com")
    first = next(iter(records))
    assert (first.direction, first.remote) == ("sent", (LOOPBACK, p1.contact_uri.port))
    assert first.data.startswith(b"INVITE sip:me2@myhost.com SIP/2.0\r\n")


def test_T09_attributes_of_the_uri_are_those_of_the_party():
    party = NoMediaSimpleCallsParty(aor="you@yourhost.com")
    assert party.uri.scheme == "sip"
    party.aor = "me@myhost.com"
    assert party.uri.aor == AOR.parse("me@myhost.com")
    party.uri.aor = "him@hishost.com"
    assert party.aor is party.uri.aor
    assert str(party.uri) == "sip:him@hishost.com"
    party.username = "her"
    party.address = "herhost.com"
    party.port = 5070
    assert str(party.uri) == "sip:her@herhost.com:5070"
    party.uri.aor.host = "itshost.com"
    assert party.host == Host.parse("itshost.com")
    assert (party.username, party.address, party.port) == ("her", "itshost.com", None)


def test_T10_the_wire_trace(p1, p2, caplog, events):
    with caplog.at_level(logging.INFO, "sipparty.messages"):
        dlg = p2.invite(p1).wait(5)
        dlg.terminate().wait(5)
        p1.engine.run(lambda: None)  # whatever was to be sent is
    theirs = p1.contact_uri.port
    logged = [r for r in caplog.records if r.name == "sipparty.messages"]
    assert {r.levelno for r in logged} == {logging.INFO}
    first = logged[0].getMessage()
    found = re.match(r"Sent \('127\.0\.0\.1', (\d+)\) -> \('127\.0\.0\.1', (\d+)\)\n", first)
    ours = int(found[1])
    assert int(found[2]) == theirs
    lines = first.split("\n")
    assert lines[1] == lines[-1] == ">>>>>"
    assert lines[2] == r"INVITE sip:me2@myhost.com SIP/2.0\r\n"
    assert lines[-2] == r"\r\n"
    assert all(line.endswith(r"\r\n") for line in lines[2:-1])
    out, back = f"('127.0.0.1', {ours}) -> ('127.0.0.1', {theirs})", "<<<<<"
    received = [r.getMessage() for r in logged if r.getMessage().startswith("received")]
    assert received[0].startswith(
        f"received {out}\n{back}\nINVITE sip:me2@myhost.com SIP/2.0\\r\\n"
    )
    assert received[0].endswith("\n" + back)
    # Each message that came was sent before, and reads the same.
    sent = [r.getMessage() for r in logged if r.getMessage().startswith("Sent")]
    as_sent = [text.replace("received", "Sent", 1).replace(back, ">>>>>") for text in received]
    assert set(as_sent) <= set(sent)
    first_words = {text.split("\n")[2].split(" sip:")[0] for text in received}
    assert {"INVITE", "ACK", "BYE", r"SIP/2.0 200 OK\r\n"} <= first_words


def test_T10_costs_nothing_while_the_level_is_off(p1, p2, caplog):
    with caplog.at_level(logging.WARNING, "sipparty.messages"):
        assert not p1.engine.wire.enabled
        p2.invite(p1).wait(5)
    assert not [r for r in caplog.records if r.name == "sipparty.messages"]


def test_T11_several_dialogs_at_a_time(p1, p2):
    dlg = p2.invite(p1)
    dlg2 = p2.invite(p1)
    dlg.wait(5)
    dlg2.wait(5)
    assert (dlg.state, dlg2.state) == ("InDialog", "InDialog")
    assert type(dlg.state) is str
    assert dlg.call_id != dlg2.call_id
    assert len(p1.calls) == len(p2.calls) == 2


def test_T12_terminate_ends_one_dialog(p1, p2, wire):
    dlg, dlg2 = p2.invite(p1).wait(5), p2.invite(p1).wait(5)
    records = wire()
    dlg2.terminate()
    dlg2.waitForStateCondition(lambda state: state == "Terminated", 5)
    assert dlg2.state == "Terminated"
    assert dlg.state == "InDialog"
    byes = [r.data for r in records if r.direction == "sent" and r.data.startswith(b"BYE ")]
    assert len(byes) == 1
    assert dlg2.call_id.encode() in byes[0]


def test_T12_terminate_returns_at_once(p1, p2, peer):
    dlg = p2.invite("me2@myhost.com", proxy=peer.place)
    invite = peer.receive("INVITE")
    peer.answer(invite, 200)
    dlg.wait(5)
    dlg.terminate()
    assert dlg.state == "TerminatingDialog"  # nobody has answered the BYE yet
    peer.answer(peer.receive("BYE"), 200)
    dlg.waitForStateCondition(lambda state: state == "Terminated", 5)


def test_T13_a_wrong_input_raises_and_is_logged(p1, p2, caplog):
    dlg = p2.invite(p1).wait(5)
    dlg.terminate().wait(5)
    with pytest.raises(UnexpectedInput) as caught:
        dlg.terminate()
    text = (
        f"Bad input 'terminate' to 'SimpleCall' instance '{dlg.name}' (current state 'Terminated')."
    )
    assert str(caught.value) == text
    assert re.fullmatch(r"SimpleCall\d+", dlg.name)
    errors = [(r.name, r.getMessage()) for r in caplog.records if r.levelno == logging.ERROR]
    assert errors == [("sipparty.fsm.fsm", text)]


TUTORIAL = """
import logging

from sipparty.fsm import FSM, UnexpectedInput
from sipparty.parties import NoMediaSimpleCallsParty

logging.basicConfig(format="%(levelname)s:%(name)s:%(message)s")
logging.getLogger("asyncio").setLevel(logging.ERROR)  # in its debug mode it warns of a slow host

p1 = NoMediaSimpleCallsParty()
p1.uri = "sip:me2@myhost.com"
p1.listen(port=None, address="127.0.0.1")
p2 = NoMediaSimpleCallsParty(aor="you@yourhost.com")
dlg = p2.invite(p1)
dlg.wait(5)
dlg2 = p2.invite(p1)
dlg2.wait(5)
print(dlg.name, dlg.state, dlg2.name, dlg2.state)
dlg2.terminate()
dlg2.wait(5)
print(dlg2.state)
try:
    dlg2.terminate()
except UnexpectedInput as error:
    print(error)
print(len(FSM.__str__(dlg).splitlines()) > 5)
dlg.terminate()
dlg.wait(5)
print(dlg.state)
"""


def test_T13_the_tutorial_in_a_fresh_process(run_script):
    done = run_script(TUTORIAL)
    error = (
        "Bad input 'terminate' to 'SimpleCall' instance 'SimpleCall3' (current state 'Terminated')."
    )
    assert done.stdout.splitlines() == [
        "SimpleCall1 InDialog SimpleCall3 InDialog",
        "Terminated",
        error,
        "True",
        "Terminated",
    ]
    assert done.stderr == f"ERROR:sipparty.fsm.fsm:{error}\n"
    assert done.returncode == 0


def test_T14_the_machine_can_be_shown(p1, p2):
    dlg = p2.invite(p1).wait(5)
    shown = FSM.__str__(dlg)
    assert "SimpleCall" in shown
    for state in dlg.States:
        assert state in shown
    plan = type(dlg).plan
    for state, moves in plan.moves.items():
        for input in moves:
            assert input in shown, (state, input)
    assert "timer_expires" in shown
    assert "_send_bye" in shown or "_hang_up" in shown
    current = [line for line in shown.splitlines() if "InDialog" in line and "current" in line]
    assert current
    assert any("table" in base.__dict__ for base in type(dlg).__mro__ if issubclass(base, Dialog))


def test_T15_two_hundred_parties_share_one_socket(make_party, events):
    first = make_party("user0@example.com").listen(None, address=LOOPBACK)
    port = first.contact_uri.port
    parties = [first]
    for number in range(1, 200):
        parties.append(make_party(f"user{number}@example.com").listen(port, address=LOOPBACK))
    assert {party.contact_uri.port for party in parties} == {port}
    assert first.engine.run(lambda: len(first.engine.hub.endpoints())) == 1
    caller = make_party("caller@example.org")
    calls = [caller.invite(party) for party in parties]
    for number, call in enumerate(calls):
        call.wait(10)
        [theirs] = parties[number].calls
        assert theirs.call_id == call.call_id
        assert str(theirs.local.uri) == f"sip:user{number}@example.com"


class TestT16:
    """Whom a request is for. OPTIONS tells: the answer's Contact names who gave it."""

    def ask(self, peer, uri, party, branch):
        peer.request("OPTIONS", uri, party.contact_uri.port, branch=f"z9hG4bK{branch}")
        response = peer.receive("SIP/2.0")
        return response.status, response.contact.uri.username if response.status == 200 else None

    @pytest.mark.parametrize(
        ("uri", "expected"),
        [
            ("sip:bob@biloxi.com", (200, "bob")),
            ("sip:bob@biloxi.com:9999", (200, "bob")),
            ("sip:bob@BILOXI.com", (200, "bob")),
            ("sip:carol@chicago.com", (200, "carol")),
            ("sip:bob@chicago.com", (404, None)),
            ("sip:dave@biloxi.com", (404, None)),
            ("sip:Bob@biloxi.com", (404, None)),
            ("sip:biloxi.com", (200, "bob")),  # OPTIONS without a user is always answered
        ],
    )
    def test_T16_by_address_of_record(self, listening, make_party, peer, uri, expected):
        bob = listening("bob@biloxi.com")
        make_party("carol@chicago.com").listen(bob.contact_uri.port, address=LOOPBACK)
        assert self.ask(peer, uri, bob, "a") == expected

    def test_T16_by_contact(self, listening, make_party, peer):
        bob = listening("bob@biloxi.com")
        port = bob.contact_uri.port
        carol = make_party("carol@chicago.com").listen(port, address=LOOPBACK)
        assert self.ask(peer, str(carol.contact_uri), bob, "a") == (200, "carol")
        assert self.ask(peer, str(bob.contact_uri), bob, "b") == (200, "bob")
        assert self.ask(peer, f"sip:bob@{LOOPBACK}:{port + 1}", bob, "c") == (404, None)

    def test_T16_the_only_one_there(self, listening, peer):
        bob = listening("bob@biloxi.com")
        assert self.ask(peer, "sip:bob@192.0.2.1", bob, "a") == (200, "bob")
        assert self.ask(peer, "sip:carol@192.0.2.1", bob, "b") == (404, None)
        assert self.ask(peer, "sip:carol@biloxi.com", bob, "c") == (404, None)
        assert self.ask(peer, f"sip:{LOOPBACK}", bob, "d") == (200, "bob")

    def test_T16_a_call_for_nobody_is_refused(self, listening, make_party):
        bob = listening("bob@biloxi.com")
        call = make_party("alice@atlanta.com").invite(
            "nobody@biloxi.com", proxy=f"{LOOPBACK}:{bob.contact_uri.port}"
        )
        call.waitForStateCondition(lambda state: state == "Error", 5)
        assert call.last_error.status == 404
