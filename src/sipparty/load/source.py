"""Where a scenario comes from: a coroutine function, a `Scenario`, or the path of a file.

    script.py           a Python file with one scenario
    script.py:name      that of several
    uac.xml             a scenario of SIPp, see `sipparty.load.sipp`

A file is executed in each process.
"""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, TypeAlias

from sipparty.errors import UsageError
from sipparty.load.scenario import CallRun, FunctionScenario, Scenario

__all__ = ["Source", "scenario_of"]

#: What may be given as a scenario.
Source: TypeAlias = (
    Scenario
    | type[Scenario]
    | Callable[[CallRun], Coroutine[Any, Any, object]]
    | str
    | os.PathLike[str]
)


def scenario_of(source: Source, options: Mapping[str, Any] = MappingProxyType({})) -> Scenario:
    """Return the scenario that something stands for.

    Args:
        source: A `Scenario`, a subclass of it, a coroutine function that takes a `CallRun`, or the
            path of a file.
        options: The scenario's own options; SIPp's files are read by some of them.

    Raises:
        UsageError: There is no such file, or no such scenario in it, or several and none was named;
            or the file cannot be executed.
        TypeError: It is nothing of the kind.
    """
    if isinstance(source, Scenario):
        return source
    if isinstance(source, type) and issubclass(source, Scenario):
        return source()
    if isinstance(source, str | os.PathLike):
        return _from_file(os.fspath(source), options)
    if callable(source) and not isinstance(source, type):
        return FunctionScenario(source)
    raise TypeError(
        "A scenario is a coroutine function that takes the run, a Scenario, or a file's path,"
        f" not {source!r}."
    )


def _from_file(text: str, options: Mapping[str, Any]) -> Scenario:
    name, path = "", Path(text)
    if not path.exists() and ":" in text:
        before, _, name = text.rpartition(":")
        path = Path(before)
    if path.suffix.lower() == ".xml":
        from sipparty.load.sipp import SIPpScenario

        return SIPpScenario(path, **options)
    if path.suffix.lower() != ".py":
        raise UsageError(
            f"{text!r} is no scenario: expected a Python file, script.py or script.py:name, or a"
            " scenario file of SIPp, uac.xml."
        )
    found = _scenarios(_load(path))
    if not name and len(found) == 1:
        return found.popitem()[1]
    if name in found:
        return found[name]
    known = ", ".join(found) or "none"
    if not found:
        raise UsageError(
            f"{path} has no scenario: write `async def scenario(run):`, or a subclass of Scenario."
        )
    if not name:
        raise UsageError(f"{path} has several scenarios ({known}): say which, {path}:NAME.")
    near = difflib.get_close_matches(name, found, 1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    raise UsageError(f"{path} has no scenario {name!r}, but {known}{hint}")


def _load(path: Path) -> ModuleType:
    """Execute a file as a module of its own name; its folder is searched for what it imports."""
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # last: a scenario `queue.py` is not what others mean by that
    if not path.is_file():
        raise UsageError(f"{path} cannot be read: there is no such file.")
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        where = ""
        if isinstance(error, SyntaxError):
            where = f", line {error.lineno}"
        elif error.__traceback__ is not None:
            lines = [
                frame.lineno
                for frame in inspect.getinnerframes(error.__traceback__)
                if frame.filename == str(path.resolve())
            ]
            where = f", line {lines[-1]}" if lines else ""
        said = error.args[0] if error.args and not isinstance(error, OSError) else error
        what = f"{type(error).__name__}: {said}"
        raise UsageError(f"{path}{where}: {what}") from error
    return module


def _scenarios(module: ModuleType) -> dict[str, Scenario]:
    """The scenarios that a module defines, by name; what it imports is not its own."""
    found: dict[str, Scenario] = {}
    for name, value in vars(module).items():
        if name[:1] == "_" or getattr(value, "__module__", None) != module.__name__:
            continue
        if isinstance(value, type) and issubclass(value, Scenario):
            found[name] = value()
        elif inspect.iscoroutinefunction(value) and len(inspect.signature(value).parameters) == 1:
            found[name] = FunctionScenario(value)
    # Helpers may take one argument too.
    return {"scenario": found["scenario"]} if "scenario" in found else found
