"""A voice bot: it greets, hears a sentence, answers, stops when interrupted, hangs up on "#".

python voice_bot.py            tries itself: a caller on this machine says something
python voice_bot.py 5060       takes calls at that port
"""

import asyncio
import shutil
import subprocess
import sys

from sipparty import AudioParty, CallReceived, SIPPartyError
from sipparty.media import DigitReceived, ToneSource, Utterance


def speech_to_text(said: Utterance) -> str:
    """A stand-in for what recognises speech: it notes how long the sentence is."""
    return f"a sentence of {said.seconds:.0f} seconds, with the pause at its end"


def text_to_speech(text: str) -> tuple[bytes, int]:
    """16-bit samples and their rate: by espeak-ng where it is installed, else a tone a word."""
    if shutil.which("espeak-ng"):
        command = ["espeak-ng", "-s", "160", "--stdout", text]
        return subprocess.run(command, check=True, capture_output=True).stdout[44:], 22050
    return b"".join(ToneSource(300 + 40 * len(word)).read(1600) for word in text.split()), 8000


async def serve(event: CallReceived) -> None:
    call = await event.call.accept()
    call.on(DigitReceived, lambda event: event.digit == "#" and call.terminate())
    call.barge_in(call.audio)  # who speaks, or presses a key, is not talked over
    try:
        call.audio.send(*await asyncio.to_thread(text_to_speech, "Hello. Please say something."))
        async for said in call.utterances(16000):
            text = f"I have heard {await asyncio.to_thread(speech_to_text, said)}. Thank you."
            call.audio.send(*await asyncio.to_thread(text_to_speech, text))
    except SIPPartyError:
        pass  # the caller has hung up while we were thinking


async def main(port: int = 0) -> None:
    async with AudioParty("bot@biloxi.com") as bot, AudioParty("alice@atlanta.com") as alice:
        bot.on(CallReceived, serve)
        bot.listen(port, address=None if port else "127.0.0.1")
        if port:
            await asyncio.Event().wait()
        async with alice.call(bot) as call:
            heard = call.utterances()
            await heard.anext(20)
            print("it greets")
            call.audio.send(ToneSource(440).read(8000), 8000)
            await heard.anext(20)
            print("it answers")
            call.send_dtmf("#")
            await call.until("Terminated", 20)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
