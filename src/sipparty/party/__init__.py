"""`Party`: somebody who makes and takes calls."""

from sipparty.party.party import STANDARD_PORT, Party
from sipparty.party.settings import Credentials, Target

__all__ = ["STANDARD_PORT", "Credentials", "Party", "Target"]
