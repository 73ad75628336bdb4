import importlib
import pkgutil
import re

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


def test_the_table_of_modules_has_each_once():
    listed = [
        module
        for line in media.__doc__.splitlines()
        if line.startswith("    ")
        for module in re.split(r"  +", line.strip())[0].replace("/", "").split(", ")
    ]
    there = [each.name for each in pkgutil.iter_modules(media.__path__)]
    assert sorted(listed) == sorted(there)


@pytest.mark.parametrize(
    "name", [each.name for each in pkgutil.iter_modules(media.__path__) if each.ispkg]
)
def test_the_table_of_a_package_has_each_module(name):
    package = importlib.import_module(f"sipparty.media.{name}")
    there = {each.name for each in pkgutil.iter_modules(package.__path__)}
    assert there <= set(re.findall(r"\w+", package.__doc__))
