"""What the room shows to the outside."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import sipparty.sdp

MODULES = [f"sipparty.sdp.{module.name}" for module in pkgutil.iter_modules(sipparty.sdp.__path__)]


@pytest.mark.parametrize("name", ["sipparty.sdp", *MODULES])
def test_what_is_listed_is_there_once(name):
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    for public in module.__all__:
        assert hasattr(module, public)
        assert not public.startswith("_")


def test_public_classes_have_docstrings():
    for public in sipparty.sdp.__all__:
        if isinstance(thing := getattr(sipparty.sdp, public), type):
            assert thing.__doc__
