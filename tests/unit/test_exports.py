"""Public means listed: `__all__` of every module agrees with what the module defines."""

import ast
import importlib
from functools import cache
from pathlib import Path

import pytest

import sipparty

SOURCE = Path(__file__).parents[2] / "src"

#: What an extra brings (pyproject.toml); a module that needs one is not imported without it.
OPTIONAL = {
    *("G722", "av", "cryptography", "dns", "hypothesis", "numpy", "pylibsrtp", "pytest", "rich"),
    *("dask", "distributed", "matplotlib", "typer", "websockets"),
}

#: Decorators of definitions that have their docstring elsewhere.
DOCUMENTED_ELSEWHERE = ("overload", ".setter", ".deleter", "override")


def name_of(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    name_of(path): path
    for path in sorted((SOURCE / "sipparty").rglob("*.py"))
    if path.name != "__main__.py"
}

every_module = pytest.mark.parametrize("name", MODULES)


def definitions(body):
    """The classes and functions of a body, those under `if` and `try` too."""
    for node in body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
        elif isinstance(node, ast.If):
            yield from definitions([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            handlers = [item for handler in node.handlers for item in handler.body]
            yield from definitions([*node.body, *handlers, *node.orelse])


def listed(tree):
    """The names in `__all__`; None where there is none."""
    for node in tree.body:
        targets = [*getattr(node, "targets", ()), getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return ast.literal_eval(node.value)
    return None


def unlisted(tree):
    """Public definitions that are not in `__all__`."""
    names = {node.name for node in definitions(tree.body) if not node.name.startswith("_")}
    return names - set(listed(tree) or ())


def undocumented(tree):
    """Public classes, functions and methods without a docstring."""
    missing = []

    def visit(body, prefix):
        for node in definitions(body):
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            elsewhere = any(text.endswith(DOCUMENTED_ELSEWHERE) for text in decorators)
            if node.name.startswith("_") or elsewhere:
                continue
            if not ast.get_docstring(node):
                missing.append(prefix + node.name)
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")

    visit(tree.body, "")
    return missing


@cache
def parsed(name):
    return ast.parse(MODULES[name].read_text())


@every_module
def test_what_is_public_is_listed_once(name):
    names = listed(parsed(name))
    assert names is not None, "no __all__"
    assert len(names) == len(set(names))
    assert unlisted(parsed(name)) == set()


@every_module
def test_what_is_listed_exists(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        pytest.skip(f"{error.name} is not installed")
    missing = [item for item in module.__all__ if not hasattr(module, item)]
    assert not missing


@every_module
def test_what_is_public_is_documented(name):
    assert ast.get_docstring(parsed(name)), "no module docstring"
    assert undocumented(parsed(name)) == []


# What the package itself offers, loaded when it is used.


def offered():
    """The names that the package imports for types: the name, and the module it is from."""
    tree = parsed("sipparty")
    return {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("sipparty")
        for alias in node.names
    }


def test_the_package_lists_what_it_offers():
    assert set(listed(parsed("sipparty"))) - {"__version__"} == set(offered())
    assert set(dir(sipparty)) >= set(sipparty.__all__)


@pytest.mark.parametrize(("name", "module"), sorted(offered().items()))
def test_the_package_has_each_name_from_where_it_is_defined(name, module):
    assert getattr(sipparty, name) is getattr(importlib.import_module(module), name)


def test_every_event_and_error_is_offered():
    errors = importlib.import_module("sipparty.errors")
    events = importlib.import_module("sipparty.sip.events")
    internal = {"MessageTooLarge", "PortsExhausted", "TableError", "copy_of", "printable"}
    assert {*errors.__all__, *events.__all__} - set(sipparty.__all__) == internal


def test_what_the_package_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'sipparty' has no attribute 'Partty'"):
        sipparty.Partty  # noqa: B018


# The scanner itself.


def test_what_is_amiss_is_found():
    tree = ast.parse(
        "__all__ = ['A']\n"
        "class A:\n"
        "    def f(self): ...\n"
        "    def _g(self): ...\n"
        "    @property\n"
        "    def p(self): ...\n"
        "    @p.setter\n"
        "    def p(self, v): ...\n"
        "    class B: ...\n"
        "if True:\n"
        "    async def h(): 'It is documented.'\n"
        "def _k(): ...\n"
    )
    assert listed(tree) == ["A"]
    assert unlisted(tree) == {"h"}
    assert undocumented(tree) == ["A", "A.f", "A.p", "A.B"]
    assert listed(ast.parse("__all__: list[str] = []")) == []
    assert listed(ast.parse("x = 1")) is None
