"""Offers, answers and what they agree to, without state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sipparty.errors import BuildError, Incomplete, NegotiationError
from sipparty.sdp import (
    Connection,
    Direction,
    Format,
    MediaCapability,
    MediaExtension,
    NegotiatedFormat,
    SessionDescription,
    Timing,
    check_answer,
    is_held,
    make_answer,
    make_offer,
    negotiated_streams,
    reject_all,
)

HERE, THERE = "192.0.2.1", "198.51.100.7"


def peer(*lines: str, connection: str | None = "IN IP4 198.51.100.7") -> SessionDescription:
    head = ["v=0", "o=bob 5 9 IN IP4 198.51.100.7", "s=-", "t=0 0"]
    if connection is not None:
        head.append(f"c={connection}")
    return SessionDescription.parse("\r\n".join([*head, *lines, ""]))


def audio(*formats, port=4000, **more):
    return MediaCapability("audio", formats or ("PCMU", "PCMA"), port, **more)


def answer(offer, *capabilities, **more):
    return make_answer(offer, capabilities or (audio(),), HERE, 1, **more)


def shape(sd):
    return [(m.media, m.port, m.formats, m.direction.value) for m in sd.media]


def test_an_offer_has_a_stream_for_each_capability():
    offer = make_offer(
        [
            audio("opus", "PCMU", ptime=20, maxptime=60, direction="sendonly"),
            MediaCapability("video", ["VP8"], 5000, rtcp_port=5009, rtcp_mux=True, address=THERE),
            MediaCapability("image", ["t38/0"], 6000, profiles=["udptl"]),
        ],
        HERE,
        77,
        version=3,
        username="alice",
    )
    assert bytes(offer).decode().split("\r\n") == [
        "v=0",
        "o=alice 77 3 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 4000 RTP/AVP 96 0",
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:0 PCMU/8000",
        "a=ptime:20",
        "a=maxptime:60",
        "a=sendonly",
        "m=video 5000 RTP/AVP 96",
        "c=IN IP4 198.51.100.7",
        "a=rtpmap:96 VP8/90000",
        "a=sendrecv",
        "a=rtcp:5009",
        "a=rtcp-mux",
        "m=image 6000 udptl t38",
        "a=sendrecv",
        "",
    ]


def test_a_capability_without_port_cannot_be_offered_or_answered():
    with pytest.raises(Incomplete, match="audio stream needs a port"):
        make_offer([MediaCapability()], HERE, 1)
    with pytest.raises(Incomplete):
        answer(peer("m=audio 9 RTP/AVP 0"), MediaCapability())


def test_capabilities_are_told_with_port_0():
    told = make_offer([MediaCapability("audio", ["PCMU"], 0, rtcp_port=9, rtcp_mux=True)], HERE, 1)
    assert shape(told) == [("audio", 0, ("0",), "sendrecv")]
    assert not told.media[0].has("rtcp")


@pytest.mark.parametrize(
    "build",
    [
        lambda: MediaCapability(formats=()),
        lambda: MediaCapability(formats="PCMU"),
        lambda: MediaCapability(profiles=()),
        lambda: MediaCapability(direction="both"),
        lambda: MediaCapability(port=65536),
        lambda: MediaCapability(rtcp_port=0),
    ],
)
def test_a_capability_that_cannot_be_described(build):
    with pytest.raises(BuildError):
        build()


def test_an_answer_has_the_formats_in_common_in_the_order_offered():
    offer = peer(
        "m=audio 9 RTP/AVP 18 101 111 8 0",
        "a=rtpmap:111 ilbc/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:30",
    )
    mine = audio("PCMU", "PCMA", "iLBC", Format("telephone-event", 8000, fmtp="0-15"))
    answered = answer(offer, mine, version=4, username="alice")
    assert bytes(answered).decode().split("\r\n") == [
        "v=0",
        "o=alice 1 4 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 4000 RTP/AVP 101 111 8 0",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=rtpmap:111 ilbc/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=ptime:30",
        "a=sendrecv",
        "",
    ]


def test_the_time_of_an_answer_is_that_of_the_offer():
    offer = replace(peer("m=audio 9 RTP/AVP 0"), timings=(Timing(3724394400, 3724398000),))
    assert answer(offer).timings == offer.timings
    assert reject_all(offer, HERE, 1).timings == offer.timings


def test_our_own_ptime_goes_before_the_offered_one():
    offer = peer("m=audio 9 RTP/AVP 0", "a=ptime:40")
    assert answer(offer, audio(ptime=20)).media[0].ptime == 20
    assert answer(offer, audio(maxptime=30)).media[0].ptime is None
    assert answer(offer, audio(maxptime=40)).media[0].ptime == 40


@pytest.mark.parametrize(
    ("offered", "wanted", "answered"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendrecv", "recvonly", "recvonly"),
        ("sendrecv", "inactive", "inactive"),
        ("sendonly", "sendrecv", "recvonly"),
        ("sendonly", "recvonly", "recvonly"),
        ("sendonly", "sendonly", "inactive"),
        ("recvonly", "sendrecv", "sendonly"),
        ("recvonly", "recvonly", "inactive"),
        ("inactive", "sendrecv", "inactive"),
    ],
)
def test_the_direction_of_an_answer(offered, wanted, answered):
    capability = audio(direction=wanted)
    assert answer(peer(f"a={offered}", "m=audio 9 RTP/AVP 0"), capability).media[0].direction == (
        answered
    )


@pytest.mark.parametrize(
    "line",
    [
        "m=audio 9 RTP/SAVP 0",
        "m=audio 9 RTP/AVPF 0",
        "m=audio 9 udp 0",
        "m=audio 9 RTP/AVP 18",
        "m=audio 9 RTP/AVP 96",
        "m=audio 9 RTP/AVP 300 x",
        "m=video 9 RTP/AVP 31",
    ],
)
def test_a_stream_that_cannot_be_taken_is_refused_in_its_place(line):
    offer = peer(line, "m=audio 9 RTP/AVP 0")
    answered = answer(offer)
    assert [one.port for one in answered.media] == [0, 4000]
    assert answered.media[0].media == offer.media[0].media
    assert answered.media[0].proto == offer.media[0].proto
    with pytest.raises(NegotiationError) as caught:
        answer(peer(line))
    assert caught.value.status == 488


def test_the_refusal_of_a_session_names_its_reasons():
    offer = peer("m=audio 9 RTP/AVP 18", "m=audio 9 RTP/SAVP 0", "m=text 9 RTP/AVP 98")
    with pytest.raises(NegotiationError) as caught:
        answer(offer, audio("PCMU"))
    text = str(caught.value)
    assert "stream 0 (audio RTP/AVP): no format is one of PCMU/8000" in text
    assert "stream 1 (audio RTP/SAVP): the protocol is not RTP/AVP" in text
    assert "stream 2 (text RTP/AVP): nothing like it is supported" in text


def test_another_profile_is_taken_where_the_capability_has_it():
    offer = peer("m=audio 9 RTP/AVPF 0")
    assert answer(offer, audio(profiles=("RTP/AVP", "rtp/avpf"))).media[0].proto == "RTP/AVPF"


def test_a_stream_without_address_or_to_a_group_is_refused():
    with pytest.raises(NegotiationError, match="no address"):
        answer(peer("m=audio 9 RTP/AVP 0", connection=None))
    with pytest.raises(NegotiationError, match="multicast"):
        answer(peer("m=audio 9 RTP/AVP 0", connection="IN IP4 233.252.0.1/127"))


def test_telephone_events_alone_do_not_make_a_conversation():
    events = "a=rtpmap:101 telephone-event/8000"
    with pytest.raises(NegotiationError):
        answer(peer("m=audio 9 RTP/AVP 18 101", events), audio("PCMU", "telephone-event"))
    alone = answer(peer("m=audio 9 RTP/AVP 101", events), audio("PCMU", "telephone-event"))
    assert alone.media[0].formats == ("101",)


def test_an_offer_without_live_streams_is_answered():
    assert answer(peer()).media == ()
    assert shape(answer(peer("m=audio 0 RTP/AVP 0"))) == [("audio", 0, ("0",), "sendrecv")]
    assert answer(peer("m=audio 0 RTP/AVP")).media[0].formats == ("0",)


def test_each_capability_serves_one_stream():
    offer = peer("m=audio 9 RTP/AVP 0", "m=audio 11 RTP/AVP 0", "m=audio 13 RTP/AVP 8")
    answered = answer(offer, audio("PCMA", port=4000), audio("PCMU", port=4002))
    assert [one.port for one in answered.media] == [4002, 0, 4000]


def test_rtcp_mux_is_answered_where_both_want_it():
    offer = peer("m=audio 9 RTP/AVP 0", "a=rtcp-mux")
    assert answer(offer, audio(rtcp_mux=True)).media[0].rtcp_mux
    assert not answer(offer, audio()).media[0].rtcp_mux
    assert not answer(peer("m=audio 9 RTP/AVP 0"), audio(rtcp_mux=True)).media[0].rtcp_mux


def test_everything_can_be_refused():
    offer = peer("m=audio 9 RTP/AVP 0 8", "m=video 9 RTP/SAVP 31")
    refusal = reject_all(offer, HERE, 6, version=2)
    assert [(m.media, m.port, m.proto, m.formats) for m in refusal.media] == [
        ("audio", 0, "RTP/AVP", ("0",)),
        ("video", 0, "RTP/SAVP", ("31",)),
    ]
    assert str(refusal.origin) == "- 6 2 IN IP4 192.0.2.1"
    assert check_answer(offer, refusal) == []


class Keys(MediaExtension):
    """Exchanges keys in an attribute, as an SRTP extension would."""

    def offer(self, local):
        return local.with_attribute("key", "ours")

    def answer(self, remote, local):
        return local.with_attribute("key", "ours") if remote.has("key") else None


def test_extensions_add_to_offers_and_decide_on_answers():
    capability = audio(profiles=("RTP/SAVP",), extensions=[MediaExtension(), Keys()])
    offer = make_offer([capability], HERE, 1)
    assert offer.media[0].value("key") == "ours"
    assert answer(peer("m=audio 9 RTP/SAVP 0", "a=key:x"), capability).media[0].has("key")
    with pytest.raises(NegotiationError):
        answer(peer("m=audio 9 RTP/SAVP 0"), capability)


class Picky(MediaExtension):
    """Takes streams with a key alone."""

    def misfit(self, remote):
        return None if remote.has("key") else "it has no key"


def test_extensions_say_why_a_stream_is_not_taken():
    capability = audio(extensions=[MediaExtension(), Picky()])
    with pytest.raises(NegotiationError, match=r"stream 0 \(audio RTP/AVP\): it has no key"):
        answer(peer("m=audio 9 RTP/AVP 0"), capability)
    taken = answer(peer("m=audio 9 RTP/AVP 0", "m=audio 11 RTP/AVP 0", "a=key:x"), capability)
    assert [one.port for one in taken.media] == [0, capability.port]


def test_a_secure_stream_comes_first():
    capability = audio(profiles=("RTP/AVP", "RTP/SAVP"))
    taken = answer(peer("m=audio 9 RTP/AVP 0", "m=audio 11 RTP/SAVP 0"), capability)
    assert [one.port for one in taken.media] == [0, capability.port]


def test_the_protocol_that_a_stream_has_is_offered_again():
    capability = audio(profiles=("RTP/AVP", "RTP/SAVP"))
    assert capability.offered().proto == "RTP/AVP"
    assert capability.offered(proto="RTP/SAVP").proto == "RTP/SAVP"
    assert capability.offered(proto="UDP/TLS/RTP/SAVP").proto == "RTP/AVP"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            "crypto:1 A inline:c2VjcmV0|2^20|1:4;inline:c2VjcmV0",
            "1 A inline:***|2^20|1:4;inline:***",
        ),
        ("crypto:1 A inline:k FEC_KEY=inline:c2VjcmV0", "1 A inline:*** FEC_KEY=inline:***"),
        ("key-mgmt:mikey c2VjcmV0", "mikey ***"),
        ("ice-pwd:c2VjcmV0", "***"),
        ("fmtp:0 inline:c2VjcmV0", "0 inline:c2VjcmV0"),
    ],
)
def test_keys_do_not_show(line, shown):
    description = peer("m=audio 9 RTP/AVP 0", f"a={line}")
    assert f"value={shown!r}" in repr(description)
    (stream,) = check_answer(make_offer([audio()], HERE, 1), description)
    assert f"value={shown!r}" not in repr(stream)  # ours alone
    assert line in str(description)


def test_what_is_agreed_from_both_sides():
    offer = make_offer(
        [audio(Format("iLBC", 8000, 1, 97), "PCMU", Format("telephone-event", fmtp="0-15"))],
        HERE,
        1,
    )
    answered = peer(
        "m=audio 9000 RTP/AVP 0 99 100",
        "a=rtpmap:99 ILBC/8000",
        "a=fmtp:99 mode=20",
        "a=rtpmap:100 speex/8000",
        "a=ptime:30",
        "a=maxptime:60",
        "a=rtcp:9009 IN IP4 203.0.113.5",
        "a=recvonly",
    )
    (stream,) = check_answer(offer, answered)
    assert stream.formats == (
        NegotiatedFormat("PCMU", 8000, 1, 0, 0),
        NegotiatedFormat("ILBC", 8000, 1, 99, 97, "mode=20"),
    )
    assert (stream.index, stream.media, stream.proto) == (0, "audio", "RTP/AVP")
    assert (stream.local_address, stream.local_port, stream.local_rtcp_port) == (HERE, 4000, 4001)
    assert (stream.remote_address, stream.remote_port) == (THERE, 9000)
    assert stream.remote_rtcp == ("203.0.113.5", 9009)
    assert stream.direction is Direction.SENDONLY
    assert (stream.ptime, stream.maxptime, stream.rtcp_mux) == (30, 60, False)
    assert (stream.local, stream.remote) == (offer.media[0], answered.media[0])

    (other,) = negotiated_streams(answered, offer, offerer=False)
    assert other.direction is Direction.RECVONLY
    assert [(f.send_payload_type, f.receive_payload_type) for f in other.formats] == [
        (97, 99),
        (0, 0),
    ]


def test_both_sides_agree_on_one_thing():
    offer = make_offer([audio("PCMA", "PCMU", rtcp_mux=True)], HERE, 1)
    answered = make_answer(offer, [audio("PCMU", port=6000, rtcp_mux=True)], THERE, 2)
    (ours,) = check_answer(offer, answered)
    (theirs,) = negotiated_streams(answered, offer, offerer=False)
    assert ours.rtcp_mux is theirs.rtcp_mux is True
    assert ours.remote_rtcp == (THERE, 6000)
    assert (ours.local_rtcp_port, theirs.local_rtcp_port) == (4000, 6000)
    assert (ours.remote_address, ours.remote_port) == (theirs.local_address, theirs.local_port)
    assert [f.encoding for f in ours.formats] == [f.encoding for f in theirs.formats] == ["PCMU"]
    assert ours.direction is theirs.direction.reversed


OFFER = make_offer([audio("PCMU"), MediaCapability("video", ["VP8"], 0)], HERE, 1)
VIDEO_0 = "m=video 0 RTP/AVP 96"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "0 streams where the offer has 2"),
        (["m=audio 9 RTP/AVP 0"], "1 streams"),
        (["m=audio 9 RTP/AVP 0", VIDEO_0, VIDEO_0], "3 streams"),
        (["m=video 9 RTP/AVP 0", VIDEO_0], "answered as video"),
        (["m=audio 9 RTP/SAVP 0", VIDEO_0], "answered over RTP/SAVP"),
        (["m=audio 9 RTP/AVP 8", VIDEO_0], "no format in common"),
        (["m=audio 9 RTP/AVP 97", VIDEO_0], "no format in common"),
        (["m=audio 9 RTP/AVP 0", "m=video 9 RTP/AVP 96"], "not offered"),
    ],
)
def test_an_answer_that_does_not_answer(lines, reason):
    with pytest.raises(NegotiationError, match=reason) as caught:
        check_answer(OFFER, peer(*lines))
    assert caught.value.status == 488


def test_an_answer_without_address_does_not_answer():
    with pytest.raises(NegotiationError, match="no address"):
        check_answer(OFFER, peer("m=audio 9 RTP/AVP 0", VIDEO_0, connection=None))


def test_an_answer_that_leaves_out_an_rtpmap_means_the_offered_format():
    offer = make_offer([audio("PCMU", "telephone-event")], HERE, 1)
    (stream,) = check_answer(offer, peer("m=audio 9 RTP/AVP 0 96"))
    assert [one.encoding for one in stream.formats] == ["PCMU", "telephone-event"]


def test_a_direction_too_wide_is_narrowed():
    offer = make_offer([audio(direction="sendonly")], HERE, 1)
    (stream,) = check_answer(offer, peer("m=audio 9 RTP/AVP 0"))
    assert stream.direction is Direction.SENDONLY


@pytest.mark.parametrize("connection", ["IN IP4 0.0.0.0", "IN IP6 ::"])
def test_nothing_is_sent_to_the_unspecified_address(connection):
    offer = peer("m=audio 9 RTP/AVP 0", connection=connection)
    answered = answer(offer)
    # RFC 6337 Section 5.4: the answer goes by the direction attribute.
    assert answered.media[0].direction is Direction.SENDRECV
    (stream,) = negotiated_streams(answered, offer, offerer=False)
    assert stream.direction is Direction.RECVONLY
    assert stream.remote_rtcp is None
    assert stream.held
    assert is_held(offer)


def test_a_session_without_streams_is_not_held():
    assert not is_held(peer())
    assert not is_held(peer("a=inactive", "m=audio 0 RTP/AVP 0"))


def test_the_last_port_has_no_rtcp():
    (stream,) = check_answer(
        make_offer([audio(port=65535)], HERE, 1), peer("m=audio 65535 RTP/AVP 0")
    )
    assert stream.local_rtcp_port == 0
    assert stream.remote_rtcp is None


def test_each_stream_may_have_its_own_address():
    offer = peer("m=audio 9 RTP/AVP 0", "c=IN IP6 2001:db8::9", connection=None)
    answered = answer(offer, audio(address="2001:db8::1"))
    assert answered.media[0].connection == Connection("2001:db8::1", "IP6")
    (stream,) = negotiated_streams(answered, offer, offerer=False)
    assert (stream.local_address, stream.remote_address) == ("2001:db8::1", "2001:db8::9")


@pytest.mark.parametrize(
    ("line", "connection", "warning", "reason"),
    [
        ("m=audio 9 RTP/AVP 0", "AF IP4 192.0.2.2", 300, "network type AF"),
        ("m=audio 9 RTP/AVP 0", "IN IP7 192.0.2.2", 301, "address type IP7"),
        ("m=audio 9 RTP/AVP 0", "IN IP4 1.2.3.400", 301, "no address"),
        ("m=audio 9 RTP/AVP 0", "IN IP4 255.255.255.255", 301, "no address of a host"),
        ("m=audio 9 RTP/AVP 0", "IN IP4 233.252.0.1/127", 330, "multicast"),
        ("m=audio 9 RTP/AVP 0", "IN IP4 127.0.0.1", 399, "cannot be where it receives"),
        ("m=audio 9 RTP/SAVP 0", "IN IP4 192.0.2.2", 302, "the protocol"),
        ("m=text 9 RTP/AVP 98", "IN IP4 192.0.2.2", 304, "nothing like it"),
        ("m=audio 9 RTP/AVP 18", "IN IP4 192.0.2.2", 305, "no format"),
        ("m=audio 70000 RTP/AVP 0", "IN IP4 192.0.2.2", 399, "its port cannot be 70000"),
    ],
)
def test_why_a_stream_is_refused_has_a_code(line, connection, warning, reason):
    def reaches(address):
        return address != "127.0.0.1"

    def make(*lines):
        return make_answer(peer(*lines), [audio("PCMU")], HERE, 1, reaches=reaches)

    bad = [line, f"c={connection}"]
    with pytest.raises(NegotiationError, match=reason) as caught:
        make(*bad)
    assert caught.value.warning == warning
    # Beside a good one it is that stream alone.
    good = ["m=audio 9 RTP/AVP 0", "c=IN IP4 192.0.2.2"]
    assert [one.port for one in make(*bad, *good).media] == [0, 4000]


@pytest.mark.parametrize("connection", ["IN IP4 233.252.0.1/127", "IN IP7 a", "IN IP4 127.0.0.1"])
def test_an_answer_to_send_media_nowhere_is_none(connection):
    answer = peer("m=audio 9 RTP/AVP 0", f"c={connection}", VIDEO_0)
    with pytest.raises(NegotiationError) as caught:
        check_answer(OFFER, answer, lambda address: address != "127.0.0.1")
    assert caught.value.warning in (330, 301, 399)
    assert check_answer(OFFER, peer("m=audio 9 RTP/AVP 0", "c=IN IP4 0.0.0.0", VIDEO_0))


@pytest.mark.parametrize("connection", ["IN IP4 233.252.0.1", "IN IP4 127.0.0.1", "IN IP4 0.0.0.0"])
def test_rtcp_that_could_go_nowhere_does_not(connection):
    answer = peer("m=audio 9 RTP/AVP 0", f"a=rtcp:9 {connection}", VIDEO_0)
    (stream,) = check_answer(OFFER, answer, lambda address: address != "127.0.0.1")
    assert stream.remote_rtcp is None


def test_an_answer_repeats_the_times_and_not_when_they_come_again():
    """An answer with z= and without r= would not be one that strict reading takes."""
    text = str(peer("m=audio 9 RTP/AVP 0"))
    times = "t=1 2\r\nr=7d 1h 0\r\nz=3 1h\r\nt=0 0\r\nz=3 1h\r\n"
    offer = SessionDescription.parse(text.replace("t=0 0\r\n", times))
    for made in (answer(offer), reject_all(offer, HERE, 1)):
        assert made.timings == (Timing(1, 2), Timing(0, 0))
        assert SessionDescription.parse(bytes(made), strict=True) == made
