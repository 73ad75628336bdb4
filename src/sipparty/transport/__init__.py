"""Transports (RFC 3261 §18): sockets and connections that carry what the core says."""

from sipparty.sip.transports import standard_port
from sipparty.transport.addresses import is_loopback, is_wildcard, local_address_to, numeric_family
from sipparty.transport.endpoint import Endpoint, EndpointOwner
from sipparty.transport.hub import Hub
from sipparty.transport.keepalive import KeepAlive
from sipparty.transport.listeners import Listening
from sipparty.transport.resolver import Resolver
from sipparty.transport.settings import WebSocketConfig
from sipparty.transport.targets import ResolveError
from sipparty.transport.tls import TLSConfig, TLSError
from sipparty.transport.udp import UDPEndpoint, bind_udp

__all__ = [
    "Endpoint",
    "EndpointOwner",
    "Hub",
    "KeepAlive",
    "Listening",
    "ResolveError",
    "Resolver",
    "TLSConfig",
    "TLSError",
    "UDPEndpoint",
    "WebSocketConfig",
    "bind_udp",
    "is_loopback",
    "is_wildcard",
    "local_address_to",
    "numeric_family",
    "standard_port",
]
