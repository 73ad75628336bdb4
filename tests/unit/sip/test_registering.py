"""REGISTER requests, and what is said where one is refused."""

import pytest

from sipparty.sip import Request
from sipparty.sip.registering import Series, refusal


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "answered 401 Unauthorized. Give the party credentials=(user, password)"),
        (407, "answered 407 Proxy Authentication Required. Give the party credentials"),
        (403, "answered 403 Forbidden. The user may not register there."),
        (404, "answered 404 Not Found. It has no such user"),
        (423, "It says in Min-Expires"),
        (500, "answered 500 Server Internal Error."),
    ],
)
def test_a_refusal_says_what_to_do(status, words):
    request = Request("REGISTER", "sip:biloxi.com", [("To", "<sip:b@b.com>")])
    error = refusal("sip:biloxi.com", request.response(status))
    assert words in str(error)
    assert str(error).startswith("The registrar sip:biloxi.com answered")
    assert error.status == error.response.status == status
    assert str(error).endswith(".")
    assert len(str(error).split(".")) <= 5


def test_a_series_is_one_for_each_registrar_and_flow(wire):
    agent = wire.agent()
    series = Series.at(agent, "sip:biloxi.com", 1)
    assert Series.at(agent, "sip:biloxi.com", 1) is series
    others = [Series.at(agent, "sip:biloxi.com", 2), Series.at(agent, "sip:chicago.com", 1)]
    assert len({one.call_id for one in (series, *others)}) == 3
    assert Series.at(wire.agent("sip:carol@biloxi.com"), "sip:biloxi.com", 1) is not series
