"""Fixtures of the tests that attack: those of the tests under faults (`defended`, `certificates`,
`logged_errors`).
"""

from ..faults.conftest import certificates, defended, logged_errors

__all__ = ["certificates", "defended", "logged_errors"]
