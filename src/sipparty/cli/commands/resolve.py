"""`sipparty resolve`: the way to a next hop, question by question (RFC 3263)."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Annotated, Any

import typer

from sipparty.cli.exits import Exit
from sipparty.cli.output import Output
from sipparty.errors import UsageError
from sipparty.sip.routing import NextHop, route_to
from sipparty.sip.transports import SUPPORTED
from sipparty.transport.addresses import numeric_family
from sipparty.transport.nameservers import Answered, DNSLookup, default_lookup
from sipparty.transport.resolver import HostsFile
from sipparty.transport.targets import NAPTR, SRV, Question, ResolveError, locate

__all__ = ["resolve"]


def resolve(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A SIP URI, a host, or host:port.")
    ],
    server: Annotated[
        list[str] | None,
        typer.Option(help="Name server to ask, IP or IP:port; again for more.", metavar="IP"),
    ] = None,
    hosts: Annotated[
        bool, typer.Option("--hosts/--no-hosts", help="Whether the hosts file counts.")
    ] = True,
    output: Output = Output(),  # noqa: B008 - the options of the group, each with its own default
) -> Exit:
    """Find where requests to a target go, and show each step (RFC 3263).

    NAPTR records say which transports a domain takes, SRV records which servers have them, A and
    AAAA records where those are. The targets come in the order they would be tried.
    """
    return asyncio.run(_resolve(target, server or [], hosts, output))


async def _resolve(target: str, servers: list[str], hosts: bool, output: Output) -> Exit:
    scheme, colon, _ = target.partition(":")
    if colon and scheme.lower() in {"tel", "mailto", "http", "https"}:
        raise UsageError(f"{target!r} is no SIP URI: sip:user@host, host or host:port.")
    hop = NextHop.of(route_to(target)[1:-1])
    lookup = DNSLookup([_server(each) for each in servers]) if servers else default_lookup()
    file = HostsFile() if hosts else HostsFile(None)
    output.pairs(_rules(hop))
    machine = locate(hop, transports=SUPPORTED, random=random.random)
    try:
        questions = next(machine)
        while True:
            asked = [_ask(question, file, lookup, output) for question in questions]
            questions = machine.send(tuple(await asyncio.gather(*asked)))
    except StopIteration as found:
        targets = found.value
    except ResolveError as error:
        output.error(str(error), target=str(hop))
        return Exit.UNREACHABLE
    output.title("Targets, in the order they are tried")
    rows = [(n, t.transport, t.address, t.port, t.server_name) for n, t in enumerate(targets, 1)]
    output.table(("", "transport", "address", "port", "certificate for"), rows)
    output.result(targets=[each._asdict() for each in targets])
    return Exit.DONE


def _rules(hop: NextHop) -> list[tuple[str, str]]:
    """What the target itself decides (RFC 3263 §4.1, §4.2)."""
    rows = [("host", hop.place)]
    if numeric_family(hop.place.strip("[]")) is not None:
        rows.append(("address", "numeric: no name is looked up"))
    if hop.port is not None:
        rows.append(("port", f"{hop.port}, so neither NAPTR nor SRV is asked for"))
    if hop.transport is not None:
        rows.append(("transport", f"{hop.transport}, as the URI says"))
    if hop.secure:
        rows.append(("sips", "TLS all the way: other transports do not count"))
    return rows


async def _ask(question: Question, file: HostsFile, lookup: Any, output: Output) -> Any:
    """Ask one question, and show the answer."""
    begun = time.monotonic()
    answer = file.answer(question)
    source = "hosts file"
    ttl = None
    if answer is None:
        answered: Answered = await lookup(question)
        answer, ttl = answered
        source = f"{(time.monotonic() - begun) * 1000:.0f} ms"
    records = [_record(each) for each in answer.records]
    words = f"{question.type.value} {question.name}"
    if answer.failure:
        text, style = f"{words}: {answer.failure}", "yellow"
    elif not records:
        text, style = f"{words}: nothing ({source})", "dim"
    else:
        life = f", for {ttl:.0f} s" if ttl is not None else ""
        text, style = f"{words}: {'; '.join(records)} ({source}{life})", ""
    facts = {"type": question.type.value, "name": question.name, "records": records, "ttl": ttl}
    output.event("answer", text, style, source=source, failure=answer.failure, **facts)
    return answer


def _record(record: Any) -> str:
    if isinstance(record, SRV):
        return f"{record.target}:{record.port} (priority {record.priority}, weight {record.weight})"
    if isinstance(record, NAPTR):
        return f"{record.service} -> {record.replacement} (order {record.order})"
    return str(record)


def _server(text: str) -> str | tuple[str, int]:
    if numeric_family(text) is not None:
        return text
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if numeric_family(host) is None or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"{text!r} is no name server: give its IP address, or IP:port.")
    return host, int(port)
