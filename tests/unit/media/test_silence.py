"""When silence and a timeout of the other side are reported."""

from math import inf

import pytest

from sipparty.media.events import MediaTimedOut, RemoteFellSilent
from sipparty.media.rtp.silence import SilenceWatch


@pytest.fixture
def watch():
    return SilenceWatch(0.0, 10.0, 30.0)


def test_each_is_reported_once(watch):
    assert watch.look(9.9, None, 0.0) == ([], 10.0)
    assert watch.look(10.0, None, 0.0) == ([RemoteFellSilent(10.0)], 30.0)
    assert watch.look(30.0, None, 0.0) == ([MediaTimedOut(30.0)], inf)
    assert watch.look(90.0, None, 0.0) == ([], inf)


def test_both_at_once_come_in_order(watch):
    assert watch.look(31.0, None, 0.0)[0] == [RemoteFellSilent(31.0), MediaTimedOut(30.0)]


def test_reports_put_off_the_timeout_alone(watch):
    assert watch.look(35.0, 1.0, 20.0) == ([RemoteFellSilent(34.0)], 50.0)


def test_an_agreement_puts_off_the_timeout_alone(watch):
    watch.look(40.0, None, 0.0)
    watch.agreed(40.0)
    assert watch.look(41.0, None, 0.0) == ([], 70.0)


def test_after_a_hold_silence_counts_anew(watch):
    watch.look(10.0, None, 0.0)
    watch.awaited(20.0)
    assert watch.look(21.0, None, 0.0)[0] == []
    assert watch.look(30.0, None, 0.0)[0] == [RemoteFellSilent(10.0)]


def test_what_is_heard_after_silence_is_news(watch):
    assert watch.silent
    watch.heard()
    assert not watch.silent
    watch.look(10.0, None, 0.0)
    assert watch.silent


def test_without_a_limit_it_never_times_out():
    watch = SilenceWatch(0.0, 10.0, None)
    assert watch.look(1e6, None, 0.0) == ([RemoteFellSilent(1e6)], inf)
