import pytest

from sipparty.explain import explain, explain_description
from sipparty.sip import Message

INVITE = (
    b"INVITE sip:bob@biloxi.com SIP/2.0\r\n"
    b"Via: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1;rport\r\n"
    b'From: "Alice" <sip:alice@atlanta.com>;tag=1\r\n'
    b"To: <sip:bob@biloxi.com>\r\n"
    b"Call-ID: 1\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"Contact: <sip:alice@10.0.0.1>;expires=90\r\n"
    b"Max-Forwards: 70\r\n"
    b"Content-Type: application/sdp\r\n"
)
SDP = (
    b"v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"
)


def line(explanation, start):
    return next(each for each in explanation.lines if each.text.startswith(start))


def test_every_line_says_what_it_is_for_and_where_that_is_defined():
    explanation = explain(INVITE + b"\r\n" + SDP)
    assert explanation.what == "a request"
    assert explanation.acceptable
    assert explanation.faults == ()
    for each in explanation.lines:
        assert each.meaning
        assert each.source.startswith("RFC ")
    assert [each.number for each in explanation.lines] == [*range(1, 10), *range(11, 19)]


@pytest.mark.parametrize(
    ("start", "details"),
    [
        ("INVITE", ("INVITE starts a call, or changes one",)),
        (
            "Via",
            ("sent by TCP from 10.0.0.1", "wants the answer at the port it came from (RFC 3581)"),
        ),
        ("From", ("address: Alice, sip:alice@atlanta.com", "with a tag")),
        ("To", ("address: sip:bob@biloxi.com", "without a tag: no dialog yet")),
        ("Contact", ("address: sip:alice@10.0.0.1", "for 90 s")),
        ("o=", ("session 1, version 2", "made at 10.0.0.1 by -")),
        ("m=", ("audio at port 4000", "RTP (RFC 3551)", "formats: 0 PCMU, 101")),
        ("a=rtpmap", ("101 is telephone-event at 8000 Hz",)),
    ],
)
def test_what_values_say(start, details):
    assert line(explain(INVITE + b"\r\n" + SDP), start).details == details


@pytest.mark.parametrize(
    ("bad", "start", "what", "marked"),
    [
        (b"Via: SIP/2.0/UDP a:99999;branch=z", "Via", "a port from 0 to 65535", "99999"),
        (b"Max-Forwards: 700", "Max-Forwards", "a number from 0 to 255", "700"),
        (b"Date: yesterday", "Date", "a date such as", "yesterday"),
        (b"No colon here", "No colon", "a header name and a colon", "No colon"),
        (b"Content-Length: 9", "Content-Length", "at most the 0 bytes", "9"),
    ],
)
def test_a_fault_is_in_its_line_at_its_column(bad, start, what, marked):
    name = bad.partition(b":")[0]
    kept = [each for each in INVITE.split(b"\r\n")[:-1] if not each.startswith(name)]
    explanation = explain(b"\r\n".join([*kept, bad, b"", b""]))
    blamed = line(explanation, start)
    (fault,) = blamed.faults
    assert what in fault.what
    assert blamed.text[fault.column :].startswith(marked)
    assert fault.severe == (start != "Date")


def test_what_is_missing_has_no_line_and_is_named():
    explanation = explain(INVITE.replace(b"Call-ID: 1\r\n", b"") + b"\r\n")
    ((missing, fault),) = explanation.faults
    assert missing.number == 0
    assert "Call-ID" in fault.what
    assert missing.source == "RFC 3261 §20.8"
    assert not explanation.acceptable


def test_a_message_of_a_file_may_lack_its_end_and_its_carriage_returns():
    explanation = explain(INVITE.replace(b"\r\n", b"\n"))
    assert [fault.what for _, fault in explanation.faults] == [
        "the empty line that ends the head is missing"
    ]
    assert explanation.what == "a request"


def test_responses():
    data = INVITE.replace(b"INVITE sip:bob@biloxi.com SIP/2.0", b"SIP/2.0 486 Busy Here") + b"\r\n"
    explanation = explain(data)
    assert explanation.what == "a response"
    assert explanation.lines[0].details == ("486: the callee is busy",)


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"hello", b"\0\xff\x1b[2J"])
def test_what_is_no_message_is_said_to_be_none(data):
    explanation = explain(data)
    assert explanation.what == "no SIP message"
    assert not explanation.acceptable


def test_a_description_that_is_none_names_the_line():
    explanation = explain_description(SDP.replace(b"c=IN IP4 10.0.0.1", b"c=IN IP4"))
    ((blamed, fault),) = explanation.faults
    assert blamed.text == "c=IN IP4"
    assert fault.column == 2
    assert fault.severe


def test_what_is_let_pass_is_a_fault_that_is_not_severe():
    explanation = explain_description(SDP.replace(b"m=audio 4000", b"m=audio 99999"))
    ((blamed, fault),) = explanation.faults
    assert blamed.text.startswith("m=")
    assert not fault.severe


@pytest.mark.parametrize("data", [b"", b"v=0", b"\n\n", b"v=0\r\n\0", b"o=1\nv=0\n"])
def test_descriptions_that_are_none(data):
    assert not explain_description(data).acceptable


@pytest.mark.parametrize("cut", range(0, len(INVITE), 7))
def test_nothing_raises_wherever_a_message_is_cut_or_broken(cut):
    whole = INVITE + b"\r\n" + SDP
    explain(whole[:cut])
    explain(whole[:cut] + b"\xff\0" + whole[cut:])
    explain(whole[:cut] + whole[cut + 3 :])
    explain_description(SDP[: cut % len(SDP)] + b"\xff=" + SDP[cut % len(SDP) :])


def test_a_message_that_parses_is_never_called_none():
    assert explain(bytes(Message.parse(INVITE + b"\r\n"))).acceptable


def test_attributes_of_a_browser_say_what_they_are_for():
    description = b"""v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nt=0 0\r
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 10.0.0.1\r
a=setup:actpass\r\na=sctp-port:5000\r\na=rtcp-rsize\r\na=x-own:1\r\n"""
    lines = {line.text: line for line in explain_description(description).lines}
    assert lines["a=setup:actpass"].details == ("the other side chooses who opens it",)
    assert lines["a=sctp-port:5000"].source == "RFC 8841 §5"
    assert lines["a=rtcp-rsize"].source == "RFC 5506 §5"
    assert lines["a=x-own:1"].meaning == "An attribute."
    assert "SCTP over DTLS" in str(
        lines["m=application 9 UDP/DTLS/SCTP webrtc-datachannel"].details
    )
