"""message-summary (RFC 3842)."""

import random

import pytest

from sipparty.errors import BuildError, ParseError
from sipparty.sip.packages import MessageCount, MessageSummary, MessageSummaryPackage

PACKAGE = MessageSummaryPackage()


def read(text):
    return PACKAGE.parse(text.replace("\n", "\r\n").encode(), PACKAGE.accepts[0])


#: RFC 3842 §3.5, §4.
EXAMPLE = """\
Messages-Waiting: yes
Message-Account: sip:alice@vmail.example.com
Voice-Message: 4/8 (1/2)

To: <alice@atlanta.example.com>
From: <bob@biloxi.example.com>
Subject: carpool tomorrow?

To: <alice@example.com>
From: <cathy-the-bob@example.com>
Subject: HELP! at home ill, present for me please
"""


def test_the_example_of_the_rfc():
    state = read(EXAMPLE)
    assert state.waiting
    assert state.account == "sip:alice@vmail.example.com"
    assert state.voice == MessageCount(4, 8, 1, 2)
    assert [one["subject"] for one in state.headers] == [
        "carpool tomorrow?",
        "HELP! at home ill, present for me please",
    ]
    assert PACKAGE.parse(PACKAGE.build(state), "") == state


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("Messages-Waiting: no\n", MessageSummary(False)),
        ("messages-waiting:YES", MessageSummary(True)),
        (
            "Messages-Waiting: yes\nFax-Message: 2/4",
            MessageSummary(True, "", {"fax": MessageCount(2, 4)}),
        ),
        (
            "Messages-Waiting: yes\nVoice-Message:1/2(0/1)\nX-Other: anything\n",
            MessageSummary(True, "", {"voice": MessageCount(1, 2, 0, 1)}),
        ),
        ("Messages-Waiting:\n yes\n", MessageSummary(True)),
        ("Messages-Waiting: no\nNone: 0/0", MessageSummary(False, "", {"none": MessageCount()})),
    ],
)
def test_what_is_read(text, state):
    assert read(text) == state
    assert PACKAGE.parse(PACKAGE.build(state), "") == state


def test_bare_line_feeds_are_read():
    assert PACKAGE.parse(EXAMPLE.encode(), "") == read(EXAMPLE)


@pytest.mark.parametrize(
    "text",
    [
        "\n",
        "Messages-Waiting: maybe",
        "Voice-Message: 1/2",
        "Messages-Waiting: yes\nVoice-Message: many",
        "Messages-Waiting: yes\nVoice-Message: 1",
        "Messages-Waiting: yes\nVoice-Message: -1/2",
        "Messages-Waiting: yes\nVoice-Message: 99999999999/0",
        "Messages-Waiting: yes\nno colon",
        "Messages-Waiting: yes\n" + "A: 1\n" * 300,
    ],
)
def test_what_is_refused(text):
    with pytest.raises(ParseError):
        read(text)


def test_how_it_is_written():
    counts = {"voice": MessageCount(2, 8, 0, 2), "multimedia": MessageCount(1)}
    assert PACKAGE.build(MessageSummary(True, "sip:a@b", counts)) == (
        b"Messages-Waiting: yes\r\nMessage-Account: sip:a@b\r\n"
        b"Voice-Message: 2/8 (0/2)\r\nMultimedia-Message: 1/0 (0/0)\r\n"
    )


def test_no_line_can_be_smuggled_in():
    with pytest.raises(BuildError):
        PACKAGE.build(MessageSummary(True, "sip:a@b\r\nVoice-Message: 9/9"))


def test_whatever_is_changed_only_a_value_error_comes_out():
    chance, body = random.Random(3842), EXAMPLE.encode()
    for _ in range(500):
        data = bytearray(body)
        for _ in range(chance.randint(1, 5)):
            at = chance.randrange(len(data))
            data[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        try:
            PACKAGE.parse(bytes(data), "")
        except ValueError:
            pass
