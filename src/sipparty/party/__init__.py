"""`Party`: somebody who makes and takes calls."""

from sipparty.party.listening import STANDARD_PORT
from sipparty.party.party import Credentials, Party, Target

__all__ = ["STANDARD_PORT", "Credentials", "Party", "Target"]
