"""SIPp calls SIPp through a B2BUA of ours: each sees a user agent that does as the other does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sipparty.b2bua import B2BUA, AudioB2BUA

from .peer import TCP, UDP, over, wait_for
from .sipp import Run, SIPp

Make = Callable[..., Any]


@pytest.fixture
def office(parties: Make) -> Callable[..., Any]:
    """Make a B2BUA that has every call go to one SIPp."""

    def make(run: Run, kind: type[B2BUA] = B2BUA, rings: bool = False) -> Any:
        class Office(kind):  # type: ignore[valid-type,misc]
            def route(self, call: Any, request: Any) -> str:
                if rings:
                    call.ring()
                return run.uri()

        return parties(Office, "office")

    return make


def finish(office: Any, *runs: Run) -> None:
    """Both scenarios were followed, and nothing is left of the calls."""
    for run in runs:
        run.finish()
    wait_for(lambda: not (office.calls or office.placed), "the calls are over")


@over(UDP, TCP)
@pytest.mark.parametrize("kind", [B2BUA, AudioB2BUA])
def test_a_call(sipp: SIPp, office: Make, kind: type[B2BUA]) -> None:
    run = sipp.answer("uas_call")
    pbx = office(run, kind)
    finish(pbx, sipp.call("uac_call", pbx.contact_uri.port, MILLISECONDS=50), run)


def test_twenty_calls(sipp: SIPp, office: Make) -> None:
    run = sipp.answer("uas_call", "-m", "20")
    pbx = office(run)
    options = ("-m", "20", "-r", "50", "-l", "10")
    finish(pbx, sipp.call("uac_call", pbx.contact_uri.port, *options, MILLISECONDS=20), run)


@over(UDP, TCP)
def test_a_call_that_is_cancelled(sipp: SIPp, office: Make) -> None:
    run = sipp.answer("uas_cancelled", MILLISECONDS=10)
    pbx = office(run)
    finish(pbx, sipp.call("uac_cancel", pbx.contact_uri.port), run)


@pytest.mark.parametrize(("status", "passed"), [(486, 486), (603, 603), (404, 404)])
def test_a_call_that_is_refused(sipp: SIPp, office: Make, status: int, passed: int) -> None:
    run = sipp.answer("uas_refuses", STATUS=status, REASON="No", MORE="Retry-After: 60")
    pbx = office(run)
    values = {"STATUS": passed, "HEADER": "Retry-After", "PATTERN": "60", "MORE": ""}
    finish(pbx, sipp.call("uac_refused", pbx.contact_uri.port, **values), run)


@over(UDP, TCP)
def test_a_hold_and_other_changes(sipp: SIPp, office: Make) -> None:
    """Hold and resume go on with their descriptions; a re-INVITE without an offer becomes one with
    what its ACK has answered."""
    run = sipp.answer("uas_changes")
    pbx = office(run)
    finish(pbx, sipp.call("uac_reinvite", pbx.contact_uri.port, MILLISECONDS=100), run)


def test_a_call_without_an_offer(sipp: SIPp, office: Make) -> None:
    run = sipp.answer("uas_late_offer")
    pbx = office(run, rings=True)
    finish(pbx, sipp.call("uac_late_offer", pbx.contact_uri.port, MILLISECONDS=50), run)


def test_the_side_that_is_called_hangs_up(sipp: SIPp, office: Make) -> None:
    run = sipp.answer("uas_hangs_up", MILLISECONDS=50)
    pbx = office(run, rings=True)
    finish(pbx, sipp.call("uac_hung_up", pbx.contact_uri.port), run)
