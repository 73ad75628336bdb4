"""Event packages: what is notified of by SIP, each a small class."""

from typing import TYPE_CHECKING

from sipparty.late import late_names

if TYPE_CHECKING:
    from sipparty.sip.packages.conference import (
        ConferenceDescription,
        ConferenceEndpoint,
        ConferenceInfo,
        ConferenceMedia,
        ConferencePackage,
        ConferenceState,
        ConferenceUser,
    )
    from sipparty.sip.packages.dialog_info import (
        DialogInfo,
        DialogPackage,
        DialogParticipant,
        ObservedDialog,
    )
    from sipparty.sip.packages.message_summary import (
        MessageCount,
        MessageSummary,
        MessageSummaryPackage,
    )
    from sipparty.sip.packages.presence import Presence, PresencePackage, PresenceTuple
    from sipparty.sip.packages.reg_info import (
        RegInfo,
        RegisteredContact,
        RegistrationState,
        RegPackage,
    )

__all__ = [
    "ConferenceDescription",
    "ConferenceEndpoint",
    "ConferenceInfo",
    "ConferenceMedia",
    "ConferencePackage",
    "ConferenceState",
    "ConferenceUser",
    "DialogInfo",
    "DialogPackage",
    "DialogParticipant",
    "MessageCount",
    "MessageSummary",
    "MessageSummaryPackage",
    "ObservedDialog",
    "Presence",
    "PresencePackage",
    "PresenceTuple",
    "RegInfo",
    "RegPackage",
    "RegisteredContact",
    "RegistrationState",
]

if not TYPE_CHECKING:
    __getattr__ = late_names(globals(), "message_summary presence dialog_info reg_info conference")
