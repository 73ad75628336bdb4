"""Crypto suites of SRTP, their keys, and the library that has them.

suite                     key  salt  tag of SRTP  tag of SRTCP    document
AEAD_AES_256_GCM           32    12           16            16    RFC 7714
AEAD_AES_128_GCM           16    12           16            16    RFC 7714
AES_CM_128_HMAC_SHA1_80    16    14           10            10    RFC 4568 section 6.2.1
AES_CM_128_HMAC_SHA1_32    16    14            4            10    RFC 4568 section 6.2.2
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sipparty.errors import MediaError, UsageError

__all__ = ["SUITES", "MasterKey", "Suite", "available_suites", "has_srtp", "library_of_srtp"]


@dataclass(frozen=True, slots=True)
class Suite:
    """A crypto suite: transforms, and how long their keys are.

    Args:
        name: As RFC 4568 or RFC 7714 registers it.
        profile: What pylibsrtp calls it.
        key: Octets of the master key.
        salt: Octets of the master salt.
        tags: Octets that stand after a master key identifier, in SRTP and in SRTCP.
    """

    name: str
    profile: str
    key: int
    salt: int
    tags: tuple[int, int]

    @property
    def size(self) -> int:
        """Octets of master key and salt."""
        return self.key + self.salt


#: Those that there are, the strongest first.
SUITES: Final = {
    suite.name: suite
    for suite in (
        Suite("AEAD_AES_256_GCM", "SRTP_PROFILE_AEAD_AES_256_GCM", 32, 12, (0, 0)),
        Suite("AEAD_AES_128_GCM", "SRTP_PROFILE_AEAD_AES_128_GCM", 16, 12, (0, 0)),
        Suite("AES_CM_128_HMAC_SHA1_80", "SRTP_PROFILE_AES128_CM_SHA1_80", 16, 14, (10, 10)),
        Suite("AES_CM_128_HMAC_SHA1_32", "SRTP_PROFILE_AES128_CM_SHA1_32", 16, 14, (4, 10)),
    )
}


def library_of_srtp() -> Any:
    """The one place where pylibsrtp is imported."""
    try:
        import pylibsrtp
    except ImportError as error:
        raise MediaError(
            "SRTP needs the library pylibsrtp: pip install sipparty[media]."
        ) from error
    return pylibsrtp


def has_srtp() -> bool:
    """Whether the library is installed."""
    try:
        library_of_srtp()
    except MediaError:
        return False
    return True


def available_suites(names: Sequence[str] | None = None) -> tuple[Suite, ...]:
    """The suites of these names that the installed library has.

    Args:
        names: In order of preference; None for all.

    Raises:
        MediaError: The library is not installed.
        UsageError: There is no suite of such a name.
    """
    if isinstance(names, str):
        names = (names,)
    names = tuple(SUITES) if names is None else names
    for name in names:
        if name not in SUITES:
            raise UsageError(f"There is no suite {name!r}; there are {', '.join(SUITES)}.")
    policy = library_of_srtp().Policy
    return tuple(SUITES[name] for name in names if hasattr(policy, SUITES[name].profile))


@dataclass(frozen=True, slots=True)
class MasterKey:
    """A master key and its salt, and how long and by which name it is used; not shown by `repr`.

    Args:
        suite: What it is for.
        material: Key and salt, one after the other.
        mki: The identifier that packets name it by; empty where they do not.
        lifetime: Packets of RTP, and of RTCP, that it may be used for; None for what the suite
            allows.

    Raises:
        UsageError: Key and salt are not as long as the suite wants.
    """

    suite: Suite
    material: bytes = field(repr=False)
    mki: bytes = b""
    lifetime: int | None = None

    def __post_init__(self) -> None:
        if len(self.material) != self.suite.size:
            raise UsageError(
                f"{self.suite.name} has {self.suite.size} octets of key and salt, not"
                f" {len(self.material)}."
            )
