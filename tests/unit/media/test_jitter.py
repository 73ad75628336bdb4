import random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipparty.errors import MediaError
from sipparty.media.codecs import Decoder
from sipparty.media.pcm import loudness
from sipparty.media.playout.comfort_noise import ComfortNoise, NoiseDescription
from sipparty.media.playout.concealment import SilenceConcealment
from sipparty.media.playout.jitter import JitterBuffer

from .speech import speech

FRAME = 160
PERIOD = 0.02


class Linear:
    """A codec whose payloads are samples."""

    def __init__(self, decode=bytes):
        self.decode = decode

    def encode(self, pcm):
        return pcm


LINEAR = Decoder(Linear(), 8000, 8000)


class Packet(NamedTuple):
    sequence: int
    timestamp: int
    payload_type: int
    payload: bytes
    marker: bool = False


def pcm_of(n):
    """A frame of samples, each of which says which frame it is of."""
    return bytes((n & 0xFF, 0x10)) * FRAME


def packet(n, *, sequence=None, timestamp=None, payload_type=0, frames=1, first=0):
    payload = b"".join(pcm_of(n + k) for k in range(frames))
    return Packet(
        (first + (n if sequence is None else sequence)) & 0xFFFF,
        ((n if timestamp is None else timestamp) * FRAME + first * 7919) & 0xFFFFFFFF,
        payload_type,
        payload,
    )


def buffer(**options):
    return JitterBuffer({0: LINEAR}, **options)


def name(frame):
    """The number a frame was made with; "." for silence, "~" for anything else."""
    if frame is None:
        return None
    if not any(frame):
        return "."
    if frame == bytes(frame[:2]) * FRAME and frame[1] == 0x10:
        return frame[0]
    return "~"


def run(it, arrivals, ticks, offset=0.001):
    """Put packets at their times, and take a frame every 20 ms; the names of what came out, "~" for
    what is concealed and heard.
    """
    arrivals = sorted(arrivals, key=lambda each: each[0])
    out = []
    for tick in range(ticks):
        now = tick * PERIOD + offset
        while arrivals and arrivals[0][0] <= now:
            at, one = arrivals.pop(0)
            it.put(*one, at)
        frame = it.get(now)
        out.append("~" if it.concealed_last and any(frame) else name(frame))
    return out


def steady(numbers, **options):
    return [(n * PERIOD, packet(n, **options)) for n in numbers]


@pytest.mark.parametrize("first", [0, 65530, 1 << 20])
def test_a_steady_stream_comes_out_whole_after_the_delay(first):
    it = buffer()
    out = run(it, steady(range(100), first=first), 100)
    assert out == [None, None, *range(98)]
    assert (it.lost, it.late, it.duplicates, it.concealed, it.dropped) == (0,) * 5
    assert (it.shortened, it.lengthened) == (0, 0)


def test_order_is_restored():
    arrivals = steady(range(30))
    arrivals[10], arrivals[11] = (arrivals[10][0], packet(11)), (arrivals[11][0], packet(10))
    it = buffer()
    assert run(it, arrivals, 30) == [None, None, *range(28)]
    assert it.late == 0


def test_duplicates_are_counted_and_heard_once():
    arrivals = steady(range(20)) + [(n * PERIOD + 0.001, packet(n)) for n in (3, 9)]
    arrivals.append((0.3, packet(2)))
    it = buffer()
    assert run(it, arrivals, 20) == [None, None, *range(18)]
    assert it.duplicates == 3
    assert it.late == 0


def test_one_that_was_just_played_is_a_duplicate():
    it = buffer()
    run(it, steady(range(4)), 4)
    playing = it.waiting
    assert [it.put(*packet(n), 0.1) for n in range(4)] == ["duplicate"] * 4
    assert it.waiting == playing
    assert it.put(*packet(4), 0.1) == "queued"


def test_a_loss_is_a_fading_repetition_of_the_same_length():
    it = buffer()
    out = run(it, steady(n for n in range(20) if n not in (7, 8)), 20)
    assert out == [None, None, 0, 1, 2, 3, 4, 5, 6, "~", "~", *range(9, 18)]
    assert (it.lost, it.concealed) == (2, 2)


def test_a_long_loss_fades_to_silence():
    it = buffer()
    out = run(it, steady(n for n in range(30) if not 5 <= n < 15), 30)
    filled = out[7:17]
    # It fades out for 60 ms, and comes back faster as what follows it.
    assert filled == ["~"] * 3 + ["."] * 5 + ["~"] * 2
    assert out[17:] == list(range(15, 28))


def test_every_long_loss_is_filled_alike():
    it = buffer()
    out = run(it, steady(n for n in range(60) if n not in {*range(5, 15), *range(30, 40)}), 60)
    losses = [out[7:17], out[32:42]]
    assert losses[0] == losses[1]


def test_a_loss_may_be_silence():
    it = buffer(concealment=SilenceConcealment)
    assert run(it, steady(n for n in range(10) if n != 4), 10)[6] == "."


def test_a_late_packet_is_not_heard_and_the_time_goes_on():
    arrivals = [each for each in steady(range(20)) if each[1].sequence != 5]
    arrivals.append((8.5 * PERIOD, packet(5)))
    it = buffer()
    out = run(it, arrivals, 20)
    assert out[:11] == [None, None, 0, 1, 2, 3, 4, "~", 6, 7, 8]
    assert it.lengthened  # for the next one that is as late
    assert (it.late, it.lost) == (1, 1)


def test_a_packet_that_comes_while_its_gap_is_filled_is_late():
    # 60 ms packets: the second is missing, and comes when the first third of it was concealed.
    long = [Packet(n, n * 480, 0, pcm_of(n) * 3) for n in range(5)]
    it = buffer(min_delay=0.13)
    arrivals = [(n * 0.06, one) for n, one in enumerate(long) if n != 1]
    arrivals.append((0.21, long[1]))
    out = run(it, arrivals, 17)
    assert out[7:16] == [0, 0, 0, "~", "~", "~", 2, 2, 2]
    assert (it.late, it.lost) == (1, 1)


def test_a_pause_of_the_sender_is_silence_and_no_loss():
    arrivals = [(n * PERIOD, packet(n)) for n in range(10)]
    arrivals += [(n * PERIOD, packet(n, sequence=n - 2)) for n in range(12, 20)]
    it = buffer(min_delay=0.06)
    assert run(it, arrivals, 20) == [None, None, None, *range(10), ".", ".", *range(12, 17)]
    assert it.lost == 0


def test_after_a_long_pause_it_starts_over():
    arrivals = steady(range(10))
    arrivals += [(n * PERIOD, packet(n, sequence=n - 90)) for n in range(100, 110)]
    it = buffer()
    out = run(it, arrivals, 110)
    assert out[:12] == [None, None, *range(10)]
    assert out[102:] == list(range(100, 108))  # as much later as at the beginning
    assert None not in out[2:]  # one frame each time, from the first on
    assert it.lost == 0


def test_a_dry_buffer_makes_the_delay_grow_and_loses_nothing():
    # Three packets are held up and come together with the fourth.
    arrivals = [(13 * PERIOD if 10 <= n < 13 else n * PERIOD, packet(n)) for n in range(30)]
    it = buffer()
    out = run(it, arrivals, 30)
    heard = [each for each in out if isinstance(each, int)]
    # The first after the hole is faded in.
    assert heard == [n for n in range(len(heard) + 1) if n != 10]
    assert it.lost == it.late == 0


def test_delay_that_is_not_needed_goes_away():
    it = buffer()
    arrivals = [(max(n * PERIOD, 0.3 if n < 16 else 0), packet(n)) for n in range(700)]
    run(it, arrivals, 700)
    assert it.shortened >= 5
    assert it.lost == it.concealed == 0
    assert it.waiting <= 4


@pytest.mark.parametrize(("packets", "dropped"), [(22, False), (23, True)])
def test_as_much_as_max_delay_may_wait(packets, dropped):
    it = buffer()
    for n in range(packets):
        it.put(*packet(n), 0.0)
    it.get(0.1)
    assert (it.dropped > 0) is dropped


def test_a_flood_is_bounded_in_packets_and_in_delay():
    it = buffer(max_packets=16)
    for n in range(1000):
        it.put(*packet(n), 0.0)
        assert it.waiting <= 16
    it = buffer()
    for n in range(50):
        it.put(*packet(n), 0.0)
    it.get(0.1)
    assert it.waiting <= 21
    assert it.dropped >= 28


def test_timestamps_that_begin_anew_are_followed():
    arrivals = steady(range(20))
    arrivals += [(n * PERIOD, packet(n, timestamp=n + 1_000_000)) for n in range(20, 30)]
    arrivals += [(n * PERIOD, packet(n, timestamp=n)) for n in range(30, 40)]
    it = buffer()
    out = run(it, arrivals, 40)
    assert out[-5:] in ([33, 34, 35, 36, 37], [34, 35, 36, 37, 38])
    assert it.waiting <= 4


@pytest.mark.parametrize("ptime", [0.5, 1.5, 2, 3])
def test_packets_of_other_lengths_come_out_whole(ptime):
    octets = int(FRAME * 2 * ptime)
    audio = b"".join(pcm_of(n) for n in range(60))
    pieces = [audio[n : n + octets] for n in range(0, len(audio), octets)]
    it = buffer()
    got = b""
    waiting = [
        (n * PERIOD * ptime, Packet(n, n * octets // 2, 0, piece)) for n, piece in enumerate(pieces)
    ]
    for tick in range(70):
        now = tick * PERIOD + 0.001
        while waiting and waiting[0][0] <= now:
            at, one = waiting.pop(0)
            it.put(*one, at)
        got += it.get(now) or b""
    assert got[: len(audio) - octets] == audio[: len(audio) - octets]
    assert it.lost == 0


def test_what_is_no_audio_takes_its_place_and_no_time():
    events = [(n * PERIOD, packet(n, payload_type=101, timestamp=5)) for n in (5, 6, 7)]
    arrivals = [each for each in steady(range(20)) if each[1].sequence not in (5, 6, 7)]
    it = buffer()
    out = run(it, arrivals + events, 20)
    assert out == [None, None, 0, 1, 2, 3, 4, ".", ".", ".", *range(8, 18)]
    assert it.lost == it.late == 0


def test_what_cannot_be_decoded_is_lost():
    def decode(payload):
        if payload == b"bad":
            raise MediaError("No such frame.")
        return payload

    it = JitterBuffer({0: Decoder(Linear(decode), 8000, 8000)})
    arrivals = steady(range(10))
    arrivals[4] = (4 * PERIOD, Packet(4, 4 * FRAME, 0, b"bad"))
    out = run(it, arrivals, 10)
    assert out[6] == "~"
    assert out[7:] == [5, 6, 7]
    assert it.lost == 1


def test_what_waits_can_be_drained():
    it = buffer()
    for n in (0, 1, 3):
        it.put(*packet(n), n * PERIOD)
    audio = it.drain()
    frames = [name(audio[n : n + 320]) for n in range(0, len(audio), 320)]
    assert frames == [0, 1, "~", 3]
    assert it.waiting == 0
    assert it.drain() == b""


def test_after_a_reset_another_stream_is_played():
    it = buffer()
    run(it, steady(range(10)), 10)
    it.reset()
    out = run(it, [(n * PERIOD, packet(n, first=40000)) for n in range(10)], 10)
    assert out == [".", ".", *range(8)]
    assert it.late == it.duplicates == 0


def test_more_jitter_makes_the_delay_grow():
    chance = random.Random(7)
    it = buffer()
    arrivals = [(n * PERIOD + chance.random() * 0.08, packet(n)) for n in range(500)]
    assert it.target == 0.04
    run(it, arrivals, 510)
    assert 0.05 < it.target <= 0.2
    assert it.concealed < 50


def test_samples_may_be_more_than_ticks():
    # As G.722: 8000 ticks and 16000 samples a second (RFC 3551 section 4.5.2).
    it = JitterBuffer({9: Decoder(Linear(), 8000, 16000)})
    frames = [bytes((n, 1)) * 320 for n in range(5)]
    out = []
    for n, frame in enumerate(frames):
        it.put(n, n * 160, 9, frame, False, n * PERIOD)
        out.append(it.get(n * PERIOD + 0.001))
    assert out == [None, None, *frames[:3]]
    assert it.concealed == 0


operation = st.one_of(
    st.just(None),
    st.tuples(
        st.integers(0, 0xFFFF) | st.integers(0, 40),
        st.integers(0, 0xFFFFFFFF) | st.integers(0, 40).map(lambda n: n * FRAME),
        st.sampled_from([0, 0, 0, 101]),
        st.integers(0, 1000),
    ),
)


@settings(max_examples=200)
@given(st.lists(operation, max_size=120))
def test_whatever_comes_it_gives_frames_and_stays_bounded(operations):
    decoder = Decoder(Linear(lambda payload: payload[: len(payload) // 2 * 2]), 8000, 8000)
    it = JitterBuffer({0: decoder}, max_packets=16)
    now = 0.0
    begun = False
    for one in operations:
        if one is None:
            frame = it.get(now)
            assert frame is None or len(frame) == 2 * FRAME
            assert frame is not None or not begun
            begun = frame is not None
            now += PERIOD
        else:
            sequence, timestamp, kind, size = one
            it.put(sequence, timestamp, kind, b"\x01" * size, False, now)
        assert it.waiting <= 16
        assert it.lost >= 0
    it.drain()
    assert it.waiting == 0


@given(st.permutations(range(12)))
def test_any_order_within_the_delay_is_restored(order):
    it = buffer(min_delay=0.25)
    for n in order:
        it.put(*packet(n), 0.0)
    out = [name(it.get(0.03 + n * PERIOD)) for n in range(12)]
    assert out == list(range(12))
    assert it.lost == it.late == 0


def test_before_what_is_no_audio_something_may_still_come():
    arrivals = [*steady(range(5)), (0.12, packet(6, payload_type=101)), (0.15, packet(5))]
    arrivals += [(n * PERIOD, packet(n, sequence=n - 1)) for n in range(8, 15)]
    it = buffer()
    run(it, arrivals, 15)
    assert it.lost == it.late == 0


# Clocks and rates.


def test_formats_of_several_clocks_play_in_one_stream():
    # Rates of 8000 and 16000 by clocks of 8000 (G.722), 16000 and 48000; changed at any packet.
    formats = {
        0: Decoder(Linear(), 8000, 8000),
        9: Decoder(Linear(), 8000, 16000),
        97: Decoder(Linear(), 16000, 16000),
        98: Decoder(Linear(), 48000, 48000),
    }
    chance = random.Random(3)
    it = JitterBuffer(formats)
    kinds = [chance.choice([0, 9, 97, 98]) for _ in range(400)]
    timestamp = 0xFFFFFF00
    rates = []
    for n, kind in enumerate(kinds):
        decoder = formats[kind]
        samples = decoder.sample_rate // 50
        it.put(n, timestamp, kind, bytes((n & 0x7F, 1)) * samples, False, n * PERIOD)
        timestamp = (timestamp + decoder.clock_rate // 50) & 0xFFFFFFFF
        frame = it.get(n * PERIOD + 0.001)
        if frame is not None:
            assert frame == bytes((len(rates) & 0x7F, 1)) * (it.rate // 50)
            rates.append(it.rate)
    assert rates == [formats[kind].sample_rate for kind in kinds[:-2]]
    assert it.lost == it.concealed == it.lengthened == it.shortened == 0


def test_a_frame_has_one_rate():
    it = JitterBuffer({0: LINEAR, 97: Decoder(Linear(), 16000, 16000)})
    it.put(0, 0, 0, pcm_of(1) * 3 + pcm_of(1)[:160], False, 0.0)  # three frames and a half
    it.put(1, 560, 97, bytes((2, 1)) * 640, False, 0.0)
    frames = [(it.get(0.1 + n * PERIOD), it.rate) for n in range(5)]
    assert [rate for _, rate in frames] == [8000] * 4 + [16000]
    assert [len(frame) for frame, _ in frames] == [320] * 4 + [640]
    assert frames[3][0][:160] == pcm_of(1)[:160]
    assert frames[4][0] == bytes((2, 1)) * 320


def test_the_length_of_a_frame_may_change():
    it = buffer()
    for n in range(10):
        it.put(*packet(n), 0.0)
    assert len(it.get(0.1)) == 320
    it.ptime = 30
    assert it.ptime == 30
    assert len(it.get(0.12)) == 480


def tell(it, seconds, drift, jitter=0.0, seed=1, losses=0.0):
    """Play a sender whose clock is wrong by so much; the delay of each second."""
    chance = random.Random(seed)
    audio = speech(4.0)
    frames = [audio[n : n + 320] for n in range(0, len(audio), 320)]
    sent, delays = 0, []
    arrival = 0.0
    for tick in range(round(seconds / PERIOD)):
        now = tick * PERIOD + 0.0033
        while arrival <= now:
            it.put(sent & 0xFFFF, sent * 160 & 0xFFFFFFFF, 0, frames[sent % 200], False, arrival)
            sent += 1
            arrival = sent * PERIOD * (1 + drift) + chance.random() * jitter
        it.get(now)
        if tick % 50 == 0:
            delays.append(it.waiting)
    return delays


@pytest.mark.parametrize("jitter", [0.0, 0.015])
@pytest.mark.parametrize("drift", [1e-4, -1e-4, 1e-3, -1e-3])
def test_a_clock_that_is_wrong_is_followed_for_ten_minutes(drift, jitter):
    it = buffer()
    waiting = tell(it, 600, drift, jitter)
    assert it.concealed == it.lost == it.late == it.dropped == 0
    assert max(waiting) <= 4
    if drift > 0:  # it is slow
        assert it.lengthened
        assert not it.shortened
    else:
        assert it.shortened
        assert not it.lengthened


def test_a_clock_that_is_right_needs_nothing():
    it = buffer()
    tell(it, 60, 0.0, 0.015)
    assert (it.lengthened, it.shortened, it.concealed) == (0, 0, 0)


def test_packets_of_another_rate_are_not_joined_to_shorten_the_delay():
    it = JitterBuffer({0: LINEAR, 97: Decoder(Linear(), 16000, 16000)})
    frames = [bytes((n, 16)) * (160 if n % 2 else 320) for n in range(120)]
    timestamp, out = 0, []
    arrivals = []
    for n, frame in enumerate(frames):
        kind = 0 if n % 2 else 97
        arrivals.append((max(n * PERIOD, 0.3 if n < 16 else 0.0), n, timestamp, kind, frame))
        timestamp += len(frame) // 2
    for tick in range(120):
        while arrivals and arrivals[0][0] <= tick * PERIOD:
            at, n, timestamp, kind, frame = arrivals.pop(0)
            it.put(n, timestamp, kind, frame, False, at)
        out.append(it.get(tick * PERIOD))
    heard = [each for each in out if each is not None]
    assert heard == frames[: len(heard)]
    assert len(heard) > 90


# Comfort noise (RFC 3389), and codecs that conceal by themselves.


def noisy():
    return JitterBuffer({0: LINEAR, 13: Decoder(ComfortNoise(), 8000, 8000)})


def test_comfort_noise_is_played_until_audio_comes_again():
    it = noisy()
    arrivals = steady(range(5))
    arrivals.append((5 * PERIOD, Packet(5, 5 * FRAME, 13, b"\x28")))
    arrivals += [(n * PERIOD, packet(n, sequence=n - 94)) for n in range(100, 110)]
    out = run(it, arrivals, 110)
    assert out[:7] == [None, None, 0, 1, 2, 3, 4]
    assert set(out[7:102]) == {"~"}
    assert out[102:] == list(range(100, 108))
    assert it.lost == it.concealed == it.late == 0


def test_noise_has_the_level_of_its_last_payload():
    it = noisy()
    it.put(0, 0, 13, b"\x14", False, 0.0)
    first = it.get(0.0)
    assert NoiseDescription.of(first).level == pytest.approx(20, abs=1)
    assert it.playing
    it.put(1, 1600, 13, b"\x32", False, 0.2)
    assert NoiseDescription.of(it.get(0.2)).level == pytest.approx(50, abs=1)
    it.put(2, 3200, 13, b"\x7f", False, 0.4)
    assert loudness(it.get(0.4)) == 0
    it.reset()
    assert not it.playing


class Own(Linear):
    """A codec that conceals by itself."""

    def conceal(self, samples):
        return b"\x11\x22" * samples

    def recover(self, payload, samples):
        if payload[:2] == b"\0\0":
            raise MediaError("No FEC.")
        return b"\x33\x44" * samples


@pytest.mark.parametrize(
    ("missing", "expected"),
    [([5], ["r"]), ([5, 6], ["c", "r"]), ([5, 6, 7, 8], ["c", "c", "c", "r"])],
)
def test_a_codec_conceals_its_own_losses(missing, expected):
    it = JitterBuffer({0: Decoder(Own(), 8000, 8000)})
    words = {b"\x11\x22" * FRAME: "c", b"\x33\x44" * FRAME: "r"}
    out, heard = [], []
    for n in range(20):
        if n not in missing:
            it.put(*packet(n), n * PERIOD)
        frame = it.get(n * PERIOD + 0.001)
        heard.append(words.get(frame) or name(frame))
        if it.concealed_last:
            out.append(heard[-1])
    assert out == expected
    assert [each for each in heard if isinstance(each, int)] == [
        n for n in range(18) if n not in missing
    ]


def test_a_payload_without_fec_is_no_error():
    it = JitterBuffer({0: Decoder(Own(), 8000, 8000)})
    it.put(*packet(0), 0.0)
    it.put(2, 320, 0, bytes(320), False, 0.0)
    assert [it.get(0.1) for _ in range(3)][1] == b"\x11\x22" * FRAME


# What is said of losses.


def test_losses_and_what_comes_too_late_are_reported():
    told = []
    it = buffer(on_lost=lambda *of: told.append(of), on_discarded=told.append)
    arrivals = [each for each in steady(range(30)) if each[1].sequence not in (5, 9, 10, 11)]
    arrivals.append((10.5 * PERIOD, packet(5)))
    run(it, arrivals, 30)
    first = told[0][0]
    assert told == [(first, 1), first, (first + 4, 3)]
    assert first & 0xFFFF == 5
    assert it.lost == 4


def test_what_is_dropped_is_reported():
    told = []
    it = buffer(on_discarded=told.append)
    for n in range(30):
        it.put(*packet(n), 0.0)
    assert len(told) == it.dropped > 0
    assert told == sorted(told)


# Anything.


@pytest.mark.parametrize("seed", range(12))
def test_a_bad_network_is_borne(seed):
    """Losses, copies, disorder, restarts, wraps: a frame each time, nothing heard twice."""
    chance = random.Random(seed)
    it = buffer()
    sequence, timestamp = chance.randrange(65536), chance.randrange(1 << 32)
    arrivals = []
    for n in range(1500):
        at = n * PERIOD + chance.random() * chance.choice([0.01, 0.03, 0.1])
        one = Packet(sequence, timestamp, chance.choice([0] * 30 + [101]), pcm_of(n))
        for _ in range(chance.choices([0, 1, 2], [8, 90, 2])[0]):
            arrivals.append((at, one))
        if chance.random() < 0.003:
            sequence = chance.randrange(65536)
            timestamp = chance.randrange(1 << 32)
        sequence = (sequence + 1) & 0xFFFF
        timestamp = (timestamp + FRAME) & 0xFFFFFFFF
    arrivals.sort(key=lambda each: each[0])
    begun = False
    for tick in range(1520):
        now = tick * PERIOD
        while arrivals and arrivals[0][0] <= now:
            at, one = arrivals.pop(0)
            it.put(*one, at)
            assert it.waiting <= 64
        frame = it.get(now)
        begun = begun or frame is not None
        assert (frame is None) is not begun
        assert frame is None or len(frame) == 2 * FRAME
        assert len(it._rest) <= 4 * 2 * FRAME
        assert it.target <= 0.3
    assert it.concealed < 450
    assert len(it._queue._given_up) <= 200


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_put_and_got(seed):
    chance = random.Random(seed)
    decoders = {
        0: LINEAR,
        9: Decoder(Linear(), 8000, 16000),
        13: Decoder(ComfortNoise(), 8000, 8000),
        98: Decoder(Own(), 48000, 48000),
    }
    it = JitterBuffer(decoders, max_packets=20)
    now, begun = 0.0, False
    sequence = timestamp = 0
    for _ in range(3000):
        if chance.random() < 0.5:
            if chance.random() < 0.1:
                sequence, timestamp = chance.randrange(65536), chance.randrange(1 << 32)
            it.put(
                sequence,
                timestamp,
                chance.choice([0, 9, 13, 98, 101]),
                bytes(2 * chance.choice([0, 1, 5, 160, 320, 500])),
                chance.random() < 0.1,
                now,
            )
            sequence = sequence + chance.choice([-3, 0, 1, 1, 1, 1, 2, 4]) & 0xFFFF
            timestamp = timestamp + chance.choice([-160, 0, 160, 160, 160, 320, 960]) & 0xFFFFFFFF
        else:
            frame = it.get(now)
            begun = begun or frame is not None
            assert (frame is None) is not begun
            assert frame is None or len(frame) == 2 * it.rate // 50
            now += chance.choice([0, PERIOD, PERIOD, PERIOD, 1.0 if chance.random() < 0.1 else 0])
        assert it.waiting <= 20
        assert len(it._rest) < 100_000
        assert it.lost >= 0
    it.drain()
    assert it.waiting == 0
