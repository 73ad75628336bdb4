"""From codecs to formats, and from what was agreed on to what a stream sends and understands."""

import socket

import pytest

from sipparty.errors import NegotiationError, UsageError
from sipparty.media import pcm
from sipparty.media.codecs import find_codec
from sipparty.media.codecs.opus import opus
from sipparty.media.negotiated import AudioPreferences, settings_of
from sipparty.media.settings import ReceivedFormat, StreamSettings
from sipparty.sdp import SessionDescription, make_answer, make_offer, negotiated_streams

PCMU, PCMA, G722, OPUS = map(find_codec, ("PCMU", "PCMA", "G722", "opus"))
ADDRESS = "192.0.2.1"


def description(formats, *lines, port=4000):
    head = (
        f"v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio {port}"
    )
    return SessionDescription.parse("\r\n".join((f"{head} RTP/AVP {formats}", *lines, "")).encode())


def offered(*codecs, **wanted):
    wants = AudioPreferences(codecs, **wanted)
    return wants, make_offer([wants.capability(5000)], ADDRESS, 1)


def agreed(wanted, ours, theirs, *, offerer):
    (stream,) = negotiated_streams(ours, theirs, offerer=offerer)
    return settings_of(stream, wanted, socket.AF_INET)


def answered(theirs, *codecs, **wanted):
    """Our answer to an offer, and the settings that follow."""
    wants = AudioPreferences(codecs, **wanted)
    answer = make_answer(theirs, [wants.capability(5000)], ADDRESS, 1)
    return answer, agreed(wants, answer, theirs, offerer=False)


def formats(sd):
    return [(one.payload_type, str(one), one.fmtp) for one in sd.media[0].media_formats]


# What is offered.


def test_each_codec_is_offered_with_events_in_its_clock():
    _, offer = offered("PCMU", "G722", "opus", "L16/16000")
    assert formats(offer) == [
        (0, "PCMU/8000", None),
        (9, "G722/8000", None),
        (96, "opus/48000/2", "useinbandfec=1"),
        (97, "L16/16000", None),
        (101, "telephone-event/8000", "0-16"),
        (98, "telephone-event/48000", "0-16"),
        (99, "telephone-event/16000", "0-16"),
    ]


def test_events_and_noise_are_offered_as_asked_for():
    assert [name for _, name, _ in formats(offered("PCMU", dtmf=False)[1])] == ["PCMU/8000"]
    noisy = offered("opus", "PCMA", comfort_noise=True, dtmf=False)[1]
    assert formats(noisy)[2] == (13, "CN/8000", None)
    # There is no clock of 8000 that it could go with (RFC 7587 section 3.1.3).
    assert "CN" not in str(formats(offered("opus", comfort_noise=True)[1]))


def test_a_codec_may_be_given_as_it_is():
    _, offer = offered(opus(max_bitrate=16000, fec=False), "PCMU")
    assert formats(offer)[0] == (96, "opus/48000/2", "maxaveragebitrate=16000")
    with pytest.raises(UsageError, match="a list of codecs"):
        AudioPreferences(PCMU)


# What follows from an answer.


def test_all_that_was_agreed_on_may_come_whatever_its_clock():
    wanted, offer = offered("opus", "G722", "PCMU")
    answer = description(
        "9 96 0 101",
        "a=rtpmap:96 opus/48000/2",
        "a=fmtp:96 maxplaybackrate=16000",
        "a=rtpmap:101 telephone-event/8000",
    )
    settings = agreed(wanted, offer, answer, offerer=True)
    assert (settings.codec, settings.payload_type, settings.fmtp) == (G722, 9, "")
    assert settings.receive == {
        9: ReceivedFormat(G722),
        96: ReceivedFormat(OPUS, "maxplaybackrate=16000"),
        0: ReceivedFormat(PCMU),
    }
    decoder = settings.receive[96].decoder()
    assert (decoder.clock_rate, decoder.sample_rate) == (48000, 48000)
    assert settings.receive[9].decoder()[1:] == (8000, 16000)
    assert settings.dtmf_send == (101, 8000)
    assert settings.dtmf_receive == {101: 8000}
    assert (settings.samples, settings.ticks) == (320, 160)


def test_payload_types_may_differ_in_each_direction():
    """RFC 3264 section 5.1: each is sent as the receiver calls it."""
    wanted, offer = offered("opus", "PCMU")
    answer = description(
        "111 0 100",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 usedtx=1",
        "a=rtpmap:100 telephone-event/48000",
    )
    settings = agreed(wanted, offer, answer, offerer=True)
    assert (settings.payload_type, settings.fmtp) == (111, "usedtx=1")
    # Ours is right; theirs, which they may send all the same, means nothing else here.
    assert settings.receive == {
        96: ReceivedFormat(OPUS, "usedtx=1"),
        111: ReceivedFormat(OPUS, "usedtx=1"),
        0: ReceivedFormat(PCMU),
    }
    assert settings.dtmf_send == (100, 48000)
    assert settings.dtmf_receive == {97: 48000, 100: 48000}


def test_a_number_of_theirs_that_means_another_thing_here_means_that():
    wanted, offer = offered("opus", "L16/16000", dtmf=False)  # 96 and 97
    answer = description("97 96", "a=rtpmap:97 opus/48000/2", "a=rtpmap:96 L16/16000")
    settings = agreed(wanted, offer, answer, offerer=True)
    assert (settings.codec, settings.payload_type) == (OPUS, 97)
    assert {kind: one.codec.name for kind, one in settings.receive.items()} == {
        96: "opus",
        97: "L16",
    }


# What follows from an offer.


def test_an_offer_is_answered_with_events_in_the_clocks_it_has():
    theirs = description(
        "111 0 110 101 13",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 useinbandfec=1; stereo=1",
        "a=rtpmap:110 telephone-event/48000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
    )
    answer, settings = answered(theirs, "PCMU", "opus")
    assert formats(answer) == [
        (111, "opus/48000/2", "useinbandfec=1"),
        (0, "PCMU/8000", None),
        (110, "telephone-event/48000", "0-16"),
        (101, "telephone-event/8000", "0-16"),
    ]
    assert (settings.codec, settings.fmtp) == (OPUS, "useinbandfec=1; stereo=1")
    assert settings.dtmf_send == (110, 48000)
    assert settings.dtmf_receive == {110: 48000, 101: 8000}
    assert (settings.cn_send, settings.cn_receive) == (None, {})


def test_events_go_in_the_only_clock_there_is():
    theirs = description(
        "111 101",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:101 telephone-event/8000",
    )
    _, settings = answered(theirs, "opus", "PCMU")
    assert settings.dtmf_send == (101, 8000)
    assert answered(theirs, "opus", "PCMU", dtmf=False)[1].dtmf_send is None


def test_comfort_noise_goes_with_the_clock_it_is_of():
    theirs = description("0 96 13", "a=rtpmap:96 opus/48000/2")
    _, settings = answered(theirs, "PCMU", comfort_noise=True)
    assert (settings.cn_send, settings.cn_receive) == (13, {13: 8000})
    theirs = description("96 0 13", "a=rtpmap:96 opus/48000/2")
    _, settings = answered(theirs, "PCMU", "opus", comfort_noise=True)
    assert (settings.cn_send, settings.cn_receive) == (None, {13: 8000})


def test_events_alone_are_no_audio():
    with pytest.raises(NegotiationError, match="no format is one of"):
        answered(description("18 101", "a=rtpmap:101 telephone-event/8000"), "PCMU")


@pytest.mark.parametrize(
    ("name", "asked", "made"),
    [("opus", 30, 20.0), ("opus", 150, 120.0), ("L16/48000", 20, 10.0), ("PCMU", 30, 30)],
)
def test_the_packet_time_is_one_that_the_codec_has(name, asked, made):
    wanted, offer = offered(name, dtmf=False)
    kind, rtpmap, _ = formats(offer)[0]
    answer = description(kind, f"a=rtpmap:{kind} {rtpmap}", f"a=ptime:{asked}")
    assert agreed(wanted, offer, answer, offerer=True).ptime == made


def test_a_codec_stands_for_a_format_without_parameters():
    settings = StreamSettings(PCMU, 0, {0: PCMU, 8: ReceivedFormat(PCMA, "x=1")})
    assert settings.receive == {0: ReceivedFormat(PCMU), 8: ReceivedFormat(PCMA, "x=1")}


@pytest.mark.parametrize(
    ("codecs", "loaded"),
    [(("PCMU", "PCMA"), False), (("PCMU", "L16/16000"), True), (("L16/16000",), True)],
)
def test_what_changes_rates_is_loaded_before_the_tick(monkeypatch, codecs, loaded):
    """A codec of another rate may come in mid-call, and loading takes as long as many frames."""
    asked = []
    monkeypatch.setattr(pcm, "_filters", lambda: asked.append(True))
    AudioPreferences(codecs)
    assert bool(asked) is loaded
