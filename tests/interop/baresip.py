"""baresip, a softphone, without sound devices: it plays a WAV file and records to others.

It is told what to do, and tells what happened, over a TCP connection of its own (its module
ctrl_tcp: JSON in netstrings). Each has a folder of its own; it registers where it is told to.

What this version (1.0.0, with libre 1.1.0) lacks: reliable provisional responses (RFC 3262),
session timers (RFC 4028), UPDATE, and Replaces (RFC 3891): it is neither target nor, by a command
of its own, transferor of an attended transfer; `transfer` writes any URI into Refer-To.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from .certificates import Certificates
from .pbx import DOMAIN, PASSWORD
from .peer import Peer, Ports, Transport, require, wait_for

__all__ = ["Baresip", "has_codec"]

_CONFIG = """\
poll_method            epoll
sip_listen             {literal}:{port}
net_interface          {host}
sip_certificate        {certificate}
sip_cafile             {authority}
call_local_timeout     20
call_max_calls         {calls}
audio_source           aufile,{play}
audio_player           aubridge,sink
audio_alert            aubridge,alert
ausrc_srate            {rate}
auplay_srate           {rate}
ausrc_channels         1
auplay_channels        1
ring_aufile            none
ringback_aufile        none
busy_aufile            none
error_aufile           none
notfound_aufile        none
rtp_ports              {first}-{last}
jitter_buffer_delay    2-10
snd_path               {records}
ctrl_tcp_listen        127.0.0.1:{control}
module_path            {modules}
{codecs}
module                 aufile.so
module                 aubridge.so
module                 sndfile.so
module                 uuid.so
module_tmp             account.so
module_app             menu.so
{more}
module_app             ctrl_tcp.so
"""

#: Where its modules are, as packagers have it.
_MODULES = ("/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules")

#: Modules that accounts are read with.
_ENCRYPTION = frozenset({"srtp", "dtls_srtp"})


def _module(codec: str) -> str:
    """The name of the module that has a codec."""
    name = codec.partition("/")[0].lower()
    return {"pcmu": "g711", "pcma": "g711"}.get(name, name)


def has_codec(codec: str) -> bool:
    """Whether this baresip has a codec."""
    return any(Path(place, f"{_module(codec)}.so").exists() for place in _MODULES)


class Baresip:
    """One baresip, with one account that is called `user`.

    Args:
        folder: Its own.
        ports: The test's ports.
        transport: How SIP travels.
        certificates: For TLS.
        play: The WAV file that it plays to whom it talks to, `rate` samples a second.
        codecs: Its codecs, the preferred one first: "PCMU", or with rate and channels where those
            are not 8000 and 1: "L16/16000/1", "opus/48000/2".
        rate: Samples a second of what it plays; that of its codecs, between which it does not
            convert.
        answers: Whether it answers calls by itself.
        user: The user part of its address.
        calls: How many calls it takes at a time.
        registers: The PBX's URI for it to register with, as `user` of its domain.
        account: Further parameters of its account, such as ";mwi=yes".
        modules: Further modules, such as "mwi"; "srtp" for an account with ";mediaenc=srtp-mand".
    """

    def __init__(
        self,
        folder: Path,
        ports: Ports,
        transport: Transport,
        certificates: Certificates,
        *,
        play: Path,
        codecs: tuple[str, ...] = ("PCMU", "PCMA"),
        rate: int = 8000,
        answers: bool = True,
        user: str = "bob",
        calls: int = 1,
        registers: str = "",
        account: str = "",
        modules: tuple[str, ...] = (),
    ) -> None:
        program = require("baresip")
        place = next((place for place in _MODULES if Path(place).is_dir()), _MODULES[0])
        self.user = user
        plain = ports.take(4)
        # TLS has the port after that of the others.
        self.port = plain + (transport.name == "tls")
        self._control = ("127.0.0.1", plain + 2)
        self._transport = transport
        self._records = folder / "records"
        self._records.mkdir()
        media = ports.take(10)
        values = {
            "host": transport.host,
            "literal": transport.literal,
            "port": plain,
            "control": plain + 2,
            "certificate": certificates.both,
            "authority": certificates.authority,
            "play": play,
            "first": media,
            "last": media + 9,
            "records": self._records,
            "modules": place,
            "rate": rate,
            "codecs": "\n".join(
                f"module                 {name}.so"
                for name in dict.fromkeys([*map(_module, codecs), *_ENCRYPTION & {*modules}])
            ),
            "calls": calls,
            "more": "\n".join(
                f"module_app             {name}.so" for name in modules if name not in _ENCRYPTION
            ),
        }
        (folder / "config").write_text(_CONFIG.format(**values))
        names = ",".join(name if "/" in name else f"{name}/8000/1" for name in codecs)
        mode = "auto" if answers else "manual"
        host = DOMAIN if registers else transport.literal
        line = f"<sip:{user}@{host};transport={transport.name}>"
        if registers:
            line += f';outbound="{registers}";auth_user={user};auth_pass={PASSWORD};regint=60'
        else:
            line += ";regint=0"
        line += f";answermode={mode};audio_codecs={names}{account}\n"
        (folder / "accounts").write_text(line)
        (folder / "contacts").write_text("")
        self._peer = Peer([program, "-f", str(folder)], folder, "baresip")
        self._connection: socket.socket | None = None
        self._buffer = b""
        #: What it told so far: the types of its events, such as "CALL_ESTABLISHED".
        self.events: list[dict[str, Any]] = []

    def wait_until_ready(self) -> None:
        """Wait until it takes calls and commands."""
        self._peer.wait_for_output("baresip is ready.")
        self._connection = socket.create_connection(self._control, timeout=5.0)
        self._connection.setblocking(False)

    def wait_until_registered(self) -> None:
        """Wait until it has registered, which it may have before it told of anything."""
        self.wait_for_output("[1 binding]")

    def wait_for_output(self, text: str) -> None:
        """Wait until it has printed a text."""
        self._peer.wait_for_output(text)

    def uri(self) -> str:
        """The URI to call it by."""
        return self._transport.uri(self.user, self.port)

    # ---------------------------------------------------------------- what it is told

    def tell(self, command: str, parameters: str = "") -> None:
        """Give it a command, such as "dial" with a URI, "accept", "hangup", "hold", "resume"."""
        assert self._connection is not None
        text = json.dumps({"command": command, "params": parameters, "token": command}).encode()
        self._connection.sendall(b"%d:%s," % (len(text), text))

    # ---------------------------------------------------------------- what it tells

    def _take(self) -> None:
        assert self._connection is not None
        try:
            while piece := self._connection.recv(65536):
                self._buffer += piece
        except BlockingIOError:
            pass
        while b":" in self._buffer:
            length, _, rest = self._buffer.partition(b":")
            if len(rest) <= int(length):
                break
            told = json.loads(rest[: int(length)])
            self._buffer = rest[int(length) + 1 :]
            if told.get("event"):
                self.events.append(told)

    def wait_for_event(self, kind: str, timeout: float = 5.0) -> dict[str, Any]:
        """Wait for an event, such as "CALL_INCOMING", and return the last of its kind."""

        def find() -> dict[str, Any] | None:
            self._take()
            return next((told for told in reversed(self.events) if told["type"] == kind), None)

        found = wait_for(find, f"baresip told {kind}", timeout, self.describe)
        assert found is not None
        return found

    @property
    def recording(self) -> Path | None:
        """The WAV file of what it heard last; None while there is none. Whole after the call."""
        files = sorted(self._records.glob("*-dec.wav"))
        return files[-1] if files else None

    def describe(self) -> str:
        """What it told and printed."""
        return "\n".join([*map(str, self.events), self._peer.output])

    def stop(self) -> None:
        """End it; may be called more than once."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._peer.stop()
