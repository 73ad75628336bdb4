"""A party behind a NAT: a router between two networks, which translates addresses (Linux's own).

bob 10.78.0.2 ---- inner 10.78.0.1 [router] outer 203.0.113.7 ---- carol 203.0.113.9
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any

import pytest

from sipparty.concurrency.engine import Engine
from sipparty.media import ToneSource
from sipparty.parties import NoMediaSimpleCallsParty, SingleRTPSessionSimplenParty
from sipparty.sip.events import CallReceived, FlowConfirmed, FlowLost

from ..interop.peer import wait_for
from .network import Space, Spaces

PATIENCE = 10
INSIDE, INNER, OUTER, OUTSIDE = "10.78.0.2", "10.78.0.1", "203.0.113.7", "203.0.113.9"
PORTS = (40000, 40019)


class Router:
    """The router, and the parties on either side of it.

    Args:
        spaces: Makes network namespaces.
    """

    def __init__(self, spaces: Spaces) -> None:
        self.inside, self.space, self.outside = map(spaces.make, (INSIDE, INNER, OUTSIDE))
        self._link(self.inside, INSIDE, "inner", INNER)
        self._link(self.outside, OUTSIDE, "outer", OUTER)
        self.inside.run("ip", "route", "add", "default", "via", INNER)
        self.space.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")

    def _link(self, space: Space, address: str, name: str, own: str) -> None:
        ends = ["type", "veth", "peer", "name", name, "netns", self.space.name]
        space.run("ip", "link", "add", "wire", *ends)
        for place, interface, number in ((space, "wire", address), (self.space, name, own)):
            place.run("ip", "address", "add", f"{number}/24", "dev", interface)
            place.run("ip", "link", "set", interface, "up")

    def translate(self, ports: str, forward: bool = False) -> None:
        """Have what goes out come from these ports, and forward those of a party to the inside."""
        forwarded = f"th dport {{ 5060, {PORTS[0]}-{PORTS[1]} }}" if forward else "th dport 1"
        rules = f"""\
flush ruleset
table ip nat {{
  chain back {{ type nat hook prerouting priority -100;
    iifname "outer" meta l4proto {{ tcp, udp }} {forwarded} dnat to {INSIDE}
  }}
  chain forth {{ type nat hook postrouting priority 100;
    oifname "outer" meta l4proto {{ tcp, udp }} masquerade to :{ports}
  }}
}}
"""
        self.space.run("nft", "-f", "-", text=rules)

    def restart(self) -> None:
        """Have it forget whom it has translated: it does so for an interface that goes down."""
        self.space.run("ip", "link", "set", "outer", "down")
        self.space.run("ip", "link", "set", "outer", "up")


@pytest.fixture
def router() -> Iterator[Router]:
    """A router between two networks."""
    spaces = Spaces()
    try:
        made = Router(spaces)
        try:
            made.translate("50000-50999")
        except AssertionError as error:
            pytest.skip(f"This kernel translates no addresses: {error}")
        yield made
    finally:
        spaces.close()


@pytest.fixture
def live(router: Router, make_party: Any) -> Iterator[Callable[..., Any]]:
    """Make a party in a space: `bob = live(router.inside, "bob@biloxi.com", kind)`."""
    engines: list[Engine] = []

    def make(space: Space, uri: str, kind: Any = NoMediaSimpleCallsParty, **options: Any) -> Any:
        engines.append(space.take(Engine()))
        return make_party(uri, kind, engine=engines[-1], **options)

    yield make
    for engine in engines:
        engine.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("caller", ["inside", "outside"])
def test_a_call_with_a_party_behind_forwarded_ports(
    router: Router, live: Callable[..., Any], transport: str, caller: str
) -> None:
    router.translate("5060-5099", forward=True)
    kind = SingleRTPSessionSimplenParty
    media = {"play": ToneSource(440), "port_range": PORTS, "symmetric": False}
    bob = live(router.inside, "bob@biloxi.com", kind, media=media)
    bob.listen(5060, transport=transport, advertise=OUTER)
    carol = live(router.outside, f"carol@{OUTSIDE}", kind, media={"play": ToneSource(700)})
    carol.listen(5060, address=OUTSIDE, transport=transport)
    received: Queue[Any] = Queue()
    for party in (bob, carol):
        party.on(CallReceived, lambda event: (event.call.accept(), received.put(event.call)))
    if caller == "inside":
        call = bob.invite(f"sip:carol@{OUTSIDE};transport={transport}")
    else:
        call = carol.invite(f"sip:bob@{OUTER};transport={transport}")
    call.wait(PATIENCE)
    other = received.get(timeout=PATIENCE)
    ends = {"inside": call, "outside": other} if caller == "inside" else {}
    ends = ends or {"inside": other, "outside": call}
    # Each was told where the other is, and finds it there: the media, and requests.
    assert f"@{OUTER}:5060" in ends["outside"].remote_target
    for end in ends.values():
        wait_for(lambda end=end: end.session.statistics.packets_received > 10, "audio")  # type: ignore[misc]
    ends["outside"].terminate().wait(PATIENCE)
    for end in ends.values():
        end.waitForStateCondition(lambda state: state == "Terminated", timeout=PATIENCE)


def test_a_party_without_forwarded_ports_is_reached_while_it_keeps_its_flow_open(
    router: Router, live: Callable[..., Any]
) -> None:
    carol = live(router.outside, f"carol@{OUTSIDE}").listen(5060, address=OUTSIDE)
    bob = live(router.inside, "bob@biloxi.com", proxy=OUTSIDE)
    events: Queue[Any] = Queue()
    for kind in (FlowConfirmed, FlowLost):
        bob.on(kind, events.put)
    kept = bob.keep_alive(interval=0.2)
    host, port = events.get(timeout=PATIENCE).mapped
    assert host == OUTER
    assert 50000 <= port <= 50999
    # The way back is open: who is called by what the server saw is the party.
    assert carol.options(f"bob@{host}:{port}", proxy=f"{host}:{port}").wait(PATIENCE).status == 200
    # The NAT is rebooted, and chooses another port.
    router.translate("51000-51999")
    router.restart()
    lost = events.get(timeout=PATIENCE)
    assert lost.reason.startswith(f"our address has changed: {OUTER}:{port} has become {OUTER}:51")
    assert 51000 <= events.get(timeout=PATIENCE).mapped[1] <= 51999
    assert kept.mapped[0] == OUTER
