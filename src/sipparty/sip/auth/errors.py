"""What can go wrong when a request has to be authenticated.

SIPPartyError
└── AuthenticationError
├── NoCredentials          no challenge can be answered
├── CredentialsRefused     the user or the password is wrong
└── ServerNotProven        the server's own proof is wrong
"""

from __future__ import annotations

from sipparty.errors import SIPPartyError

__all__ = ["AuthenticationError", "CredentialsRefused", "NoCredentials", "ServerNotProven"]


class AuthenticationError(SIPPartyError):
    """A request cannot be authenticated; the message says why."""


class NoCredentials(AuthenticationError):
    """None of the challenges can be answered: no account, no algorithm allowed, or no sense in
    them.

    Args:
        message: A sentence.
        realms: The realms that asked.
    """

    def __init__(self, message: str, realms: tuple[str, ...]) -> None:
        super().__init__(message)
        self.realms = realms


class CredentialsRefused(AuthenticationError):
    """The server refused an account's proof: the user or the password is wrong; trying again is
    pointless.

    Args:
        message: A sentence.
        realm: The realm that refused.
        username: The user that was refused.
    """

    def __init__(self, message: str, realm: str, username: str) -> None:
        super().__init__(message)
        self.realm = realm
        self.username = username


class ServerNotProven(AuthenticationError):
    """A response claims to come from a server that knows the password, and its proof is wrong."""
