"""Kamailio as the proxy in between: it record-routes, knows where users are, and may ask who calls.

It is one tree of processes in a session of its own, so that all of it ends with the test.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from .certificates import Certificates
from .peer import Peer, Ports, Transport, bound_ports, require, wait_for
from .tshark import Capture

__all__ = ["Kamailio"]

_CONFIG = """\
#!KAMAILIO
debug=1
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
dns=no
rev_dns=no
tcp_accept_no_cl=yes
{tls}
{listen}

loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xhttp.so"
loadmodule "websocket.so"
loadmodule "stun.so"
{modules}

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
        if (loose_route() || (is_method("ACK") && t_check_trans())) {{
{in_dialog}
            t_relay();
        }}
        else if (!is_method("ACK")) sl_send_reply("404", "No Route");
        exit;
    }}
{admission}
{registrar}
    remove_hf("Route");
{record_route}
{routes}
    if ($du == $null) {{
        sl_send_reply("404", "Not Found");
        exit;
    }}
    t_relay();
}}

event_route[xhttp:request] {{
    if ($hdr(Upgrade) =~ "websocket" && $rm == "GET") {{
        ws_handle_handshake();
        exit;
    }}
    xhttp_reply("404", "Not Found", "", "");
}}
"""

_TLS = """\
loadmodule "tls.so"
modparam("tls", "private_key", "{key}")
modparam("tls", "certificate", "{certificate}")
modparam("tls", "ca_list", "{authority}")
modparam("tls", "verify_certificate", 1)
modparam("tls", "require_certificate", 0)
modparam("tls", "tls_method", "TLSv1.2+")
"""

_AUTH = """\
loadmodule "auth.so"
modparam("auth", "qop", "auth")
"""

_ADMISSION = """\
    if (!pv_proxy_authenticate("{realm}", "{password}", "0")) {{
        proxy_challenge("{realm}", "1");
        exit;
    }}
    consume_credentials();
"""

_REGISTRAR = """\
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "nathelper.so"
modparam("nathelper|registrar", "received_avp", "$avp(received)")

onreply_route[REGISTERED] {
    add_contact_alias();
}
"""

#: By the connection that the registration came by (RFC 7118 App. B): its Contact leads nowhere.
_REGISTERED = """\
    if (is_method("REGISTER")) {
        fix_nated_register();
        save("location");
        exit;
    }
    if (lookup("location")) {
        t_on_reply("REGISTERED");
        remove_hf("Route");
        record_route();
        t_relay();
        exit;
    }
"""

#: What carries each transport, for its `listen` parameter.
_CARRIERS = {"udp": "udp", "tcp": "tcp", "ws": "tcp", "tls": "tls", "wss": "tls"}


class Kamailio:
    """One Kamailio.

    Args:
        folder: Where its files go.
        ports: The test's ports.
        transport: The family of its addresses.
        capture: What has to know SIP ports.
        routes: The URI of where each user is.
        transports: What it listens by, of "udp", "tcp", "tls", "ws" and "wss".
        certificates: For "tls" and "wss".
        record_routes: Whether it stays on the path of dialogs.
        admits: The realm and the password, of any user, of those whose calls it takes; None for
            everybody's.
        registers: Whether users may register, and then are where they did it from.
    """

    def __init__(
        self,
        folder: Path,
        ports: Ports,
        transport: Transport,
        capture: Capture | None,
        *,
        routes: Mapping[str, str],
        transports: Iterable[str],
        certificates: Certificates | None = None,
        record_routes: bool = True,
        admits: tuple[str, str] | None = None,
        registers: bool = False,
    ) -> None:
        program = require("kamailio")
        self._host = transport.literal
        #: The port of each transport.
        self.ports = {name: ports.take() for name in transports}
        carriers = {port: _CARRIERS[name] for name, port in self.ports.items()}
        secure = "tls" in carriers.values() or any("=tls" in uri for uri in routes.values())
        modules = ""
        if secure:
            assert certificates is not None, "TLS takes certificates."
            modules = _TLS.format(
                key=certificates.key,
                certificate=certificates.certificate,
                authority=certificates.authority,
            )
        admission = ""
        if admits is not None:
            realm, password = admits
            modules += _AUTH
            admission = _ADMISSION.format(realm=realm, password=password)
        if registers:
            modules += _REGISTRAR
        rows = (f'    if ($rU == "{u}") $du = "{uri}";' for u, uri in routes.items())
        config = _CONFIG.format(
            tls="enable_tls=yes" if secure else "",
            listen="\n".join(f"listen={kind}:{self._host}:{p}" for p, kind in carriers.items()),
            modules=modules,
            admission=admission,
            in_dialog="            handle_ruri_alias();" if registers else "",
            registrar=_REGISTERED if registers else "",
            record_route="    record_route();" if record_routes else "",
            routes="\n".join(rows),
        )
        file = folder / "kamailio.cfg"
        file.write_text(config)
        command = [program, "-f", str(file), "-DD", "-E", "-m", "16", "-M", "4"]
        command += ["-Y", str(folder), "-P", str(folder / "kamailio.pid")]
        if capture is not None:
            for name, port in self.ports.items():
                capture.add(name, port)
        self._peer = Peer(command, folder, "kamailio")

    def wait_until_ready(self) -> None:
        """Wait until it listens."""
        kinds = {"udp": socket.SOCK_DGRAM}
        for name, port in self.ports.items():
            kind = kinds.get(name, socket.SOCK_STREAM)
            wait_for(
                lambda port=port, kind=kind: port in bound_ports(kind) or not self._peer.running,  # type: ignore[misc]
                f"Kamailio listens on port {port}",
                10,
                lambda: self._peer.output,
            )
        assert self._peer.running, self._peer.output

    def uri(self, name: str) -> str:
        """Its URI, by which it is the next hop over a transport."""
        return f"sip:{self._host}:{self.ports[name]};transport={name}"

    @property
    def output(self) -> str:
        """What it has logged."""
        return self._peer.output

    def stop(self) -> None:
        """End it; may be called more than once."""
        self._peer.stop()
