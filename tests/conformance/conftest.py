"""Fixtures of the conformance probes: a stage with a party of each kind, and that nothing is logged
as an error.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.party import Party

from ..faults.conftest import logged_errors
from .stage import Stage

__all__ = ["logged_errors", "stage"]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One engine with a party of each kind, for the probes of a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Party, "CLOSE_TIMEOUT", 0.2)
        patch.setattr(Engine, "CLOSE_TIMEOUT", 0.2)
        made = Stage()
        try:
            yield made
        finally:
            made.close()
