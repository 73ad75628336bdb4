"""Back-to-back user agents (RFC 7092): two calls joined, with a say in all that goes between."""

from typing import TYPE_CHECKING

from sipparty.late import late_names

if TYPE_CHECKING:
    from sipparty.b2bua.b2bua import B2BUA, AudioB2BUA
    from sipparty.b2bua.bridge import Bridge, Leg

__all__ = ["B2BUA", "AudioB2BUA", "Bridge", "Leg"]

if not TYPE_CHECKING:
    __getattr__ = late_names(globals(), "bridge b2bua")
