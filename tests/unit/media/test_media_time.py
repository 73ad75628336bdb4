import pytest

from sipparty.media.playout.media_time import MediaTime, Newest


def time_of(newest, position, timestamp, clock=8000, *, now=None, transit=0.0, **options):
    it = MediaTime(0.02, 0.2)
    it.newest = newest
    options = {"marker": False, "anew": False, **options}
    expected = newest.time + (position - newest.position) * 0.02
    now = expected if now is None else now
    return it, it.of(position, timestamp, clock, transit=transit, now=now, **options)


def test_the_first_packet_is_at_0():
    assert MediaTime(0.02, 0.2).of(
        5, 12345, 8000, marker=True, anew=False, transit=0.0, now=100.0
    ) == (0.0, True)


@pytest.mark.parametrize("wrap", [0, -100])
def test_timestamps_are_counted_across_the_wrap(wrap):
    newest = Newest(10, wrap & 0xFFFFFFFF, 8000, 5.0)
    for count in (1, 2, -1):
        _, (time, even) = time_of(newest, 10 + count, (wrap + count * 160) & 0xFFFFFFFF)
        assert time == pytest.approx(5.0 + count * 0.02)
        assert even


def test_the_length_of_packets_is_learnt():
    newest = Newest(10, 0, 8000, 5.0)
    it, _ = time_of(newest, 11, 480)
    assert it.step == 0.06
    # Not from packets between which one is missing, after a pause, or of a second.
    for position, timestamp, marker in ((12, 480, False), (11, 480, True), (11, 8000, False)):
        it, _ = time_of(newest, position, timestamp, marker=marker)
        assert it.step == 0.02


@pytest.mark.parametrize("ticks", [320, 160, 7_000_000])
def test_the_clock_may_change(ticks):
    # Ticks of the new clock, of the old one, and of neither.
    newest = Newest(10, 1000, 8000, 5.0)
    _, (time, even) = time_of(newest, 11, 1000 + ticks, 16000)
    assert time == pytest.approx(5.02)
    assert even


def test_a_pause_with_a_change_of_the_clock_lasts_as_long_as_it_took():
    newest = Newest(10, 1000, 8000, 5.0)
    _, (time, _) = time_of(newest, 11, 1000 + 8000, 16000, now=5.51)
    assert time == pytest.approx(5.5)
    _, (time, _) = time_of(newest, 11, 1000 + 8000, 16000, now=6.01)
    assert time == pytest.approx(6.0)


@pytest.mark.parametrize("options", [{"anew": True}, {"now": 7.0}, {"transit": -2.0}])
def test_timestamps_that_began_anew_go_on_by_the_count(options):
    newest = Newest(10, 1000, 8000, 5.0)
    _, (time, even) = time_of(newest, 12, 1000 + 320 if options else 0, **options)
    assert time == pytest.approx(5.04)
    assert not even


def test_a_long_pause_is_no_beginning():
    newest = Newest(10, 1000, 8000, 5.0)
    _, (time, even) = time_of(newest, 11, 1000 + 80_000, now=15.3, transit=0.2)
    assert time == pytest.approx(15.0)
    assert even
