"""Options that commands share, in groups: a parameter of a command whose type is one of these
dataclasses stands for all its options.

* `AccountOptions`: who calls, by which server: `--account --from --user --proxy --transport --ca
  --header ...`; its `resolve` gives the `Account`, its `engine` what to run a party on.
* `ListenOptions`: where to be reached: `--port --address`.
* `TraceOptions`: what is shown and kept of the messages: `-v --ladder --trace`.

`check` turns what cannot be made of an option into an error that names the option.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

import typer

from sipparty.cli.accounts import Account, can_ask, find_password, read_account, with_options
from sipparty.cli.exits import in_words
from sipparty.cli.output import Output
from sipparty.errors import SIPPartyError
from sipparty.party import STANDARD_PORT
from sipparty.sip import URI
from sipparty.sip.routing import route_to
from sipparty.sip.user_headers import given_fields

if TYPE_CHECKING:
    from sipparty.concurrency.engine import Engine
    from sipparty.transport import TLSConfig

__all__ = [
    "ANONYMOUS",
    "AccountOptions",
    "Duration",
    "ListenOptions",
    "Target",
    "TraceOptions",
    "address_of",
    "check",
    "make_engine",
    "party_options",
    "reached_by",
    "target_of",
    "tls_config",
]

T = TypeVar("T")

#: The argument of commands that somebody is meant by.
Target = Annotated[
    str, typer.Argument(help="Who is meant: sip:user@host[:port].", metavar="TARGET")
]

#: The option of commands that go on until Ctrl-C.
Duration = Annotated[
    float | None,
    typer.Option("--duration", help="End after so many seconds.", min=0, metavar="SECONDS"),
]

#: Who calls where nobody says (RFC 3261 §8.1.1.3 and RFC 3323 have this for the anonymous).
ANONYMOUS = "anonymous@anonymous.invalid"


def check(make: Callable[[], T], option: str) -> T:
    """Make something of an option.

    Args:
        make: Makes it.
        option: The option, as the user wrote it.

    Raises:
        BadParameter: It cannot be made; the program exits with code 2.
    """
    try:
        return make()
    except (SIPPartyError, OSError, TypeError) as error:
        raise typer.BadParameter(in_words(error), param_hint=option) from None


def address_of(text: str, option: str) -> str:
    """Return an address of record as the user gave it, checked: a URI with a user.

    Raises:
        BadParameter: It is none.
    """
    uri = check(lambda: URI.from_user_text(text), option)
    if not uri.username or not uri.address:
        raise typer.BadParameter(f"{text!r} lacks a user or a host: user@host.", param_hint=option)
    return str(uri)


def reached_by(target: str, transport: str) -> str:
    """Return a target, or a proxy, as it is reached by a transport, if it names none itself."""
    if not transport or "transport=" in target.lower():
        return target
    head, mark, headers = target.partition("?")
    return f"{head};transport={transport.lower()}{mark}{headers}"


def target_of(text: str, account: Account) -> str:
    """Return the URI of who is meant, reached by the account's transport where it has no proxy.

    Raises:
        BadParameter: It is no URI.
    """
    uri = check(lambda: str(URI.from_user_text(text)), "TARGET")
    return reached_by(uri, "" if account.proxy else account.transport)


def _set(*names: str, variable: str, **options: Any) -> Any:
    """An option that SIPPARTY_... of the environment sets as well."""
    return typer.Option(*names, envvar=f"SIPPARTY_{variable}", show_envvar=False, **options)


@dataclass
class AccountOptions:
    """Who calls, and by which server; SIPPARTY_USER and the like in the environment do the same as
    the options.
    """

    PANEL: ClassVar[str] = "Account"

    account: Annotated[
        str,
        _set(
            "--account",
            "-a",
            help="Account of the configuration file.",
            variable="ACCOUNT",
            metavar="NAME",
            show_default=False,
        ),
    ] = ""
    from_: Annotated[
        str | None,
        _set(
            "--from",
            help="Who calls: user@host.",
            variable="FROM",
            metavar="AOR",
        ),
    ] = None
    user: Annotated[
        str | None,
        _set(
            help="User name for your server; asks for a password.",
            variable="USER",
            metavar="NAME",
        ),
    ] = None
    password: Annotated[
        str | None,
        _set(
            help="Its password. Others may see it here: rather let it be asked for.",
            variable="PASSWORD",
            metavar="TEXT",
        ),
    ] = None
    proxy: Annotated[
        str | None,
        _set(
            help="Next hop: a host, host:port or URI.",
            variable="PROXY",
            metavar="HOST",
        ),
    ] = None
    transport: Annotated[
        str | None,
        _set(
            help="udp, tcp, tls, ws or wss.",
            variable="TRANSPORT",
            metavar="NAME",
        ),
    ] = None
    ca: Annotated[
        Path | None,
        _set(
            help="PEM file of the authorities that are trusted.",
            variable="CA",
            metavar="FILE",
        ),
    ] = None
    cert: Annotated[
        Path | None,
        typer.Option(help="PEM file with a certificate of your own, and its key.", metavar="FILE"),
    ] = None
    insecure: Annotated[bool, typer.Option("--insecure", help="Do not check certificates.")] = False
    register: Annotated[
        bool, typer.Option("--register", help="Register with the server while it runs.")
    ] = False
    header: Annotated[
        list[str] | None,
        typer.Option(
            "--header",
            "-H",
            help="Header of each request; again for more.",
            metavar="'NAME: VALUE'",
        ),
    ] = None
    local_address: Annotated[
        str | None, typer.Option(help="Address of this host to send from.", metavar="IP")
    ] = None

    def resolve(self, out: Output) -> Account:
        """Return the account that is meant: options, environment and file in one, checked.

        Args:
            out: Told what is doubtful about the file.

        Raises:
            BadParameter: An option cannot be.
            UsageError: The file, or the account in it, cannot be.
        """
        account = with_options(
            read_account(self.account, warn=out.note),
            address=self.from_,
            user=self.user,
            password=self.password,
            proxy=self.proxy,
            transport=self.transport,
            ca=None if self.ca is None else str(self.ca),
            certificate=None if self.cert is None else str(self.cert),
            verify=False if self.insecure else None,
            headers=dict(_header(line) for line in self.header or ()),
            local_address=self.local_address,
        )
        if account.address:
            account = with_options(account, address=address_of(account.address, "--from"))
        if account.proxy:
            check(lambda: route_to(account.proxy), "--proxy")
        for option, path in (("--ca", account.ca), ("--cert", account.certificate)):
            if path and not Path(path).exists():
                raise typer.BadParameter(f"There is no file {path}.", param_hint=option)
        check(lambda: given_fields(account.headers), "--header")
        return account


def party_options(account: Account) -> dict[str, Any]:
    """Return the settings of a party that an account stands for; asks for the password, if it is
    needed.

    Raises:
        UsageError: There is no password, and nobody to ask.
    """
    options: dict[str, Any] = {}
    if account.proxy:
        options["proxy"] = reached_by(account.proxy, account.transport)
    if account.user:
        options["credentials"] = (account.user, find_password(account, _ask if can_ask() else None))
    if account.display_name:
        options["display_name"] = account.display_name
    if account.local_address:
        options["local_address"] = account.local_address
    return options


def tls_config(account: Account) -> TLSConfig:
    """Return the certificates of an account: its own, and those that it trusts."""
    from sipparty.transport import TLSConfig

    return TLSConfig(
        certificate=account.certificate or None,
        key=account.key or None,
        authorities=account.ca or None,
        verify=account.verify,
    )


@contextmanager
def make_engine(account: Account) -> Generator[Engine, None, None]:
    """Have an engine of one's own for a block, with the certificates of an account."""
    from sipparty.concurrency.engine import Engine

    engine = Engine(tls=tls_config(account))
    try:
        yield engine
    finally:
        engine.close()


def _ask(question: str) -> str:
    answer: str = typer.prompt(question, hide_input=True, err=True)
    return answer


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise typer.BadParameter(f"{line!r} is no header: 'Subject: lunch'.", param_hint="--header")
    return name.strip(), value.strip()


@dataclass
class ListenOptions:
    """Where to be reached."""

    port: Annotated[
        int | None,
        typer.Option(
            help="Port to listen on; 0 for a free one.",
            min=0,
            max=65535,
            metavar="PORT",
            show_default="5060, or 5061 for tls",
        ),
    ] = None
    address: Annotated[str, typer.Option(help="Address to listen on.", metavar="IP")] = "0.0.0.0"  # noqa: S104 - who listens wants to be reached

    def resolve(self, account: Account) -> dict[str, Any]:
        """Return the arguments of `Party.listen`, by the transport of an account."""
        number = STANDARD_PORT if self.port is None else self.port
        return {"port": number, "address": self.address, "transport": account.transport or "udp"}


@dataclass
class TraceOptions:
    """What is shown and kept of the messages."""

    PANEL: ClassVar[str] = "Messages"

    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show every message, on standard error.")
    ] = False
    ladder: Annotated[bool, typer.Option("--ladder", help="Draw the ladder at the end.")] = False
    trace: Annotated[
        list[Path] | None,
        typer.Option(
            help="Write a trace: .html, .svg, .txt, .jsonl or .pcapng; again for more.",
            metavar="FILE",
        ),
    ] = None
