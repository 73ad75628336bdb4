"""Audio of calls: RTP and RTCP, codecs, playout, files, and the session that ties them together.

    session, rtp_session     what a call asks of its media: `MediaSession`, `RTPSession`
    negotiated, settings     what is asked for, and what was agreed on, as settings of a stream
    line                     one m= line: its transport, its stream, what it sends, who listens
    audio_stream             one stream without I/O
    frames, inputs, pcm      audio between the parts of a line; which of several is sent; samples
    handle                   what `play` and `record` give: waited for, awaited
    events                   what is reported

    transport, ports         what carries the packets of a line; UDP
    loops, clock             where media runs, and its 20 ms clock
    socket_poll              reading many sockets

    rtp/                     RTP and RTCP: packets, sources, the other side, reports
    srtp/                    SRTP on a transport, and its keys in a=crypto
    codecs/                  G.711, G.722, Opus, L16, and the register for others
    playout/                 the playout buffer, concealment, comfort noise
    quality/                 statistics, bursts, MOS
    dtmf/                    keys: as telephone events, in INFO, as tones; collected

    playing/                 what can be played, and the player
    recording/               recordings and where they go
    audio, sending           `call.audio`: frames to be read, sent and tapped
    speech/                  voice activity, utterances, answering machines
    conferencing/            bridges and conferences
    holding, ringback        music on hold; the tone while another call rings

Importing this package loads none of them; each name is loaded from its module when it is first
used, so that a party without media has nothing of it but `NoMediaSession`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sipparty.media.audio import Audio, AudioReader, TapFailed
    from sipparty.media.audio_stream import AudioStream
    from sipparty.media.clock import Clock, MediaClock
    from sipparty.media.codecs import AudioCodec, CodecType, codec_types, find_codec, register
    from sipparty.media.conferencing.bridging import AudioBridge, bridge
    from sipparty.media.conferencing.conference import Conference, ConferenceLeg
    from sipparty.media.dtmf.events import DigitEnded, DigitReceived
    from sipparty.media.dtmf.gathering import Digits, Gathering
    from sipparty.media.events import (
        DestinationLearnt,
        MarkReached,
        MediaProven,
        MediaStarted,
        MediaTimedOut,
        MediaUnproven,
        OneWayAudio,
        PlaybackEnded,
        PlaybackStarted,
        QualityChanged,
        RecordingFailed,
        RemoteFellSilent,
        RemoteLeft,
        SecurityChanged,
        SourceHeard,
        SourceStarved,
        WrongPayloadType,
    )
    from sipparty.media.playing.call_tones import CallTone
    from sipparty.media.playing.files import AVRecorder, AVSource
    from sipparty.media.playing.playback import Playback
    from sipparty.media.playing.sources import (
        MemorySource,
        SilenceSource,
        Source,
        ToneSource,
        WAVSource,
    )
    from sipparty.media.playout.jitter import JitterBuffer
    from sipparty.media.quality.quality import Quality
    from sipparty.media.quality.statistics import MediaStatistics, RemoteReport
    from sipparty.media.recording.recording import Recording
    from sipparty.media.recording.sinks import CallbackSink, MemorySink, Sink, WAVRecorder
    from sipparty.media.rtp.packet import RTPPacket
    from sipparty.media.rtp.rtcp import parse_rtcp
    from sipparty.media.rtp.sender import RTPSender
    from sipparty.media.rtp.source import RTPReceiver
    from sipparty.media.rtp_session import RTPSession
    from sipparty.media.session import MediaSession, NoMediaSession
    from sipparty.media.settings import StreamSettings
    from sipparty.media.speech.activity import (
        EnergyDetector,
        SilenceDetected,
        SpeechDetector,
        SpeechEnded,
        SpeechStarted,
        VoiceActivity,
    )
    from sipparty.media.speech.answering import (
        AnsweredBy,
        AnswerJudged,
        BeepDetector,
        GreetingJudge,
    )
    from sipparty.media.speech.detection import BargeIn, Interrupted, SpeechDetection
    from sipparty.media.speech.utterances import Utterance, Utterances
    from sipparty.media.srtp.settings import SRTP
    from sipparty.sip.events import MediaEvent

__all__ = [
    "SRTP",
    "AVRecorder",
    "AVSource",
    "AnswerJudged",
    "AnsweredBy",
    "Audio",
    "AudioBridge",
    "AudioCodec",
    "AudioReader",
    "AudioStream",
    "BargeIn",
    "BeepDetector",
    "CallTone",
    "CallbackSink",
    "Clock",
    "CodecType",
    "Conference",
    "ConferenceLeg",
    "DestinationLearnt",
    "DigitEnded",
    "DigitReceived",
    "Digits",
    "EnergyDetector",
    "Gathering",
    "GreetingJudge",
    "Interrupted",
    "JitterBuffer",
    "MarkReached",
    "MediaClock",
    "MediaEvent",
    "MediaProven",
    "MediaSession",
    "MediaStarted",
    "MediaStatistics",
    "MediaTimedOut",
    "MediaUnproven",
    "MemorySink",
    "MemorySource",
    "NoMediaSession",
    "OneWayAudio",
    "Playback",
    "PlaybackEnded",
    "PlaybackStarted",
    "Quality",
    "QualityChanged",
    "RTPPacket",
    "RTPReceiver",
    "RTPSender",
    "RTPSession",
    "Recording",
    "RecordingFailed",
    "RemoteFellSilent",
    "RemoteLeft",
    "RemoteReport",
    "SecurityChanged",
    "SilenceDetected",
    "SilenceSource",
    "Sink",
    "Source",
    "SourceHeard",
    "SourceStarved",
    "SpeechDetection",
    "SpeechDetector",
    "SpeechEnded",
    "SpeechStarted",
    "StreamSettings",
    "TapFailed",
    "ToneSource",
    "Utterance",
    "Utterances",
    "VoiceActivity",
    "WAVRecorder",
    "WAVSource",
    "WrongPayloadType",
    "bridge",
    "codec_types",
    "find_codec",
    "parse_rtcp",
    "register",
]

#: Where the names are looked for, in order.
_MODULES = (
    "session",
    "events",
    "settings",
    "quality.statistics",
    "codecs",
    "playing.sources",
    "recording.sinks",
    "rtp.packet",
    "rtp.rtcp",
    "playing.call_tones",
    "playing.files",
    "recording.recording",
    "rtp.sender",
    "rtp.source",
    "playout.jitter",
    "clock",
    "playing.playback",
    "audio_stream",
    "rtp_session",
    "audio",
    "speech.activity",
    "speech.answering",
    "conferencing.bridging",
    "conferencing.conference",
    "srtp.settings",
    "speech.detection",
    "speech.utterances",
    "quality.quality",
    "dtmf.events",
    "dtmf.gathering",
)


def __getattr__(name: str) -> object:
    if name in __all__:
        for module in _MODULES:
            found = getattr(import_module(f"sipparty.media.{module}"), name, None)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module 'sipparty.media' has no attribute {name!r}")
