"""Redirections that are followed (RFC 3261 §8.1.3.4)."""

import pytest

from sipparty.sip import NextHop, Policy, Request
from sipparty.sip.events import CallRedirected
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.redirects import Redirects

BOB = "sip:bob@10.0.0.9"


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com")


def redirect(wire, request, *contacts, status=302, headers=()):
    """Send a request elsewhere; returns what follows, without the ACK."""
    more = [*(("Contact", contact) for contact in contacts), *headers]
    wire.receive(wire.answer(request, status, headers=more, contact=None))
    return [one for one in wire.sent() if one.method != "ACK"]


def targets(wire):
    """Where calls were said to go."""
    return [event.target for event in wire.happened if isinstance(event, CallRedirected)]


def chain(wire, request, *statuses):
    """Answer each attempt with the next status, and return the request-URIs that were tried."""
    tried = []
    for status in statuses:
        wire.receive(wire.answer(request, status, contact=None))
        sent = [one for one in wire.sent() if one.method != "ACK"]
        tried += [one.uri_text for one in sent]
        if not sent:
            break
        (request,) = sent
    return tried


def test_a_300_without_a_contact_refuses_the_call(wire, alice):
    """RFC 3261 §8.1.3.4."""
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 300))
    assert wire.one().method == "ACK"
    assert (call.state, call.last_error.status) == ("Error", 300)
    wire.over()


@pytest.mark.parametrize("status", [300, 301, 302])
def test_a_call_follows(wire, alice, status):
    call, invite = wire.invite(alice, BOB, headers=[("Subject", "lunch")])
    wire.receive(wire.answer(invite, 180))
    (again,) = redirect(wire, invite, "<sip:carol@10.0.0.7;transport=udp?Subject=x>", status=status)
    assert again.uri_text == "sip:carol@10.0.0.7;transport=udp"
    assert again.via.branch != invite.via.branch
    assert again.cseq.number == invite.cseq.number + 1
    # The same call, in all but its target.
    for name in ("From", "To", "Call-ID", "Contact", "Subject", "Max-Forwards"):
        assert again.lines(name) == invite.lines(name)
    assert again.to.tag is None
    assert targets(wire) == ["sip:carol@10.0.0.7;transport=udp"]
    wire.receive(wire.answer(again, 200, tag="c1", contact="<sip:carol@10.0.0.7>"))
    assert call.state == "InDialog"
    ack = wire.one()
    assert (ack.uri_text, ack.cseq.number) == ("sip:carol@10.0.0.7", again.cseq.number)
    call.terminate()
    bye, flow = wire.way()
    assert (bye.uri_text, flow.remote[0]) == ("sip:carol@10.0.0.7", "10.0.0.7")
    wire.receive(wire.answer(bye, 200))
    wire.over()


def test_it_goes_where_the_contact_says(wire, alice):
    _, invite = wire.invite(alice, BOB)
    wire.receive(wire.answer(invite, 302, headers=[("Contact", "<sip:c@10.0.0.7:5070>")]))
    assert [flow.remote for _, message, flow in wire.out] == [
        ("10.0.0.9", 5060),
        ("10.0.0.7", 5070),
    ]


def test_other_requests_follow_too(wire, alice):
    asked = send_out_of_dialog(alice, Request("MESSAGE", BOB, (), b"hi"), NextHop("10.0.0.9"))
    (again,) = redirect(wire, wire.one(), "<sip:carol@10.0.0.7>")
    assert (again.uri_text, again.body) == ("sip:carol@10.0.0.7", b"hi")
    assert again.lines("To") == [f"<{BOB}>"]
    wire.receive(wire.answer(again, 200))
    assert asked.wait(0).status == 200


def test_by_a_route_the_next_hop_stays(wire, alice):
    route = ("<sip:10.0.0.3;lr>",)
    _, invite = wire.invite(alice, BOB, routes=route)
    wire.receive(wire.answer(invite, 302, headers=[("Contact", "<sip:carol@10.0.0.7>")]))
    again, flow = wire.out[-1][1:]
    assert (again.uri_text, again.lines("Route")) == ("sip:carol@10.0.0.7", list(route))
    assert flow.remote[0] == "10.0.0.3"


def test_a_flow_that_was_given_leads_to_the_first_target_alone(wire, alice):
    flow = wire.flow_by(remote=("10.0.0.8", 5060))
    wire.hold_flows = True
    call = alice.server_dialog(alice)
    call.invite(BOB, flow=flow)
    wire.pump()
    assert wire.wanted[-1].endpoint is flow
    wire.core.flow_found(wire.wanted.pop(), flow, 0.0)
    invite = wire.one()
    wire.receive(wire.answer(invite, 302, headers=[("Contact", "<sip:carol@10.0.0.7>")]), flow)
    assert wire.wanted[-1].endpoint is None
    assert wire.wanted[-1].next_hop == NextHop("10.0.0.7", back=flow)


# ---------------------------------------------------------------- which targets, in which order


def test_the_highest_q_is_tried_first(wire, alice):
    call, invite = wire.invite(alice, BOB)
    contacts = (
        "<sip:c@10.0.0.3>;q=0.1, <sip:d@10.0.0.4>;q=0.9",
        "<sip:e@10.0.0.5>",
        "<sip:f@10.0.0.6>;q=0.9",
        "<sip:g@10.0.0.7>;q=x",
    )
    (again,) = redirect(wire, invite, *contacts)
    tried = [again.uri_text, *chain(wire, again, 404, 486, 500, 480, 404)]
    assert [uri[4] for uri in tried] == list("egdfc")
    assert call.last_error.status == 404
    assert targets(wire) == tried
    wire.over()


@pytest.mark.parametrize("how", ["silent", "refused", "unknown"])
def test_a_target_that_is_not_there_is_passed_by(wire, alice, how):
    call, invite = wire.invite(alice, BOB)
    wire.hold_flows = how == "unknown"
    wire.receive(
        wire.answer(
            invite, 302, headers=[("Contact", "<sip:c@10.0.0.3>"), ("Contact", "<sip:d@10.0.0.4>")]
        )
    )
    if how == "unknown":
        wire.core.flow_failed(wire.wanted.pop(0), "No such host.", wire.now)
        wire.hold_flows = False
        wire.pump()
    elif how == "silent":
        wire.pass_until(32)
    else:
        gone = wire.flow_by(remote=("10.0.0.3", 5060))
        wire.core.transport_failed(gone, "connection refused", wire.now)
    again = wire.sent()[-1]
    assert again.uri_text == "sip:d@10.0.0.4"
    wire.receive(wire.answer(again, 200))
    assert call.state == "InDialog"


@pytest.mark.parametrize("status", [600, 603])
def test_a_refusal_everywhere_is_the_end(wire, alice, status):
    """§16.7: a 6xx is true of all targets."""
    call, invite = wire.invite(alice, BOB)
    (again,) = redirect(wire, invite, "<sip:c@10.0.0.3>", "<sip:d@10.0.0.4>")
    assert chain(wire, again, status) == []
    assert call.last_error.status == status


def test_targets_of_a_target_come_first(wire, alice):
    _, invite = wire.invite(alice, BOB)
    (again,) = redirect(wire, invite, "<sip:c@10.0.0.3>", "<sip:d@10.0.0.4>")
    (again,) = redirect(wire, again, "<sip:e@10.0.0.5>;q=0.1")
    assert again.uri_text == "sip:e@10.0.0.5"
    assert chain(wire, again, 404) == ["sip:d@10.0.0.4"]


def test_no_target_is_tried_twice(wire, alice):
    call, invite = wire.invite(alice, BOB)
    (again,) = redirect(wire, invite, "<sip:carol@10.0.0.7>", f"<{BOB}>")
    assert redirect(wire, again, "<SIP:bob@10.0.0.9>", "<sip:carol@10.0.0.7>") == []
    assert call.last_error.status == 302
    wire.over()


def test_what_is_no_target(wire, alice):
    call, invite = wire.invite(alice, BOB)
    contacts = "<tel:+1>", "<mailto:carol@biloxi.com>", "<sip:c@10.0.0.3>;expires=0"
    assert redirect(wire, invite, *contacts) == []
    assert call.last_error.status == 302
    assert call.last_error.response.lines("Contact") == list(contacts)


@pytest.mark.parametrize(
    "contact",
    ["Contact: <sip:c@10..0.3>", "Contact: ,", 'Contact: "c <sip:c@10.0.0.3>', "X-None: 1"],
)
def test_a_contact_that_cannot_be_read_is_none(wire, alice, contact):
    call, invite = wire.invite(alice, BOB)
    answer = wire.answer(invite, 302, contact=None)
    wire.receive(answer.replace(b"\r\n\r\n", f"\r\n{contact}\r\n\r\n".encode()))
    assert wire.starts() == ["ACK"]
    assert call.last_error.status == 302


@pytest.mark.parametrize("at", [40, 41])
@pytest.mark.parametrize("headers", [(), [("Expires", "40")]])
def test_a_target_is_valid_for_a_time(wire, alice, headers, at):
    _, invite = wire.invite(alice, BOB)
    own = "" if headers else ";expires=40"
    contacts = f"<sip:c@10.0.0.3>;q=0.9{own}", f"<sip:d@10.0.0.4>{own}", "<sip:e@10.0.0.5>;q=0.1"
    (again,) = redirect(wire, invite, *contacts, headers=headers)
    wire.receive(wire.answer(again, 100))
    wire.pass_until(at)
    still = ["sip:c@10.0.0.3"] if at == 40 else [] if headers else ["sip:e@10.0.0.5"]
    assert chain(wire, again, 404) == still


def test_targets_have_a_limit(wire, alice):
    call, invite = wire.invite(alice, BOB)
    (again,) = redirect(wire, invite, *(f"<sip:c{n}@10.0.0.3>" for n in range(50)))
    assert len(chain(wire, again, *[404] * 50)) < Redirects.MAX_TARGETS
    assert call.last_error.status == 404


# ---------------------------------------------------------------- how many, and whose word


@pytest.mark.parametrize(("most", "followed"), [(None, 5), (2, 2), (1, 1), (0, 0), (False, 0)])
def test_redirections_have_a_limit(wire, alice, most, followed):
    if most is None or most is False:
        call, request = wire.invite(alice, BOB, redirects=most)
    else:
        alice.follow_redirects = most
        call, request = wire.invite(alice, BOB)
    for number in range(followed):
        (request,) = redirect(wire, request, f"<sip:c{number}@10.0.0.7>")
    assert redirect(wire, request, "<sip:last@10.0.0.7>") == []
    assert call.last_error.status == 302
    wire.over()


def test_a_call_may_say_for_itself(wire, alice):
    alice.follow_redirects = 0
    _, invite = wire.invite(alice, BOB, redirects=1)
    assert len(redirect(wire, invite, "<sip:carol@10.0.0.7>")) == 1


@pytest.mark.parametrize("status", [305, 380])
def test_another_proxy_and_another_service_are_for_the_user(wire, alice, status):
    call, invite = wire.invite(alice, BOB)
    assert redirect(wire, invite, "<sip:10.0.0.7>", status=status) == []
    assert call.last_error.status == status


def test_a_server_may_not_name_what_is_nearer_to_us(wire, alice):
    """`Policy.named_targets`: from the Internet nobody gets into a private network."""
    wire.core.policy = Policy(named_targets=lambda target, peer: target != "10.0.0.3")
    _, invite = wire.invite(alice, BOB)
    contacts = "<sip:c@10.0.0.3>", "<sip:d@192.0.2.1;maddr=10.0.0.3>", "<sip:e@10.0.0.5>;q=0.1"
    (again,) = redirect(wire, invite, *contacts)
    assert again.uri_text == "sip:e@10.0.0.5"
    assert chain(wire, again, 404) == []


def test_nobody_on_the_internet_has_us_call_our_own_network(wire, alice):
    wire.flow = wire.flow_by(remote=("9.9.9.9", 5060))
    _, invite = wire.invite(alice, "sip:bob@9.9.9.9")
    forbidden = ("127.0.0.1", "10.0.0.3", "169.254.169.254", "224.0.0.1", "[::1]", "0.0.0.0")
    contacts = [f"<sip:x@{host}>" for host in forbidden]
    (again,) = redirect(wire, invite, *contacts, "<sip:carol@9.9.9.8>;q=0.1")
    assert again.uri_text == "sip:carol@9.9.9.8"
    assert chain(wire, again, 404) == []


def test_a_name_is_judged_where_it_leads(wire, alice):
    _, invite = wire.invite(alice, BOB)
    wire.hold_flows = True
    redirect(wire, invite, "<sip:carol@chicago.com>")
    (wanted,) = wire.wanted
    assert wanted.next_hop.host == "chicago.com"
    assert wanted.next_hop.back.remote == ("10.0.0.9", 5060)


def test_inside_a_dialog_nothing_is_followed(wire, alice):
    call, invite = wire.invite(alice, BOB)
    wire.receive(wire.answer(invite, 200))
    wire.sent()
    asked = call.send("INFO")
    assert redirect(wire, wire.one(), "<sip:carol@10.0.0.7>") == []
    assert asked.wait(0).status == 302
    assert call.state == "InDialog"


def test_credentials_of_the_first_server_do_not_go_along(wire, alice):
    from sipparty.sip.auth import DigestClient

    alice.digest = DigestClient(default=("alice", "secret"), tokens=lambda: "0123456789abcdef")
    call, invite = wire.invite(alice, BOB)
    challenge = 'Digest realm="biloxi.com", nonce="n1", qop="auth"'
    wire.receive(wire.answer(invite, 401, headers=[("WWW-Authenticate", challenge)], contact=None))
    proved = wire.sent()[-1]
    assert "Authorization" in proved
    (again,) = redirect(wire, proved, "<sip:carol@10.0.0.7>")
    assert "Authorization" not in again
    # Nor does one that the first server has named get others.
    challenge = 'Digest realm="elsewhere", nonce="n1", qop="auth"'
    alice.digest.trust._level = 1
    wire.receive(wire.answer(again, 401, headers=[("WWW-Authenticate", challenge)], contact=None))
    assert wire.starts() == ["ACK"]
    assert "names no realm" in str(call.last_error)


# ---------------------------------------------------------------- sips


def secure(wire, alice, uri, **options):
    wire.flow = wire.flow_by(transport="TLS")
    return wire.invite(alice, uri, **options)


def test_sips_stays_sips(wire, alice):
    """RFC 5630 §3.3: never down."""
    call, invite = secure(wire, alice, "sips:bob@10.0.0.9")
    (again,) = redirect(wire, invite, "<sip:c@10.0.0.3>", "<sips:d@10.0.0.4>;q=0.1")
    assert again.uri_text == "sips:d@10.0.0.4"
    assert chain(wire, again, 404) == []
    call, invite = secure(wire, alice, "sips:bob@10.0.0.9")
    assert redirect(wire, invite, "<sip:c@10.0.0.3;transport=tls>") == []
    assert call.last_error.status == 302


def test_sip_may_become_sips(wire, alice):
    call, invite = secure(wire, alice, BOB)
    (again,) = redirect(wire, invite, "<sips:d@10.0.0.4>")
    assert again.contact.uri_text.startswith("sips:")
    # RFC 3261 §12.1.1: and the call stays so.
    wire.receive(wire.answer(again, 200, contact="<sip:d@10.0.0.4>"))
    assert call.state == "Error"
    assert "a sips: URI" in str(call.last_error)


# ---------------------------------------------------------------- CANCEL in between


def test_a_call_that_is_redirected_may_be_given_up(wire, alice):
    call, invite = wire.invite(alice, BOB)
    wire.hold_flows = True
    redirect(wire, invite, "<sip:carol@10.0.0.7>", "<sip:dave@10.0.0.8>")
    call.terminate()
    assert wire.sent() == []
    wire.give_flow(wire.wanted.pop())
    assert wire.sent() == []
    assert call.state == "Terminated"
    wire.over()


def test_a_cancel_goes_where_the_call_went_last(wire, alice):
    call, invite = wire.invite(alice, BOB)
    wire.receive(wire.answer(invite, 180))
    (again,) = redirect(wire, invite, "<sip:carol@10.0.0.7>", "<sip:dave@10.0.0.8>")
    call.terminate()
    assert wire.sent() == []  # §9.1: not before she has it
    wire.receive(wire.answer(again, 180))
    cancel = wire.one()
    assert (cancel.method, cancel.uri_text) == ("CANCEL", "sip:carol@10.0.0.7")
    assert (cancel.via.branch, cancel.cseq.number) == (again.via.branch, again.cseq.number)
    wire.receive(wire.answer(cancel, 200))
    # No other target is tried.
    assert chain(wire, again, 487) == []
    assert call.state == "Terminated"
    wire.over()


def test_a_redirection_of_a_cancelled_call_is_its_end(wire, alice):
    call, invite = wire.invite(alice, BOB)
    wire.receive(wire.answer(invite, 180))
    call.terminate()
    wire.sent()
    assert redirect(wire, invite, "<sip:carol@10.0.0.7>") == []
    assert call.state == "Terminated"
    wire.over()


# ---------------------------------------------------------------- media


def test_media_goes_along(wire):
    alice = wire.agent("sip:alice@atlanta.com", media=True)
    call, invite = wire.invite(alice, BOB)
    wire.receive(wire.answer(invite, 183, tag="b1", body=b"early"))
    (again,) = redirect(wire, invite, "<sip:carol@10.0.0.9>")
    assert again.body == b"offer"
    wire.receive(wire.answer(again, 200, tag="c1", body=b"answer"))
    assert call.state == "InDialog"
    assert wire.medias[0].done[-2:] == [b"accept answer", "start"]


def test_early_media_comes_from_the_new_target(wire):
    alice = wire.agent("sip:alice@atlanta.com", media=True)
    call, invite = wire.invite(alice, BOB)
    wire.receive(wire.answer(invite, 183, tag="b1", body=b"bob's"))
    (again,) = redirect(wire, invite, "<sip:carol@10.0.0.9>")
    wire.receive(wire.answer(again, 183, tag="c1", body=b"carol's"))
    assert wire.medias[0].done[-2:] == [b"accept carol's", "start"]
    wire.receive(wire.answer(again, 200, tag="c1", body=b"carol's"))
    assert call.state == "InDialog"
    assert wire.medias[0].done.count(b"accept carol's") == 1


def test_early_dialogs_of_the_first_target_are_over(wire, alice):
    """§12.3: a final response other than 2xx ends them."""
    call, invite = wire.invite(alice, BOB)
    wire.receive(wire.answer(invite, 180, tag="b1"))
    wire.receive(wire.answer(invite, 183, tag="b2"))
    assert len(wire.core.dialogs) == 2
    (again,) = redirect(wire, invite, "<sip:carol@10.0.0.7>")
    assert not wire.core.dialogs
    wire.receive(wire.answer(again, 180, tag="c1"))
    assert [identity[2] for identity in wire.core.dialogs] == ["c1"]
    wire.receive(wire.answer(again, 200, tag="c1"))
    assert call.dialog_state.remote_tag == "c1"
    call.terminate()
    wire.receive(wire.answer(wire.sent()[-1], 200))
    wire.over()
