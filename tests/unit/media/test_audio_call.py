"""The verbs of a call that have to do with frames, in calls over the loopback."""

import asyncio

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.errors import MediaError, UsageError
from sipparty.media import MemorySource, ToneSource
from sipparty.media.conferencing.conference import Conference
from sipparty.media.pcm import loudness
from sipparty.media.speech.answering import AnsweredBy, AnswerJudged
from sipparty.media.speech.detection import Interrupted
from sipparty.parties import AudioParty

PATIENCE = 10.0


@pytest.fixture
def joined():
    """Call one party from another; each with the call that it has."""
    made, engines = [], []

    def join(threads=0):
        for user in ("alice", "bob"):
            engine = Engine(media_threads=threads) if threads else None
            made.append(AudioParty(f"{user}@127.0.0.1", engine=engine))
            if engine is not None:
                engines.append(engine)
        alice, bob = made[-2:]
        bob.listen(port=None)
        call = alice.invite(bob).wait(PATIENCE)
        (theirs,) = bob.calls
        theirs.wait(PATIENCE)
        return call, theirs

    yield join
    for one in (*made, *engines):
        one.close()


def is_loud(frame):
    return loudness(frame.pcm) > 1000


class TestAudio:
    def test_what_one_sends_the_other_reads_in_a_thread(self, joined):
        call, theirs = joined()
        reader = iter(theirs.audio)
        call.audio.send(ToneSource(440).read(8000), rate=8000)
        assert any(is_loud(frame) for frame in reader)
        assert call.audio.clear() > 0
        call.terminate()
        assert [frame for frame in reader if frame is None] == []  # it ends
        assert list(theirs.audio) == []
        theirs.wait_for("Terminated", PATIENCE)
        with pytest.raises(MediaError):
            theirs.audio.send(bytes(320), rate=8000)

    async def test_in_a_coroutine(self, joined):
        call, theirs = await asyncio.to_thread(joined)
        await call.audio.send(ToneSource(440).read(1600), rate=8000)
        await asyncio.wait_for(call.audio.drain(), PATIENCE)
        async with asyncio.timeout(PATIENCE):
            async for frame in theirs.audio.at(16000):
                if is_loud(frame):
                    break
        assert frame.samples == 320
        assert theirs.audio is theirs.audio

    async def test_a_tap_that_is_a_coroutine_runs_on_the_engine(self, joined):
        call, theirs = await asyncio.to_thread(joined)
        loop = asyncio.get_running_loop()
        loops = asyncio.Queue()

        async def tap(frame):
            loop.call_soon_threadsafe(loops.put_nowait, asyncio.get_running_loop())

        theirs.audio.tap(tap)
        call.audio.send(bytes(16000), rate=8000)
        assert await asyncio.wait_for(loops.get(), PATIENCE) is theirs.party.engine.loop

    def test_before_the_call_is_answered(self):
        with AudioParty("alice@127.0.0.1") as alice, AudioParty("bob@127.0.0.1") as bob:
            bob.listen(port=None)
            incoming = bob.incoming()
            call = alice.invite(bob)
            call.audio.send(ToneSource(440).read(8000), rate=8000)
            theirs = incoming.next(PATIENCE)
            reader = iter(theirs.audio)
            theirs.accept()
            assert any(is_loud(frame) for frame in reader)


class TestSpeech:
    @pytest.mark.parametrize("threads", [0, 1])
    def test_what_is_played_is_interrupted(self, joined, threads):
        call, theirs = joined(threads)
        playback = theirs.play(ToneSource(300))
        barge = theirs.barge_in(playback)
        with theirs.events(Interrupted) as events:
            call.audio.send(ToneSource(440).read(8000), rate=8000)
            event = events.next(PATIENCE)
        assert (event.what, event.by, barge.by) == (playback, "speech", "speech")
        assert event.after <= 0.06 + 1e-6
        assert playback.wait(PATIENCE) == "stopped"

    @pytest.mark.parametrize("by", [True, "digit"])
    def test_a_prompt_is_interrupted_by_a_digit(self, joined, by):
        call, theirs = joined()
        playback = theirs.play(ToneSource(300), barge_in=by)
        call.send_dtmf("5")
        assert playback.wait(PATIENCE) == "stopped"
        assert playback.heard > 0

    def test_what_does_not_interrupt(self, joined):
        call, _ = joined()
        with pytest.raises(UsageError):
            call.play(ToneSource(300), barge_in="noise")
        assert call.session.played.done

    def test_utterances(self, joined):
        call, theirs = joined()
        said = theirs.utterances(16000, pause=0.1)
        call.audio.send(ToneSource(440).read(4000), rate=8000)
        one = said.next(PATIENCE)
        assert one.rate == 16000
        assert 0.5 <= one.seconds <= 0.9

    def test_speech_is_reported(self, joined):
        call, theirs = joined()
        with theirs.detect_speech(hangover=0.1) as detection, theirs.events() as events:
            call.audio.send(ToneSource(440).read(2400), rate=8000)
            kinds = []
            while "SpeechEnded" not in kinds:
                kinds.append(type(events.next(PATIENCE)).__name__)
        assert kinds.count("SpeechStarted") == 1
        assert not detection.speaking

    def test_who_has_answered(self, joined):
        call, theirs = joined()
        result = AnsweredBy("machine", "it always is", 0.02)

        class Judge:
            def judge(self, frame):
                return result

        with call.events(AnswerJudged) as events:
            detection = call.detect_answering_machine(judge=Judge())
            theirs.audio.send(bytes(3200), rate=8000)
            assert detection.wait(PATIENCE) == result
            assert events.next(PATIENCE).result == result


class TestSeveral:
    @pytest.mark.parametrize("threads", [0, 1])
    def test_a_bridge(self, joined, threads):
        first, first_here = joined(threads)
        second, second_here = joined(threads)
        reader = iter(second.audio)
        with first_here.bridge(second_here):
            first.audio.send(ToneSource(440).read(8000), rate=8000)
            assert any(is_loud(frame) for frame in reader)

    @pytest.mark.parametrize("threads", [0, 1])
    def test_a_conference(self, joined, threads):
        calls = [joined(threads) for _ in range(3)]
        with Conference() as conference:
            for _, here in calls:
                conference.add(here)
            readers = [iter(there.audio) for there, _ in calls]
            mix = conference.mix()
            calls[0][0].audio.send(ToneSource(440).read(8000), rate=8000)
            for reader in readers[1:]:
                assert any(is_loud(frame) for frame in reader)
            assert any(is_loud(frame) for frame in mix)
            assert [leg.call for leg in conference.speakers] == [calls[0][1]]
            calls[1][0].terminate()
            calls[1][1].wait_for("Terminated", PATIENCE)
            calls[2][0].audio.send(ToneSource(440).read(8000), rate=8000)
            assert any(is_loud(frame) for frame in readers[0])
        assert conference.legs == ()


class TestHold:
    @pytest.mark.parametrize("where", ["the call", "its options"])
    def test_who_is_held_hears_music(self, where):
        music = MemorySource(ToneSource(440).read(8000), 8000)
        media = {"hold_music": music} if where == "its options" else {}
        with AudioParty("alice@127.0.0.1") as alice, AudioParty("bob@127.0.0.1") as bob:
            bob.listen(port=None)
            call = alice.invite(bob, media=media).wait(PATIENCE)
            (theirs,) = bob.calls
            reader = theirs.audio.read(limit=1000)
            if where == "the call":
                call.hold_music = music
            assert call.hold_music is music
            call.hold().wait(PATIENCE)
            assert any(is_loud(frame) for frame in reader)
            call.resume().wait(PATIENCE)
            loud = [is_loud(reader.next(PATIENCE)) for _ in range(50)]
            while any(loud[-10:]):
                loud.append(is_loud(reader.next(PATIENCE)))

    def test_what_cannot_be_played(self, joined, tmp_path):
        call, _ = joined()
        with pytest.raises(MediaError):
            call.hold_music = tmp_path / "missing.wav"
        with pytest.raises(MediaError):
            call.party.invite("sip:x@127.0.0.1", media={"hold_music": tmp_path / "missing.wav"})
        call.hold_music = None
        call.hold().wait(PATIENCE)


class TestRingback:
    def test_a_caller_hears_that_another_call_rings(self):
        with (
            AudioParty("alice@127.0.0.1") as alice,
            AudioParty("desk@127.0.0.1") as desk,
            AudioParty("bob@127.0.0.1") as bob,
        ):
            arriving, ringing = desk.incoming(), bob.incoming()
            desk.listen(port=None)
            bob.listen(port=None)
            call = alice.invite(desk)
            reader = call.audio.read(limit=1000)
            here = arriving.next(PATIENCE)
            here.ring(183, media=True)
            outgoing = desk.invite(bob)
            tone = here.ringback(outgoing, "us")
            assert any(is_loud(frame) for frame in reader)  # early media
            ringing.next(PATIENCE).accept()
            assert tone.playback.wait(PATIENCE) == "stopped"
            assert outgoing.wait(PATIENCE).state == "InDialog"
