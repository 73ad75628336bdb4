"""What works on this machine, and how to mend the rest: the checks of `sipparty doctor`.

Each check is a function that gives `Check`s. None raises, waits longer than a few seconds, or
leaves anything open; none sends a packet to a host that was not named, but for questions to the
name servers of this machine.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from sipparty import __version__
from sipparty.concurrency import descriptors
from sipparty.errors import SIPPartyError
from sipparty.media.codecs import codec_types
from sipparty.sip.routing import NextHop, route_to
from sipparty.transport import stun
from sipparty.transport.addresses import is_loopback, local_address_to
from sipparty.transport.resolver import ResolveError, Resolver

__all__ = ["Check", "Wanted", "checks"]

#: Seconds that a STUN server has to answer.
_STUN_PATIENCE: Final = 2.0

#: Extra: the modules that it brings, and what they are for.
_EXTRAS: Final = {
    "media": (("numpy", "av", "pylibsrtp", "G722"), "G.722, Opus, sound files, SRTP"),
    "nat": (("aioice",), "STUN: keep-alives and mapped addresses"),
    "sound": (("sounddevice",), "microphone and loudspeaker"),
    "keyring": (("keyring",), "passwords in the system's keyring"),
    "watch": (("textual",), "the screen of sipparty watch"),
    "plots": (("matplotlib",), "plots in reports of load"),
    "cluster": (("dask", "distributed"), "load from several machines"),
    "telemetry": (("prometheus_client", "opentelemetry"), "metrics and spans"),
}


class Check(NamedTuple):
    """What came of a check.

    Args:
        subject: What was looked at.
        state: "ok", "missing" for what can be done without, or "bad".
        found: What was found, as a clause.
        remedy: What to do about it; "" where nothing is to be done.
    """

    subject: str
    state: str
    found: str
    remedy: str = ""


class Wanted(NamedTuple):
    """What is asked about beside this machine itself.

    Args:
        ports: The SIP ports that one wants to listen on.
        stun: A STUN server, host or host:port; "" for none.
        target: A server that has to be found, as a URI or host; "" for none.
        certificate: A PEM file with a certificate of one's own; None for none.
    """

    ports: tuple[int, ...] = (5060, 5061)
    stun: str = ""
    target: str = ""
    certificate: Path | None = None


def checks(wanted: Wanted) -> Iterator[Check]:
    """Make all checks, one after the other."""
    for each in (
        _python,
        _extras,
        _codecs,
        _addresses,
        _ports,
        _nat,
        _names,
        _certificates,
        _limits,
    ):
        yield from each(wanted)


def _python(_: Wanted) -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check("Python", "ok", f"{version}, sipparty {__version__}, {ssl.OPENSSL_VERSION}")


def _extras(_: Wanted) -> Iterator[Check]:
    there = []
    for extra, (modules, purpose) in _EXTRAS.items():
        lacking = [name for name in modules if importlib.util.find_spec(name) is None]
        if lacking:
            found = f"for {purpose}: no {', '.join(lacking)}"
            yield Check(f"extra {extra}", "missing", found, f"pip install 'sipparty[{extra}]'")
        else:
            there.append(extra)
    if there:
        yield Check("extras", "ok", ", ".join(there))


def _codecs(_: Wanted) -> Iterator[Check]:
    there, lacking = {}, {}
    for codec in codec_types():
        try:
            codec.check_available()
        except SIPPartyError as error:
            lacking[codec.name] = str(error)
        else:
            there[codec.name] = codec
    yield Check("codecs", "ok", ", ".join(there))
    for name, why in lacking.items():
        yield Check(f"codec {name}", "missing", why, "pip install 'sipparty[media]'")


def _addresses(_: Wanted) -> Iterator[Check]:
    # Documentation prefixes (RFC 5737, RFC 3849): the route is asked for, nothing is sent.
    for family, host in (("IPv4", "192.0.2.1"), ("IPv6", "2001:db8::1")):
        try:
            address = local_address_to(host)
        except (OSError, SIPPartyError):
            address = ""
        if not address or is_loopback(address):
            yield Check(family, "missing", "no route out: calls on this machine alone")
        elif _is_private(address):
            found = f"{address}, a private address: others see it through a NAT"
            yield Check(
                family, "ok", found, "see docs/howto/networks.md; --stun HOST shows the NAT's"
            )
        else:
            yield Check(family, "ok", address)


def _is_private(address: str) -> bool:
    import ipaddress

    return ipaddress.ip_address(address.partition("%")[0]).is_private


def _ports(wanted: Wanted) -> Iterator[Check]:
    kinds = (("UDP", socket.SOCK_DGRAM), ("TCP", socket.SOCK_STREAM))
    for port in wanted.ports:
        for name, kind in kinds:
            try:
                with socket.socket(socket.AF_INET, kind) as each:
                    if kind is socket.SOCK_STREAM:
                        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    each.bind(("", port))
            except OSError as error:
                reason = error.strerror or str(error)
                remedy = (
                    f"listen on another port: `sipparty answer --port 0`, or stop who has {port}"
                )
                if isinstance(error, PermissionError):
                    remedy = "ports below 1024 want root, or the capability net_bind_service"
                yield Check(f"port {port}/{name}", "bad", reason, remedy)
            else:
                yield Check(f"port {port}/{name}", "ok", "free")


def _nat(wanted: Wanted) -> Iterator[Check]:
    if not wanted.stun:
        return
    subject = f"NAT, seen by {wanted.stun}"
    if not stun.is_available():
        yield Check(subject, "missing", "STUN needs aioice", "pip install 'sipparty[nat]'")
        return
    try:
        mapped, local = _mapped_address(wanted.stun)
    except (OSError, SIPPartyError, ValueError) as error:
        remedy = "check the name and the firewall (UDP, port 3478 as a rule)"
        yield Check(subject, "bad", f"no answer: {error}", remedy)
        return
    if mapped[0] == local[0]:
        yield Check(subject, "ok", f"none: others see this host as {mapped[0]}")
    else:
        kept = "the same port" if mapped[1] == local[1] else f"port {mapped[1]} for {local[1]}"
        remedy = "register with outbound keep-alives (docs/howto/register.md)"
        yield Check(subject, "ok", f"{mapped[0]}, {kept}: behind a NAT", remedy)


def _mapped_address(server: str) -> tuple[Any, Any]:
    """Ask a STUN server where a datagram of ours comes from (RFC 8489 §3)."""
    host, _, port = (
        server.partition(":") if server.count(":") == 1 else (server.strip("[]"), "", "")
    )
    number = int(port or 3478)
    family, _, _, _, place = socket.getaddrinfo(host, number, type=socket.SOCK_DGRAM)[0]
    transaction = os.urandom(12)
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect(place)
        end, wait = time.monotonic() + _STUN_PATIENCE, 0.25
        while (left := end - time.monotonic()) > 0:
            asking.send(stun.binding_request(transaction))
            asking.settimeout(min(wait, left))
            wait *= 2
            try:
                answer = stun.read_answer(asking.recv(2048))
            except TimeoutError:
                continue
            if answer is not None and answer.transaction == transaction and answer.mapped:
                return answer.mapped, asking.getsockname()
    raise TimeoutError(f"nothing within {_STUN_PATIENCE:g} s")


def _names(wanted: Wanted) -> Iterator[Check]:
    try:
        import dns.resolver

        servers = [str(each) for each in dns.resolver.get_default_resolver().nameservers]
    except Exception as error:  # the library's own, and whatever a broken resolv.conf brings
        remedy = "name servers stand in /etc/resolv.conf"
        yield Check("name servers", "bad", str(error) or type(error).__name__, remedy)
    else:
        yield Check("name servers", "ok", ", ".join(servers) or "none")
    if not wanted.target:
        return
    subject = f"way to {wanted.target}"
    try:
        hop = NextHop.of(route_to(wanted.target)[1:-1])
        targets = asyncio.run(_find(hop))
    except (ResolveError, SIPPartyError) as error:
        remedy = f"sipparty resolve {wanted.target} shows each step"
        yield Check(subject, "bad", str(error), remedy)
    else:
        first = targets[0]
        more = f", and {len(targets) - 1} more" if len(targets) > 1 else ""
        yield Check(subject, "ok", f"{first.transport} {first.address} port {first.port}{more}")


async def _find(hop: NextHop) -> Any:
    resolver = Resolver(transports=("UDP", "TCP", "TLS"))
    try:
        return await resolver.resolve(hop)
    finally:
        await resolver.close()


def _certificates(wanted: Wanted) -> Iterator[Check]:
    count = len(ssl.create_default_context().get_ca_certs())
    paths = ssl.get_default_verify_paths()
    place = paths.cafile or paths.capath
    if count or place:
        yield Check("authorities", "ok", f"{count} loaded, {place or 'the system'}")
    else:
        remedy = "install ca-certificates, or name a PEM file: --ca FILE"
        yield Check("authorities", "bad", "none: no server's certificate can be checked", remedy)
    if wanted.certificate is not None:
        yield _certificate(wanted.certificate)


def _certificate(path: Path) -> Check:
    subject = f"certificate {path}"
    try:
        read: Callable[[Path], dict[str, Any]] = ssl._ssl._test_decode_cert  # type: ignore[attr-defined]
        found = read(path)
    except (OSError, ssl.SSLError) as error:
        return Check(subject, "bad", f"it cannot be read: {error}", "a PEM file is wanted")
    days = (ssl.cert_time_to_seconds(found["notAfter"]) - time.time()) / 86_400
    names = ", ".join(value for _, value in found.get("subjectAltName", ())) or "no name"
    if days < 0:
        return Check(subject, "bad", f"for {names}: expired {-days:.0f} days ago", "renew it")
    state = "ok" if days > 14 and found.get("subjectAltName") else "bad"
    remedy = "" if state == "ok" else "renew it; it needs a subjectAltName (RFC 5922 §7)"
    return Check(subject, state, f"for {names}: good for {days:.0f} days", remedy)


def _limits(_: Wanted) -> Iterator[Check]:
    most = descriptors.limit()
    calls = descriptors.media_calls(2)
    words = "no limit" if calls is None else f"{most:.0f}, so {calls} calls with sound at a time"
    low = calls is not None and calls < 100
    remedy = "ulimit -n 65536" if low else ""
    yield Check("file descriptors", "missing" if low else "ok", words, remedy)
