"""Keys of SRTP in session descriptions (SDES, RFC 4568): how they are negotiated.

Laws:

* A description says the keys of the side that wrote it (RFC 4568 section 5.1.1): each side draws
  its own. What is in effect follows from the two descriptions alone (`agreed_keys`): what is rolled
  back, or forked, needs no undoing here.
* A line that is not valid, or asks for what we lack, is none: it is neither chosen nor an error
  (section 5.1.2). Where none is left the stream is refused, in words.
* Keys are drawn with the first description of a stream, and again where its port or address has
  changed, or that of the other side or its key has (section 7.1.4: whoever is there now may know
  nothing of what was sent before), or where `renew` asked for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from sipparty.errors import NegotiationError
from sipparty.media.srtp.crypto_attribute import CryptoAttribute, InlineKey, crypto_attributes
from sipparty.media.srtp.settings import SETTINGS, SRTP
from sipparty.media.srtp.transport import (
    SUITES,
    MasterKey,
    SecureTransport,
    Suite,
    available_suites,
    has_srtp,
)
from sipparty.media.transport import LineExtension, MediaTransport
from sipparty.sdp import Attribute, MediaDescription, NegotiatedStream

__all__ = ["AgreedKeys", "SecurityDescriptions", "agreed_keys"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AgreedKeys:
    """What two descriptions agree to.

    Args:
        outbound: Ours, for what we send.
        inbound: The other side's.
    """

    outbound: MasterKey
    inbound: tuple[MasterKey, ...]

    @property
    def suite(self) -> str:
        """The name of the suite, which both have."""
        return self.outbound.suite.name


def agreed_keys(local: MediaDescription, remote: MediaDescription) -> AgreedKeys | None:
    """The keys by which a stream is protected; None where it is not.

    Args:
        local: Our description of the stream, as it was sent.
        remote: The other side's, checked or answered by `SecurityDescriptions`.
    """
    # The answer has one line, of a tag of the offer's; which one is the answer shows in that.
    for theirs in crypto_attributes(remote):
        for ours in crypto_attributes(local):
            same = (ours.tag, ours.suite) == (theirs.tag, theirs.suite)
            if same and theirs.fault is None and ours.fault is None:
                return AgreedKeys(ours.master_keys()[0], theirs.master_keys())
    return None


class SecurityDescriptions(LineExtension):
    """Has a line negotiate its keys, and puts SRTP on its transport; of one call's line.

    Args:
        srtp: What is wanted.
        tokens: Gives a random number of so many bits.
        encrypted: Whether the signalling is, which the keys are in; None where that is not known.
    """

    #: Whether it was warned of keys that can be read on their way; once is enough.
    warned: ClassVar[bool] = False

    def __init__(
        self, srtp: SRTP, tokens: Callable[[int], int], encrypted: bool | None = None
    ) -> None:
        self._tokens = tokens
        self._encrypted = encrypted
        self.srtp = srtp
        #: Our keys by suite, and where they are used.
        self._keys: dict[str, bytes] = {}
        self._place: object = None
        #: The suite and the keys of the other side's last description, and where it receives.
        self._theirs: object = None
        self._there: object = None
        #: Whether the last description was an answer of ours.
        self._answered = False
        #: What was put on which transport.
        self._wrapped: dict[int, SecureTransport] = {}

    @property
    def srtp(self) -> SRTP:
        """What is wanted, for the next offer and the next answer."""
        return self._srtp

    @srtp.setter
    def srtp(self, srtp: SRTP) -> None:
        self._srtp = srtp
        self.setting = setting = srtp.setting
        self.profiles = SETTINGS[setting]
        self._withheld = srtp.needs_tls and self._encrypted is False
        self._suites: tuple[Suite, ...] = ()
        if setting != "refused" and (setting != "accepted" or has_srtp()):
            self._suites = available_suites(srtp.suites)

    def fork(self) -> Self:
        """The same: which keys are in effect is said by descriptions, and a key that was drawn for
        one is used by no other context than its first (see `sipparty.media.srtp.transport`).
        """
        return self

    def renew(self) -> None:
        """Draw other keys for the next description."""
        self._keys = {}

    def wrap(self, transport: MediaTransport, negotiated: NegotiatedStream) -> MediaTransport:
        """SRTP on a transport, by the keys that were agreed on; see `LineExtension.wrap`."""
        keys = agreed_keys(negotiated.local, negotiated.remote)
        if keys is None:
            return transport
        made = self._wrapped.get(id(transport))
        if made is None:
            made = SecureTransport(transport, keys.outbound, keys.inbound)
            self._wrapped[id(transport)] = made
        else:
            made.rekey(keys.outbound, keys.inbound, answered=self._answered)
        return made

    def misfit(self, remote: MediaDescription) -> str | None:
        """Why an offered stream cannot be taken, as a clause; None where it can."""
        if not _is_secure(remote):
            return "its media has to be secure (RTP/SAVP)" if self.setting == "required" else None
        if self.setting == "refused":
            return "secure media is refused"
        if not self._suites:
            return "secure media is not supported"
        if self._withheld:
            return "keys of secure media are taken over TLS alone"
        if self._choice(remote) is not None:
            return None
        faults = [
            one.fault or f"the suite {one.suite} is not wanted" for one in crypto_attributes(remote)
        ]
        return "; ".join(dict.fromkeys(faults)) or "it has no valid a=crypto line"

    def offer(self, local: MediaDescription) -> MediaDescription:
        """The stream with the keys that we offer.

        Raises:
            NegotiationError: They must not go by this signalling.
        """
        if not (_is_secure(local) or self.setting == "best-effort"):
            return local
        if self._withheld:
            if not _is_secure(local):
                return local
            raise NegotiationError(
                "Keys of secure media go over TLS alone, which this call does not use."
            )
        self._settle_in(local)
        lines = [
            CryptoAttribute(tag, suite.name, (InlineKey(self._key(suite)),))
            for tag, suite in enumerate(self._suites, 1)
        ]
        return _with_lines(local, lines)

    def answer(self, remote: MediaDescription, local: MediaDescription) -> MediaDescription | None:
        """The stream with the key that we answer with; None refuses it."""
        if self.misfit(remote) is not None:
            return None
        chosen = self._choice(remote)
        if not _is_secure(remote) and (self.setting != "best-effort" or self._withheld):
            chosen = None
        if chosen is None:
            return local
        self._settle_in(local)
        self._answered = True
        if self._hear(remote, chosen):
            self._keys = {}
        key = InlineKey(self._key(SUITES[chosen.suite]))
        return _with_lines(local, [CryptoAttribute(chosen.tag, chosen.suite, (key,))])

    def check(self, local: MediaDescription, remote: MediaDescription) -> None:
        """See that the answer has chosen one of the keys that we have offered.

        Raises:
            NegotiationError: It has not.
        """
        offered = {one.tag: one for one in crypto_attributes(local)}
        if not offered:
            return
        lines = remote.values("crypto")
        if not lines:
            if _is_secure(local):
                raise NegotiationError(
                    "The answer takes secure media (RTP/SAVP) without a key (a=crypto)."
                )
            return  # best effort, and the other side does not
        answered = crypto_attributes(remote)
        if len(lines) != 1 or len(answered) != 1:
            raise NegotiationError(
                f"The answer has {len(lines)} a=crypto lines, {len(answered)} of them valid; it has"
                " to choose one (RFC 4568 section 5.1.2)."
            )
        chosen = answered[0]
        ours = offered.get(chosen.tag)
        if ours is None:
            raise NegotiationError(
                f"The answer chooses the key of tag {chosen.tag}, which was not offered."
            )
        if ours.suite != chosen.suite:
            raise NegotiationError(
                f"The answer has {chosen.suite} for the tag {chosen.tag}, which was offered as"
                f" {ours.suite}."
            )
        fault = chosen.fault
        if fault is None and _is_one_of(
            chosen, (k.material for o in offered.values() for k in o.keys)
        ):
            fault = "it is one of ours"
        if fault is not None:
            raise NegotiationError(f"The key of the answer cannot be used: {fault}.")
        self._hear(remote, chosen)
        self._answered = False

    def _choice(self, remote: MediaDescription) -> CryptoAttribute | None:
        """The line to accept: the first that we can do (section 5.1.2)."""
        known = {suite.name for suite in self._suites}
        for one in crypto_attributes(remote):
            if (
                one.suite in known
                and one.fault is None
                and not _is_one_of(one, self._keys.values())
            ):
                return one
        return None

    def _settle_in(self, local: MediaDescription) -> None:
        """Draw keys anew where the stream has moved; warn where they can be read on their way."""
        if self._encrypted is False and not SecurityDescriptions.warned:
            SecurityDescriptions.warned = True
            _log.warning(
                "The keys of secure media (a=crypto) are in signalling that is not encrypted, where"
                " others can read them (RFC 4568 section 8.3): call over TLS."
            )
        place = (local.port, local.connection)
        if place != self._place:
            self._keys, self._place = {}, place

    def _hear(self, remote: MediaDescription, chosen: CryptoAttribute) -> bool:
        """Note who the other side is; whether that has changed."""
        theirs, there = (chosen.suite, chosen.keys), _place(remote)
        before = self._theirs, self._there
        self._theirs, self._there = theirs, there or self._there
        return before[0] is not None and before != (self._theirs, self._there)

    def _key(self, suite: Suite) -> bytes:
        key = self._keys.get(suite.name)
        if key is None:
            words = [self._tokens(64).to_bytes(8, "big") for _ in range(0, suite.size, 8)]
            key = b"".join(words)[: suite.size]
            self._keys[suite.name] = key
        return key


def _is_secure(media: MediaDescription) -> bool:
    """Whether the transport protocol is one of SRTP's."""
    return media.proto.upper() in ("RTP/SAVP", "RTP/SAVPF")


def _is_one_of(line: CryptoAttribute, ours: Iterable[bytes]) -> bool:
    """Whether a key of a line is one of ours, which nobody may send with (section 7.1.1)."""
    return not {key.material for key in line.keys}.isdisjoint(ours)


def _place(media: MediaDescription) -> object:
    """Where a side receives; None on hold by 0.0.0.0, where that is not said."""
    connection = media.connection_or_session
    if connection is not None and connection.is_unspecified:
        return None
    return media.port, connection


def _with_lines(local: MediaDescription, lines: Iterable[CryptoAttribute]) -> MediaDescription:
    kept = tuple(one for one in local.attributes if one.name != "crypto")
    made = tuple(Attribute("crypto", str(line)) for line in lines)
    return replace(local, attributes=kept + made)
