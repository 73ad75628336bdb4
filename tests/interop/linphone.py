"""linphonec, the softphone Linphone on a terminal: it plays a WAV file and records to another.

It reads commands as they would be typed, and prints what happened. Each has a home of its own,
registers where it is told to, and needs no sound device. What this version lacks:

* By TLS it calls, and cannot be called. Whom a certificate is for it looks up among names alone,
  not addresses, so it is told not to; that the authority is the right one it does check.
* It has no WebSocket.
"""

from __future__ import annotations

import re
from pathlib import Path

from .certificates import Certificates
from .pbx import DOMAIN, PASSWORD
from .peer import Peer, Ports, Transport, bound_ports, require, wait_for

__all__ = ["Linphone"]

_CONFIG = """\
[sip]
sip_port={udp}
sip_tcp_port={tcp}
sip_tls_port={tls}
bind_address={host}
contact=sip:{user}@{literal}
guess_hostname=0
use_ipv6={six}
ipv6_migration_done=1
register_only_when_network_is_up=0
root_ca={authority}
verify_server_certs=1
verify_server_cn=0

[net]
prefer_ipv6={six}

[rtp]
bind_address={host}
audio_rtp_port={media}

[sound]
echocancellation=0
"""

_ACCOUNT = """
[proxy_0]
reg_proxy=<{proxy}>
reg_route=<{proxy}>
reg_identity=sip:{user}@{domain}
reg_expires=60
reg_sendregister=1
publish={publishes}

[auth_info_0]
username={user}
passwd={password}
realm={domain}
domain={domain}
"""

_FRIEND = """
[friend_0]
url=<{friend}>
pol=accept
subscribe=1
"""

#: What its configuration says for a transport that it does not listen by.
_NEVER = 0


class Linphone:
    """One linphonec, that is called `user` by whom it calls.

    Args:
        folder: Its own.
        ports: The test's ports.
        transport: How SIP travels.
        certificates: For TLS.
        play: The WAV file that it plays to whom it talks to, 8000 samples a second.
        answers: Whether it answers calls by itself.
        user: The user part of its address.
        registers: The PBX's URI for it to register with, as `user` of its domain.
        friend: The address of whose presence it subscribes to.
        publishes: Whether it publishes its own presence.
        settings: Further lines of its configuration's section "sip".
    """

    def __init__(
        self,
        folder: Path,
        ports: Ports,
        transport: Transport,
        certificates: Certificates,
        *,
        play: Path,
        answers: bool = True,
        user: str = "bob",
        registers: str = "",
        friend: str = "",
        publishes: bool = False,
        settings: str = "",
    ) -> None:
        program = require("linphonec")
        self.user = user
        self.port = ports.take()
        self._transport = transport
        self._recording = folder / "heard.wav"
        self._log = folder / "linphone.log"
        listens = dict.fromkeys(("udp", "tcp", "tls"), _NEVER) | {transport.name: self.port}
        config = _CONFIG.format(
            **listens,
            user=user,
            host=transport.host,
            literal=transport.literal,
            six=int(":" in transport.host),
            media=ports.take(2),
            authority=certificates.authority,
        )
        settings += "default_proxy=0\n" if registers else ""
        config = config.replace("[sip]\n", f"[sip]\n{settings}", 1)
        if registers:
            config += _ACCOUNT.format(
                proxy=registers,
                user=user,
                domain=DOMAIN,
                password=PASSWORD,
                publishes=int(publishes),
            )
        if friend:
            config += _FRIEND.format(friend=friend)
        (folder / "config").write_text(config)
        # Without a place for its database it would not listen at all.
        (folder / "home/.local/share/linphone").mkdir(parents=True)
        command = [program, "-c", str(folder / "config"), "-S", "-d", "6"]
        command += ["-l", str(self._log), *(["-a"] if answers else [])]
        home = {"HOME": str(folder / "home"), "LC_ALL": "C", "TMPDIR": str(folder)}
        home |= {f"XDG_{name}_HOME": "" for name in ("DATA", "CONFIG", "CACHE", "STATE")}
        home |= {"PULSE_RUNTIME_PATH": str(folder / "pulse")}
        self._peer = Peer(command, folder, "linphonec", told=True, environment=home)
        for line in ("soundcard use files", f"play {play}", f"record {self._recording.name}"):
            self._peer.tell(line)

    def wait_until_ready(self) -> None:
        """Wait until it takes calls and commands."""
        done = re.compile(rf"record {re.escape(self._recording.name)}\s+linphonec> ")

        def ready() -> bool:
            listens = self.port in bound_ports(self._transport.kind)
            return listens and bool(done.search(self._peer.output))

        wait_for(lambda: ready() or not self._peer.running, "linphonec is ready", 10, self.describe)
        assert self._peer.running, self.describe()

    def wait_until_registered(self) -> None:
        """Wait until it has registered; it does not print that."""
        self.wait_for_log(r"to \[LinphoneRegistrationOk\]")

    def wait_for_log(self, pattern: str, timeout: float = 5.0) -> None:
        """Wait until what matches a regular expression is in its log."""
        wait_for(
            lambda: re.search(pattern, self._log.read_text(errors="replace")),
            f"linphonec logged {pattern!r}",
            timeout,
            self.describe,
        )

    def uri(self) -> str:
        """The URI to call it by."""
        return self._transport.uri(self.user, self.port)

    def tell(self, command: str) -> None:
        """Give it a command, such as "call" with a URI, "answer", "terminate", "pause 1"."""
        self._peer.tell(command)

    def wait_for_output(self, pattern: str, timeout: float = 5.0) -> None:
        """Wait until it has printed what matches a regular expression."""
        wait_for(
            lambda: re.search(pattern, self._peer.output),
            f"linphonec printed {pattern!r}",
            timeout,
            self.describe,
        )

    @property
    def recording(self) -> Path:
        """The WAV file of what it heard in a call that has ended, waited for until it is whole."""

        def whole() -> bool:
            head = self._recording.read_bytes()[:44] if self._recording.exists() else b""
            return len(head) == 44 and int.from_bytes(head[40:], "little") > 0

        wait_for(whole, f"linphonec has written {self._recording}", 5, self.describe)
        return self._recording

    def describe(self) -> str:
        """What it printed."""
        return self._peer.output

    def stop(self) -> None:
        """End it; may be called more than once."""
        self._peer.stop()
