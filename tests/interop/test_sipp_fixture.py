"""The SIPp of `sipparty.testing`, both ways, beside parties of the plugin."""

import pytest

from sipparty.testing import SIPp, assert_ladder, expect

from .peer import require


@pytest.fixture
def played(tmp_path, sip_wire):
    require("sipp")
    made = SIPp(tmp_path)
    yield made
    made.stop()


def test_it_calls(sip_party, played):
    bob = sip_party("bob@biloxi.com")
    run = played.call(bob)
    his = expect(bob).called(within=10)
    run.finish()
    assert_ladder(his, "INVITE < 180 > 200 > ACK < BYE < 200 >")


def test_it_is_called(sip_party, played):
    run = played.answer("uas")
    with sip_party("alice@atlanta.com").call(run.uri(), timeout=10) as call:
        pass
    run.finish()
    assert_ladder(call, "INVITE > 180 < 200 < ACK > BYE > 200 <")


def test_what_it_does_not_get_fails(sip_party, played):
    bob = sip_party("bob@biloxi.com", max_calls=0)
    with pytest.raises(AssertionError, match="SIPp ended with 1: at least one call failed"):
        played.call(bob).finish()
