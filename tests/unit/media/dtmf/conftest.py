import pytest

from .call import Call


@pytest.fixture
def call():
    return Call()
