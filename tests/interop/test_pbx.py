"""Other programs register with the PBX, and are called through it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .calls import ended, talk
from .media import THEIRS, write_tone
from .pbx import DOMAIN, PASSWORD
from .peer import TCP, TLS, UDP, Transport, over
from .sipp import SIPp

Make = Callable[..., Any]


@over(UDP, TCP)
def test_sipp_registers(sipp: SIPp, pbx: Make, transport: Transport) -> None:
    port = pbx(transports=[transport.name]).ports[transport.name]
    sipp.call("uac_registers", port, user="sipp", USER="sipp", PASSWORD=PASSWORD).finish()


@over(UDP, TCP, TLS)
def test_baresip_registers_and_is_called(
    pbx: Make, baresip: Make, talking: Make, transport: Transport, tmp_path: Path
) -> None:
    office = pbx(transports=[transport.name])
    hop = office.uri(transport.name)
    tone = write_tone(tmp_path / "tone.wav", THEIRS, 30)
    peer = baresip(play=tone, registers=hop)
    peer.wait_until_registered()
    alice = talking(credentials=("alice", PASSWORD), proxy=hop)
    call = alice.invite(f"bob@{DOMAIN}").wait(5)
    peer.wait_for_event("CALL_ESTABLISHED")
    talk(call, 5)
    call.terminate()
    ended(call)
    peer.wait_for_event("CALL_CLOSED")


@over(UDP, TCP, TLS)
def test_linphone_registers_and_is_called(
    pbx: Make, linphone: Make, talking: Make, transport: Transport, tmp_path: Path
) -> None:
    office = pbx(transports=[transport.name])
    hop = office.uri(transport.name)
    tone = write_tone(tmp_path / "tone.wav", THEIRS, 30)
    peer = linphone(play=tone, registers=hop)
    peer.wait_until_registered()
    alice = talking(credentials=("alice", PASSWORD), proxy=hop)
    call = alice.invite(f"bob@{DOMAIN}").wait(5)
    peer.wait_for_output("Media streams established")
    talk(call, 5)
    call.terminate()
    ended(call)


@over(UDP, TCP, TLS)
def test_baresip_registers_by_outbound_through_an_edge(
    pbx: Make, baresip: Make, talking: Make, transport: Transport, tmp_path: Path
) -> None:
    """RFC 5626: it is reached by its flow with the edge, and so are we. Debian's Linphone says that
    it supports outbound, and sends no reg-id, so that there is no flow of its.
    """
    office = pbx(transports=[transport.name], edges=1)
    hop = office.uri(transport.name, 0)
    tone = write_tone(tmp_path / "tone.wav", THEIRS, 30)
    peer = baresip(play=tone, registers=hop, account=";sipnat=outbound")
    peer.wait_until_registered()
    alice = talking(credentials=("alice", PASSWORD), proxy=hop)
    call = alice.invite(f"bob@{DOMAIN}").wait(5)
    talk(call, 5)
    call.terminate()
    ended(call)
