"""SIP for Python: make a `Party`, call someone, talk, hang up.

Importing the package starts nothing: no thread, no socket, no event loop. See `sipparty.parties`
for the ready-made parties, and `docs/topics/architecture.md` for the house.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
