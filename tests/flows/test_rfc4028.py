"""Session timers: the example of RFC 4028 §13."""

from __future__ import annotations

import pytest

ROUTE_1 = "<sip:p1.atlanta.example.com;lr>"


@pytest.fixture
def call(flow):
    """Alice, bob, and a call between them after two proxies found its interval too small."""
    alice = flow.phone("alice", "atlanta.example.com", session_expires=1800)
    bob = flow.phone("bob", "biloxi.example.com")
    host = "p2.biloxi.example.com"
    flow.proxy("p1", "atlanta.example.com", host="p1.atlanta.example.com", min_se=3600)
    p2 = flow.proxy("p2", "biloxi.example.com", host=host, record_route=False, min_se=4000)
    p2.targets[bob.address] = [[bob.contact]]
    call = alice.call(bob.uri, proxy="p1.atlanta.example.com")
    its = bob.incoming().accept()
    flow.until_talking(call, its)
    return alice, call, its


FIGURE = """
    alice > p1    INVITE F1
    p1    > alice 422    F2
    alice > p1    ACK    F3
    alice > p1    INVITE F4
    p1    > p2    INVITE F5
    p1    > alice 100
    p2    > p1    422    F6
    p1    > p2    ACK    F7
    p1    > alice 422    F8
    alice > p1    ACK    F9
    alice > p1    INVITE F10
    p1    > p2    INVITE F11
    p1    > alice 100
    p2    > bob   INVITE F12
    p2    > p1    100
    bob   > p2    200    F13
    p2    > p1    200    F14
    p1    > alice 200    F15
    alice > p1    ACK    F16
    p1    > bob   ACK    F17
    alice > p1    UPDATE F18
    p1    > bob   UPDATE F19
    bob   > p1    200    F20
    p1    > alice 200    F21
"""


def test_13_refresh_and_crash(flow, call):
    """The call is refreshed once, then alice's phone crashes, and bob's hangs up.

    The first interval is 1800 s: the figure's 50 s is below what §4 allows. Proxies send 100, which
    the figure leaves out. A proxy sends no 408 for a BYE that came too late to be of use (RFC 4320
    §4.2), so the last message of the figure is left out: bob's own timer ends at the same time.
    """
    alice, call, its = call
    begin = flow.now
    assert (its.session_timer.interval, its.session_timer.refresher) == (4000, "remote")
    assert (call.session_timer.interval, call.session_timer.refresher) == (4000, "local")
    flow.run(2100)
    refreshed = flow.now
    assert call.state == its.state == "InDialog"
    flow.crash(alice)
    flow.until(lambda: its.state == "TerminatingDialog", 5000)
    # min(32 s, a third of the interval) before the end of the session (§10).
    assert 2000 + 3968 - 30 < flow.now - begin < refreshed + 3968
    flow.until_state("Error", its)
    if flow.clean:
        flow.shows(FIGURE, "bob > p1 BYE F22\n p1 > alice BYE F23\n ...")
        assert session_expires(flow, "F1", "F4", "F10", "F12", "F13", "F18", "F21") == [
            *("1800", "3600", "4000", "4000"),
            *("4000;refresher=uac", "4000;refresher=uac", "4000;refresher=uac"),
        ]
        assert [flow[label].get("Min-SE") for label in ("F2", "F6")] == ["3600", "4000"]
        assert [str(flow[label].get("Min-SE")) for label in ("F4", "F10")] == ["3600", "4000"]
        assert "timer" in flow["F13"].require
        assert flow["F18"].lines("Route") == [ROUTE_1]
        assert "Min-SE" not in flow["F18"]  # no 422 came in this dialog
        assert not flow["F18"].body


def session_expires(flow, *labels):
    """The values of Session-Expires, without spaces."""
    return [flow[label].lines("Session-Expires")[0].replace(" ", "") for label in labels]
