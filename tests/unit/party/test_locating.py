"""Where a call to somebody goes."""

import pytest
from hypothesis import given

from sipparty.errors import ParseError
from sipparty.party.locating import locate
from sipparty.sip import URI
from sipparty.sip.routing import as_request_uri
from sipparty.testing.strategies import uris

SAMPLES = [
    "sip:bob@biloxi.com",
    "SIP:Bob@Biloxi.com:05060;Transport=tcp;lr",
    "sips:10.0.0.1",
    "sip:bob@[2001:db8::1]:5070",
    "sip:bob@biloxi.com;method=INVITE;lr?subject=x",
    "sip:%61lice@atlanta.com",
    "bob@biloxi.com",
]


def general(text):
    return as_request_uri(str(URI.from_user_text(text)))


@pytest.mark.parametrize("text", SAMPLES)
def test_the_quick_way_gives_what_the_general_one_does(text):
    assert locate(text) == (general(text), None)


@given(uris())
def test_so_it_does_for_any_uri(text):
    try:
        expected = general(text)
    except ParseError:
        with pytest.raises(ParseError):
            locate(text)
    else:
        assert locate(text) == (expected, None)
