import importlib
import pkgutil

import pytest

from sipparty import media

MODULES = ["sipparty.media"] + [
    each.name for each in pkgutil.walk_packages(media.__path__, "sipparty.media.")
]


@pytest.mark.parametrize("name", MODULES)
def test_what_is_listed_is_there_and_what_is_there_is_listed(name):
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    for each in module.__all__:
        assert not each.startswith("_")
        assert hasattr(module, each)
    made_here = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and getattr(value, "__module__", None) == name
    }
    assert made_here <= set(module.__all__)
    assert module.__doc__
