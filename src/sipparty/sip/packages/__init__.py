"""Event packages: what is notified of by SIP, each a small class."""

__all__: list[str] = []
