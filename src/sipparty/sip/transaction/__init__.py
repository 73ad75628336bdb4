"""Transactions: the four machines of RFC 3261 §17 with RFC 6026, and the layer that finds them."""

from sipparty.sip.transaction.client import (
    ClientTransaction,
    InviteClientTransaction,
    NonInviteClientTransaction,
)
from sipparty.sip.transaction.layer import Overload, TransactionLayer, TransactionUser
from sipparty.sip.transaction.server import (
    InviteServerTransaction,
    NonInviteServerTransaction,
    ServerTransaction,
)
from sipparty.sip.transaction.timing import Timing
from sipparty.sip.transaction.user import ClientUser, ServerUser

__all__ = [
    "ClientTransaction",
    "ClientUser",
    "InviteClientTransaction",
    "InviteServerTransaction",
    "NonInviteClientTransaction",
    "NonInviteServerTransaction",
    "Overload",
    "ServerTransaction",
    "ServerUser",
    "Timing",
    "TransactionLayer",
    "TransactionUser",
]
