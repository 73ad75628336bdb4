import pytest

from sipparty.explain import header_meaning, method_meaning, status_meaning
from sipparty.sip.headers import HEADERS
from sipparty.sip.status import REASON_PHRASES


@pytest.mark.parametrize("name", [row.name for row in HEADERS.values()])
def test_every_registered_header_has_a_meaning_and_a_source(name):
    meaning, source = header_meaning(name)
    assert meaning.endswith(".")
    assert source.startswith("RFC ")


def test_compact_forms_and_any_case_are_the_same_header():
    assert header_meaning("v") == header_meaning("VIA") == header_meaning("Via")


def test_headers_of_other_networks():
    assert header_meaning("P-Served-User")[1] == "RFC 5502"
    assert header_meaning("remote-party-id")[0].startswith("Who the sender is")


def test_what_is_not_known_has_no_meaning():
    assert header_meaning("X-Cost") == ("", "")
    assert method_meaning("DANCE") == ("", "")
    assert status_meaning(999) == ("", "")


@pytest.mark.parametrize("status", REASON_PHRASES)
def test_every_registered_status_has_a_meaning_and_a_source(status):
    words, source = status_meaning(status)
    assert words
    assert source.startswith("RFC ")


def test_a_status_that_is_not_registered_has_that_of_its_class():
    assert status_meaning(499) == (status_meaning(450)[0], "RFC 3261 §21.4")


def test_the_section_of_a_status():
    assert status_meaning(486) == ("the callee is busy", "RFC 3261 §21.4")
    assert status_meaning(489)[1] == "RFC 6665"


@pytest.mark.parametrize("method", ["INVITE", "ACK", "REGISTER", "PRACK", "MESSAGE"])
def test_methods(method):
    words, source = method_meaning(method)
    assert words
    assert source.startswith("RFC ")
