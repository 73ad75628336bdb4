"""The verbs of a party outside of calls: requests of its own, and what is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipparty.concurrency.waiting import verb
from sipparty.errors import UsageError
from sipparty.party.engine_user import EngineUser
from sipparty.party.events import EventHandlers
from sipparty.party.locating import hop_text, locate
from sipparty.party.settings import PartySettings, Target
from sipparty.sip import ClientRequest, Flow, NextHop, Request
from sipparty.sip.out_of_dialog import send_out_of_dialog
from sipparty.sip.routing import route_to

if TYPE_CHECKING:
    from sipparty.sip.agent import UserAgent

__all__ = ["RequestVerbs"]


class RequestVerbs(EngineUser, EventHandlers, PartySettings):
    """What a party asks of others, calls aside; `Party` adds those."""

    def _agent_now(self, to_do: str) -> UserAgent:
        """Return the user agent, made of the URI as it is now; `to_do` is what errors name."""
        raise NotImplementedError

    @verb
    def send(
        self, request: Request, proxy: str | None = None, *, flow: Flow | None = None
    ) -> ClientRequest:
        """Send a request of its own, outside of any dialog; returns at once.

        Args:
            request: The request. A copy is sent, in which To, From, Call-ID, CSeq, Max-Forwards and
                Contact are filled in where they lack; it is `request` of what is returned.
            proxy: The next hop, as for `invite`.
            flow: A flow that is there already, as for `invite`.

        Raises:
            Incomplete: The uri lacks user or host.
            ParseError: The request-URI or the proxy is no address to send to.
            TypeError: It is no `Request`.
            UsageError: It is an INVITE, ACK or CANCEL, which are a call's.
        """
        if not isinstance(request, Request):
            raise TypeError(f'send() takes a Request("OPTIONS", "sip:bob@b.com"), not {request!r}.')
        if request.method in ("INVITE", "ACK", "CANCEL"):
            # Nobody here would acknowledge a 2xx, and the other side would hang up (§13.3.1.4).
            raise UsageError(f"{request.method} is not sent alone: call with party.invite(target).")
        agent = self._agent_now("send")
        proxy = self.proxy if proxy is None else proxy
        request = request.copy()
        if proxy is not None:
            request.add("Route", route_to(proxy), first=True)
        first = request.get("Route")
        hop = NextHop.of(request.uri_text if first is None else first.uri_text)
        return send_out_of_dialog(agent, request, hop, flow)

    def options(self, target: Target, proxy: str | None = None) -> ClientRequest:
        """Ask what somebody can do (RFC 3261 §11); returns at once."""
        uri, hop = locate(target)
        if hop is not None and proxy is None:
            proxy = hop_text(hop)
        request = Request("OPTIONS", uri, [("Accept", "application/sdp")])
        return self.send(request, proxy)
