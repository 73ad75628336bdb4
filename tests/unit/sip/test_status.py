"""Status codes and their phrases."""

from __future__ import annotations

import pytest

from sipparty.errors import BuildError
from sipparty.sip.grammar import check_line
from sipparty.sip.status import REASON_PHRASES, check_status, reason_phrase


def test_registered_phrases():
    assert reason_phrase(200) == "OK"
    assert reason_phrase(487) == "Request Terminated"
    assert reason_phrase(606) == "Not Acceptable"


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (101, "Session Progress"),
        (299, "OK"),
        (399, "Multiple Choices"),
        (499, "Bad Request"),
        (599, "Server Internal Error"),
        (699, "Busy Everywhere"),
    ],
)
def test_others_are_taken_for_the_x00_of_their_class(status, phrase):
    # RFC 3261 §8.1.3.2; a 1xx is taken for 183.
    assert status not in REASON_PHRASES
    assert reason_phrase(status) == phrase


def test_what_is_of_no_class():
    assert reason_phrase(42) == "Unknown"


def test_the_table():
    for status, phrase in REASON_PHRASES.items():
        assert check_status(status) == status
        assert check_line(phrase) == phrase.strip() != ""


@pytest.mark.parametrize("status", [99, 700, -1, 0, "200", 200.0, None])
def test_what_is_no_status(status):
    with pytest.raises(BuildError, match="expected 100 to 699"):
        check_status(status)
