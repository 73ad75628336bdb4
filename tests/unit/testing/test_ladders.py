"""Ladders as text: what they match, and what is said where they do not."""

import pytest

from sipparty import CallReceived, NoMediaSimpleCallsParty
from sipparty.errors import UsageError
from sipparty.testing import assert_ladder
from sipparty.testing.ladders import read_ladder

QUIET = NoMediaSimpleCallsParty


@pytest.fixture
def two(party):
    return party("alice@atlanta.com", QUIET), party("bob@biloxi.com", QUIET)


@pytest.fixture
def call(two):
    alice, bob = two
    call = alice.invite(bob).wait(5)
    call.terminate().wait(5)
    return call


@pytest.mark.parametrize(
    "pattern",
    [
        "INVITE > 180 < 200 < ACK > BYE > 200 <",
        "INVITE > 100? < 180 INVITE < 200 INVITE < ACK > BYE > 200 BYE <",
        "INVITE > 1xx < 2xx < ACK/BYE > * > 2xx <",
        "... 180/183 < ... BYE > 200 <",
        "INVITE > ...",
        "...",
        "INVITE > 180? < ... 180? < 200? < BYE > 200 <",
    ],
)
def test_what_is_so(call, pattern):
    assert_ladder(call, pattern)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("INVITE > 183 < ...", "expected 183 <, got 180 <"),
        ("INVITE > 100? < 486 <", "expected 100? < or 486 <, got 180 <"),
        ("INVITE <", "expected INVITE <, got INVITE >"),
        ("INVITE > 180 < 200 < ACK >", "expected nothing more, got BYE >"),
        ("INVITE > ... BYE > 200 INVITE <", "200 INVITE < did not come within 1 s"),
        ("... INFO >", "INFO > did not come within 1 s"),
    ],
)
def test_what_is_not(call, pattern, said):
    with pytest.raises(AssertionError) as caught:
        assert_ladder(call, pattern)
    text = str(caught.value)
    assert text.startswith(f"alice's call has another ladder: {said}.")
    assert f"  expected  {pattern}\n" in text
    assert "  came      INVITE > 180 < 200 < ACK > BYE > 200 <\n" in text
    assert text.count("\n  ! ") == 1


def test_each_side_has_its_own(two):
    alice, bob = two
    call = alice.invite(bob).wait(5)
    (his,) = bob.calls
    his.terminate()
    assert_ladder(his, "INVITE < 180 > 200 > ACK < BYE > 200 <")
    assert_ladder(call, "INVITE > 180 < 200 < ACK > BYE < 200 >")


def test_what_is_still_to_come_is_waited_for(two, sip_network):
    alice, bob = two

    @bob.on(CallReceived)
    def later(event):
        sip_network.sleep(3)
        event.call.reject(486)

    call = alice.invite(bob)
    assert_ladder(call, "INVITE > 100? < 486 < ACK >", within=5)
    assert sip_network.now == pytest.approx(3.02, abs=0.001)


def test_copies_count_where_that_is_asked_for(two, sip_network):
    alice, _ = two
    call = alice.invite("nobody@10.0.9.9")
    sip_network.sleep(1)
    assert_ladder(call, "INVITE >")
    assert_ladder(call, "INVITE > INVITE >", retransmissions=True)
    call.terminate()
    with pytest.raises(AssertionError, match="expected 100 <, got INVITE >"):
        assert_ladder(call, "INVITE > 100 <", retransmissions=True)
    sip_network.sleep(70)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("INVITE", "An arrow is missing after 'INVITE' in the ladder: say 'INVITE >'."),
        ("", "An arrow is missing"),
        ("> INVITE", "'>' is out of place"),
        ("INVITE ... >", r"'\.\.\.' is out of place"),
        ("invite >", "'invite' is no step of a ladder: expected a method"),
        ("200 BYE x >", "'200 BYE x' is no step"),
        ("2000 <", "'2000' is no step"),
    ],
)
def test_what_is_no_pattern(pattern, said):
    with pytest.raises(UsageError, match=said):
        read_ladder(pattern)


def test_a_pattern_reads_as_it_was_written():
    pattern = "INVITE > 100? < 180/183 INVITE < ... 200 BYE >"
    assert " ".join(map(str, read_ladder(pattern))) == pattern


def test_a_call_that_nobody_has_recorded(listening):
    alice, bob = listening("alice@atlanta.com"), listening("bob@biloxi.com")
    call = alice.invite(bob).wait(5)
    with pytest.raises(UsageError, match="Nothing was recorded of"):
        assert_ladder(call, "INVITE > ...")
    call.terminate().wait(5)


def test_a_party_that_keeps_its_messages(listening):
    """Both parties are on one engine: whose a message is, its address says."""
    alice = listening("alice@atlanta.com", history=True)
    bob = listening("bob@biloxi.com", history=True)
    call = alice.invite(bob).wait(5)
    (his,) = bob.calls
    call.terminate().wait(5)
    assert_ladder(call, "INVITE > 180 < 200 < ACK > BYE > 200 <")
    assert_ladder(his, "INVITE < 180 > 200 > ACK < BYE < 200 >")
