"""Calls as they are made, in a terminal: a list of them, and all about the one that is chosen.

Keys:

    ==========  ====================================================
    up, down    choose a call
    l, s, g     its ladder, its states, how it sounds
    a           whether calls that are over are listed
    h           hang the call up, where it is one of this program
    q, Ctrl-C   leave
    ==========  ====================================================

What comes from the wire is printed as it is written, and never read as markup or escapes.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import DataTable, Footer, Header, Static, TabbedContent, TabPane

from sipparty.live.model import LiveCall, LiveModel
from sipparty.live.sources import Source
from sipparty.trace.text import one_line

__all__ = ["LiveScreen"]

#: How a phase is coloured.
_COLORS: Final = {"answered": "green", "failed": "red", "calling": "yellow", "ringing": "yellow"}
#: Rows of a ladder, and steps of a machine, that are shown: the last ones.
_ROWS, _STEPS = 400, 60
_COLUMNS: Final = (("State", 18), ("Time", 7), ("MOS", 4), ("From", None), ("To", None))


class LiveScreen(App[None]):
    """The screen. It begins and ends the source.

    Args:
        source: What it shows.
        interval: Seconds between two looks at what has happened.
    """

    TITLE = "sipparty"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #calls { height: 40%; border-bottom: solid $primary; }
    TabbedContent { height: 1fr; }
    #trouble { color: $error; height: auto; padding: 0 1; }
    #ladder, #states, #quality { height: auto; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[Any]] = [
        Binding("l", "view('ladder-tab')", "Ladder"),
        Binding("s", "view('states-tab')", "States"),
        Binding("g", "view('quality-tab')", "Quality"),
        Binding("a", "all", "All/open"),
        Binding("h", "hang_up", "Hang up"),
        Binding("q,ctrl+c", "quit", "Leave"),
    ]

    def __init__(self, source: Source, *, interval: float = 0.5) -> None:
        super().__init__()
        self.model = LiveModel()
        self._source = source
        self._interval = interval
        self._ended = True
        self._chosen = ""
        self._shown: tuple[Any, ...] = ()
        self._listed: list[str] = []
        self.sub_title = one_line(source.title)

    def compose(self) -> ComposeResult:
        """Make the widgets."""
        yield Header()
        yield DataTable(id="calls", cursor_type="row", zebra_stripes=True)
        yield Static(id="trouble")
        with TabbedContent(initial="ladder-tab"):
            with TabPane("Ladder", id="ladder-tab"), VerticalScroll():
                yield Static(id="ladder")
            with TabPane("States", id="states-tab"), VerticalScroll():
                yield Static(id="states")
            with TabPane("Quality", id="quality-tab"), VerticalScroll():
                yield Static(id="quality")
        yield Footer()

    def on_mount(self) -> None:
        """Begin."""
        table = self.query_one("#calls", DataTable)
        for name, width in _COLUMNS:
            table.add_column(name, width=width, key=name)
        table.focus()
        self._source.__enter__()
        self.look()
        self.set_interval(self._interval, self.look)

    def on_unmount(self) -> None:
        """End."""
        self._source.__exit__(None, None, None)

    # ---------------------------------------------------------------- keys

    def action_view(self, tab: str) -> None:
        """Show one of the views."""
        self.query_one(TabbedContent).active = tab

    def action_all(self) -> None:
        """List calls that are over, or do not."""
        self._ended = not self._ended
        self.look()

    def action_hang_up(self) -> None:
        """Hang the chosen call up."""
        if self._chosen and not self._source.hang_up(self._chosen):
            self.notify("This call is not one of this program's.", severity="warning")

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Show the call that was chosen."""
        self._chosen = str(event.row_key.value or "")
        self._show()

    def on_resize(self) -> None:
        """Draw the ladder anew, as wide as the terminal."""
        self._shown = ()
        self._show()

    # ---------------------------------------------------------------- what is shown

    def look(self) -> None:
        """Bring the screen up to date."""
        self._source.update(self.model)
        trouble = self.query_one("#trouble", Static)
        trouble.update(Text(one_line(self._source.trouble)))
        trouble.display = bool(self._source.trouble)
        self._list()
        self._show()

    def _list(self) -> None:
        table = self.query_one("#calls", DataTable)
        calls = self.model.calls(ended=self._ended)
        listed = [call.call_id for call in calls]
        if listed != self._listed:
            self._listed = listed
            at = listed.index(self._chosen) if self._chosen in listed else 0
            table.clear()
            for call in calls:
                table.add_row(*_cells(call, self.model.now), key=call.call_id)
            if listed:
                self._chosen = listed[at]
                table.move_cursor(row=at)
            return
        for call in calls:
            for (name, _), cell in zip(_COLUMNS, _cells(call, self.model.now), strict=True):
                if table.get_cell(call.call_id, name) != cell:
                    table.update_cell(call.call_id, name, cell)

    def _show(self) -> None:
        if self._chosen not in self.model:
            return
        call = self.model[self._chosen]
        width = max(20, self.size.width - 4)
        shown = (call.call_id, call.records, width)
        if shown == self._shown:
            return
        self._shown = shown
        text = call.ladder(self.model.names).text(unicode=True, width=width).split("\n")
        cut = [text[0], "..."] if len(text) > _ROWS else []
        self._put("ladder", "\n".join([*cut, *text[-_ROWS:]]))
        self._put("states", _states(call))
        self._put("quality", _quality(call))

    def _put(self, name: str, text: str) -> None:
        self.query_one(f"#{name}", Static).update(Text(text, no_wrap=name != "states"))


def _cells(call: LiveCall, now: float) -> tuple[Text, ...]:
    what = "" if call.method in ("INVITE", "") else f"{call.method} "
    minutes, seconds = divmod(round(call.duration(now)), 60)
    time = "" if call.answered is None else f"{minutes}:{seconds:02}"
    mos = "" if call.mos is None else f"{call.mos:.1f}"
    state = Text(what + call.state, style=_COLORS.get(call.phase, "dim"))
    return state, Text(time), Text(mos), Text(call.caller), Text(call.callee)


def _states(call: LiveCall) -> str:
    """The way that each machine of a call came."""
    lines = []
    for view in call.machines():
        lines.append(f"{one_line(view.name or '')}: {one_line(view.state or '')}")
        for move in view.way[-_STEPS:]:
            old, input, new = map(one_line, move)
            lines.append(f"    {old} -- {input} --> {new}" if old != new else f"    {old}: {input}")
        lines.append("")
    return "\n".join(lines) or "There are no records of its state machines."


def _quality(call: LiveCall) -> str:
    """The latest records of how a call sounds, each with a bar as long as its score."""
    latest = list(call.quality)[-_STEPS:]
    lines = []
    for one in reversed(latest):
        bar = "#" * round(4 * min(5.0, max(0.0, one.mos or 0.0)))
        lines.append(f"{one.time - call.began:8.1f} s  {one.local[1]:>5}  {bar:<20}  {one}")
    return "\n".join(map(one_line, lines)) or "Nothing is known of how it sounds."
