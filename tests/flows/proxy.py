"""A proxy of the flows (RFC 3261 §16): stateful, forking, record-routing, asking for credentials.

It does what the figures ask of it, by the transactions of the library and nothing else of it.
"""

from __future__ import annotations

from sipparty.sip import Core, Request
from sipparty.sip.auth import Authenticated, DigestServer
from sipparty.sip.grammar import split_list
from sipparty.sip.routing import NextHop
from sipparty.sip.transaction.client import cancel_for
from sipparty.sip.transaction.user import NOBODY
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.sip.values import DNameURI
from sipparty.testing import seeded_tokens

#: Methods whose requests make dialogs, and so have Record-Route added (RFC 6665 §4.3).
_RECORD_ROUTED = ("INVITE", "SUBSCRIBE", "NOTIFY", "REFER")


class Proxy:
    """A role of a core of its own.

    Args:
        flow: The flow that it takes part in.
        name: Its name in the ladder.
        domain: The domain that it serves.
        host: The name that it is routed to by.
        record_route: Whether it stays in the path of dialogs.
        no_answer: Seconds after which an INVITE goes to the next group of targets; None for never.
        timed_out: The status for a target that sends nothing at all.
        min_se: The shortest session interval, in seconds, that it lets through (RFC 4028 §8.1).
        forwarded: Whether it sends 181 when an INVITE goes to a further group of targets.

    Attributes:
        targets: For each address of record, groups of URIs: those of one group are called at once,
            the next group where all of them have failed. An empty group fails at once. Or what
            returns them.
        refused: The status and headers that calls to an address of record are refused with.
        rewrite: Changes each message that is forwarded; None for nothing.
    """

    def __init__(
        self,
        flow,
        name,
        domain="",
        *,
        host="",
        record_route=True,
        no_answer=None,
        timed_out=408,
        min_se=0,
        forwarded=False,
    ):
        self.flow = flow
        self.name = name
        self.domain = domain
        self.record_route = record_route
        self.no_answer = no_answer
        self.timed_out = timed_out
        self.min_se = min_se
        self.forwarded = forwarded
        self.targets = {}
        self.refused = {}
        self.rewrite = None
        self.calls = {}
        self.core = Core(seeded_tokens(name))
        self.core.roles = [self]
        self.domain_name = host or f"{name}.{domain or 'example.com'}"
        names = [self.domain_name, domain] if domain else [self.domain_name]
        self.address = flow.attach(name, self.core, names=names)
        self.authenticator = None

    def enable_digest(self, accounts, realm=""):
        """Ask for credentials from now on, of the domain's realm by default."""
        self.authenticator = DigestServer(
            realm or self.domain,
            lambda user, _: accounts.get(user),
            secret=b"0123456789abcdef",
            tokens=self.core.tokens.tag,
            algorithms=("MD5",),
            proxy=True,
        )

    # ---------------------------------------------------------------- the role

    def request(self, transaction):
        """Forward a request to its targets, or refuse it."""
        request = transaction.request
        if request.max_forwards == 0:
            self.respond(transaction, 483)
        elif self._is_admitted(transaction):
            targets = self.targets_of(request)
            expires = int((request.get("Session-Expires") or "0").split(";")[0])
            if 0 < expires < self.min_se:
                self.respond(transaction, 422, [("Min-SE", str(self.min_se))])
            elif refusal := self.refused.get(address_of(request.uri_text)):
                self.respond(transaction, *refusal)
            elif not targets:
                self.respond(transaction, 404)
            else:
                Forwarding(self, transaction, targets).begin()
        return True

    def ack(self, request, flow):
        """Forward the ACK of a 2xx (§16.11)."""
        if request.facts.to_tag is None or not (groups := self.targets_of(request)):
            return False
        sent, way = self.forwarded_to(request, groups[0][0], flow)
        # The same branch for the same ACK each time.
        branch = "z9hG4bK" + self.core.tokens.tag_of(request.facts.branch or "", request.call_id)
        self.core.transactions.put_via(sent, way, branch)
        self.core.transmit((bytes(sent), way))
        return True

    def cancel(self, transaction, invite):
        """Answer a CANCEL, and cancel what the INVITE was forwarded to (§16.10)."""
        if invite is None:
            self.respond(transaction, 481)
            return True
        transaction.answer(200)
        if invite in self.calls:
            self.calls[invite].cancel()
        return True

    def stray_response(self, response, flow):
        """Drop a response whose transaction is over."""
        return False

    # ---------------------------------------------------------------- how

    def respond(self, transaction, status, headers=()):
        """Answer a request."""
        tag = self.core.tokens.tag()
        transaction.respond(transaction.request.response(status, headers=headers, to_tag=tag))

    def _is_admitted(self, transaction):
        """Whether a request is one to forward (§22.3); else it is answered 407."""
        request = transaction.request
        if self.authenticator is None or request.facts.to_tag is not None:
            return True
        now = self.core.timers.now
        given = request.lines("Proxy-Authorization")
        verdict = self.authenticator.verify(given, request.method, request.body, now=now)
        if isinstance(verdict, Authenticated):
            return True
        self.respond(transaction, 407, verdict.headers)
        return False

    def targets_of(self, request):
        """Where a request goes: groups of URIs. Inside of dialogs, and for other domains, to its
        Request-URI.
        """
        uri = request.uri_text
        address = address_of(uri)
        if request.facts.to_tag is None and address in self.targets:
            targets = self.targets[address]
            return targets() if callable(targets) else targets
        if address.endswith(f"@{self.domain}"):
            return []
        return [[uri]]

    def forwarded_to(self, request, target, source):
        """Return a request as it is forwarded to a target (§16.6), and the flow that it takes.

        Args:
            request: The request.
            target: A URI; or a URI and the Route values that lead to it.
            source: The flow that it came by.
        """
        target, path = target if isinstance(target, tuple) else (target, ())
        sent = Request.of(request.method, target, list(request._fields), request.body)
        sent["Max-Forwards"] = (request.max_forwards or 70) - 1
        routes = [one for line in request.lines("Route") for one in split_list(line)]
        own = routes.pop(0) if routes and self.is_here(routes[0]) else ""  # §16.4
        routes = [*path, *routes]
        if "Route" in sent:
            del sent["Route"]
        if routes:
            sent["Route"] = routes
        route = self.own_route(request, source, own)
        if route and request.method in _RECORD_ROUTED:
            sent["Record-Route"] = [route, *request.lines("Record-Route")]
        if self.rewrite is not None:
            self.rewrite(sent)
        hop = NextHop.of(DNameURI.parse(routes[0]).uri_text if routes else target)
        address = self.flow_of(own, source) or (self.flow.resolve(hop.host), hop.port or 5060)
        return sent, self.flow.network.flow(self.address, address)

    def own_route(self, request, source, own):
        """The Record-Route value that it adds; "" for none. `own` is the Route value that has led
        here.
        """
        return f"<sip:{self.domain_name};lr>" if self.record_route else ""

    def flow_of(self, own, source):
        """The address that a Route value of its own leads to by itself; None for none."""

    def is_here(self, route):
        """Whether a Route value is one of its own."""
        return self.address[0] in self.flow.resolve_all(DNameURI.parse(route).parts.host)


def address_of(uri):
    """The user and host of a URI, which are an address of record."""
    parts = split_sip_uri(uri)
    return f"{parts.user}@{parts.host}"


class EdgeProxy(Proxy):
    """One that user agents keep a flow to (RFC 5626 §5): it gives the flow a token, and finds it
    again by that.

    Attributes:
        tokens: The address at the end of each flow, by its token.
    """

    def __init__(self, flow, name, domain="", **settings):
        self.tokens = {}
        super().__init__(flow, name, domain, **settings)

    def request(self, transaction):
        """Refuse what is for a flow that is not known: 430 (§5.3)."""
        routes = transaction.request.lines("Route")
        token = routes and self.is_here(routes[0]) and DNameURI.parse(routes[0]).parts.user
        if token and token not in self.tokens:
            self.respond(transaction, 430)
            return True
        return super().request(transaction)

    def forwarded_to(self, request, target, source):
        """Add a Path to a REGISTER of a user agent's (§5.1)."""
        sent, way = super().forwarded_to(request, target, source)
        if request.method == "REGISTER" and "Path" not in request:
            sent["Path"] = [f"<sip:{self.token_for(source)}@{self.domain_name};lr;ob>"]
        return sent, way

    def token_for(self, source):
        """The token of a flow."""
        for token, address in self.tokens.items():
            if address == source.remote:
                return token
        token = self.core.tokens.tag()
        self.tokens[token] = source.remote
        return token

    def own_route(self, request, source, own):
        """Stay in the path by the token: of the flow that it came for, or of its sender's."""
        if own and (token := DNameURI.parse(own).parts.user):
            return f"<sip:{token}@{self.domain_name};lr>"
        outgoing = "contact" in (request._index or request._make_index()) and ";ob" in str(
            request.lines("Contact")
        )
        return f"<sip:{self.token_for(source)}@{self.domain_name};lr>" if outgoing else ""

    def flow_of(self, own, source):
        """The other end of the flow, unless that is where the request comes from (§5.3)."""
        address = self.tokens.get(DNameURI.parse(own).parts.user) if own else None
        return None if address == source.remote else address


class Forwarding:
    """One request, forwarded with state (RFC 3261 §16.6, §16.7)."""

    def __init__(self, proxy, transaction, groups):
        self.proxy = proxy
        self.core = proxy.core
        self.transaction = transaction
        self.groups = list(groups)
        self.is_invite = transaction.request.method == "INVITE"
        self.request = transaction.request
        self.branches = []
        self.failures = []
        self.done = False
        self.timer = None
        if self.is_invite:
            proxy.calls[transaction] = self

    def begin(self):
        """Forward to the first group of targets, then answer 100."""
        self.next_group()
        if self.is_invite:
            self.transaction.respond(self.request.response(100))
        self.go_on()

    def next_group(self):
        """Forward to the next group of targets."""
        group = self.groups.pop(0)
        for target in group:
            Branch(self, target)
        if self.groups and self.is_invite and self.proxy.no_answer is not None:
            self.timer = self.core.timers.arm(self.proxy.no_answer, self, "no_answer")

    def _fire(self, input):
        """Nobody has answered in time."""
        self.timer = None
        self._cancel_branches()

    def cancel(self):
        """End it, as its caller asks."""
        self.groups.clear()
        self._cancel_branches()

    def _cancel_branches(self):
        for branch in self.branches:
            branch.cancel()

    def stop_timer(self):
        if self.timer is not None:
            self.core.timers.cancel(self.timer)
            self.timer = None

    def forward(self, response):
        """Forward a response by the way that the request came."""
        sent = response.copy()
        vias = [one for line in response.lines("Via") for one in split_list(line)]
        sent["Via"] = vias[1:]
        if self.proxy.rewrite is not None:
            self.proxy.rewrite(sent)
        self.transaction.respond(sent)

    def response_received(self, branch, response):
        status = response.status
        if status == 100:
            return
        if status < 200:
            if not self.done:
                self.forward(response)
        elif status < 300:
            # §16.7: each 2xx to an INVITE goes by at once, also when it comes again.
            if not self.done or self.is_invite:
                self.forward(response)
            self.done = True
            self.groups.clear()
            self.stop_timer()
            self._cancel_branches()
        else:
            branch.failed = True
            self.failures.append(response)
            if status >= 600:
                self.cancel()
            self.go_on()

    def timed_out(self, branch):
        branch.failed = True
        tag = self.core.tokens.tag()
        self.failures.append(branch.sent.response(self.proxy.timed_out, to_tag=tag))
        self.go_on()

    def go_on(self):
        """Where all have failed, go to the next group; else answer with the best (§16.7)."""
        if self.done or not all(branch.failed for branch in self.branches):
            return
        self.stop_timer()
        if self.groups:
            if self.proxy.forwarded:
                tag = self.core.tokens.tag()
                self.transaction.respond(self.request.response(181, to_tag=tag))
            self.next_group()
            return
        self.done = True

        def rank(response):
            return 0 if response.status >= 600 else response.status // 100

        self.forward(min(self.failures, key=rank))


class Branch:
    """One target of a request."""

    def __init__(self, forwarding, target):
        self.forwarding = forwarding
        self.failed = self.answered = self.cancelled = self.rang = False
        forwarding.branches.append(self)
        self.core = forwarding.core
        source = forwarding.transaction.flow
        sent, way = forwarding.proxy.forwarded_to(forwarding.request, target, source)
        self.sent = sent
        self.transaction = self.core.transactions.request(sent, way, self)

    def cancel(self):
        """Cancel it, as soon as it may be (§9.1)."""
        if self.answered or self.failed or self.cancelled:
            return
        if not self.forwarding.is_invite:
            return
        if not self.rang:
            self.cancelled = None
            return
        self.cancelled = True
        transaction = self.transaction
        cancel = cancel_for(self.sent)
        way, branch = transaction.flow, transaction.branch
        self.core.transactions.request(cancel, way, NOBODY, branch)
        transaction.cancel()

    def response_received(self, response):
        if response.status < 200:
            self.rang = True
            if self.cancelled is None:
                self.cancel()
        else:
            self.answered = True
        self.forwarding.response_received(self, response)

    def transaction_timed_out(self):
        if not self.answered:
            self.forwarding.timed_out(self)

    def transaction_broken(self, reason):
        self.transaction_timed_out()

    def transaction_over(self):
        pass
