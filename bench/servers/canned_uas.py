"""The floor: a loop on a UDP socket that answers with what it is told to, knowing no SIP.

It copies the header lines that a response must carry and keeps no state: less cannot be done in
Python, and no SIP library may do so little.
"""

from __future__ import annotations

import socket

from support import ADDRESS, arguments, ready

_COPIED = (b"Via:", b"From:", b"To:", b"Call-ID:", b"CSeq:")


def main() -> None:
    """Answer until told to stop."""
    options = arguments()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind((ADDRESS, options.port))
    contact = b"Contact: <sip:%s:%d>" % (ADDRESS.encode(), options.port)
    end = b"Content-Length: 0\r\n\r\n"
    ready(options.port)
    while True:
        data, source = sock.recvfrom(65535)
        method = data[:3]
        if method == b"ACK":
            continue
        copied = [line for line in data.split(b"\r\n") if line.startswith(_COPIED)]
        if method == b"INV":
            for at, line in enumerate(copied):
                if line.startswith(b"To:"):
                    copied[at] = line + b";tag=floor"
            head = b"\r\n".join([*copied, contact, end])
            sock.sendto(b"SIP/2.0 180 Ringing\r\n" + head, source)
            sock.sendto(b"SIP/2.0 200 OK\r\n" + head, source)
        else:
            sock.sendto(b"SIP/2.0 200 OK\r\n" + b"\r\n".join([*copied, end]), source)


if __name__ == "__main__":
    main()
