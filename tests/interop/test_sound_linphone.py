"""Speech between a party of ours and Linphone, found again by correlation at both ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sipparty.media import MemorySink

from .calls import ended, first, incoming, talk
from .peer import UDP, UDP6
from .sound import Sentences, Sound, heard

Make = Callable[..., Any]

#: 20 ms packets of a clip.
CLIP = 60


@pytest.mark.parametrize(
    ("codec", "transport", "caller"),
    [
        ("PCMU", UDP6, "we"),
        ("opus", UDP, "it"),
    ],
    indirect=["transport"],
)
def test_each_codec(
    linphone: Make,
    saying: Make,
    sink: MemorySink,
    sentences: Sentences,
    tmp_path: Path,
    codec: str,
    caller: str,
) -> None:
    alice = saying(codec)
    peer = linphone(play=sentences.theirs.write(tmp_path / "theirs.wav", 8000))
    if caller == "we":
        call = alice.invite(peer.uri()).wait(5)
    else:
        calls = incoming(alice)
        peer.tell(f"call {alice.contact_uri}")
        call = first(calls)
    peer.wait_for_output("Media streams established")
    talk(call, CLIP)
    call.terminate()
    ended(call)
    peer.wait_for_output("Call 1 with .* ended")
    # Opus keeps how it sounds, and less how it looks.
    heard(Sound.of_pcm(sink.pcm, sink.rate), sentences.theirs, similarity=0.8)
    heard(Sound.of_file(peer.recording), sentences.ours, similarity=0.8)
