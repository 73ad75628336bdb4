"""The pytest plugin: parties as fixtures, and reports in which a failed call can be seen.

It is there once sipparty is installed; `-p no:sipparty.testing.plugin` leaves it out.

    ===============  ============================================================================
    `sip_network`    a `VirtualNetwork`; the mark `sip_network(seed=1, loss=0.1)` has its options
    `party`          makes a party on it: `alice = party("alice@atlanta.com")`
    `registrar`      makes a registrar on it: `registrar("biloxi.com", {"bob": "zanzibar"})`
    `proxy`          makes a proxy on it: `proxy("biloxi.com")`
    `sip_party`      makes a party on this machine, with sockets
    `sip_wire`       what parties on this machine have sent and received: `sip_wire.ladder()`
    `sipp`           starts SIPp, the program; skips the test where it is not installed
    ===============  ============================================================================

Laws:

* A test that uses none of these pays for nothing but the names.
* A test that uses `sip_network`, and is a coroutine, runs in virtual time.
* What a test leaves open fails it: calls, registrations and subscriptions, engines, threads,
  sockets, expectations that were not awaited. The mark `sip_leaves_open` says that it may. What a
  test has left that failed is closed, and not reported: it did not get to where it ends it.
* The report of a failed test has its messages as a ladder and the states of its calls, and names a
  page and a capture in its temporary folder that have all of it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sipparty.testing.parties import Parties, RealParties, VirtualParties
    from sipparty.testing.simulation import VirtualNetwork
    from sipparty.testing.sipp import SIPp

__all__ = [
    "party",
    "proxy",
    "pytest_addoption",
    "pytest_configure",
    "pytest_pycollect_makeitem",
    "pytest_runtest_makereport",
    "registrar",
    "sip_network",
    "sip_party",
    "sip_wire",
    "sipp",
]

_MARKS = (
    "sip_network(seed=0, loss=0.0, delay=(0.0, 0.0), ...): options of the fixture sip_network",
    "sip_leaves_open: the test may leave calls, engines, threads and sockets behind",
)

#: Seconds that a datagram takes, where the mark does not say otherwise.
_DELAY = (0.01, 0.01)

_parties: pytest.StashKey[list[Parties]] = pytest.StashKey()
_folder: pytest.StashKey[Path] = pytest.StashKey()
_failed: pytest.StashKey[bool] = pytest.StashKey()
_sections: pytest.StashKey[list[tuple[str, str]]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know the setting `sip_leak_check`."""
    parser.addini(
        "sip_leak_check",
        "Which tests fail for what they leave open: 'sip', those that use fixtures of sipparty;"
        " 'all'; or 'none'.",
        default="sip",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Know the marks, and keep pytest from rewriting the asserts of the whole package, as it does
    with those of plugins: that takes seconds, and they state invariants.
    """
    rewriting = getattr(config.pluginmanager, "rewrite_hook", None)
    getattr(rewriting, "_must_rewrite", set()).discard("sipparty")
    getattr(rewriting, "_marked_for_rewrite_cache", {}).clear()
    for mark in _MARKS:
        config.addinivalue_line("markers", mark)
    chosen = config.getini("sip_leak_check")
    if chosen not in ("sip", "all", "none"):
        raise pytest.UsageError(f"sip_leak_check is {chosen!r}: expected 'sip', 'all' or 'none'.")
    if chosen == "all":
        config.pluginmanager.register(_OfAllTests(), "sipparty-leaks")


# -------------------------------------------------------------------- coroutines in virtual time


@pytest.hookimpl(wrapper=True, trylast=True)  # before others see that it is a coroutine
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    """Have tests that are coroutines, and use the simulated network, run in its time."""
    made = yield
    for item in made if isinstance(made, list) else [made]:
        if isinstance(item, pytest.Function) and "sip_network" in item.fixturenames:
            function = item.obj
            if inspect.iscoroutinefunction(function):
                item.obj = _in_virtual_time(function, item)
    return made


def _in_virtual_time(function: Callable[..., Any], item: pytest.Function) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        network: Any = item.funcargs["sip_network"]
        return network.run(function(*args, **kwargs))

    return run


# -------------------------------------------------------------------- what a test leaves open


@pytest.fixture
def _sip_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test for engines, threads and sockets that it leaves open."""
    if not _is_checked(request.node):
        yield
        return
    from sipparty.testing.leaks import Leaks

    leaks = Leaks()
    yield
    _fail_for(request.node, leaks.found())


class _OfAllTests:
    """Has all tests checked, whatever fixtures they use."""

    @pytest.fixture(autouse=True)
    def _sip_leaks_of_all(self, _sip_leaks: None) -> None:
        pass


def _is_checked(item: pytest.Item) -> bool:
    ends = item.get_closest_marker("sip_leaves_open") is None
    return ends and item.config.getini("sip_leak_check") != "none"


def _fail_for(node: pytest.Item, problems: list[str]) -> None:
    if problems and not node.stash.get(_failed, False):
        listed = "\n".join(f"  {one}" for one in problems)
        pytest.fail(f"The test has left something open:\n{listed}", pytrace=False)


def _check_ended(parties: Parties, node: pytest.Item) -> None:
    """Fail a test whose parties have something open, or that forgot to await."""
    from sipparty.testing.awaiting import forgotten

    problems = forgotten()
    if node.stash.get(_failed, False):
        return
    if _is_checked(node):
        problems += parties.left_open()
    if problems:
        from sipparty.testing.reports import sections

        # As it was left, without what closing the parties adds.
        seen = node.stash[_parties]
        node.stash[_sections] = sections(seen, node.stash[_folder])
    _fail_for(node, problems)


# -------------------------------------------------------------------- reports


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Show in the report of a failed test what went over the wire."""
    report = yield
    item.stash[_failed] = item.stash.get(_failed, False) or report.failed
    parties = item.stash.get(_parties, [])
    if report.failed and parties:
        from sipparty.testing.reports import sections

        found = item.stash.get(_sections, None)
        report.sections += found or sections(parties, item.stash.get(_folder, None))
    return report


def _kept(request: pytest.FixtureRequest, parties: Parties, folder: Path) -> None:
    """Have the report of a test know its parties."""
    request.node.stash.setdefault(_parties, []).append(parties)
    request.node.stash[_folder] = folder


# -------------------------------------------------------------------- virtual time


@pytest.fixture
def sip_network(request: pytest.FixtureRequest, _sip_leaks: None) -> Iterator[VirtualNetwork]:
    """A simulated network, with the options of the mark `sip_network`."""
    from sipparty.testing.simulation import VirtualNetwork

    options: dict[str, Any] = {"delay": _DELAY}
    for mark in reversed(
        [mark.kwargs for mark in request.node.iter_markers("sip_network")]
    ):  # those of the test itself last
        options.update(mark)
    with VirtualNetwork(**options) as network:
        yield network


@pytest.fixture
def _sip_virtual_parties(
    request: pytest.FixtureRequest, sip_network: VirtualNetwork, tmp_path: Path
) -> Iterator[VirtualParties]:
    from sipparty.testing.parties import VirtualParties

    made = VirtualParties(sip_network)
    _kept(request, made, tmp_path)
    with made:
        yield made
        _check_ended(made, request.node)


@pytest.fixture
def party(_sip_virtual_parties: VirtualParties) -> VirtualParties:
    """Makes parties in virtual time; see `sipparty.testing.Parties`."""
    return _sip_virtual_parties


@pytest.fixture
def registrar(_sip_virtual_parties: VirtualParties) -> Callable[..., Any]:
    """Makes registrars in virtual time; see `Parties.registrar`."""
    return _sip_virtual_parties.registrar  # `party` may be a fixture of the user's own


@pytest.fixture
def proxy(_sip_virtual_parties: VirtualParties) -> Callable[..., Any]:
    """Makes proxies in virtual time; see `Parties.proxy`."""
    return _sip_virtual_parties.proxy


# -------------------------------------------------------------------- this machine


@pytest.fixture
def _sip_real_parties(
    request: pytest.FixtureRequest, _sip_leaks: None, tmp_path: Path
) -> Iterator[RealParties]:
    from sipparty.testing.parties import RealParties

    made = RealParties()
    _kept(request, made, tmp_path)
    with made:
        yield made
        _check_ended(made, request.node)


@pytest.fixture
def sip_party(_sip_real_parties: RealParties) -> RealParties:
    """Makes parties on this machine; see `sipparty.testing.Parties`."""
    return _sip_real_parties


@pytest.fixture
def sip_wire(_sip_real_parties: RealParties) -> RealParties:
    """What parties on this machine have sent and received: `records`, `ladder()`, `watch(...)`, and
    `registrar` and `proxy` with sockets.
    """
    return _sip_real_parties


@pytest.fixture
def sipp(_sip_leaks: None, tmp_path: Path) -> Iterator[SIPp]:
    """Starts SIPp; see `sipparty.testing.sipp`."""
    from sipparty.errors import UsageError
    from sipparty.testing.sipp import SIPp

    try:
        made = SIPp(tmp_path)
    except UsageError as error:
        pytest.skip(str(error))
    try:
        yield made
    finally:
        made.stop()
