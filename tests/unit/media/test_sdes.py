import base64
import sys

import pytest

from sipparty.errors import MediaError, NegotiationError, UsageError
from sipparty.media.srtp.crypto_attribute import crypto_attributes
from sipparty.media.srtp.sdes import SecurityDescriptions, agreed_keys
from sipparty.media.srtp.settings import SETTINGS, SRTP
from sipparty.media.srtp.transport import SUITES
from sipparty.sdp import (
    MediaCapability,
    MediaDescription,
    Negotiation,
    SessionDescription,
    make_answer,
)

CM = "AES_CM_128_HMAC_SHA1_80"
CM_32 = "AES_CM_128_HMAC_SHA1_32"
GCM = "AEAD_AES_256_GCM"

#: Keys with their salts, as long as those of AES_CM_128 are.
KEYS = [bytes([n]) * 30 for n in range(8)]


def inline(key):
    return "inline:" + base64.b64encode(key).decode()


def offer(*media):
    head = "v=0\r\no=bob 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
    return SessionDescription.parse((head + "\r\n".join(media) + "\r\n").encode())


def audio(*crypto, proto="RTP/SAVP", port=4000):
    return "\r\n".join([f"m=audio {port} {proto} 0", *(f"a=crypto:{one}" for one in crypto)])


def line(tag=1, suite=CM, key=0, more=""):
    return f"{tag} {suite} {inline(KEYS[key])}{more}"


# Negotiation.


def side(setting, tokens, suites=tuple(SUITES), port=5000, address="192.0.2.1"):
    """One side's negotiation."""
    extension = SecurityDescriptions(SRTP(setting, suites), tokens)
    capability = MediaCapability(
        formats=["PCMU"], port=port, profiles=SETTINGS[setting], extensions=[extension]
    )
    return Negotiation([capability], address, 1)


def exchange(a, b):
    """An offer of `a` and the answer of `b`."""
    b.receive_offer(SessionDescription.parse(bytes(a.offer())))
    a.receive_answer(SessionDescription.parse(bytes(b.answer())))


def keys_of(negotiation):
    stream = negotiation.streams[0]
    return agreed_keys(stream.local, stream.remote)


#: What an offer of one setting and the answer of another come to: the protocol, whether it is
#: secure; None for a refusal.
TABLE = {
    ("refused", "refused"): ("RTP/AVP", False),
    ("refused", "accepted"): ("RTP/AVP", False),
    ("refused", "offered"): ("RTP/AVP", False),
    ("refused", "required"): None,
    ("refused", "best-effort"): ("RTP/AVP", False),
    ("accepted", "refused"): ("RTP/AVP", False),
    ("accepted", "accepted"): ("RTP/AVP", False),
    ("accepted", "offered"): ("RTP/AVP", False),
    ("accepted", "required"): None,
    ("accepted", "best-effort"): ("RTP/AVP", False),
    ("offered", "refused"): None,
    ("offered", "accepted"): ("RTP/SAVP", True),
    ("offered", "offered"): ("RTP/SAVP", True),
    ("offered", "required"): ("RTP/SAVP", True),
    ("offered", "best-effort"): ("RTP/SAVP", True),
    ("required", "refused"): None,
    ("required", "accepted"): ("RTP/SAVP", True),
    ("required", "offered"): ("RTP/SAVP", True),
    ("required", "required"): ("RTP/SAVP", True),
    ("required", "best-effort"): ("RTP/SAVP", True),
    ("best-effort", "refused"): ("RTP/AVP", False),
    ("best-effort", "accepted"): ("RTP/AVP", False),
    ("best-effort", "offered"): ("RTP/AVP", False),
    ("best-effort", "required"): None,
    ("best-effort", "best-effort"): ("RTP/AVP", True),
}


def test_the_table_is_whole():
    assert set(TABLE) == {(a, b) for a in SETTINGS for b in SETTINGS}


@pytest.mark.parametrize(("offers", "answers"), TABLE)
def test_what_two_settings_come_to(tokens, offers, answers):
    a = side(offers, tokens)
    b = side(answers, tokens, port=6000, address="192.0.2.2")
    expected = TABLE[offers, answers]
    if expected is None:
        with pytest.raises(NegotiationError) as caught:
            exchange(a, b)
        assert caught.value.status == 488
        assert "secure" in str(caught.value)
        return
    exchange(a, b)
    proto, secure = expected
    assert a.streams[0].proto == b.streams[0].proto == proto
    ours, theirs = keys_of(a), keys_of(b)
    assert (ours is not None) == (theirs is not None) == secure
    if secure:
        assert ours.inbound == (theirs.outbound,)
        assert theirs.inbound == (ours.outbound,)
        assert ours.outbound != theirs.outbound
        assert ours.suite == theirs.suite == GCM


def test_an_offer_has_the_suites_by_preference(tokens):
    a = side("offered", tokens, (CM_32, GCM))
    found = crypto_attributes(a.offer().media[0])
    assert [(one.tag, one.suite) for one in found] == [(1, CM_32), (2, GCM)]
    assert [len(one.keys[0].material) for one in found] == [30, 44]
    assert len({key.material for one in found for key in one.keys}) == 2
    assert all(one.fault is None for one in found)


def test_an_answer_takes_the_first_that_it_knows(tokens):
    b = side("accepted", tokens, (CM_32, CM))
    b.receive_offer(offer(audio(line(3, "F8"), line(7, GCM), line(9, CM), line(11, CM_32))))
    (chosen,) = crypto_attributes(b.answer().media[0])
    assert (chosen.tag, chosen.suite) == (9, CM)
    assert keys_of(b).inbound[0].material == KEYS[0]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "it has no valid a=crypto line"),
        (["x"], "it has no valid a=crypto line"),
        ([line(1, "F8")], "the suite F8 is not supported"),
        ([line(1, "F8"), line(2, more=" KDR=1")], "the suite F8 is not supported; KDR asks for"),
        ([line(1, CM_32)], f"the suite {CM_32} is not wanted"),
    ],
)
def test_an_offer_without_a_key_for_us_is_refused(tokens, lines, words):
    b = side("accepted", tokens, (CM,))
    with pytest.raises(NegotiationError, match=words) as caught:
        b.receive_offer(offer(audio(*lines)))
    assert caught.value.status == 488


def test_of_a_secure_and_a_plain_stream_the_secure_one_is_taken(tokens):
    plain, secure = audio(proto="RTP/AVP", port=4000), audio(line(), port=4002)
    for setting in ("accepted", "offered", "required", "best-effort"):
        for media in ((plain, secure), (secure, plain)):
            b = side(setting, tokens)
            b.receive_offer(offer(*media))
            taken = [one.proto for one in b.answer().media if one.port]
            assert taken == ["RTP/SAVP"]
            assert keys_of(b)


def test_of_a_secure_and_a_plain_stream_the_plain_one_is_taken_where_the_other_cannot_be(tokens):
    media = audio(line(1, "F8"), port=4002), audio(proto="RTP/AVP", port=4000)
    b = side("accepted", tokens)
    b.receive_offer(offer(*media))
    assert [one.port for one in b.answer().media] == [0, 5000]
    assert keys_of(b) is None
    with pytest.raises(NegotiationError, match="has to be secure"):
        side("required", tokens).receive_offer(offer(*media))


def test_keys_in_plain_streams_are_looked_at_by_best_effort_alone(tokens):
    for setting in SETTINGS:
        b = side(setting, tokens)
        if setting == "required":
            continue
        b.receive_offer(offer(audio(line(), proto="RTP/AVP")))
        answer = b.answer().media[0]
        assert answer.proto == "RTP/AVP"
        assert answer.has("crypto") == (setting == "best-effort")


def test_best_effort_does_without(tokens):
    b = side("best-effort", tokens)
    b.receive_offer(offer(audio(line(1, "F8"), proto="RTP/AVP")))
    assert not b.answer().media[0].has("crypto")
    assert keys_of(b) is None


# Answers to ours.


@pytest.mark.parametrize(
    ("media", "words"),
    [
        (audio(), r"takes secure media \(RTP/SAVP\) without a key"),
        (audio("x"), "has 1 a=crypto lines, 0 of them valid"),
        (audio(line(1), line(2, CM_32)), "has 2 a=crypto lines, 2 of them valid"),
        (audio(line(3)), "the key of tag 3, which was not offered"),
        (audio(line(1, CM_32)), f"has {CM_32} for the tag 1, which was offered as {CM}"),
        (audio(f"1 {CM} inline:AAEC"), "cannot be used: a key of"),
        (audio(line(1, more=" KDR=2")), "cannot be used: KDR asks for"),
        (audio(line(1), proto="RTP/AVP"), "answered over RTP/AVP"),
    ],
)
def test_an_answer_that_does_not_fit(tokens, media, words):
    a = side("offered", tokens, (CM, CM_32))
    a.offer()
    with pytest.raises(NegotiationError, match=words):
        a.receive_answer(offer(media))
    assert not a.negotiated


def test_an_answer_with_our_own_key(tokens):
    a = side("offered", tokens, (CM,))
    ours = a.offer().media[0].value("crypto")
    with pytest.raises(NegotiationError, match="it is one of ours"):
        a.receive_answer(offer(audio(ours)))


def test_an_offer_with_our_own_key(tokens):
    a, b = side("offered", tokens, (CM,)), side("offered", tokens, (CM,))
    exchange(a, b)
    ours = b.streams[0].local.value("crypto")
    with pytest.raises(NegotiationError):
        b.receive_offer(offer(audio(ours)))


def test_an_answer_to_best_effort(tokens):
    for media, secure in ((audio(proto="RTP/AVP"), False), (audio(line(1), proto="RTP/AVP"), True)):
        a = side("best-effort", tokens, (CM,))
        a.offer()
        a.receive_answer(offer(media))
        assert (keys_of(a) is not None) == secure


def test_the_answer_that_is_in_effect_has_the_key_of_its_tag(tokens):
    a = side("offered", tokens, (GCM, CM_32, CM))
    sent = crypto_attributes(a.offer().media[0])
    a.receive_answer(offer(audio(line(3))))
    assert keys_of(a).outbound == sent[2].master_keys()[0]
    assert keys_of(a).suite == CM


def test_keys_with_identifiers_are_taken(tokens):
    b = side("accepted", tokens)
    b.receive_offer(offer(audio(f"1 {CM} {inline(KEYS[1])}|2^20|1:4;{inline(KEYS[2])}|2:4")))
    b.answer()
    found = keys_of(b).inbound
    assert [(key.mki, key.lifetime) for key in found] == [(b"\0\0\0\1", 2**20), (b"\0\0\0\2", None)]
    assert keys_of(b).outbound.mki == b""


# Later offers and answers.


def both(tokens, setting="offered"):
    a, b = side(setting, tokens), side(setting, tokens, port=6000, address="192.0.2.2")
    exchange(a, b)
    return a, b


def test_a_later_offer_has_the_same_keys(tokens):
    a, b = both(tokens)
    before = keys_of(a), keys_of(b)
    local = a.local
    exchange(a, b)
    exchange(b, a)
    exchange(a, b)
    assert (keys_of(a), keys_of(b)) == before
    assert a.local.origin.version == local.origin.version + 2  # one line, then four again


def test_a_later_offer_has_the_protocol_that_was_agreed_on(tokens):
    for setting in ("accepted", "best-effort"):
        b = side(setting, tokens)
        b.receive_offer(offer(audio(line())))
        b.answer()
        again = b.offer().media[0]
        assert again.proto == "RTP/SAVP"
        assert again.has("crypto")


def test_a_hold_keeps_the_keys(tokens):
    a, b = both(tokens)
    before = keys_of(a), keys_of(b)
    b.receive_offer(a.offer("sendonly"))
    a.receive_answer(b.answer())
    assert (keys_of(a), keys_of(b)) == before
    # As in RFC 2543.
    held = str(a.offer()).replace("192.0.2.1", "0.0.0.0").encode()
    a.rollback()
    b.receive_offer(SessionDescription.parse(held))
    b.answer()
    assert keys_of(b).outbound == before[1].outbound


def test_keys_are_renewed(tokens):
    a, b = both(tokens)
    before = keys_of(a)
    a.capabilities[0].extensions[0].renew()
    exchange(a, b)
    assert keys_of(a).outbound != before.outbound
    # Who answers a new key has a new one too.
    assert keys_of(a).inbound != before.inbound
    assert keys_of(a).inbound == (keys_of(b).outbound,)


def test_an_answer_has_a_new_key_where_the_other_side_has_moved(tokens):
    a, b = both(tokens)
    before = keys_of(b)
    moved = str(a.offer()).replace("m=audio 5000", "m=audio 5002").encode()
    b.receive_offer(SessionDescription.parse(moved))
    b.answer()
    assert keys_of(b).inbound == before.inbound
    assert keys_of(b).outbound != before.outbound


def test_who_has_called_has_a_new_key_where_the_called_one_has_moved(tokens):
    a, b = both(tokens)
    before = keys_of(a)
    b.capabilities = [b.capabilities[0].at(6002)]
    exchange(b, a)
    assert keys_of(a).outbound != before.outbound
    assert keys_of(a).inbound != before.inbound


def test_an_offer_has_new_keys_where_we_have_moved(tokens):
    a, b = both(tokens)
    before = keys_of(a)
    a.capabilities = [a.capabilities[0].at(5002)]
    exchange(a, b)
    assert keys_of(a).outbound != before.outbound


def test_what_is_rolled_back_changes_no_keys(tokens):
    a, b = both(tokens)
    before = keys_of(a), keys_of(b)
    a.capabilities[0].extensions[0].renew()
    b.receive_offer(a.offer())
    a.rollback()
    b.rollback()
    assert (keys_of(a), keys_of(b)) == before


def test_an_offer_may_have_several_answers(tokens):
    a = side("offered", tokens)
    sent = SessionDescription.parse(bytes(a.offer()))
    keys = []
    for number in (1, 2):
        forked = a.fork()
        b = side("accepted", tokens, port=6000 + 2 * number, address="192.0.2.2")
        b.receive_offer(sent)
        forked.receive_answer(b.answer())
        keys.append(keys_of(forked))
    assert keys[0].outbound == keys[1].outbound
    assert keys[0].inbound != keys[1].inbound


def test_a_stream_that_becomes_secure(tokens):
    a, b = both(tokens, "accepted")
    assert keys_of(a) is None
    secured = SecurityDescriptions(SRTP("offered"), tokens)
    a.capabilities = [
        MediaCapability(formats=["PCMU"], port=5000, profiles=("RTP/SAVP",), extensions=[secured])
    ]
    exchange(a, b)
    assert keys_of(a).inbound == (keys_of(b).outbound,)


# Settings and the library.


def test_a_setting_that_there_is_not():
    with pytest.raises(UsageError, match="srtp is one of refused, accepted, offered"):
        SRTP("optional")


def test_a_suite_that_there_is_not(tokens):
    with pytest.raises(UsageError, match="no suite 'F8'"):
        SRTP("offered", ["F8"])
    with pytest.raises(UsageError, match=r"srtp is one of .* or an SRTP, not True"):
        SRTP.of(True)


def test_without_the_library(monkeypatch, tokens):
    monkeypatch.setitem(sys.modules, "pylibsrtp", None)
    for setting in ("offered", "required", "best-effort"):
        with pytest.raises(MediaError, match=r"sipparty\[media\]"):
            SRTP(setting)
    for setting, words in (("refused", "is refused"), ("accepted", "is not supported")):
        SRTP(setting)
        extension = SecurityDescriptions(SRTP(setting), tokens)
        capability = MediaCapability(
            formats=["PCMU"], port=5000, profiles=("RTP/AVP", "RTP/SAVP"), extensions=[extension]
        )
        with pytest.raises(NegotiationError, match=f"secure media {words}"):
            make_answer(offer(audio(line())), [capability], "192.0.2.1", 1)
        plain = make_answer(offer(audio(proto="RTP/AVP")), [capability], "192.0.2.1", 1)
        assert plain.media[0].port


def test_a_stream_that_is_not_wanted_has_no_keys(tokens):
    a = side("offered", tokens, port=0)
    assert not a.offer().media[0].has("crypto")


def test_what_is_no_stream_of_srtp_stays(tokens):
    extension = SecurityDescriptions(SRTP("offered"), tokens)
    local = MediaDescription("audio", 5000, "RTP/AVP", ("0",))
    assert extension.offer(local) is local
    assert extension.misfit(local) is None
    extension.check(local, local)
