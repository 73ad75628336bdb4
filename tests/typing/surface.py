"""A program on the public surface, for mypy: it is checked, not run.

The comment behind each `reveal_type` is what mypy is to say of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import reveal_type

from sipparty import (
    URI,
    AudioCall,
    AudioParty,
    CallEnded,
    CallEstablished,
    CallFailed,
    CallForked,
    CallProgressed,
    CallReceived,
    CallRejected,
    Engine,
    Event,
    EventPackage,
    FlowLost,
    Limits,
    MediaEvent,
    MediaStarted,
    Message,
    NoMediaSimpleCallsParty,
    ParseError,
    Party,
    Policy,
    Request,
    RequestReceived,
    Response,
    RTPSession,
    SimpleCall,
    ToneSource,
)
from sipparty.media import Conference, MediaSession
from sipparty.party import Credentials, Target


class Desk(AudioParty):
    """A kind of party with defaults, and state, of its own."""

    max_calls = 20
    rings = False
    greeting: str = "hello.wav"

    def taken(self, event: CallReceived) -> None:
        event.call.accept()


class Bell(Party[SimpleCall[RTPSession], RTPSession]):
    """A kind of party that says what its calls are."""

    MediaSession = RTPSession


class Chat(MediaSession):
    """Media of one's own, which take their time."""

    def open(self, loop: asyncio.AbstractEventLoop, local_address: str) -> None:
        self.address = local_address

    async def offer(self, direction: str | None = None) -> bytes:
        return b"offer"

    async def answer(self, offer: bytes) -> bytes:
        return offer

    async def accept(self, answer: bytes) -> None:
        self.answered = answer

    def start(self, early: bool = False) -> None:
        self.emit(MediaStarted("chat", None))

    def stop(self) -> None:
        del self.answered


def media(party: Party) -> None:
    def started(event: MediaStarted) -> None:
        reveal_type(event.call)  # SimpleCall[Session]
        reveal_type(event.codec)  # str

    party.on(MediaStarted, started)
    party.on(MediaEvent, lambda event: print(event.call.state))
    Chat().update(topic="tea")


class Temperature(EventPackage[float]):
    """An event package of one's own."""

    name = "temperature"
    accepts = ("text/plain",)

    def parse(self, body: bytes, media_type: str) -> float:
        return float(body)

    def build(self, state: float) -> bytes:
        return str(state).encode()


async def notification(party: Party) -> None:
    sub = party.subscribe(Temperature, "sip:sensor@biloxi.com", expires=600)
    reveal_type(sub)  # Subscription[float]
    reveal_type(sub.value)  # float | None
    reveal_type(await sub)  # Subscription[float]
    async for state in sub:
        reveal_type(state)  # float
    party.subscribe("presence").terminate()
    resource = party.offer(Temperature, 21.5)
    reveal_type(resource)  # Resource[float]
    resource.notify(22.0)
    party.offer("presence").terminate()
    reveal_type(party.publish("presence", b"").wait())  # Publication


def settings(party: Party, given: Credentials) -> None:
    reveal_type(party.display_name)  # str
    reveal_type(party.proxy)  # str | None
    reveal_type(party.max_calls)  # int | None
    reveal_type(party.patience)  # float
    reveal_type(party.auto_answer)  # bool
    reveal_type(party.media)  # Mapping[str, object]
    reveal_type(party.user_agent)  # str
    reveal_type(party.local_address)  # str | None
    party.credentials = given
    party.credentials = ("alice", "tea")
    party.credentials = {"biloxi.com": ("alice", "tea")}
    party.max_calls = None
    del party.rings
    reveal_type(party.uri)  # URI | None
    reveal_type(party.username)  # str | None
    reveal_type(party.listening)  # bool
    reveal_type(party.contact_uri)  # URI | None
    party.uri = "sip:alice@atlanta.com"
    party.aor = "alice@atlanta.com"
    reveal_type(party.configure(max_calls=3))  # Party[SimpleCall[Session], Session]


def calling(alice: AudioParty, target: Target) -> None:
    call = alice.invite(target, "10.0.0.2", expires=30.0, headers={"Subject": "tea"})
    reveal_type(call)  # AudioCall
    reveal_type(call.wait(timeout=5.0))  # AudioCall
    reveal_type(call.state)  # str
    reveal_type(call.last_error)  # CallFailed | None
    reveal_type(call.call_id)  # str
    reveal_type(call.progress)  # int | None
    reveal_type(call.terminate())  # AudioCall
    reveal_type(alice.calls)  # list[AudioCall]
    for one in alice.calls:
        one.terminate()
    reveal_type(call.party)  # Party[SimpleCall[Session], Session]
    session = call.session
    reveal_type(session)  # RTPSession | None
    assert session is not None
    session.play(ToneSource(440.0))


def handlers(bob: AudioParty) -> None:
    @bob.on(CallReceived)
    def received(event: CallReceived) -> None:
        reveal_type(event.call)  # SimpleCall[Session]
        reveal_type(event.call.session)  # Session | None
        reveal_type(event.agent)  # UserAgent
        reveal_type(event.request)  # Request
        event.call.ring()
        event.call.accept()

    reveal_type(received)  # def (CallReceived)

    @bob.on(CallEnded)
    async def ended(event: CallEnded) -> int:
        reveal_type(event.error)  # CallFailed | None
        return 1

    @bob.on(CallForked)
    def every(event: Event) -> str:
        reveal_type(event.agent)  # UserAgent
        return "forked"

    reveal_type(every)  # def (CallForked) -> str
    bob.on(CallProgressed, lambda event: print(event.response.status))
    bob.off(CallForked, every)

    @bob.on_request("MESSAGE")
    def answer(event: RequestReceived) -> None:
        reveal_type(event.incoming)  # IncomingRequest
        reveal_type(event.request.body)  # bytes
        event.incoming.respond(200)

    for call in bob.calls:
        reveal_type(call.on(CallEstablished, established))  # def (CallEstablished)


def established(event: CallEstablished) -> None:
    event.call.terminate()


def wrong(bob: AudioParty) -> None:
    bob.on("CallReceived", established)  # type: ignore[call-overload]
    bob.on(CallReceived, established)  # type: ignore[arg-type]
    bob.on(FlowLost)(established)  # type: ignore[arg-type]
    bob.max_calls = "many"  # type: ignore[assignment]
    bob.configure(max_call=3)  # type: ignore[call-arg]
    AudioParty("bob@biloxi.com", displayname="Bob")  # type: ignore[call-arg]


def requests(alice: Party) -> Mapping[str, str]:
    request = Request("OPTIONS", "sip:bob@biloxi.com", [("Accept", "application/sdp")])
    sent = alice.send(request)
    reveal_type(sent)  # ClientRequest
    reveal_type(sent.wait(5.0))  # Response
    reveal_type(alice.options("bob@biloxi.com").wait())  # Response
    reveal_type(Message.parse(b""))  # Request | Response
    reveal_type(URI.parse("sip:bob@biloxi.com"))  # URI
    return {}


async def main() -> Response:
    async with Desk("desk@biloxi.com", rings=True) as desk, Bell("bell@biloxi.com") as bell:
        reveal_type(desk)  # Desk
        reveal_type(desk.invite("x@y"))  # AudioCall
        reveal_type(await bell.invite(desk))  # SimpleCall[RTPSession]
        desk.on(CallReceived, desk.taken)
        reveal_type(desk.listen(None, address="127.0.0.1"))  # Desk
        return await desk.options(bell)


async def sound(call: AudioCall, other: AudioCall) -> None:
    async for frame in call.audio.at(16000):
        reveal_type(frame)  # AudioFrame
        reveal_type(call.audio.send(frame.pcm, 16000).wait(1.0))  # None
    reveal_type(call.audio.clear())  # float
    reveal_type(call.bridge(other))  # AudioBridge
    reveal_type(call.play("a.wav", barge_in="digit"))  # Playback
    reveal_type((await call.detect_answering_machine()).reason)  # str
    async with Conference() as conference:
        reveal_type(conference.add(call).gain)  # float
        async for frame in conference.mix():
            reveal_type(frame.energy)  # float
    for said in call.utterances():
        reveal_type(said.pcm)  # bytes
    call.play("a.wav", barge_in="noise")  # type: ignore[arg-type]


def engines() -> None:
    engine = Engine(limits=Limits(max_dialogs=10), policy=Policy(challenges="own"))
    with NoMediaSimpleCallsParty("carol@chicago.com", engine=engine) as carol:
        try:
            carol.invite("bob@biloxi.com").wait()
        except CallRejected as error:
            reveal_type(error.status)  # int | None
            reveal_type(error.response)  # Response | None
        except (CallFailed, ParseError) as error:
            reveal_type(str(error))  # str
