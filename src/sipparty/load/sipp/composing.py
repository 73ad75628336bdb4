"""Messages of a scenario, made for a call: its keywords, then the length, then credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipparty.load.sipp.credentials import credentials_line
from sipparty.load.sipp.keywords import AUTHENTICATION, LENGTH
from sipparty.load.sipp.model import ActionFailed
from sipparty.load.sipp.template import Template

if TYPE_CHECKING:
    from sipparty.load.sipp.call import Call

__all__ = ["compose"]


def compose(call: Call, template: Template) -> str:
    """Return a message.

    Raises:
        ActionFailed: It wants credentials, and there is no challenge that can be answered.
    """
    call.wanted.clear()
    text = template.render(call)
    head, gap, body = text.partition("\r\n\r\n")
    if gap and "\r\n\r\n" in template.source:
        body += "\r\n"  # the end of its last line, which the file has
    if LENGTH in text or call.wanted:
        # Within the body it has five places, so that it does not change what it says.
        length = len(body.replace(LENGTH, " " * 5).encode("utf-8", "surrogateescape"))
        body = body.replace(LENGTH, f"{length:5}")
        octets = body.encode("utf-8", "surrogateescape")
        head = head.replace(LENGTH, str(len(octets)))
        if call.wanted:
            head = _with_credentials(call, head, octets)
    return f"{head}\r\n\r\n{body}"


def _with_credentials(call: Call, head: str, body: bytes) -> str:
    options = call.options
    method, _, rest = head.partition(" ")
    uri = options.auth_uri or rest.partition(" ")[0]
    if not uri.startswith(("sip:", "sips:", "tel:")):
        uri = f"sip:{uri}"  # as SIPp writes what -auth_uri says
    lines = []
    for line in head.split("\r\n"):
        found = AUTHENTICATION.search(line)
        if found is None:
            lines.append(line)
            continue
        given = call.wanted[int(found[1])]
        name, word = (
            given[key].render(call) if key in given else "" for key in ("username", "password")
        )
        if call.challenge is None:
            raise ActionFailed(
                'no challenge came for [authentication]: write auth="true" in the <recv> of the'
                " 401 or 407"
            )
        made = credentials_line(
            call.challenge,
            name or options.user or options.service,
            word or options.password,
            *(method, uri, body),
        )
        if made is None:
            raise ActionFailed("the challenge has no Digest that can be answered")
        lines.append(line[: found.start()] + made + line[found.end() :])
    return "\r\n".join(lines)
