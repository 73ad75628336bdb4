"""Audio of calls: RTP and RTCP, codecs, playout, files, and the session that ties them together.

    session, rtp_session   what a call asks of its media: `MediaSession`, `RTPSession`
    playback, player, track  playing to a line
    recording                recording a line
    playable, feeding        what can be played, and what reads it beside the tick
    sources, sinks, files    where audio comes from and goes to
    call_tones, pcm          tones of the network; samples
    clock                    the 20 ms clock of a loop
    ports, socket_poll       UDP sockets, and reading many of them: the only I/O beside files
    transport                what a stream asks of what carries its packets
    frames, inputs           audio between the parts of a line; which of several is sent
    audio                    `call.audio`: frames to be read, sent and tapped
    activity                 when the other side speaks
    speech, utterances       speech in a call: reported, taken as an interruption, piece by piece
    answering                whether a human or a machine has answered
    mixing, bridging         two calls that hear each other
    conference               several of them
    holding, ringback        music on hold; the tone while another call rings
    dtmf                     keys: as telephone events, in INFO, as tones; collected
    following                the line of a call through the life of the call
    security                 whether media is to be secure, as a setting of a session
    srtp, suites, sdes       SRTP on a transport; its suites; its keys in descriptions
    crypto_attribute         a=crypto lines
    audio_stream             one stream without I/O
    remote                   whose packets are the other side's, and where ours may go
    statistics               what is counted of a stream
    jitter                   the playout buffer
    packet_queue, media_time, playout_delay   of it: order, time, how long to wait
    filling, concealment, comfort_noise, waveform   of it: what is played where nothing came
    rtp_source               numbering, validation and statistics of RTP
    quality, emodel, burst   how it sounds: loss, delay, R and MOS, live and at the end
    stream_reports           the RTCP of one stream
    rtcp_schedule            when RTCP is sent
    rtp, rtcp, rtcp_xr       packets
    negotiated, settings     what is asked for, and what was negotiated, as settings of a stream
    codecs                   PCMU, PCMA, G.722, Opus, L16, and the register for others

Importing this package loads none of them; each name is loaded from its module when it is first
used, so that a party without media has nothing of it but `NoMediaSession`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sipparty.media.activity import (
        EnergyDetector,
        SilenceDetected,
        SpeechDetector,
        SpeechEnded,
        SpeechStarted,
        VoiceActivity,
    )
    from sipparty.media.answering import AnsweredBy, AnswerJudged, BeepDetector, GreetingJudge
    from sipparty.media.audio import Audio, AudioReader, TapFailed
    from sipparty.media.audio_stream import AudioStream
    from sipparty.media.bridging import AudioBridge, bridge
    from sipparty.media.call_tones import CallTone
    from sipparty.media.clock import Clock, MediaClock
    from sipparty.media.codecs import AudioCodec, CodecType, codec_types, find_codec, register
    from sipparty.media.conference import Conference, ConferenceLeg
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
    from sipparty.media.files import AVRecorder, AVSource
    from sipparty.media.jitter import JitterBuffer
    from sipparty.media.playback import Playback
    from sipparty.media.quality import Quality
    from sipparty.media.recording import Recording
    from sipparty.media.rtcp import parse_rtcp
    from sipparty.media.rtp import RTPPacket
    from sipparty.media.rtp_session import RTPSession
    from sipparty.media.rtp_source import RTPReceiver, RTPSender
    from sipparty.media.security import SRTP
    from sipparty.media.session import MediaSession, NoMediaSession
    from sipparty.media.settings import StreamSettings
    from sipparty.media.sinks import CallbackSink, MemorySink, Sink, WAVRecorder
    from sipparty.media.sources import (
        MemorySource,
        SilenceSource,
        Source,
        ToneSource,
        WAVSource,
    )
    from sipparty.media.speech import BargeIn, Interrupted, SpeechDetection
    from sipparty.media.statistics import MediaStatistics, RemoteReport
    from sipparty.media.utterances import Utterance, Utterances
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
    *("session", "events", "settings", "statistics", "codecs", "sources", "sinks", "rtp", "rtcp"),
    *("call_tones", "files", "recording", "rtp_source", "jitter", "clock", "playback"),
    *("audio_stream", "rtp_session", "audio", "activity", "answering", "bridging", "conference"),
    *("security", "speech", "utterances", "quality", "dtmf.events"),
    *("dtmf.events", "dtmf.gathering"),
)


def __getattr__(name: str) -> object:
    if name in __all__:
        for module in _MODULES:
            found = getattr(import_module(f"sipparty.media.{module}"), name, None)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module 'sipparty.media' has no attribute {name!r}")
