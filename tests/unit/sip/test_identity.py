"""Who calls and who may know (RFC 3323, 3325), and how a call is to be answered (RFC 5373)."""

import pytest

from sipparty.errors import ParseError, UsageError
from sipparty.sip.events import RequestReceived
from sipparty.sip.identity import Peers, anonymous_contact, checked_identities, checked_privacy

PAI = "P-Asserted-Identity"
SIP, TEL = '"Cullen" <sip:fluffy@cisco.com>', "<tel:+14085264000>"


@pytest.fixture
def bob(wire):
    return wire.agent(media=True)


@pytest.fixture
def trusting(bob):
    bob.trusted_peers = Peers(["10.0.0.9"])
    return bob


@pytest.fixture
def alice(wire):
    return wire.agent("sip:alice@atlanta.com", media=True)


# ---------------------------------------------------------------- whom to trust


@pytest.mark.parametrize(
    ("names", "host", "trusted"),
    [
        (["10.0.0.9"], "10.0.0.9", True),
        (["10.0.0.9"], "10.0.0.8", False),
        (["10.0.0.0/8", "192.0.2.1"], "10.255.0.1", True),
        (["10.0.0.1/8"], "10.255.0.1", True),
        (["10.0.0.0/8"], "11.0.0.1", False),
        (["2001:db8::/32"], "2001:db8::5", True),
        (["[2001:db8::5]"], "2001:db8::5", True),
        (["2001:db8::/32"], "fe80::1%eth0", False),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", True),
        (["Proxy.Example.com"], "proxy.example.COM.", True),
        (["example.com"], "proxy.example.com", False),
        (["10.0.0.9"], "proxy.example.com", False),
        (["10.0.0.9"], "", False),
    ],
)
def test_who_is_trusted(names, host, trusted):
    assert Peers(names).has(host) is trusted


@pytest.mark.parametrize("name", ["10.0.0.0/99", "example.com/8", "", " ", "two words"])
def test_what_is_no_peer(name):
    with pytest.raises(UsageError, match="expected an address, a network or a host name"):
        Peers([name])


# ---------------------------------------------------------------- RFC 3325 §8: who calls


def test_an_identity_counts_from_a_trusted_peer(wire, trusting):
    call = wire.invited(headers=[f"{PAI}: {SIP}, {TEL}"], body=b"theirs")
    assert call.identity.uri_text == "sip:fluffy@cisco.com"
    assert call.remote_display == "Cullen"


def test_an_identity_that_cannot_be_read_is_none(wire, trusting):
    headers = ["P-Asserted-Identity: <sip:a%zz@[b>", "P-Asserted-Identity: <sip:>"]
    call = wire.invited(headers=headers)
    assert call.identity is None
    assert call.remote_display


def test_an_identity_is_ignored_from_anybody_else(wire, bob):
    for names in (None, ["10.0.0.8"]):
        bob.trusted_peers = names and Peers(names)
        call = wire.invited(
            headers=[f"{PAI}: {SIP}"], body=b"theirs", call_id=str(names), branch=f"z9hG4bK{names}"
        )
        assert call.identity is None
        assert call.remote_display == "alice@atlanta.com"


@pytest.mark.parametrize(
    ("headers", "identity", "display"),
    [
        ([], None, "alice@atlanta.com"),
        ([f"{PAI}: {TEL}"], "tel:+14085264000", "+14085264000"),
        ([f"{PAI}: {TEL}", f"{PAI}: {SIP}"], "sip:fluffy@cisco.com", "Cullen"),
        ([f"{PAI}: <sips:a@b.com;x=y>"], "sips:a@b.com;x=y", "sips:a@b.com"),
        ([f"{PAI}: <<<"], None, "alice@atlanta.com"),
        ([f"{PAI}: {SIP}", "Privacy: id"], "sip:fluffy@cisco.com", "Anonymous"),
        ([f"{PAI}: {SIP}", "Privacy: header;USER"], "sip:fluffy@cisco.com", "Anonymous"),
        ([f"{PAI}: {SIP}", "Privacy: none"], "sip:fluffy@cisco.com", "Cullen"),
    ],
)
def test_what_is_shown_of_a_caller(wire, trusting, headers, identity, display):
    call = wire.invited(headers=headers, body=b"theirs")
    assert (call.identity and call.identity.uri_text) == identity
    assert call.remote_display == display


def test_a_caller_without_a_name_is_anonymous(wire, bob):
    call = wire.invited(from_="<sip:anonymous@anonymous.invalid>;tag=a", body=b"theirs")
    assert call.remote_display == "Anonymous"


def test_headers_without_end_are_not_kept(wire, trusting):
    long = "x" * 9000
    call = wire.invited(headers=[f"{PAI}: {SIP}", f"Call-Info: <sip:{long}@b.com>"], body=b"t")
    assert (call.identity, call.peer_info.size) == (None, 0)
    before = call.share.held
    other = wire.invited(
        headers=[f"{PAI}: {SIP}"], body=b"t", call_id="c2", branch="z9hG4bK2", number=2
    )
    assert other.weight >= other.peer_info.size > 20
    assert call.share.held > before


def test_a_call_that_says_nothing_keeps_nothing(wire, trusting):
    call = wire.invited(body=b"theirs")
    assert call.peer_info is None
    assert (call.identity, call.diversions, call.history_info, call.alert_info) == (
        None,
        (),
        (),
        (),
    )


def test_a_request_outside_of_calls_has_an_identity(wire, trusting):
    trusting.handle_method("MESSAGE")
    for flow, expected in ((None, "sip:fluffy@cisco.com"), (("10.0.0.8", 5060), None)):
        branch = f"z9hG4bK{expected}"
        message = wire.request("MESSAGE", headers=[f"{PAI}: {SIP}"], branch=branch, call_id=branch)
        wire.receive(message, flow and wire.flow_by(remote=flow))
        received = [one for one in wire.happened if isinstance(one, RequestReceived)][-1]
        identity = received.incoming.identity
        assert (identity and identity.uri_text) == expected
        received.incoming.respond(200)


def test_who_has_answered_is_asserted_too(wire, alice):
    """RFC 3325 §5: in responses as well."""
    alice.trusted_peers = Peers(["10.0.0.9"])
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200, body=b"theirs", headers=[(PAI, SIP)]))
    assert call.identity.uri_text == "sip:fluffy@cisco.com"
    assert call.remote_display == "Cullen"
    alice.trusted_peers = Peers(["10.0.0.8"])
    wire.sent()
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200, body=b"theirs", headers=[(PAI, SIP)]))
    assert call.identity is None


# ---------------------------------------------------------------- RFC 3325 §5, §6: who we are


@pytest.mark.parametrize(
    ("trusted", "next_hop", "said"),
    [(["10.0.0.9"], True, True), (["10.0.0.8"], True, False), ([], True, False)],
)
@pytest.mark.parametrize("header", ["P-Asserted-Identity", "P-Preferred-Identity"])
def test_our_identity_is_for_trusted_peers_alone(wire, alice, trusted, next_hop, said, header):
    alice.trusted_peers = Peers(trusted) if trusted else None
    if header == "P-Asserted-Identity":
        alice.asserted_identity = ("<sip:alice@atlanta.com>", "<tel:+15551234>")
        expected = ["<sip:alice@atlanta.com>", "<tel:+15551234>"]
    else:
        alice.preferred_identity = "<sip:boss@atlanta.com>"
        expected = ["<sip:boss@atlanta.com>"]
    _, invite = wire.invite(alice)
    assert invite.lines(header) == (expected if said else [])
    assert invite.lines("Privacy") == []


def test_a_next_hop_is_trusted_by_its_name(wire, alice):
    alice.trusted_peers = Peers(["proxy.example.com"])
    alice.asserted_identity = ("<sip:alice@atlanta.com>",)
    _, invite = wire.invite(alice, "sip:bob@proxy.example.com")
    assert invite.lines(PAI) == ["<sip:alice@atlanta.com>"]


def test_who_answers_says_who_may_know_its_identity(wire, trusting):
    """RFC 3325 §7: without Privacy who is trusted would pass it on."""
    trusting.asserted_identity = ("<sip:bob@biloxi.com>",)
    trusting.privacy = ("id",)
    call = wire.invited(body=b"theirs")
    call.ring()
    call.accept()
    for response in wire.sent():
        assert (response.lines(PAI), response.lines("Privacy")) == (
            ["<sip:bob@biloxi.com>"],
            ["id"],
        )


def test_who_answers_asserts_its_identity(wire, trusting):
    trusting.asserted_identity = ("<sip:bob@biloxi.com>",)
    call = wire.invited(body=b"theirs")
    call.ring()
    assert wire.one().lines(PAI) == ["<sip:bob@biloxi.com>"]
    call.accept()
    answer = wire.one()
    assert answer.lines(PAI) == ["<sip:bob@biloxi.com>"]
    wire.acknowledge(answer)
    trusting.trusted_peers = None
    call = wire.invited(body=b"theirs", call_id="c2", branch="z9hG4bK2")
    call.ring()
    assert wire.one().lines(PAI) == []


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ("alice@atlanta.com", ("<sip:alice@atlanta.com>",)),
        (["sip:a@b.com", "tel:+1555"], ("<sip:a@b.com>", "<tel:+1555>")),
        ('"Alice" <sip:a@b.com>', ('"Alice" <sip:a@b.com>',)),
    ],
)
def test_what_an_identity_may_be(value, made):
    assert checked_identities(value) == made


@pytest.mark.parametrize("value", [[], ["sip:a@b.com", "sips:b@b.com"], ["tel:+1", "tel:+2"]])
def test_identities_that_cannot_stand_together(value):
    with pytest.raises(UsageError, match="RFC 3325"):
        checked_identities(value)


def test_an_identity_that_is_none():
    with pytest.raises((ParseError, UsageError)):
        checked_identities("<sip:a@b.com>\r\nX: y")


# ---------------------------------------------------------------- RFC 3323: privacy


@pytest.mark.parametrize(
    ("privacy", "hidden"),
    [
        (("id",), True),
        (("user", "header"), True),
        (("header", "session"), False),
        (("none",), False),
        ((), False),
    ],
)
@pytest.mark.parametrize("by", ["agent", "call"])
def test_a_caller_who_is_not_to_be_known(wire, alice, privacy, hidden, by):
    from sipparty.sip import SimpleCall

    call = SimpleCall(alice)
    (alice if by == "agent" else call).privacy = privacy
    call.invite("sip:bob@10.0.0.9")
    invite = wire.one()
    assert invite.lines("Privacy") == ([";".join(privacy)] if privacy else [])
    name = invite["From"]
    if hidden:
        assert (name.display_name, name.uri_text) == (
            "Anonymous",
            "sip:anonymous@anonymous.invalid",
        )
        assert "alice" not in str(invite.contact)
        assert invite.contact.address == "10.0.0.1"
        assert b"alice" not in bytes(invite)
    else:
        assert name.uri_text == "sip:alice@atlanta.com"
        assert "alice" in str(invite.contact)
    assert name.tag
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    ack = wire.one()
    assert str(ack["From"]) == str(name)
    call.terminate()
    bye = wire.one()
    assert str(bye["From"]) == str(name)
    wire.receive(wire.answer(bye, 200))
    assert call.state == "Terminated"


def test_a_call_may_be_open_where_its_party_is_not(wire, alice):
    from sipparty.sip import SimpleCall

    alice.privacy = ("id",)
    call = SimpleCall(alice)
    call.privacy = ("none",)
    call.invite("sip:bob@10.0.0.9")
    invite = wire.one()
    assert invite["From"].uri_text == "sip:alice@atlanta.com"
    assert invite.lines("Privacy") == ["none"]


def test_requests_of_theirs_find_an_anonymous_call(wire, alice):
    alice.privacy = ("id",)
    call, invite = wire.invite(alice)
    wire.receive(wire.answer(invite, 200, body=b"theirs"))
    wire.sent()
    bye = wire.request(
        "BYE",
        invite.contact.uri_text,
        to=str(invite["From"]),
        from_="<sip:bob@10.0.0.9>;tag=b1",
        call_id=invite.call_id,
    )
    wire.receive(bye)
    assert wire.starts() == [200]
    assert call.state == "Terminated"


def test_what_privacy_may_be():
    assert checked_privacy("id") == ("id",)
    assert checked_privacy(["user", "id"]) == ("user", "id")
    for wrong in ("secret", ["none", "id"]):
        with pytest.raises(UsageError):
            checked_privacy(wrong)


@pytest.mark.parametrize(
    ("contact", "made"),
    [
        ("<sip:alice@10.0.0.1:5062;transport=tcp>", "<sip:10.0.0.1:5062;transport=tcp>"),
        ("<sips:alice@10.0.0.1>", "<sips:10.0.0.1>"),
        ("<sip:10.0.0.1>", "<sip:10.0.0.1>"),
        ("<sip:tgruu.7hs@example.com;gr>", "<sip:tgruu.7hs@example.com;gr>"),
    ],
)
def test_a_contact_without_its_user(contact, made):
    assert anonymous_contact(contact) == made


# ---------------------------------------------------------------- RFC 5373: answer mode


def arrives(wire, *headers, **changes):
    wire.receive(wire.request("INVITE", headers=headers, body=b"theirs", **changes))
    return wire.sent()


@pytest.mark.parametrize(
    ("headers", "answered"),
    [
        (["Answer-Mode: Auto"], ["Answer-Mode", "Auto"]),
        (["answer-mode: AUTO ;require"], ["Answer-Mode", "Auto"]),
        (["Priv-Answer-Mode: Auto", "Answer-Mode: Manual"], ["Priv-Answer-Mode", "Auto"]),
        (["Call-Info: <sip:a@b.com>;answer-after=0"], None),
        (["Alert-Info: <http://www.notused.com>;info=alert-autoanswer;delay=0"], None),
    ],
)
def test_a_trusted_caller_has_a_call_answered(wire, trusting, headers, answered):
    trusting.answer_mode = True
    trusting.rings = False
    (answer,) = arrives(wire, *headers)
    assert answer.status == 200
    said = [[name, *answer.lines(name)] for name in ("Priv-Answer-Mode", "Answer-Mode")]
    assert [one for one in said if len(one) > 1] == ([answered] if answered else [])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Answer-Mode: Auto"], None),
        (["Answer-Mode: Auto;require"], 403),
        (["Priv-Answer-Mode: Auto;require"], 403),
        (["Answer-Mode: Manual;require"], None),
        (["Answer-Mode: Sometimes;require"], None),
        (["Call-Info: <sip:a@b.com>;answer-after=0"], None),
    ],
)
def test_anybody_else_has_not(wire, bob, headers, status):
    """§7.4: it would be an open microphone."""
    bob.answer_mode = True
    sent = arrives(wire, *headers)
    if status is None:
        assert sent == []
        assert wire.happened[-1].call.state == "InitiatingDialog"
    else:
        assert [one.status for one in sent] == [status]
        assert sent[0].reason == "Automatic Answer Forbidden"
        assert wire.happened == []


def test_without_the_setting_nobody_has(wire, trusting):
    assert arrives(wire, "Answer-Mode: Auto;require") == []
    assert arrives(wire, "Require: answermode", call_id="c2", branch="z9hG4bK2")[0].status == 420
    trusting.answer_mode = True
    assert "answermode" in trusting.supported
    assert arrives(wire, "Require: answermode", call_id="c3", branch="z9hG4bK3") == []
    trusting.answer_mode = False
    assert "answermode" not in trusting.supported


def test_a_caller_who_has_authenticated_may(wire, bob):
    from sipparty.sip.identity import PeerInfo, answer_mode
    from sipparty.sip.message import Message

    bob.answer_mode = True
    said = Message([("Answer-Mode", "Auto;require")])
    assert answer_mode(bob, PeerInfo(said, False, authenticated=True))[0] is True
    assert answer_mode(bob, PeerInfo(said, False))[:2] == (False, 403)


def test_nobody_is_there_to_answer_manually(wire, bob):
    bob.answer_mode, bob.auto_answer = True, True
    (refusal,) = arrives(wire, "Answer-Mode: Manual;require")
    assert (refusal.status, refusal.reason) == (403, "Manual Answer Forbidden")
    answers = arrives(wire, "Answer-Mode: Manual", call_id="c2", branch="z9hG4bK2")
    assert answers[-1].lines("Answer-Mode") == ["Auto"]


def test_a_person_answers_manually(wire, trusting):
    trusting.answer_mode = True
    call = wire.invited(headers=["Answer-Mode: Manual"], body=b"theirs")
    call.accept()
    assert wire.one().lines("Answer-Mode") == ["Manual"]


def test_the_media_of_an_automatic_answer_is_judged_first(wire, trusting):
    trusting.answer_mode = True
    wire.receive(wire.request("INVITE", headers=["Answer-Mode: Auto"], body=b"bad"))
    assert wire.starts() == [488]
    assert wire.happened == []


def test_alert_info_says_how_to_ring(wire, bob):
    call = wire.invited(
        headers=["Alert-Info: <urn:alert:source:external>, <http://b.com/ring.wav>"], body=b"t"
    )
    assert [one.uri_text for one in call.alert_info] == [
        "urn:alert:source:external",
        "http://b.com/ring.wav",
    ]
