"""What the keywords of a template stand for: a row of `KEYWORDS` for each.

A keyword that is no row is `[$variable]`, `[field0]`, `[last_Header:]`, or one of the program's own
(`Options.keys`). What cannot be taken is in `NOT_TAKEN`, with what to write in its place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from sipparty.load.sipp.document import nearest
from sipparty.load.sipp.model import ActionFailed
from sipparty.load.sipp.template import Keyword, Render, TemplateError

if TYPE_CHECKING:
    from sipparty.load.sipp.call import Call

__all__ = ["AUTHENTICATION", "KEYWORDS", "LENGTH", "Names", "render_of", "value_text"]

#: What stands in a message where its length and its credentials come; no text has these characters.
LENGTH = "\x00length\x00"
AUTHENTICATION = re.compile("\x00authentication (\\d+)\x00")

#: The longest text of `[fill]`: a message is no longer.
_LONGEST = 65_535

_FIELD = re.compile(r"field(\d+)")


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _family(host: str) -> str:
    return "6" if ":" in host else "4"


def value_text(value: str | float | None) -> str:
    """Return what a variable has as a message has it: 5 is "5.000000", and 0 is nothing."""
    if isinstance(value, str):
        return value
    return "" if not value else "true" if value is True else f"{value:f}"


def _timestamp(call: Call) -> str:
    now = call.player.wall_clock()
    from datetime import datetime

    text = datetime.fromtimestamp(now).strftime("%Y-%m-%d\t%H:%M:%S.%f")
    return f"{text}\t{now:.6f}"


#: Each keyword without parameters: what gives it for a call and the number that is added to it.
KEYWORDS: Mapping[str, Callable[[Call, int], str | None]] = {
    "service": lambda call, _: call.options.service,
    "remote_ip": lambda call, _: _host(call.remote[0]),
    "remote_host": lambda call, _: _host(call.remote[0]),
    "remote_port": lambda call, more: str(call.remote[1] + more),
    "transport": lambda call, _: call.options.transport,
    "local_ip": lambda call, _: _host(call.local[0]),
    "server_ip": lambda call, _: _host(call.local[0]),
    "local_ip_type": lambda call, _: _family(call.local[0]),
    "local_port": lambda call, more: str(call.local[1] + more),
    "media_ip": lambda call, _: call.media[0],
    "media_ip_type": lambda call, _: _family(call.media[0]),
    "media_port": lambda call, more: call.media_port(more),
    "auto_media_port": lambda call, more: call.media_port(more, own=True),
    "rtpstream_audio_port": lambda call, more: call.media_port(more, own=True),
    "call_number": lambda call, more: str(call.number + more),
    "dynamic_id": lambda call, more: str(call.number + more),
    "users": lambda call, _: str(call.options.users),
    "userid": lambda call, _: str(call.user),
    "call_id": lambda call, _: call.call_id,
    "cseq": lambda call, more: str(call.cseq + more),
    "branch": lambda call, more: call.branch(more),
    "msg_index": lambda call, more: str(call.index + more),
    "pid": lambda _, more: str(os.getpid() + more),
    "clock_tick": lambda call, more: str(int(call.player.clock() * 1000) + more),
    "timestamp": lambda call, _: _timestamp(call),
    "date": lambda call, _: formatdate(call.player.wall_clock(), usegmt=True),
    "sipp_version": lambda _, __: "sipparty",
    "len": lambda _, __: LENGTH,
    "peer_tag_param": lambda call, _: f";tag={call.peer_tag}" if call.peer_tag else "",
    "routes": lambda call, _: f"Route: {', '.join(call.routes)}" if call.routes else "",
    "next_url": lambda call, _: call.next_url,
    "last_message": lambda call, _: call.last.text if call.last else "",
    "last_Request_URI": lambda call, _: call.last_request_uri,
    "last_cseq_number": lambda call, more: (
        str(call.last.cseq[0] + more) if call.last and call.last.cseq[0] >= 0 else ""
    ),
}

NOT_TAKEN = {
    "tdmmap": "number the circuits with a CSV file, and write [field0]",
    "file": "put the text into a CSV file, and write [field0]",
    "rtpstream_video_port": "write [media_port+2]; video is played from a capture, by play_pcap",
    "rtpstream_image_port": "write [media_port+4]",
    "rtpstream_audio_port_a": "write [media_port]",
}


class Names:
    """What the templates of a scenario refer to.

    Args:
        keys: The program's own keywords.

    Attributes:
        variables: The variables that are read, each with the line that does so first.
        fields: The fields of CSV files that are, with the line: file name ("" for the first file)
            and index.
        line: The line that is being read.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        self.keys = keys
        self.variables: dict[str, int] = {}
        self.fields: dict[tuple[str, int], int] = {}
        self.line = 0

    def variable(self, name: str) -> str:
        """Take note that a variable is read; return its name."""
        name = name.strip().lstrip("$")
        self.variables.setdefault(name, self.line)
        return name

    def render(self, keyword: Keyword) -> Render:
        """Return what a keyword stands for.

        Raises:
            TemplateError: It is not known, or not taken.
        """
        name, parameters = keyword.name, keyword.parameters
        found = _FIELD.fullmatch(name)
        if found is not None:
            file = parameters.get("file")
            fixed = "" if file is None else file.constant
            if fixed is not None:
                self.fields.setdefault((fixed, int(found[1])), self.line)
            return _field(int(found[1]), file, parameters.get("line"))
        if name.startswith("$"):
            self.variable(name)
        elif name == "fill":
            for key in ("variable",):
                value = parameters.get(key)
                if value is None or not value.constant:
                    raise TemplateError(
                        "[fill] has no variable: write [fill variable=n text=abc], with the length"
                        " in n"
                    )
                self.variable(value.constant)
        return render_of(keyword, self.keys)


def render_of(keyword: Keyword, keys: Mapping[str, str]) -> Render:
    """Return what a keyword stands for, but a field's.

    Raises:
        TemplateError: It is not known, or not taken.
    """
    name, more, parameters = keyword.name, keyword.offset, keyword.parameters
    row = KEYWORDS.get(name)
    if row is not None:
        return lambda call: row(call, more)
    if name.startswith("$"):
        variable = name[1:]
        return lambda call: call.variables.text(variable)
    if name == "authentication":
        if any(key.startswith("aka_") for key in parameters):
            raise TemplateError("[authentication] by AKA is not taken: write username and password")
        unknown = set(parameters) - {"username", "password"}
        if unknown:
            raise TemplateError(
                f"[authentication] has no {min(unknown)!r}: write username=... and password=..."
            )
        return lambda call: call.want_credentials(parameters)
    if name == "fill":
        return _fill(parameters)
    if name in keys:
        return lambda _: keys[name]
    if name in NOT_TAKEN:
        raise TemplateError(f"[{name}] is not taken: {NOT_TAKEN[name]}")
    if name.startswith("last_"):
        header = name[5:]
        return lambda call: (
            ("\r\n".join(call.last.lines(header)) or None) if call.last is not None else None
        )
    known = [*KEYWORDS, "authentication", "fill", "field0", *keys]
    raise TemplateError(
        rf"[{keyword.text[:60]}] is no keyword.{nearest(name, known)} Write '\[' for a bracket, or"
        " give the value of a keyword of your own as an option (keys)"
    )


def _fill(parameters: Mapping[str, Any]) -> Render:
    variable = parameters["variable"].constant.lstrip("$")
    filler = parameters.get("text")

    def render(call: Call) -> str:
        length = max(0, int(call.variables.number(variable)))
        if length > _LONGEST:
            raise ActionFailed(f"[fill] is of {length} characters: {_LONGEST} are the most")
        text = (filler.render(call) if filler else "") or "X"
        return (text * (length // len(text) + 1))[:length]

    return render


def _field(index: int, file: Any, line: Any) -> Render:
    def render(call: Call) -> str:
        name = "" if file is None else file.render(call)
        row = None if line is None else line.render(call)
        return call.field(index, name, row)

    return render
