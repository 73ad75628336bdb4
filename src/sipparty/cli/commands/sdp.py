"""`sipparty sdp explain`: session descriptions explained, and what two of them agree on."""

from __future__ import annotations

from typing import Annotated

import typer

from sipparty.cli.exits import Exit
from sipparty.cli.explaining import print_explanation, read_input
from sipparty.cli.output import Output
from sipparty.errors import SIPPartyError
from sipparty.explain import explain_description
from sipparty.sdp import SessionDescription, check_answer

__all__ = ["explain"]


def explain(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A file with a description, or a message; - for standard input."
        ),
    ] = "-",
    answer: Annotated[
        str, typer.Argument(metavar="ANSWER", help="The answer to it: says what was agreed on.")
    ] = "",
    output: Output = Output(),  # noqa: B008 - the options of the group, each with its own default
) -> Exit:
    """Explain a session description: what each line says, and what is wrong.

    With a second one, the answer to the first, say too what was agreed on. Exit code 0 if the
    descriptions can be read and the answer answers the offer, else 1.
    """
    offered = _description(read_input(source, "a session description"))
    explanation = explain_description(offered)
    print_explanation(output, explanation)
    if not answer:
        return Exit.DONE if explanation.acceptable else Exit.FAILED
    answered = _description(read_input(answer, "the answer"))
    second = explain_description(answered)
    output.title("The answer")
    print_explanation(output, second)
    if not (explanation.acceptable and second.acceptable):
        return Exit.FAILED
    return _agreed(output, offered, answered)


def _description(data: bytes) -> bytes:
    """The description in a text that may be a whole message."""
    text = data.replace(b"\r\n", b"\n")
    if text.startswith(b"v=") or b"\n\n" not in text:
        return data
    body = text.partition(b"\n\n")[2]
    return body if body.startswith(b"v=") else data


def _agreed(output: Output, offered: bytes, answered: bytes) -> Exit:
    """Say what an offer and its answer agree on, as the offerer sees it."""
    offer, answer = SessionDescription.parse(offered), SessionDescription.parse(answered)
    output.title("Agreed on, as the offerer sees it")
    try:
        streams = check_answer(offer, answer)
    except SIPPartyError as error:
        output.error(str(error))
        return Exit.FAILED
    for stream in streams:
        formats = [
            f"{one.encoding} (send {one.send_payload_type}, receive {one.receive_payload_type})"
            for one in stream.formats
        ]
        facts = {
            "stream": stream.index + 1,
            "media": f"{stream.media} by {stream.proto}",
            "direction": str(stream.direction),
            "sent to": f"{stream.remote_address} port {stream.remote_port}",
            "received at": f"{stream.local_address} port {stream.local_port}",
            "formats": ", ".join(formats),
        }
        output.pairs(facts.items())
        output.text()
        output.result(**{name.replace(" ", "_"): value for name, value in facts.items()})
    if not streams:
        output.text("No stream: the answer refuses all.", "yellow")
    return Exit.DONE
