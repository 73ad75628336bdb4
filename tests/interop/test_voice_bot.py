"""The voice bot of the examples talks with baresip, which says a sentence, interrupts the answer,
and presses "#".
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sipparty.media import Interrupted, Utterance
from sipparty.parties import AudioParty
from sipparty.sip.events import CallReceived

from .calls import ended, first
from .peer import wait_for
from .sound import Sentences, Sound, compare, heard

Make = Callable[..., Any]

EXAMPLE = Path(__file__).parents[2] / "examples" / "voice_bot.py"
#: Seconds of silence before baresip says its sentence, and before it says it again.
FIRST, AGAIN = 5.0, 4.0


@pytest.fixture
def bot() -> ModuleType:
    """The example."""
    spec = importlib.util.spec_from_file_location("voice_bot", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def in_turn(*parts: Sound | float) -> Sound:
    """Sounds one after the other, and seconds of silence."""
    rate = next(part.rate for part in parts if isinstance(part, Sound))
    samples = [
        part.samples if isinstance(part, Sound) else np.zeros(round(part * rate)) for part in parts
    ]
    return Sound(np.concatenate(samples), rate)


def test_it_greets_hears_answers_stops_and_hangs_up(
    bot: Any, baresip: Make, parties: Make, sentences: Sentences, tmp_path: Path
) -> None:
    sentence = sentences.theirs.part(0, 2.0)
    says = in_turn(FIRST, sentence, AGAIN, sentence, 30.0)
    peer = baresip(play=says.write(tmp_path / "says.wav", 8000))
    spoken: dict[str, Sound] = {}
    said: list[Utterance] = []
    make, note = bot.text_to_speech, bot.speech_to_text

    def text_to_speech(text: str) -> tuple[bytes, int]:
        pcm, rate = make(text)
        spoken[text] = Sound.of_pcm(pcm, rate)
        return pcm, rate

    def speech_to_text(one: Utterance) -> str:
        said.append(one)
        return f"{note(one)} {'which I shall think about for quite a while now ' * 3}"

    bot.text_to_speech, bot.speech_to_text = text_to_speech, speech_to_text
    party = parties(AudioParty, "alice")
    interruptions: list[Interrupted] = []
    calls: list[Any] = []

    async def serve(event: CallReceived) -> None:
        calls.append(event.call)
        await bot.serve(event)

    party.on(CallReceived, serve)
    party.on(Interrupted, interruptions.append)
    peer.tell("dial", str(party.contact_uri))
    call = first(calls)
    peer.wait_for_event("CALL_ESTABLISHED")
    wait_for(lambda: interruptions, "the answer was interrupted", 25)
    (interrupted,) = interruptions
    assert (interrupted.what, interrupted.by) == (call.audio, "speech")
    assert interrupted.after <= 0.06 + 1e-6
    assert call.audio.queued == 0
    wait_for(lambda: len(said) == 2, "the interruption was heard out", 10)
    peer.tell("sndcode", "#")
    ended(call)
    peer.wait_for_event("CALL_CLOSED")
    for one in said:
        heard(Sound.of_pcm(one.pcm, one.rate), sentence)
    greeting, answer = list(spoken.values())[:2]
    recorded = Sound.of_file(peer.recording)
    heard(recorded, greeting)
    # The beginning of the answer was heard, and the rest of it never.
    begins = heard(recorded, answer.part(0, 1.5)).delay
    assert begins > FIRST + 2.0
    assert compare(recorded, answer.part(answer.seconds - 2.0)).similarity < 0.5
