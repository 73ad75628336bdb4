"""Accounts: who calls, by which server, with which password.

The file is `$SIPPARTY_CONFIG`, else `sipparty/config.toml` in `$XDG_CONFIG_HOME` (`~/.config`):

    default = "work"

    [accounts.work]
    address = "alice@atlanta.com"
    user = "alice"
    proxy = "sip:proxy.atlanta.com;transport=tls"
    headers = { "X-Tenant" = "7" }

Laws:

* An option counts before the environment, that before the account in the file.
* A key that there is not is an error, which names the nearest that there is.
* A password is the option's or SIPPARTY_PASSWORD, else that of the file, else that of the keyring
  (service "sipparty", name "user@domain", extra `keyring`), else it is asked for.
* A password is never shown; a file with passwords that others can read is warned of.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from sipparty.errors import UsageError

__all__ = [
    "KEYRING_SERVICE",
    "TRANSPORTS",
    "Account",
    "can_ask",
    "config_path",
    "find_password",
    "read_account",
    "with_options",
]

#: What passwords are kept under in the keyring.
KEYRING_SERVICE: Final = "sipparty"

#: The transports that a request can be sent by.
TRANSPORTS: Final = ("udp", "tcp", "tls", "ws", "wss")


@dataclass(frozen=True, slots=True)
class Account:
    """Who calls, and how. The attributes are the keys of an account in the file.

    Args:
        name: What the account is called; "" for none of the file.
        address: The address of record: user@host.
        user: The user name for the server.
        password: Its password; "" for one that is looked for where it is needed.
        display_name: The name that people see.
        proxy: The next hop: a host, host:port or URI.
        registrar: Where to register; the host of the address where it is "".
        transport: "udp", "tcp", "tls", "ws" or "wss"; "" for as the address says.
        ca: A PEM file of the authorities that are trusted, in the place of the system's.
        certificate: A PEM file with a certificate of one's own.
        key: A PEM file with its key, where that is not in `certificate`.
        verify: Whether servers have to prove their names.
        local_address: The address of this host that is sent from.
        expires: The seconds that registrations ask for.
        headers: Headers of every request, by name.
    """

    name: str = ""
    address: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    display_name: str = ""
    proxy: str = ""
    registrar: str = ""
    transport: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    verify: bool = True
    local_address: str = ""
    expires: int = 3600
    headers: Mapping[str, str] = field(default_factory=dict)


#: The keys of an account in the file: what their values are.
_KEYS: Final = {
    one.name: {"str": str, "bool": bool, "int": int}.get(str(one.type), dict)
    for one in fields(Account)
    if one.name != "name"
}
_KINDS: Final = {
    str: 'text, such as "..."',
    bool: "true or false",
    int: "a whole number",
    dict: 'names and texts, such as { "X-Tenant" = "7" }',
}


def config_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the file is, or would be."""
    if given := environment.get("SIPPARTY_CONFIG"):
        return Path(given)
    base = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "~")) / ".config"
    return Path(base) / "sipparty" / "config.toml"


def read_account(
    name: str = "", path: Path | None = None, warn: Callable[[str], None] | None = None
) -> Account:
    """Read an account of the file.

    Args:
        name: Which; "" for the default one, if there is any.
        path: The file; by default that of `config_path`, which need not be there.
        warn: Told in words what is wrong with the file, but no error.

    Returns:
        The account; an empty one where none is named and none is the default.

    Raises:
        UsageError: The file cannot be read, is no TOML, or has a key or value that cannot be; or
            there is no such account.
    """
    path = path or config_path()
    try:
        text = path.read_text("utf-8")
        table = tomllib.loads(text)
    except FileNotFoundError:
        if name or "SIPPARTY_CONFIG" in os.environ:
            raise UsageError(f"There is no file {path}, where accounts are kept.") from None
        return Account()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}.") from None
    _check_keys(table, {"default": str, "accounts": dict}, f"{path}")
    accounts: dict[str, Any] = table.get("accounts", {})
    for key, values in accounts.items():
        where = f"{path}: accounts.{key}"
        if not isinstance(values, dict):
            raise UsageError(f"{where} is a table: [accounts.{key}], and its keys below.")
        _check_keys(values, _KEYS, where)
        _check_values(values, where)
    wanted = (
        name or table.get("default", "") or (next(iter(accounts)) if len(accounts) == 1 else "")
    )
    if not wanted:
        return Account()
    if wanted not in accounts:
        known = f"it has {', '.join(accounts)}" if accounts else "it has none"
        raise UsageError(f"{path} has no account {wanted!r}{_nearest(wanted, accounts)}: {known}.")
    if warn and "password" in accounts[wanted] and path.stat().st_mode & 0o077:
        warn(f"{path} holds a password, and others can read it: chmod 600 {path}")
    return Account(wanted, **accounts[wanted])


def find_password(account: Account, ask: Callable[[str], str] | None = None) -> str:
    """Return the password of an account.

    Args:
        account: The account; it has a `user`.
        ask: Asks for it, given the question; None where nobody can be asked.

    Raises:
        UsageError: There is none.
    """
    if account.password:
        return account.password
    _, _, domain = account.address.partition("@")
    name = f"{account.user}@{domain}" if domain else account.user
    found = _from_keyring(name)
    if found is not None:
        return found
    if ask is not None:
        return ask(f"Password of {account.user}")
    raise UsageError(
        f"There is no password for {account.user}, and no terminal to ask for it: set"
        f" SIPPARTY_PASSWORD, or keep it by: keyring set {KEYRING_SERVICE} {name}"
    )


def with_options(account: Account, **options: Any) -> Account:
    """Return an account with options in the place of what it has; None and () change nothing."""
    given = {key: value for key, value in options.items() if value not in (None, "", (), {})}
    if "headers" in given:
        given["headers"] = {**account.headers, **given["headers"]}
    if given.get("user", account.user) != account.user and "password" not in given:
        given["password"] = ""  # that of another user
    made = replace(account, **given)
    _check_values({"transport": made.transport}, "--transport")
    return made


def _from_keyring(name: str) -> str | None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ModuleNotFoundError:
        return None
    try:
        return keyring.get_password(KEYRING_SERVICE, name)
    except KeyringError:
        return None  # none is there, or it is locked: the next place is looked at


def _check_keys(table: Mapping[str, Any], kinds: Mapping[str, Any], where: str) -> None:
    for key, value in table.items():
        if key not in kinds:
            near = _nearest(key, kinds)
            raise UsageError(f"{where}: there is no key {key!r}{near or _list(kinds)}.")
        kind = kinds[key]
        texts = not isinstance(value, dict) or key == "accounts" or _all_text(value)
        if type(value) is not kind or not texts:
            shown = "something else" if key == "password" else repr(value)
            raise UsageError(f"{where}: {key} is {_KINDS[kind]}, not {shown}.")


def _all_text(value: Mapping[str, Any]) -> bool:
    return all(isinstance(one, str) for one in value.values())


def _check_values(values: Mapping[str, Any], where: str) -> None:
    transport = values.get("transport", "")
    if transport and transport.lower() not in TRANSPORTS:
        near = _nearest(transport.lower(), TRANSPORTS)
        raise UsageError(
            f"{where}: there is no transport {transport!r}{near or _list(TRANSPORTS)}."
        )


def _nearest(name: str, known: Any) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _list(known: Any) -> str:
    return f": there are {', '.join(known)}"


def can_ask() -> bool:
    """Whether there is a terminal to ask for a password at."""
    return sys.stdin.isatty() and sys.stderr.isatty()
