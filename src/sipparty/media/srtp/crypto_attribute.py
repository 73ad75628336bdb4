"""The a=crypto lines of session descriptions: the grammar of RFC 4568 section 9, and which of them
can be used here.

Laws:

* `CryptoAttribute.parse` gives a line or raises `ParseError`; `str(line)` is read as the same line.
* A line that follows the grammar may still be of no use (`fault`): its suite is not one of ours, a
  key has another length than the suite wants, or a parameter asks for what we lack.
* No error and no `repr` shows a key.

What a session parameter does to its line (section 6.3):

    WSH=n                           a hint that is not taken
    FEC_ORDER=FEC_SRTP              the default
    -anything                       optional, passed over
    KDR=n                           refused: the library derives keys once
    UNENCRYPTED_SRTP, UNENCRYPTED_SRTCP, UNAUTHENTICATED_SRTP     refused: no media in clear
    FEC_ORDER=SRTP_FEC, FEC_KEY=... refused: there is no error correction here
    anything else                   refused, as section 6.3.7 says
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final, Self

from sipparty.errors import BuildError, ParseError
from sipparty.media.srtp.transport import SUITES, MasterKey
from sipparty.sdp import MediaDescription

__all__ = ["CryptoAttribute", "InlineKey", "crypto_attributes"]

#: The most packets that a key of any suite is for (RFC 3711 section 9.2).
_MAX_LIFETIME: Final = 2**48
#: Lines of a stream that are looked at, at most.
_MAX_LINES: Final = 32
#: Keys of a line, at most.
_MAX_KEYS: Final = 16

_LINE: Final = re.compile(
    r"([0-9]{1,9})[ \t]+([A-Za-z0-9_]+)[ \t]+([!-~]+)((?:[ \t]+[!-~]+)*)[ \t]*"
)
_KEY: Final = re.compile(
    r"inline:([A-Za-z0-9+/]+=*)(?:\|(2\^)?([0-9]{1,15}))?(?:\|([0-9:]{1,320}))?"
)
_MKI: Final = re.compile(r"([1-9][0-9]{0,308}):([1-9][0-9]{0,2})")
_PARAMETER: Final = re.compile(r"[!-~]+")
_SUITE: Final = re.compile(r"[A-Za-z0-9_]+")

#: Parameters that need nothing of us.
_HARMLESS: Final = re.compile(r"WSH=[1-9][0-9]{1,8}|FEC_ORDER=FEC_SRTP|-[!-,.-~][!-~]*")
#: What a parameter asks for that we lack, by its name; others are not known.
_LACKED: Final = {
    "KDR": "keys derived anew",
    "UNENCRYPTED_SRTP": "media that is not encrypted",
    "UNENCRYPTED_SRTCP": "reports that are not encrypted",
    "UNAUTHENTICATED_SRTP": "media that is not authenticated",
    "FEC_ORDER": "error correction after encryption",
    "FEC_KEY": "error correction with a key of its own",
}


@dataclass(frozen=True, slots=True)
class InlineKey:
    """One key of an a=crypto line (RFC 4568 section 6.1); not shown by `repr`.

    Args:
        material: Master key and salt.
        lifetime: Packets that it is for; None for as many as the suite allows.
        mki: The number that packets name it by; None where they do not.
        mki_size: Octets of that number in packets, up to 128.

    Raises:
        BuildError: One is out of its range.
    """

    material: bytes = field(repr=False)
    lifetime: int | None = None
    mki: int | None = None
    mki_size: int = 0

    def __post_init__(self) -> None:
        if not self.material:
            raise BuildError("A key in a=crypto has octets; this one has none.")
        if self.lifetime is not None and not 0 < self.lifetime <= _MAX_LIFETIME:
            raise BuildError(f"The lifetime of a key is 1 to 2^48 packets, not {self.lifetime}.")
        if self.mki is None:
            fits = self.mki_size == 0
        else:
            fits = 1 <= self.mki_size <= 128 and 0 < self.mki < 256**self.mki_size
        if not fits:
            raise BuildError(
                "A key identifier (MKI) is a number from 1 that fits 1 to 128 octets;"
                f" {self.mki} in {self.mki_size} does not."
            )

    @property
    def identifier(self) -> bytes:
        """The identifier as packets have it; empty for none."""
        return b"" if self.mki is None else self.mki.to_bytes(self.mki_size, "big")

    def __str__(self) -> str:
        text = "inline:" + base64.b64encode(self.material).decode("ascii")
        if self.lifetime is not None:
            power = self.lifetime.bit_length() - 1
            text += f"|2^{power}" if power and self.lifetime == 1 << power else f"|{self.lifetime}"
        return text if self.mki is None else f"{text}|{self.mki}:{self.mki_size}"


@dataclass(frozen=True, slots=True)
class CryptoAttribute:
    """The value of one a=crypto line (RFC 4568 section 9); `str` writes it.

    Args:
        tag: Names the line in the answer: 0 to 999999999.
        suite: The name of a suite, known or not.
        keys: At least one; where there are several each has an `mki`, and these one size.
        parameters: Session parameters, as they stand.

    Raises:
        BuildError: A value cannot stand in the line.
    """

    tag: int
    suite: str
    keys: tuple[InlineKey, ...]
    parameters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.tag <= 999_999_999:
            raise BuildError(f"The tag of a=crypto is 0 to 999999999, not {self.tag}.")
        if _SUITE.fullmatch(self.suite) is None:
            raise BuildError(f"{self.suite!r} cannot be the name of a suite in a=crypto.")
        for one in self.parameters:
            if _PARAMETER.fullmatch(one) is None:
                raise BuildError(f"{one!r} cannot be a session parameter in a=crypto.")
        identifiers = {key.identifier for key in self.keys}
        if (
            not 0 < len(self.keys) <= _MAX_KEYS
            or len(identifiers) < len(self.keys)
            or len({len(one) for one in identifiers}) > 1
        ):
            raise BuildError(
                f"a=crypto has 1 to {_MAX_KEYS} keys; where there are several, each has an"
                " identifier (MKI) of its own, and these are equally long."
            )

    @classmethod
    def parse(cls, value: str) -> Self:
        """What the value of an a=crypto attribute says.

        Raises:
            ParseError: It does not follow the grammar; the text of the error has no key.
        """
        match = _LINE.fullmatch(value)
        if match is None:
            raise _invalid("tag, suite and keys")
        tag, suite, keys, parameters = match.groups()
        if tag != str(int(tag)):
            raise _invalid("a tag without leading zeroes")
        read = tuple(_read_key(key) for key in keys.split(";", _MAX_KEYS))
        try:
            return cls(int(tag), suite, read, tuple(parameters.split()))
        except BuildError as error:
            raise _invalid("keys that belong together") from error

    def __str__(self) -> str:
        keys = ";".join(map(str, self.keys))
        return " ".join((str(self.tag), self.suite, keys, *self.parameters))

    @property
    def fault(self) -> str | None:
        """Why it cannot be used here, as a clause; None where it can."""
        suite = SUITES.get(self.suite)
        if suite is None:
            return f"the suite {self.suite} is not supported"
        if any(len(key.material) != suite.size for key in self.keys):
            return f"a key of {self.suite} has {suite.size} octets with its salt"
        if len({key.material for key in self.keys}) < len(self.keys):
            return "a key stands there twice"
        for one in self.parameters:
            if _HARMLESS.fullmatch(one) is None:
                what = _LACKED.get(one.partition("=")[0], "what is not known here")
                return f"{one.partition('=')[0]} asks for {what}"
        return None

    def master_keys(self) -> tuple[MasterKey, ...]:
        """The keys, for a line without `fault`."""
        suite = SUITES[self.suite]
        return tuple(
            MasterKey(suite, key.material, key.identifier, key.lifetime) for key in self.keys
        )


def _invalid(expected: str) -> ParseError:
    return ParseError("a=crypto:...", expected, what="a=crypto line")


def _read_key(text: str) -> InlineKey:
    match = _KEY.fullmatch(text)
    if match is None:
        raise _invalid('a key as "inline:", base64, lifetime and identifier')
    encoded, power, lifetime, mki = match.groups()
    try:
        # Padding is discarded (section 6.1); what is missing of it is put there.
        bare = encoded.rstrip("=")
        material = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error as error:
        raise _invalid("base64 of key and salt") from error
    packets = None
    if lifetime is not None:
        if lifetime != str(int(lifetime)) or (power and int(lifetime) > 48):
            raise _invalid("a lifetime of 1 to 2^48 packets")
        packets = 1 << int(lifetime) if power else int(lifetime)
    number, size = None, 0
    if mki is not None:
        found = _MKI.fullmatch(mki)
        if found is None:
            raise _invalid("an identifier (MKI) and its size")
        number, size = int(found[1]), int(found[2])
    try:
        return InlineKey(material, packets, number, size)
    except BuildError as error:
        raise _invalid(
            "a lifetime of at most 2^48, and an identifier that fits its size"
        ) from error


def crypto_attributes(media: MediaDescription) -> list[CryptoAttribute]:
    """The a=crypto lines of a stream that follow the grammar, in order. A tag that two lines have
    names neither.
    """
    found: list[CryptoAttribute] = []
    for value in media.values("crypto")[:_MAX_LINES]:
        try:
            found.append(CryptoAttribute.parse(value))
        except ParseError:
            continue
    tags = [one.tag for one in found]
    return [one for one in found if tags.count(one.tag) == 1]
