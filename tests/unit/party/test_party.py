"""Party: whom it is, whom it calls, the requests it sends and answers, and its end."""

import asyncio
import socket
import threading

import pytest

from sipparty.errors import (
    CallRejected,
    CallUnreachable,
    Incomplete,
    ParseError,
    UsageError,
)
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.party import Party
from sipparty.sip import AOR, URI, Request
from sipparty.sip.events import (
    CallEstablished,
    RequestReceived,
)

LOOPBACK = "127.0.0.1"
PATIENCE = 10


def at(party):
    return f"{LOOPBACK}:{party.contact_uri.port}"


class TestWho:
    @pytest.mark.parametrize(
        "given", ["bob@b.com", b"bob@b.com", AOR.parse("bob@b.com"), URI.parse("sip:bob@b.com")]
    )
    def test_an_address_in_every_form(self, given):
        assert str(Party(given).uri) == "sip:bob@b.com"

    def test_in_parts(self):
        party = Party(aor="bob@b.com", uri__scheme="sips")
        assert str(party.uri) == "sips:bob@b.com"

    def test_two_of_one_address_are_two(self):
        one, other = Party("bob@b.com"), Party("bob@b.com")
        assert one != other
        assert len({one, other}) == 2

    @pytest.mark.parametrize(
        ("verb", "arguments"),
        [
            ("listen", ()),
            ("invite", ("bob@b.com",)),
            ("send", (Request("OPTIONS", "sip:bob@b.com"),)),
        ],
    )
    @pytest.mark.parametrize(
        ("uri", "lacks"), [(None, ""), ("sip:b.com", ": it has no user, as in alice@atlanta.com")]
    )
    def test_an_incomplete_one_does_nothing(self, make_party, verb, arguments, uri, lacks):
        with pytest.raises(Incomplete) as caught:
            getattr(make_party(uri), verb)(*arguments)
        text = f"Party instance can't {verb} as it has an incomplete uri{lacks}"
        assert str(caught.value) == text

    def test_the_display_name_is_what_people_see(self, make_party, peer):
        party = make_party("alice@atlanta.com", display_name='Alice "Al" \u00c9')
        party.invite("bob@b.com", proxy=peer.place)
        assert peer.receive("INVITE")["From"].display_name == 'Alice "Al" \u00c9'

    def test_the_uri_cannot_be_changed_while_listening(self, bob, alice):
        wrong = (
            r"cannot change to sips?:\w+@\w+\.com while the party listens as sip:bob@biloxi\.com"
        )
        for path, value in (
            ("uri", "sip:robert@biloxi.com"),
            ("aor", "robert@biloxi.com"),
            ("username", "robert"),
            ("address", "boston.com"),
        ):
            with pytest.raises(UsageError, match=wrong):
                setattr(bob, path, value)
        with pytest.raises(UsageError, match=wrong):
            bob.uri.aor.username = "robert"
        assert str(bob.uri) == "sip:bob@biloxi.com"
        bob.uri = "sip:bob@biloxi.com"
        assert alice.invite(bob).wait(5).state == "InDialog"
        bob.stop_listen()
        bob.uri.aor.username = "robert"
        assert str(bob.listen(None, address=LOOPBACK).contact_uri).startswith("sip:robert@")

    def test_a_changed_uri_leaves_calls_alone(self, alice, bob):
        call = alice.invite(bob).wait(5)
        alice.uri = "sip:alicia@atlanta.com"
        other = alice.invite(bob).wait(5)
        assert str(other.local.uri) == "sip:alicia@atlanta.com"
        assert len(alice.calls) == 2
        [first, _] = sorted(bob.calls, key=lambda dialog: str(dialog.remote.uri))
        first.terminate().wait(5)  # what comes in for the first is still heard
        assert call.state == "Terminated"
        assert alice.calls == [other]

    def test_closing_ends_the_calls_of_every_uri(self, alice, bob):
        call = alice.invite(bob).wait(5)
        alice.uri = "sip:alicia@atlanta.com"
        other = alice.invite(bob).wait(5)
        alice.close()
        assert (call.state, other.state) == ("Terminated", "Terminated")


class TestListening:
    def test_what_it_says_of_itself(self, make_party):
        party = make_party("bob@biloxi.com")
        assert (party.listening, party.contact_uri) == (False, None)
        assert party.listen(0) is party
        assert party.listening
        assert str(party.contact_uri) == f"sip:bob@127.0.0.1:{party.contact_uri.port}"
        assert party.stop_listen() is party
        assert (party.listening, party.contact_uri) == (False, None)
        with pytest.raises(UsageError, match="does not listen"):
            party.stop_listen()

    def test_calls_go_on_after_stop_listen(self, bob, alice):
        call = alice.invite(bob).wait(5)
        proxy = at(bob)
        bob.stop_listen()
        refused = alice.invite("bob@biloxi.com", proxy=proxy)
        with pytest.raises(CallRejected, match="404"):
            refused.wait(5)
        call.terminate()
        assert call.wait(5).state == "Terminated"
        bob.engine.run(lambda: None)
        late = alice.invite("bob@biloxi.com", proxy=proxy)
        with pytest.raises(CallUnreachable):  # the socket went with the last call
            late.wait(5)

    def test_listening_again_while_a_call_is_up(self, bob, alice):
        port = bob.contact_uri.port
        call = alice.invite(bob).wait(5)
        bob.stop_listen()
        bob.listen(port, address=LOOPBACK)
        assert alice.invite(bob).wait(5).state == "InDialog"
        call.terminate().wait(5)
        assert bob.contact_uri.port == port
        assert alice.invite(bob).wait(5).state == "InDialog"


class TestCalling:
    @pytest.mark.parametrize("target", ["", "two words@b.com", "sip:", b"bob@", "bob@b:x"])
    def test_a_target_that_is_none(self, alice, target):
        with pytest.raises(ParseError):
            alice.invite(target)
        assert alice.calls == []

    def test_a_party_that_does_not_listen(self, alice, make_party):
        with pytest.raises(UsageError, match="does not listen"):
            alice.invite(make_party("bob@biloxi.com"))

    def test_headers(self, alice, peer):
        alice.invite("bob@b.com", proxy=peer.place, headers={"Subject": "tea", "X-Own": "1"})
        invite = peer.receive("INVITE")
        assert (invite["Subject"], invite["X-Own"]) == ("tea", "1")

    def test_the_party_s_own_proxy(self, make_party, peer, bob):
        alice = make_party("alice@atlanta.com", proxy=peer.place)
        alice.invite("bob@b.com")
        assert peer.receive("INVITE").lines("Route") == [f"<sip:{peer.place};lr>"]
        alice.options("bob@b.com")
        assert peer.receive("OPTIONS").lines("Route") == [f"<sip:{peer.place};lr>"]
        call = alice.invite("bob@biloxi.com", proxy=at(bob))
        assert call.wait(5).state == "InDialog"

    def test_expires_is_sent(self, alice, peer):
        alice.invite("bob@b.com", proxy=peer.place, expires=60)
        assert peer.receive("INVITE").expires == 60

    def test_oneself(self, bob):
        call = bob.invite(bob).wait(5)
        assert len(bob.calls) == 2
        assert call.terminate().wait(5).state == "Terminated"


class TestRequests:
    def test_a_request_is_a_copy_and_can_be_sent_again(self, alice, bob):
        request = Request("OPTIONS", "sip:bob@biloxi.com")
        before = bytes(request)
        exchanges = [alice.send(request, at(bob)) for _ in range(2)]
        assert [exchange.wait(5).status for exchange in exchanges] == [200, 200]
        assert bytes(request) == before
        one, other = (exchange.request for exchange in exchanges)
        assert one.call_id != other.call_id
        assert len(one.lines("Route")) == 1

    def test_what_the_request_says_is_kept(self, alice, peer):
        headers = [("Call-ID", "mine"), ("From", "<sip:a@b>;tag=t"), ("CSeq", "7 OPTIONS")]
        alice.send(Request("OPTIONS", "sip:bob@b.com", headers), peer.place)
        asked = peer.receive("OPTIONS")
        assert (asked.call_id, asked["From"].tag, asked.cseq.number) == ("mine", "t", 7)
        assert asked["Max-Forwards"] == 70
        assert asked.to.uri_text == "sip:bob@b.com"

    @pytest.mark.parametrize("method", ["INVITE", "ACK", "CANCEL"])
    def test_what_belongs_to_a_call_is_not_sent_alone(self, alice, method):
        with pytest.raises(
            UsageError, match=rf"{method} is not sent alone: call with party\.invite"
        ):
            alice.send(Request(method, "sip:bob@b.com"))

    def test_provisional_responses(self, alice, peer):
        exchange = alice.options("bob@b.com", proxy=peer.place)
        asked = peer.receive("OPTIONS")
        peer.answer(asked, 183)
        peer.answer(asked, 200)
        assert exchange.wait(5).status == 200
        assert [response.status for response in exchange.provisional] == [183]

    def test_awaited(self, alice, bob):
        async def ask():
            return (await alice.options(bob)).status

        assert asyncio.run(ask()) == 200

    @pytest.mark.parametrize("kind", ["plain", "async"])
    def test_a_handler_that_fails_answers_500(self, alice, bob, caplog, kind):
        def plain(event):
            raise ZeroDivisionError

        async def coroutine(event):
            raise ZeroDivisionError

        bob.on_request("MESSAGE", plain if kind == "plain" else coroutine)
        response = alice.send(Request("MESSAGE", "sip:bob@biloxi.com"), at(bob)).wait(5)
        assert response.status == 500
        assert "raised on RequestReceived" in caplog.text

    def test_a_handler_that_fails_after_its_answer(self, alice, bob, caplog, events):
        heard = threading.Event()

        @bob.on_request("MESSAGE")
        def answer(event):
            event.incoming.respond(202)
            try:
                event.incoming.respond(200)
            finally:
                heard.set()

        response = alice.send(Request("MESSAGE", "sip:bob@biloxi.com"), at(bob)).wait(5)
        assert response.status == 202
        assert heard.wait(PATIENCE)
        assert bob.engine.run(lambda: "alive") == "alive"

    def test_a_slow_answer_delays_no_other(self, alice, bob):
        inside, let = threading.Event(), threading.Event()

        @bob.on_request("MESSAGE")
        def answer(event):
            if event.request.body == b"slow":
                inside.set()
                assert let.wait(PATIENCE)
            event.incoming.respond(200)

        def send(text):
            return alice.send(Request("MESSAGE", "sip:bob@biloxi.com", [], text), at(bob))

        slow = send("slow")
        assert inside.wait(PATIENCE)
        assert send("quick").wait(5).status == 200
        assert slow.response is None
        let.set()
        assert slow.wait(5).status == 200

    def test_requests_are_events_too(self, alice, bob, events):
        happened = events(bob, RequestReceived)
        bob.on_request("MESSAGE", lambda event: event.incoming.respond(200))
        assert alice.send(Request("MESSAGE", "sip:bob@biloxi.com"), at(bob)).wait(5).status == 200
        assert happened.next().request.method == "MESSAGE"

    def test_a_method_taken_before_and_after_listening(self, alice, make_party):
        bob = make_party("bob@biloxi.com")
        bob.on_request("EARLY", lambda event: event.incoming.respond(200))
        bob.listen(None, address=LOOPBACK)
        bob.on_request("LATE", lambda event: event.incoming.respond(200))
        for method in ("EARLY", "LATE"):
            request = Request(method, "sip:bob@biloxi.com")
            assert alice.send(request, at(bob)).wait(5).status == 200


class TestEnd:
    def test_close_hangs_up_and_can_be_called_again(self, alice, bob):
        call = alice.invite(bob).wait(5)
        [theirs] = bob.calls
        alice.close()
        alice.close()
        assert call.state == "Terminated"
        assert theirs.wait(5).state == "Terminated"
        with pytest.raises(UsageError, match="can't invite as it was closed"):
            alice.invite(bob)
        with pytest.raises(UsageError, match="can't listen as it was closed"):
            alice.listen(None)

    def test_one_that_never_did_anything(self):
        party = NoMediaSimpleCallsParty()
        party.close()
        party.close()

    def test_with(self, bob):
        with NoMediaSimpleCallsParty("alice@atlanta.com") as alice:
            call = alice.invite(bob).wait(5)
        assert call.state == "Terminated"

    def test_closing_waits_for_no_one_for_ever(self, alice, peer):
        call = alice.invite("bob@b.com", proxy=peer.place)
        peer.receive("INVITE")
        alice.close()
        assert call.state == "TerminatingDialog"
        assert alice.engine.hub.unused()

    def test_what_is_closed_before_its_ack_gives_back_its_media(self, listening, peer):
        """The BYE has to wait for the ACK (RFC 3261 §15); the ports of the media need not."""
        bob = listening(kind=SingleRTPSessionSimplenParty)
        bob.CLOSE_TIMEOUT = 0.05
        offer = f"v=0\r\no=- 1 1 IN IP4 {LOOPBACK}\r\ns=-\r\nc=IN IP4 {LOOPBACK}\r\nt=0 0\r\n"
        peer.request(
            "INVITE",
            "sip:bob@biloxi.com",
            bob.contact_uri.port,
            [("Content-Type", "application/sdp")],
            f"{offer}m=audio 9 RTP/AVP 0\r\n".encode(),
        )
        peer.receive("SIP/2.0 200")
        [call] = bob.calls
        port = call.session.local_port
        bob.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((LOOPBACK, port))

    def test_aclose_on_any_loop(self, alice, bob):
        call = alice.invite(bob).wait(5)
        asyncio.run(alice.aclose())
        assert call.state == "Terminated"

    def test_an_async_handler_may_close_the_party(self, alice, bob):
        done = threading.Event()

        @alice.on(CallEstablished)
        async def leave(event):
            await alice.aclose()
            done.set()

        call = alice.invite(bob)
        assert done.wait(PATIENCE)
        assert call.state == "Terminated"
