"""The commands and their options."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from sipparty import __version__
from sipparty.cli.demo import demo
from sipparty.cli.echo import Echo
from sipparty.cli.screen import Screen, safe
from sipparty.cli.talk import Phone, Talk, Traces
from sipparty.errors import ListenError, SIPPartyError
from sipparty.media import WAVRecorder, WAVSource, find_codec
from sipparty.sip import URI
from sipparty.sip.routing import route_to
from sipparty.trace import PcapWriter

__all__ = ["answer", "app", "call"]

#: Who calls where nobody says (RFC 3261 §8.1.1.3 and RFC 3323 have this for the anonymous).
_ANONYMOUS = "anonymous@anonymous.invalid"

Play = Annotated[Path | None, typer.Option(help="WAV file to play.", metavar="FILE")]
Record = Annotated[Path | None, typer.Option(help="WAV file to record to.", metavar="FILE")]
Duration = Annotated[
    float | None, typer.Option(help="Hang up after so many seconds.", min=0, metavar="SECONDS")
]
Codec = Annotated[
    list[str] | None,
    typer.Option(help="PCMU or PCMA; again for a second choice.", metavar="NAME"),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show every SIP message, on standard error.")
]
ShowLadder = Annotated[bool, typer.Option("--ladder", help="Draw the ladder at the end.")]
Pcap = Annotated[
    Path | None, typer.Option(help="Write the SIP messages to a capture file.", metavar="FILE")
]
Proxy = Annotated[
    str | None, typer.Option(help="Next hop: a host, host:port or URI.", metavar="HOST")
]
User = Annotated[
    str | None, typer.Option(help="User name for your server; asks for a password.", metavar="NAME")
]
Password = Annotated[
    str | None,
    typer.Option(
        help="Its password. Others may see it here: rather let it be asked for.",
        envvar="SIPPARTY_PASSWORD",
        metavar="TEXT",
    ),
]

app = typer.Typer(
    name="sipparty",
    help="SIP calls from the command line.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sipparty {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Say which version this is.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """SIP calls from the command line."""


def _check(make: Callable[[], Any], option: str) -> Any:
    """Make something of an option.

    Raises:
        BadParameter: It cannot be made; the program exits with code 2.
    """
    try:
        return make()
    except (SIPPartyError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _address(text: str, option: str) -> str:
    """An address as the user gave it, checked: a `sip:` URI with a user."""
    uri: URI = _check(lambda: URI.from_user_text(text), option)
    if not uri.username or not uri.address:
        raise typer.BadParameter(f"{text!r} lacks a user or a host: user@host.", param_hint=option)
    return str(uri)


def _media(play: Path | None, record: Path | None, codecs: Iterable[str] | None) -> dict[str, Any]:
    """The options of a call's media session, checked."""
    for name in codecs or ():
        _check(lambda name=name: find_codec(name), "--codec")  # type: ignore[misc]
    if play is not None:
        _check(lambda: WAVSource(play), "--play")
    if record is not None:
        _check(lambda: WAVRecorder(record), "--record")
        if record.exists() and not os.access(record, os.W_OK):
            raise typer.BadParameter(f"{record} cannot be written.", param_hint="--record")
    options = {"codecs": tuple(codecs or ()), "play": play, "record": record}
    return {name: value for name, value in options.items() if value}


def _account(proxy: str | None, user: str | None, password: str | None) -> dict[str, Any]:
    """The options of a party that say how its server is reached and knows it."""
    if proxy is not None:
        _check(lambda: route_to(proxy), "--proxy")
    if user is None:
        return {"proxy": proxy}
    if password is None:
        if not sys.stdin.isatty():
            raise typer.BadParameter(
                "there is no terminal to ask for it: set SIPPARTY_PASSWORD.",
                param_hint="--password",
            )
        password = typer.prompt(f"Password of {user}", hide_input=True, err=True)
    return {"proxy": proxy, "credentials": (user, password)}


def _pcap(path: Path | None) -> PcapWriter | None:
    return None if path is None else _check(lambda: PcapWriter(path), "--pcap")


@app.command(short_help="Call somebody.")
def call(
    target: Annotated[str, typer.Argument(help="Who to call: sip:user@host[:port].")],
    play: Play = None,
    record: Record = None,
    duration: Duration = None,
    from_: Annotated[
        str, typer.Option("--from", help="Who calls: user@host.", metavar="AOR")
    ] = _ANONYMOUS,
    user: User = None,
    password: Password = None,
    proxy: Proxy = None,
    codec: Codec = None,
    expires: Annotated[
        float | None,
        typer.Option(help="Give up after so many seconds.", min=1, metavar="SECONDS"),
    ] = None,
    verbose: Verbose = False,
    ladder: ShowLadder = False,
    pcap: Pcap = None,
) -> None:
    """Call somebody.

    Hangs up at the end of the clip, or after --duration where that is given; else when the other
    side does, or on Ctrl-C. Exit code 0 if the call was answered and ended as calls do, 1 if it
    failed, 2 if the options cannot be.
    """
    callee = _check(lambda: str(URI.from_user_text(target)), "TARGET")
    caller = _address(from_, "--from")
    media = _media(play, record, codec)
    screen = Screen()
    phone = Phone(caller, media=media, **_account(proxy, user, password))
    with Traces(phone.engine.wire, from_, ladder, _pcap(pcap), verbose) as traces:
        until_played = play is not None and duration is None
        talk = Talk(screen, phone, traces, duration=duration, until_played=until_played)
        with phone.interruptible(), phone:
            screen.line(f"calling {safe(callee)}")
            try:
                talk.run(phone.invite(callee, expires=expires))
            except SIPPartyError as error:
                talk.error = error
    traces.show(screen)
    if talk.error is not None:
        screen.error(f"The call failed: {safe(talk.error, 400)}")
    elif not talk.answered:
        screen.error("The call was not answered.")
    raise typer.Exit(0 if talk.answered and talk.error is None else 1)


@app.command(short_help="Be called: play, record, echo or refuse.")
def answer(
    port: Annotated[
        int, typer.Option(help="UDP port to listen on; 0 for a free one.", min=0, max=65535)
    ] = 5060,
    address: Annotated[str, typer.Option(help="Address to listen on.", metavar="IP")] = "0.0.0.0",  # noqa: S104 - who answers wants to be reached
    aor: Annotated[
        str, typer.Option(help="Who is called: user@host.", metavar="AOR")
    ] = "sipparty@localhost",
    play: Play = None,
    record: Record = None,
    echo: Annotated[bool, typer.Option("--echo", help="Play back what is heard.")] = False,
    duration: Duration = None,
    codec: Codec = None,
    once: Annotated[bool, typer.Option("--once", help="End after one call.")] = False,
    reject: Annotated[
        int | None,
        typer.Option(help="Refuse calls with this status.", min=300, max=699, metavar="STATUS"),
    ] = None,
    verbose: Verbose = False,
    ladder: ShowLadder = False,
    pcap: Pcap = None,
) -> None:
    """Take calls, until Ctrl-C or, with --once, for one call.

    The first call is recorded to FILE, later ones to FILE-2, FILE-3 and so on. Exit code 0 if
    nothing failed, 1 if the one call did or the port is taken, 2 if the options cannot be.
    """
    if echo and play is not None:
        raise typer.BadParameter("--echo and --play exclude each other; choose one.")
    callee = _address(aor, "--aor")
    media = _media(play, record, codec)
    media.pop("record", None)
    screen = Screen()
    phone = Phone(callee, media=media)

    def take(call: Any, number: int, prefix: str) -> None:
        if reject is not None:
            screen.line(f"{prefix}rejected with {reject}")
            call.reject(reject)
            return
        path = record
        if path is not None and number > 1:
            path = path.with_stem(f"{path.stem}-{number}")
        options: dict[str, Any] = {} if path is None else {"record": path}
        if echo:
            options["play"] = heard = Echo()
            options["record"] = [heard] if path is None else [heard, path]
        call.ring()
        call.accept(media=options)
        screen.line(f"{prefix}answered", "green")

    with Traces(phone.engine.wire, aor, ladder, _pcap(pcap), verbose) as traces:
        talk = Talk(screen, phone, traces, duration=duration, take=take, once=once)
        with phone.interruptible(), phone:
            try:
                phone.listen(port, address=address)
            except ListenError as error:
                screen.error(str(error))
                raise typer.Exit(1) from None
            screen.line(f"listening: call {phone.contact_uri}")
            talk.run()
    traces.show(screen)
    raise typer.Exit(1 if once and talk.error is not None else 0)


app.command(short_help="Alice calls Bob on this machine.")(demo)
