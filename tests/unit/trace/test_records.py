import pytest

from sipparty.trace import (
    KeyRecord,
    Ladder,
    MediaRecord,
    NoteRecord,
    QualityRecord,
    StateRecord,
    WireRecord,
    summarise,
)

A, B = ("10.0.0.1", 5060), ("10.0.0.2", 5060)
STATE = StateRecord(
    1.0, "SimpleCall3", "SimpleCall", "c", "Initial", "dial", "Calling", armed=(("late", 0.5),)
)


@pytest.mark.parametrize(
    ("record", "labels"),
    [
        (
            STATE,
            (
                "SimpleCall3: Initial -> Calling (dial, late in 0.5 s)",
                "SimpleCall3: Initial -> Calling (dial)",
                "SimpleCall3: Initial -> Calling",
            ),
        ),
        (
            STATE.replace(new="Initial", timer=True, armed=()),
            ("SimpleCall3: Initial (timer dial)",) * 2 + ("SimpleCall3: Initial",),
        ),
        (KeyRecord(1.0, A, B, "c", "5", duration=0.1), ("DTMF 5 received (100 ms)", "DTMF 5")),
        (KeyRecord(1.0, A, B, "c", "#"), ("DTMF # received", "DTMF #")),
        (
            QualityRecord(1.0, A, B, "c", 4.36, 0.013, 0.0021, 0.04),
            (
                "MOS 4.4: 1.3% lost, jitter 2.1 ms, round trip 40 ms",
                "MOS 4.4: 1.3% lost",
                "MOS 4.4",
            ),
        ),
        (
            QualityRecord(1.0, A, B, "c"),
            ("quality: 0.0% lost, jitter 0.0 ms", "quality: 0.0% lost", "quality"),
        ),
        (NoteRecord(1.0, "c", "the door opens"), ("the door opens",)),
        (
            MediaRecord(1.0, A, B, 2, 3, 1, "PCMU", 5.0),
            (
                "RTP PCMU: 2 sent, 3 received, 1 lost, 5.0 s",
                "RTP PCMU: 2 sent, 3 received, 1 lost",
                "RTP PCMU",
            ),
        ),
    ],
)
def test_what_a_record_says_of_itself(record, labels):
    assert record.labels() == labels
    assert str(record) == labels[0]


def test_the_ends_of_a_key():
    key = KeyRecord(1.0, A, B, "c", "5")
    assert (key.source, key.destination) == (B, A)
    key = key.replace(direction="sent")
    assert (key.source, key.destination) == (A, B)


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS sip:b SIP/2.0\r\nCall-ID: abc@d\r\n\r\n",
        b"\r\nOPTIONS sip:b SIP/2.0\r\ni:abc@d  \r\nCall-ID: other\r\n\r\n",
        b"SIP/2.0 200 OK\r\nTo: <sip:b>\r\nCALL-ID \t:\r\n  abc@d\r\n\r\n",
        b"SIP/2.0 200 OK\nCall-ID: abc@d\nCSeq: 1 X",
        b"SIP/2.0 200 OK\r\nCall-ID: \xff\x00\r\n\r\n",
        b"SIP/2.0 200 OK\r\nCall-ID:\r\nCSeq: 1 X\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\nCall-ID: in-the-body\r\n",
        b"HTTP/1.1 200 OK\r\nCall-ID: other\r\n\r\n",
        b"\r\n\r\n",
        b"",
    ],
)
def test_the_call_id_of_a_message_is_that_of_its_summary(data):
    summary = summarise(data)
    assert WireRecord(1.0, "sent", "UDP", A, B, data).call_id == (
        summary.call_id if summary else ""
    )


def test_a_ladder_keeps_the_records_that_it_does_not_draw():
    ladder = Ladder([STATE, NoteRecord(1.0, "c", "a remark")])
    assert len(ladder) == 2
