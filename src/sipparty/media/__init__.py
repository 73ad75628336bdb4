"""Audio of calls: RTP and RTCP, codecs, playout, files, and the session that ties them together.

What a call does with sound; users begin here, by way of the verbs of `AudioCall`:

    playing     playable             what can be played
                playback             the handle that `play` gives
                sources, call_tones  samples, tones, those of the network
    recording   recording            the handle that `record` gives
                sinks                where it goes
    both        files                sound files, by PyAV; WAV by itself
    frames      audio, sending       `call.audio`: frames to be read, samples to be sent
                activity, speech     when the other side speaks; events of it, and interruptions
                utterances           what it says, piece by piece
                answering            whether a human or a machine has answered
    keys        dtmf                 as telephone events, in INFO, as tones; collected
    several     bridging             two calls that hear each other
                conference           more of them
                holding, ringback    music on hold; the tone while another call rings
    how it is   quality              `call.quality`
                events               what handlers take
    codecs      codecs               PCMU, PCMA, G.722, Opus, L16, and the register for others
    security    security             SRTP as a setting

The parts of a session, from the call down to the network:

    session, rtp_session             what a call asks of its media; one with RTP
    negotiated, settings             what is asked for, and what was agreed on, as settings
    line                             one m= line: what it sends, and who hears it
    frames, inputs                   what goes between its parts; which of several is sent
    transport                        what a line asks of what carries its packets
    following                        the line of a call through the life of the call
    clock, loops                     the 20 ms tick of a loop; loops beside signalling
    ports, socket_poll               UDP sockets, and reading many: the only I/O beside files

Playing, recording and mixing on the tick:

    player, track                    what a line plays; one playback
    feeding, fillers                 queues that are read on the tick, and what fills them beside it
    recorder, sides                  the recordings of a line; two sides as two channels
    mixing                           audio of one call in others
    pcm                              samples: levels, rates

One stream, without I/O:

    audio_stream                     frames on one side, datagrams on the other
    rtp, rtp_source                  packets; numbering them, judging those that come
    remote                           whose packets are the other side's, and where ours may go
    jitter                           the playout buffer
    packet_queue, media_time         its packets in order, on one line of time
    playout_delay                    how long it waits
    filling, concealment, waveform   what is played where a packet is missing
    comfort_noise                    noise in pauses (RFC 3389)
    rtcp, rtcp_xr, rtcp_schedule     reports: their packets, and when they are sent
    stream_reports                   those of one stream
    statistics                       what is counted
    burst, emodel                    how losses lie; R and MOS

Secure media:

    srtp, suites                     SRTP as a transport on another; its suites and their library
    sdes, crypto_attribute           its keys in descriptions; a=crypto lines

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
