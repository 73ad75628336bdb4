"""Kamailio as a small PBX: registrar, proxy, presence and voice mail server of example.com.

Users register by digest, each with the same password, and are called, sent messages and subscribed
to by their address of record. An `edge` puts a second Kamailio before it, by which users register
with Path and outbound (RFC 3327, RFC 5626), and are reached by the flow that they opened.

It may be killed and started again on the same ports, with nothing remembered.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterable
from pathlib import Path

from .certificates import Certificates
from .peer import Peer, Ports, Transport, bound_ports, missing, require, wait_for
from .tshark import Capture

__all__ = ["DOMAIN", "PASSWORD", "PBX"]

DOMAIN = "example.com"
PASSWORD = "wonderland"

_TABLES = Path("/usr/share/kamailio/dbtext/kamailio")
_MODULES = Path("/usr/lib/x86_64-linux-gnu/kamailio/modules")

#: What both kinds begin with. The module `outbound` has to come before `rr` and `path`.
_HEAD = """\
#!KAMAILIO
debug=1
log_stderror=yes
children={children}
tcp_children={children}
tcp_max_connections=4096
auto_aliases=no
dns=no
rev_dns=no
tcp_accept_no_cl=yes
alias="example.com"
{tls}
{listen}

loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "outbound.so"
loadmodule "rr.so"
loadmodule "path.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "nathelper.so"
loadmodule "xhttp.so"
loadmodule "websocket.so"
loadmodule "stun.so"
{modules}
modparam("rr", "append_fromtag", 0)

event_route[xhttp:request] {{
    if ($hdr(Upgrade) =~ "websocket" && $rm == "GET") ws_handle_handshake();
    else xhttp_reply("404", "Not Found", "", "");
}}
"""

_TLS = """\
loadmodule "tls.so"
modparam("tls", "private_key", "{key}")
modparam("tls", "certificate", "{certificate}")
modparam("tls", "ca_list", "{authority}")
modparam("tls", "verify_certificate", 0)
modparam("tls", "require_certificate", 0)
modparam("tls", "tls_method", "TLSv1.2+")
"""

_REGISTRAR = """\
loadmodule "auth.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "db_text.so"
loadmodule "presence.so"
loadmodule "presence_xml.so"
loadmodule "presence_mwi.so"
loadmodule "presence_dialoginfo.so"
modparam("auth", "qop", "auth")
modparam("auth", "nonce_expire", {nonce_expire})
modparam("usrloc", "db_mode", 0)
modparam("usrloc", "timer_interval", 1)
modparam("nathelper|registrar", "received_avp", "$avp(received)")
modparam("registrar", "min_expires", {min_expires})
modparam("registrar", "min_expires_mode", 1)
modparam("registrar", "use_path", 1)
modparam("registrar", "path_mode", 1)
modparam("registrar", "outbound_mode", 1)
modparam("registrar", "gruu_enabled", {gruu})
modparam("registrar", "flow_timer", {flow_timer})
modparam("presence|presence_xml", "db_url", "text://{tables}")
modparam("presence", "subs_db_mode", 0)
modparam("presence", "publ_cache", 2)
modparam("presence", "server_address", "{address}")
modparam("presence", "min_expires", {min_expires})
modparam("presence", "send_fast_notify", 1)
modparam("presence_xml", "force_active", 1)
modparam("presence_xml", "disable_xcapdiff", 1)

request_route {{
    if (!maxfwd_process("70")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (has_totag()) {{
        if (loose_route()) {{
            handle_ruri_alias();
            if (is_method("NOTIFY")) record_route();
            t_on_reply("CLIENT");
            if (!is_method("ACK")) add_contact_alias();
            t_relay();
        }}
        else if (is_method("SUBSCRIBE")) route(EVENTS);
        else if (!is_method("ACK")) sl_send_reply("404", "No Route");
        else if (t_check_trans()) t_relay();
        exit;
    }}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("example.com", "{password}", "0")) {{
            www_challenge("example.com", "1");
            exit;
        }}
        if (!is_present_hf("Path")) fix_nated_register();
        if (is_present_hf("Supported")) append_to_reply("{service_route}");
        save("location");
        exit;
    }}
    if (!pv_proxy_authenticate("example.com", "{password}", "0")) {{
        proxy_challenge("example.com", "1");
        exit;
    }}
    consume_credentials();
    remove_hf("Route");
    if (is_method("PUBLISH|SUBSCRIBE") && $hdr(Event) =~ "^(presence|message-summary|dialog)") {{
        route(EVENTS);
        exit;
    }}
    if (!lookup("location")) {{
        sl_send_reply("404", "Not Found");
        exit;
    }}
    if (is_method("INVITE|SUBSCRIBE|REFER")) record_route();
    add_contact_alias();
    t_on_reply("CLIENT");
    t_relay();
}}

route[EVENTS] {{
    add_contact_alias();
    if (!t_newtran()) exit;
    if (is_method("PUBLISH")) handle_publish();
    else handle_subscribe();
}}

onreply_route[CLIENT] {{
    add_contact_alias();
}}
"""

#: By which flow a request goes on is told by the user part of the Path (RFC 5626 §5.3).
_EDGE = """\
request_route {{
    if (!maxfwd_process("70")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (has_totag()) {{
        if (loose_route()) t_relay();
        else if (!is_method("ACK")) sl_send_reply("404", "No Route");
        else if (t_check_trans()) t_relay();
        exit;
    }}
    if (is_method("REGISTER")) {{
        remove_hf("Route");
        add_path();
        $du = "{behind}";
        t_relay();
        exit;
    }}
    if ($si == "{host}" && $sp == {port}) {{
        if (!loose_route()) {{
            sl_send_reply("403", "Forbidden");
            exit;
        }}
        t_on_failure("FLOW");
    }}
    else {{
        remove_hf("Route");
        $du = "{behind}";
    }}
    if (is_method("INVITE|SUBSCRIBE|REFER")) record_route();
    if (!t_relay()) sl_send_reply("430", "Flow Failed");
}}

failure_route[FLOW] {{
    if (t_branch_timeout() && !t_branch_replied()) t_reply("430", "Flow Failed");
}}
"""

#: What carries each transport, for its `listen` parameter.
_CARRIERS = {"udp": "udp", "tcp": "tcp", "ws": "tcp", "tls": "tls", "wss": "tls"}


def _kind(transport: str) -> socket.SocketKind:
    return socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM


class PBX:
    """One Kamailio, and one for each edge before it.

    Args:
        folder: Where its files go.
        ports: The test's ports.
        transport: The family of its addresses.
        capture: What has to know SIP ports.
        certificates: For "tls" and "wss".
        transports: What it listens by, of "udp", "tcp", "tls", "ws" and "wss"; UDP besides.
        edges: How many edge proxies there are; each listens by the same transports.
        min_expires: The least that it takes as a time of registration, in seconds.
        flow_timer: What its Flow-Timer says, in seconds; 0 for none.
        nonce_expire: Seconds after which a nonce is stale.
        service_route: Whether its answers to REGISTER have a Service-Route (RFC 3608).
        gruu: Whether it gives GRUUs (RFC 5627). To one that a subscriber has as its Contact its
            presence server finds no way.
        children: Processes for each transport.
    """

    def __init__(
        self,
        folder: Path,
        ports: Ports,
        transport: Transport,
        capture: Capture | None,
        certificates: Certificates | None,
        *,
        transports: Iterable[str] = (),
        edges: int = 0,
        min_expires: int = 1,
        flow_timer: int = 0,
        nonce_expire: int = 300,
        service_route: bool = False,
        gruu: bool = True,
        children: int = 1,
    ) -> None:
        self._program = require("kamailio")
        for module in ("outbound", "presence"):
            if not (_MODULES / f"{module}.so").exists():
                missing(f"Kamailio's module {module} is not installed")
        self._folder = folder
        self._transport = transport
        self._capture = capture
        self._certificates = certificates
        self._children = children
        #: The port of each transport.
        self.ports = {name: ports.take() for name in dict.fromkeys(("udp", *transports))}
        #: The ports of each edge.
        self.edges = [{name: ports.take() for name in self.ports} for _ in range(edges)]
        tables = folder / "tables"
        shutil.copytree(_TABLES, tables)
        route = f"Service-Route: <{self.uri('udp')};lr>\\r\\n" if service_route else ""
        config = _REGISTRAR.format(
            tables=tables,
            password=PASSWORD,
            address=self.uri("udp"),
            min_expires=min_expires,
            flow_timer=flow_timer,
            nonce_expire=nonce_expire,
            service_route=route,
            gruu=int(gruu),
        )
        self._commands = {"pbx": self._command("pbx", self.ports, config)}
        for number, edge in enumerate(self.edges):
            config = _EDGE.format(
                behind=self.uri("udp"), host=transport.host, port=self.ports["udp"]
            )
            self._commands[f"edge{number}"] = self._command(f"edge{number}", edge, config)
        self._peers: dict[str, Peer] = {}
        for name in self._commands:
            self.start(name)

    def _command(self, name: str, ports: dict[str, int], routes: str) -> list[str]:
        host = self._transport.literal
        tls, made = "", self._certificates
        if {"tls", "wss"} & ports.keys():
            assert made is not None, "TLS takes certificates."
            tls = _TLS.format(key=made.key, certificate=made.certificate, authority=made.authority)
        listen = "\n".join(f"listen={_CARRIERS[by]}:{host}:{port}" for by, port in ports.items())
        head = _HEAD.format(
            children=self._children,
            tls="enable_tls=yes" if tls else "",
            listen=listen,
            modules=tls,
        )
        file = self._folder / f"{name}.cfg"
        file.write_text(head + routes)
        if self._capture is not None:
            for by, port in ports.items():
                self._capture.add(by, port)
        runs = self._folder / name
        runs.mkdir()
        command = [self._program, "-f", str(file), "-DD", "-E", "-m", "32", "-M", "4"]
        return [*command, "-Y", str(runs), "-P", str(runs / "pid")]

    def start(self, name: str = "pbx") -> None:
        """Start the PBX, or an edge, "edge0", anew."""
        self._peers[name] = Peer(self._commands[name], self._folder, name)

    def kill(self, name: str = "pbx") -> None:
        """End the PBX, or an edge, at once: it says nothing to anybody."""
        self._peers.pop(name).stop(signal=9)
        # Its processes end one after the other; until then a new one could not listen.
        for by, port in self._all_ports()[name].items():
            wait_for(
                lambda port=port, by=by: port not in bound_ports(_kind(by)),  # type: ignore[misc]
                f"port {port} is free",
            )

    def _all_ports(self) -> dict[str, dict[str, int]]:
        return {"pbx": self.ports, **{f"edge{n}": edge for n, edge in enumerate(self.edges)}}

    def wait_until_ready(self) -> None:
        """Wait until all of it listens."""
        for name, ports in self._all_ports().items():
            for by, port in ports.items():
                wait_for(
                    lambda port=port, by=by, name=name: (  # type: ignore[misc]
                        port in bound_ports(_kind(by)) or not self._peers[name].running
                    ),
                    f"{name} listens on port {port}",
                    10,
                    lambda name=name: self._peers[name].output,  # type: ignore[misc]
                )
            assert self._peers[name].running, self._peers[name].output

    def uri(self, name: str, edge: int | None = None) -> str:
        """The URI by which it, or an edge, is the next hop over a transport."""
        ports = self.ports if edge is None else self.edges[edge]
        return f"sip:{self._transport.literal}:{ports[name]};transport={name}"

    @property
    def output(self) -> str:
        """What it has logged."""
        return "\n".join(peer.output for peer in self._peers.values())

    def stop(self) -> None:
        """End it; may be called more than once."""
        for peer in self._peers.values():
            peer.stop()
