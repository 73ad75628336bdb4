"""The screen in a terminal, driven by keys."""

from __future__ import annotations

from typing import Any

import pytest
from textual.widgets import DataTable, Static, TabbedContent

from sipparty.live.screen import LiveScreen

from .records import CALL, request, response
from .test_page import Records


def shown(screen: LiveScreen, name: str) -> str:
    return str(screen.query_one(f"#{name}", Static).render())


def rows(screen: LiveScreen) -> list[list[str]]:
    table = screen.query_one("#calls", DataTable)
    return [[str(cell) for cell in table.get_row_at(at)] for at in range(table.row_count)]


async def test_a_call_is_listed_and_drawn() -> None:
    source = Records(*CALL)
    screen = LiveScreen(source, interval=3600)
    async with screen.run_test(size=(80, 40)) as pilot:
        assert source.open == 1
        await pilot.pause()
        assert rows(screen) == [
            ["answered", "0:02", "3.9", "alice@atlanta.com", "bob:***@biloxi.com"]
        ]
        assert "180 Ringing" in shown(screen, "ladder")
        assert max(map(len, shown(screen, "ladder").split("\n"))) <= 76
        await pilot.press("s")
        assert screen.query_one(TabbedContent).active == "states-tab"
        assert "InitiatingDialog -- success --> InDialog" in shown(screen, "states")
        await pilot.press("g")
        assert "MOS 3.9" in shown(screen, "quality").split("\n")[0]
        await pilot.press("q")
    assert source.open == 0


async def test_another_is_chosen_and_those_that_are_over_are_left_out() -> None:
    source = Records(*CALL, request(call="b"), response(486, "Busy Here", call="b"))
    screen = LiveScreen(source, interval=3600)
    async with screen.run_test() as pilot:
        await pilot.pause()
        assert [row[0] for row in rows(screen)] == ["486 Busy Here", "answered"]
        assert "486 Busy Here" in shown(screen, "ladder")
        await pilot.press("down")
        await pilot.pause()
        assert "180 Ringing" in shown(screen, "ladder")
        source.records.append(request("OPTIONS", call="c"))
        screen.look()
        await pilot.pause()
        assert [row[0] for row in rows(screen)] == ["OPTIONS calling", "486 Busy Here", "answered"]
        assert "180 Ringing" in shown(screen, "ladder")  # the chosen one stays so
        await pilot.press("a")
        assert [row[0] for row in rows(screen)] == ["OPTIONS calling", "answered"]
        source.records.append(request("BYE", 200.0))
        screen.look()
        assert [row[0] for row in rows(screen)] == ["OPTIONS calling"]


async def test_a_small_terminal() -> None:
    screen = LiveScreen(Records(*CALL), interval=3600)
    async with screen.run_test(size=(20, 10)) as pilot:
        await pilot.pause()
        assert len(rows(screen)) == 1
        assert max(map(len, shown(screen, "ladder").split("\n"))) <= 20


async def test_a_call_of_others_is_not_hung_up() -> None:
    screen = LiveScreen(Records(*CALL), interval=3600)
    async with screen.run_test() as pilot:
        await pilot.pause()
        await pilot.press("h")
        assert len(screen._notifications) == 1


@pytest.mark.parametrize("name", ["[red]x[/]", "\x1b[31m", "[@click=app.quit]x[/]", "\u202eevil"])
async def test_hostile_names_are_text(name: str) -> None:
    source: Any = Records(request(caller=f"<sip:{name}>"))
    source.trouble = name
    screen = LiveScreen(source, interval=3600)
    async with screen.run_test() as pilot:
        await pilot.pause()
        (row,) = rows(screen)
        assert row[3].isprintable()
        assert shown(screen, "trouble").isprintable()
        assert "[" not in name or "[" in row[3]
