"""Servers of the flows besides the proxy: what answers every request by a script."""

from __future__ import annotations

from sipparty.sip import Core
from sipparty.sip.uri_grammar import split_sip_uri
from sipparty.testing import Registrar, seeded_tokens


class Server:
    """A role that gives each request to a function.

    Args:
        flow: The flow that it takes part in.
        name: Its name in the ladder.
        serve: Called with the server and each request's transaction; answers it.
        names: The host names that lead to it.
    """

    def __init__(self, flow, name, serve, names=()):
        self.flow = flow
        self.name = name
        self.serve = serve
        self.core = Core(seeded_tokens(name))
        self.core.roles = [self]
        self.domain_name = names[0] if names else f"{name}.example.com"
        self.address = flow.attach(name, self.core, names=[self.domain_name, *names])

    def request(self, transaction):
        """Serve a request."""
        self.serve(self, transaction)
        return True

    def ack(self, request, flow):
        """Drop the ACK of a 2xx."""
        return True

    def cancel(self, transaction, invite):
        """Refuse a CANCEL: all is answered already."""
        self.respond(transaction, 481)
        return True

    def stray_response(self, response, flow):
        """Drop a response."""
        return False

    def respond(self, transaction, status, headers=(), body=b""):
        """Answer a request."""
        tag = self.core.tokens.tag()
        transaction.respond(transaction.request.response(status, None, headers, body, to_tag=tag))


def redirect_server(flow, name, targets, names=()):
    """A redirect server: 302 with the Contact of who is called, 404 for others.

    Args:
        flow: The flow that it takes part in.
        name: Its name in the ladder.
        targets: A URI for each address of record.
        names: The host names that lead to it.
    """

    def serve(server, transaction):
        uri = split_sip_uri(transaction.request.uri_text)
        target = targets.get(f"{uri.user}@{uri.host}")
        if target is None:
            server.respond(transaction, 404)
        else:
            server.respond(transaction, 302, [("Contact", f"<{target}>")])

    return Server(flow, name, serve, names)


def registrar(flow, name, domain, accounts=None, *, proxy=None, **settings):
    """A registrar: see `sipparty.testing.Registrar`; in a proxy, if given, or by itself."""
    if proxy is not None:
        return Registrar(proxy.core, domain, accounts, **settings)
    core = Core(seeded_tokens(name))
    core.roles = []
    flow.attach(name, core, names=[domain])
    return Registrar(core, domain, accounts, **settings)
