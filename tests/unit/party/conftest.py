"""The two parties that most tests of parties have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def alice(make_party: Callable[..., Any]) -> Any:
    """Alice, who does not listen."""
    return make_party("alice@atlanta.com")


@pytest.fixture
def bob(listening: Callable[..., Any]) -> Any:
    """Bob, who listens."""
    return listening()
