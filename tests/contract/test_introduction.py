"""The introduction's promises, I1 to I8, by the numbers of the contract."""

import re
import threading

import pytest

from sipparty import Engine
from sipparty.errors import (
    CallFailed,
    CallRejected,
    CallTimedOut,
    CallUnreachable,
    ParseError,
    Timeout,
)
from sipparty.fsm import Row
from sipparty.media import MediaSession, NoMediaSession, RTPSession
from sipparty.parties import (
    AllPartyTypes,
    NoMediaSimpleCallsParty,
    SingleRTPSessionSimplenParty,
)
from sipparty.party import Party
from sipparty.party.audio_call import AudioCall
from sipparty.sip import (
    HEADERS,
    Message,
    Request,
    Response,
    SimpleCall,
    Timing,
    register_header,
)
from sipparty.sip.events import CallProgressed, CallReceived, RequestReceived

LOOPBACK = "127.0.0.1"


@pytest.fixture
def alice(make_party):
    return make_party(b"alice@atlanta.com")


@pytest.mark.parametrize("kind", AllPartyTypes)
@pytest.mark.parametrize(
    "text",
    [
        b"alice@atlanta.com",
        "alice@atlanta.com",
        "sip:alice@atlanta.com",
        b"sip:alice@atlanta.com",
        "sips:alice@atlanta.com",
    ],
)
def test_I1_the_address_of_record_comes_first(kind, text):
    party = kind(text)
    shown = text.decode() if isinstance(text, bytes) else text
    assert str(party.uri) == (shown if ":" in shown else f"sip:{shown}")
    assert (party.username, party.address) == ("alice", "atlanta.com")


def test_I1_what_is_no_address_is_refused():
    with pytest.raises(ParseError, match="two words"):
        SingleRTPSessionSimplenParty(b"two words@atlanta.com")


@pytest.mark.parametrize("form", ["{}", "sip:{}", "<sip:{}>", "sip:{};lr", "sip:proxy@{};lr"])
def test_I2_the_proxy_is_the_next_hop(alice, peer, form):
    dialog = alice.invite(b"bob@biloxi.com", proxy=form.format(peer.place))
    invite = peer.receive("INVITE")
    assert str(invite.uri) == "sip:bob@biloxi.com"
    assert invite.to.uri_text == "sip:bob@biloxi.com"
    user = "proxy@" if "proxy@" in form else ""
    assert invite.lines("Route") == [f"<sip:{user}{peer.place};lr>"]
    peer.answer(invite, 200)
    dialog.wait(5)
    # What follows goes by the route that the answer recorded: by none.
    assert "Route" not in peer.receive("ACK")
    dialog.terminate()
    peer.answer(peer.receive("BYE"), 200)
    dialog.wait(5)


def test_I2_a_proxy_without_a_port_is_asked_at_5060(alice, wire):
    records = wire()
    alice.invite("bob@biloxi.com", proxy="127.9.9.9")
    alice.engine.run(lambda: None)
    assert next(iter(records)).remote == ("127.9.9.9", 5060)


def test_I2_a_bad_proxy_is_refused_at_once(alice):
    with pytest.raises(ParseError, match="not a host"):
        alice.invite("bob@biloxi.com", proxy="not a host")
    assert alice.calls == []


def test_I3_waiting_for_a_state(alice, peer, events):
    happened = events(alice, CallProgressed)
    dialog = alice.invite(b"bob@biloxi.com", proxy=peer.place)
    invite = peer.receive("INVITE")

    peer.answer(invite, 180)
    happened.next()
    assert (dialog.state, dialog.progress) == ("InitiatingDialog", 180)
    peer.answer(invite, 183, "Session Progress")
    happened.next()
    assert (dialog.state, dialog.progress) == ("InitiatingDialog", 183)

    def over(state):
        return state != dialog.States.InitiatingDialog

    with pytest.raises(Timeout):
        dialog.waitForStateCondition(over, timeout=0.01)

    states, asked = [], threading.Event()

    def condition(state):
        asked.set()
        return over(state)

    waiter = threading.Thread(
        target=lambda: states.append(dialog.waitForStateCondition(condition, timeout=10))
    )
    waiter.start()
    assert asked.wait(5)
    assert waiter.is_alive()
    assert states == []
    sdp = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    peer.answer(invite, 200, headers=[("Content-Type", "application/sdp")], body=sdp)
    waiter.join(5)
    assert states == [dialog.States.InDialog]


def test_I4_the_states_of_a_dialog(alice, peer):
    dialog = alice.invite("bob@biloxi.com", proxy=peer.place)
    names = ("Initial", "InitiatingDialog", "InDialog", "TerminatingDialog", "Terminated", "Error")
    assert [getattr(dialog.States, name) for name in names] == list(names)
    assert set(dialog.States) == set(names)
    assert not hasattr(dialog.States, "Ringing")


class TestI5:
    """A call that fails ends in Error, and says why."""

    def failed(self, dialog):
        state = dialog.waitForStateCondition(
            lambda state: state != dialog.States.InitiatingDialog, 10
        )
        assert state == dialog.States.Error
        with pytest.raises(CallFailed) as caught:
            dialog.wait(1)
        # Another one each time: several threads may wait, and each adds its traceback.
        assert type(caught.value) is type(dialog.last_error)
        assert str(caught.value) == str(dialog.last_error)
        return dialog.last_error

    def test_I5_rejected(self, alice, peer):
        dialog = alice.invite("bob@biloxi.com", proxy=peer.place)
        peer.answer(peer.receive("INVITE"), 486, "Not Now")
        error = self.failed(dialog)
        assert isinstance(error, CallRejected)
        assert (error.status, error.reason) == (486, "Not Now")
        assert isinstance(error.response, Response)
        assert error.response.status == 486
        assert "486 Not Now" in str(error)
        assert peer.receive("ACK").cseq.method == "ACK"

    def test_I5_unreachable(self, alice, deaf_port):
        dialog = alice.invite("bob@biloxi.com", proxy=f"{LOOPBACK}:{deaf_port}")
        error = self.failed(dialog)
        assert isinstance(error, CallUnreachable)
        assert (error.status, error.reason, error.response) == (503, "Service Unavailable", None)
        assert f"{LOOPBACK}:{deaf_port}" in str(error)
        assert "refused" in str(error)

    def test_I5_timed_out(self, make_party, peer):
        engine = Engine(timing=Timing(t1=0.002, t2=0.016))
        try:
            alice = make_party("alice@atlanta.com", SingleRTPSessionSimplenParty, engine=engine)
            error = self.failed(alice.invite("bob@biloxi.com", proxy=peer.place))
        finally:
            engine.close()
        assert isinstance(error, CallTimedOut)
        assert (error.status, error.reason, error.response) == (408, "Request Timeout", None)
        assert re.search(r"did not answer within [\d.]+ s", str(error))

    def test_I5_nobody_answers(self, alice, peer):
        dialog = alice.invite("bob@biloxi.com", proxy=peer.place, expires=0.05)
        invite = peer.receive("INVITE")
        peer.answer(invite, 180)
        error = self.failed(dialog)
        assert isinstance(error, CallTimedOut)
        assert "Nobody answered" in str(error)
        assert peer.receive("CANCEL").call_id == invite.call_id

    @pytest.mark.parametrize(
        "body", [b"", b"no description", b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nt=0 0\r\n"]
    )
    def test_I5_bad_media(self, make_party, peer, body):
        alice = make_party("alice@atlanta.com", SingleRTPSessionSimplenParty)
        dialog = alice.invite("bob@biloxi.com", proxy=peer.place)
        headers = [("Content-Type", "application/sdp")] if body else []
        peer.answer(peer.receive("INVITE"), 200, headers=headers, body=body)
        error = self.failed(dialog)
        assert "media" in str(error)
        assert error.status == 488
        assert error.response.status == 200
        # What the other side believes to be up is ended.
        peer.receive("ACK")
        peer.answer(peer.receive("BYE"), 200)

    def test_I5_a_call_that_works_has_no_error(self, alice, listening):
        dialog = alice.invite(listening()).wait(5)
        assert dialog.last_error is None
        assert dialog.terminate().wait(5).last_error is None


class TestI6:
    """Terminating in each state in which there is something to end."""

    def ended(self, dialog):
        return dialog.waitForStateCondition(
            lambda state: state != dialog.States.TerminatingDialog, 10
        )

    def test_I6_before_an_answer_it_cancels(self, alice, peer):
        dialog = alice.invite("bob@biloxi.com", proxy=peer.place)
        invite = peer.receive("INVITE")
        peer.answer(invite, 180)
        dialog.terminate()
        assert dialog.state == dialog.States.TerminatingDialog
        cancel = peer.receive("CANCEL")
        assert (cancel.via.branch, cancel.cseq.number) == (invite.via.branch, invite.cseq.number)
        peer.answer(cancel, 200)
        peer.answer(invite, 487)
        assert self.ended(dialog) == dialog.States.Terminated
        assert dialog.last_error is None

    def test_I6_before_any_response_it_waits_for_one(self, alice, peer):
        dialog = alice.invite("bob@biloxi.com", proxy=peer.place)
        invite = peer.receive("INVITE")
        dialog.terminate()
        peer.answer(invite, 100)
        peer.answer(peer.receive("CANCEL"), 200)
        peer.answer(invite, 487)
        assert self.ended(dialog) == dialog.States.Terminated

    def test_I6_an_answer_that_crosses_is_hung_up(self, alice, peer):
        dialog = alice.invite("bob@biloxi.com", proxy=peer.place)
        invite = peer.receive("INVITE")
        peer.answer(invite, 180)
        dialog.terminate()
        peer.answer(invite, 200)
        peer.receive("ACK")
        peer.answer(peer.receive("BYE"), 200)
        assert self.ended(dialog) == dialog.States.Terminated

    def test_I6_after_the_answer_it_hangs_up(self, alice, listening):
        bob = listening()
        dialog = alice.invite(bob).wait(5)
        [theirs] = bob.calls
        dialog.terminate()
        assert self.ended(dialog) == dialog.States.Terminated
        assert theirs.waitForStateCondition(theirs.settled, 5) == theirs.States.Terminated

    def test_I6_the_side_that_is_called_hangs_up(self, alice, listening):
        bob = listening()
        dialog = alice.invite(bob).wait(5)
        [theirs] = bob.calls
        theirs.terminate()
        assert self.ended(theirs) == theirs.States.Terminated
        assert dialog.wait(5).state == dialog.States.Terminated

    def test_I6_the_side_that_is_called_refuses(self, alice, listening, events):
        bob = listening()
        happened = events(bob, CallReceived)
        dialog = alice.invite(bob)
        theirs = happened.next().call
        theirs.terminate()
        assert self.ended(theirs) == theirs.States.Terminated
        dialog.waitForStateCondition(lambda state: state == "Error", 5)
        assert dialog.last_error.status == 603


class TestI7:
    """Messages built, parsed, changed, sent, answered; and everything extended from outside."""

    def test_I7_a_message_is_built_changed_and_parsed(self):
        request = Request("MESSAGE", "sip:bob@biloxi.com", [("To", "<sip:bob@biloxi.com>")], "Hi")
        request.to.tag = "x"
        request.add("Subject", "tea")
        again = Message.parse(bytes(request))
        assert isinstance(again, Request)
        assert (again.method, again.to.tag, again.body) == ("MESSAGE", "x", b"Hi")
        assert bytes(again) == bytes(request)
        response = again.response(202, headers={"Subject": "yes"})
        assert Message.parse(bytes(response)).status == 202

    def test_I7_a_message_is_sent_alone_and_answered(self, alice, listening):
        bob = listening()

        @bob.on_request("MESSAGE")
        def answer(event):
            assert isinstance(event, RequestReceived)
            event.incoming.respond(200, "Heard", [("Subject", "re")], event.request.body[::-1])

        request = Request(
            "MESSAGE", "sip:bob@biloxi.com", [("Content-Type", "text/plain")], "Watson"
        )
        exchange = alice.send(request, proxy=f"{LOOPBACK}:{bob.contact_uri.port}")
        response = exchange.wait(5)
        assert (response.status, response.reason, response.body) == (200, "Heard", b"nostaW")
        assert response["Subject"] == "re"
        assert "MESSAGE" in alice.options(bob).wait(5)["Allow"]

    def test_I7_a_method_of_ones_own(self, alice, listening):
        bob = listening()
        allowed = alice.options(bob).wait(5).lines("Allow")
        assert "KNOCK" not in allowed[0]
        knock = Request("KNOCK", "sip:bob@biloxi.com", [("X-Times", "3")])
        proxy = f"{LOOPBACK}:{bob.contact_uri.port}"
        refused = alice.send(knock, proxy).wait(5)
        assert (refused.status, refused.lines("Allow")) == (501, allowed)

        @bob.on_request("KNOCK")
        async def answer(event):
            event.incoming.respond(200, headers={"X-Times": event.request["X-Times"] + "!"})

        assert alice.send(knock, proxy).wait(5)["X-Times"] == "3!"
        assert alice.options(bob).wait(5).lines("Allow") == [allowed[0] + ", KNOCK"]

    def test_I7_a_header_of_ones_own(self, alice, peer):
        assert "x-knocks" not in HEADERS
        register_header("X-Knocks", int)
        try:
            request = Request("OPTIONS", "sip:bob@biloxi.com", [("X-Knocks", "3")])
            exchange = alice.send(request, proxy=peer.place)
            asked = peer.receive("OPTIONS")
            assert asked["X-Knocks"] == 3
            peer.answer(asked, 200, headers=[("X-Knocks", "4")])
            assert exchange.wait(5)["X-Knocks"] == 4
        finally:
            del HEADERS["x-knocks"]

    def test_I7_a_dialog_type_of_ones_own(self, make_party, events):
        asked = []

        class NoisyCall(SimpleCall):
            """Takes one method more inside its calls, and counts."""

            table = (Row("InDialog", "knock", "InDialog", "_note_knock"),)
            methods = {**SimpleCall.methods, "KNOCK": "_take_knock"}

            def _take_knock(self, transaction):
                transaction.respond(transaction.request.response(299, "Come In"))
                self.hear("knock", transaction.request["X-Times"])

            def _note_knock(self, times):
                asked.append(times)

            def knock(self, times):
                self.hit("knock", times)
                return self

        class NoisyParty(NoMediaSimpleCallsParty):
            ClientDialog = NoisyCall
            ServerDialog = NoisyCall

        alice, bob = (
            make_party("alice@atlanta.com", NoisyParty),
            make_party("bob@b.com", NoisyParty),
        )
        bob.listen(None, address=LOOPBACK)
        call = alice.invite(bob).wait(5)
        assert type(call) is NoisyCall
        [theirs] = bob.calls
        assert type(theirs) is NoisyCall
        alice.engine.run(call.knock, "2")
        assert asked == ["2"]
        assert call.States.InDialog in NoisyCall.plan.moves

    def test_I7_a_dialog_type_for_one_call(self, alice, listening):
        class OtherCall(SimpleCall):
            pass

        assert type(alice.invite(listening(), dialog=OtherCall).wait(5)) is OtherCall

    def test_I7_a_party_type_of_ones_own(self, make_party):
        class Greeter(Party):
            """Answers by itself, and says by what it is made of."""

            ClientDialog = ServerDialog = SimpleCall
            MediaSession = NoMediaSession

            def make_session(self, dialog):
                made.append(dialog)
                return super().make_session(dialog)

        made = []
        greeter = make_party("hello@example.com", Greeter).listen(None, address=LOOPBACK)
        call = make_party("alice@atlanta.com", Greeter).invite(greeter).wait(5)
        assert made == [call, *greeter.calls]


class TestI8:
    """A party is made with its dialogs and its media session."""

    def test_I8_the_ready_made_kinds_say_what_they_are_made_of(self):
        made = {
            kind.__name__: (kind.ClientDialog, kind.ServerDialog, kind.MediaSession)
            for kind in AllPartyTypes
        }
        assert made == {
            "SingleRTPSessionSimplenParty": (AudioCall, AudioCall, RTPSession),
            "NoMediaSimpleCallsParty": (SimpleCall, SimpleCall, NoMediaSession),
        }
        assert issubclass(AudioCall, SimpleCall)

    def test_I8_the_offer_describes_the_session(self, make_party, peer):
        alice = make_party(
            "alice@atlanta.com", SingleRTPSessionSimplenParty, media={"codecs": ["PCMA"]}
        )
        alice.invite("bob@biloxi.com", proxy=peer.place)
        invite = peer.receive("INVITE")
        assert invite.content_type.essence == "application/sdp"
        assert re.search(rb"\r\nm=audio \d+ RTP/AVP 8( \d+)*\r\n", invite.body)

    def test_I8_a_media_session_of_ones_own(self, make_party):
        log = []

        class Chat(MediaSession):
            """Media that need no port."""

            content_type = "application/sdp"

            def __init__(self, *, name):
                super().__init__()
                self.name = name

            def open(self, loop, local_address):
                log.append((self.name, "open", local_address))

            def offer(self):
                log.append((self.name, "offer"))
                return b"offer"

            def answer(self, offer):
                log.append((self.name, "answer", offer))
                return b"answer"

            def accept(self, answer):
                log.append((self.name, "accept", answer))

            def start(self):
                log.append((self.name, "start"))

            def update(self):
                log.append((self.name, "update"))

            def stop(self):
                log.append((self.name, "stop"))

        class ChatParty(Party):
            MediaSession = Chat

        alice = make_party("alice@atlanta.com", ChatParty, media={"name": "alice"})
        bob = make_party("bob@biloxi.com", ChatParty, media={"name": "bob"})
        bob.listen(None, address=LOOPBACK)
        call = alice.invite(bob, media={"name": "alice's call"}).wait(5)
        [theirs] = bob.calls
        assert theirs.session.name == "bob"
        call.terminate().wait(5)
        theirs.wait(5)
        assert [line[1:] for line in log if line[0] == "alice's call"] == [
            ("open", LOOPBACK),
            ("offer",),
            ("accept", b"answer"),
            ("start",),
            ("stop",),
        ]
        assert [line[1:] for line in log if line[0] == "bob"] == [
            ("open", LOOPBACK),
            ("answer", b"offer"),
            ("start",),
            ("stop",),
        ]
