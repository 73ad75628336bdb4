"""SIP for Python: make a `Party`, call someone, talk, hang up.

    from sipparty import AudioParty, CallReceived, Engine

Importing the package starts nothing and loads nothing: no thread, no socket, no event loop. Each
name is loaded from its module when it is first used.
"""

TYPE_CHECKING = False  # as in `typing`, which takes as long to load as all that is needed here
if TYPE_CHECKING:
    from sipparty.concurrency.engine import Engine
    from sipparty.errors import (
        AlreadyListening,
        BuildError,
        CallFailed,
        CallRejected,
        CallTimedOut,
        CallUnreachable,
        Incomplete,
        ListenError,
        MediaError,
        NegotiationError,
        ParseError,
        SIPPartyError,
        Timeout,
        TransportError,
        UnexpectedInput,
        UsageError,
        WouldDeadlock,
    )
    from sipparty.media import (
        DestinationLearnt,
        MediaProven,
        MediaStarted,
        MediaTimedOut,
        MediaUnproven,
        MemorySink,
        MemorySource,
        PlaybackEnded,
        RecordingFailed,
        RemoteFellSilent,
        RemoteLeft,
        RTPSession,
        SilenceSource,
        SourceHeard,
        ToneSource,
        WAVRecorder,
        WAVSource,
    )
    from sipparty.parties import (
        AllPartyTypes,
        AudioParty,
        NoMediaSimpleCallsParty,
        SingleRTPSessionSimplenParty,
    )
    from sipparty.party import Party
    from sipparty.party.audio_call import AudioCall
    from sipparty.sip import (
        AOR,
        URI,
        ClientRequest,
        Composing,
        ComposingChanged,
        Dialog,
        InfoReceived,
        Limits,
        Message,
        MessageReceived,
        MessageSent,
        Multipart,
        Part,
        Ping,
        PingEnded,
        Policy,
        Request,
        Response,
        SentMessage,
        SimpleCall,
        TargetDown,
        TargetUp,
        Timing,
    )
    from sipparty.sip.bindings import Binding
    from sipparty.sip.dialog.record import Reason
    from sipparty.sip.dialog.referral import TransferRequested
    from sipparty.sip.dialog.replaces import CallReplaced
    from sipparty.sip.dialog.transfer import Transfer, TransferEnded, TransferProgressed
    from sipparty.sip.events import (
        AttackDetected,
        CallEnded,
        CallEstablished,
        CallEvent,
        CallForked,
        CallHeld,
        CallProgressed,
        CallReceived,
        CallRedirected,
        CallResumed,
        Event,
        FlowConfirmed,
        FlowLost,
        MediaChanged,
        MediaEvent,
        RequestReceived,
    )
    from sipparty.sip.notification import (
        EventPackage,
        Notified,
        Notifier,
        Publication,
        PublicationEnded,
        PublicationLost,
        Published,
        Resource,
        Subscribed,
        Subscription,
        SubscriptionEnded,
        SubscriptionForked,
        SubscriptionLost,
        SubscriptionReceived,
        UnsolicitedNotification,
    )
    from sipparty.sip.registration import (
        Registered,
        Registration,
        RegistrationDelayed,
        RegistrationFailed,
        RegistrationLost,
        RegistrationRefreshed,
        Unregistered,
    )
    from sipparty.transport import TLSConfig, WebSocketConfig

__all__ = [
    "AOR",
    "URI",
    "AllPartyTypes",
    "AlreadyListening",
    "AttackDetected",
    "AudioCall",
    "AudioParty",
    "Binding",
    "BuildError",
    "CallEnded",
    "CallEstablished",
    "CallEvent",
    "CallFailed",
    "CallForked",
    "CallHeld",
    "CallProgressed",
    "CallReceived",
    "CallRedirected",
    "CallRejected",
    "CallReplaced",
    "CallResumed",
    "CallTimedOut",
    "CallUnreachable",
    "ClientRequest",
    "Composing",
    "ComposingChanged",
    "DestinationLearnt",
    "Dialog",
    "Engine",
    "Event",
    "EventPackage",
    "FlowConfirmed",
    "FlowLost",
    "Incomplete",
    "InfoReceived",
    "Limits",
    "ListenError",
    "MediaChanged",
    "MediaError",
    "MediaEvent",
    "MediaProven",
    "MediaStarted",
    "MediaTimedOut",
    "MediaUnproven",
    "MemorySink",
    "MemorySource",
    "Message",
    "MessageReceived",
    "MessageSent",
    "Multipart",
    "NegotiationError",
    "NoMediaSimpleCallsParty",
    "Notified",
    "Notifier",
    "ParseError",
    "Part",
    "Party",
    "Ping",
    "PingEnded",
    "PlaybackEnded",
    "Policy",
    "Publication",
    "PublicationEnded",
    "PublicationLost",
    "Published",
    "RTPSession",
    "Reason",
    "RecordingFailed",
    "Registered",
    "Registration",
    "RegistrationDelayed",
    "RegistrationFailed",
    "RegistrationLost",
    "RegistrationRefreshed",
    "RemoteFellSilent",
    "RemoteLeft",
    "Request",
    "RequestReceived",
    "Resource",
    "Response",
    "SIPPartyError",
    "SentMessage",
    "SilenceSource",
    "SimpleCall",
    "SingleRTPSessionSimplenParty",
    "SourceHeard",
    "Subscribed",
    "Subscription",
    "SubscriptionEnded",
    "SubscriptionForked",
    "SubscriptionLost",
    "SubscriptionReceived",
    "TLSConfig",
    "TargetDown",
    "TargetUp",
    "Timeout",
    "Timing",
    "ToneSource",
    "Transfer",
    "TransferEnded",
    "TransferProgressed",
    "TransferRequested",
    "TransportError",
    "UnexpectedInput",
    "Unregistered",
    "UnsolicitedNotification",
    "UsageError",
    "WAVRecorder",
    "WAVSource",
    "WebSocketConfig",
    "WouldDeadlock",
    "__version__",
]

__version__ = "0.1.0"

#: Where the names are looked for, in order.
_MODULES = ("errors", "sip.events", "sip", "parties", "party", "transport", "concurrency.engine")
#: Where those are that few programs use, whose modules nothing else loads.
_LATE = {
    "AudioCall": "party.audio_call",
    "Binding": "sip.bindings",
    "Registered": "sip.registration",
    "Registration": "sip.registration",
    "RegistrationDelayed": "sip.registration",
    "RegistrationFailed": "sip.registration",
    "RegistrationLost": "sip.registration",
    "RegistrationRefreshed": "sip.registration",
    "Unregistered": "sip.registration",
    "CallReplaced": "sip.dialog.replaces",
    "Reason": "sip.dialog.record",
    "Transfer": "sip.dialog.transfer",
    "TransferEnded": "sip.dialog.transfer",
    "TransferProgressed": "sip.dialog.transfer",
    "TransferRequested": "sip.dialog.referral",
    "EventPackage": "sip.notification",
    "Notified": "sip.notification",
    "Notifier": "sip.notification",
    "Publication": "sip.notification",
    "PublicationEnded": "sip.notification",
    "PublicationLost": "sip.notification",
    "Published": "sip.notification",
    "Resource": "sip.notification",
    "Subscribed": "sip.notification",
    "Subscription": "sip.notification",
    "SubscriptionEnded": "sip.notification",
    "SubscriptionForked": "sip.notification",
    "SubscriptionLost": "sip.notification",
    "SubscriptionReceived": "sip.notification",
    "UnsolicitedNotification": "sip.notification",
}


def __getattr__(name: str) -> object:
    if name in __all__:
        from importlib import import_module

        for module in (_LATE[name],) if name in _LATE else (*_MODULES, "media"):
            found = getattr(import_module(f"sipparty.{module}"), name, None)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module 'sipparty' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
