"""The far ends of many streams of RTP: sends to each endpoint, and measures what it sends.

One socket a stream, and one for its RTCP, which is thrown away. A stream begins when the first
packet of its endpoint has come. Each has a phase of its own in the 20 ms, by chance, as
calls have that know nothing of each other. Packets are timed by the kernel (SO_TIMESTAMPNS), so
that it does not matter when this program reads them.

It prints `ready` and its ports as JSON, a line of JSON when every stream has been heard, another
one when the time to settle is over and one when that of the measurement is, and two seconds later
what it has measured. Beside the streams it sends datagrams to a
port that stands for signalling; the program under test says how long they lay there.
"""

from __future__ import annotations

import argparse
import json
import random
import select
import socket
import struct
import time
from typing import Final

from support import ADDRESS, emit

#: SO_TIMESTAMPNS of Linux; the same number says it in what the kernel gives.
_TIMESTAMP: Final = 35
_PERIOD: Final = 0.02
#: Seconds for which the streams go on after they were measured.
_AFTERWARDS: Final = 2.0
_HEADER: Final = struct.Struct("!BBHII")
_TIME: Final = struct.Struct("qq")
_WORD: Final = 0xFFFFFFFF


class _Stream:
    """One of them."""

    def __init__(self, phase: float, ticks: int, payload_type: int) -> None:
        while True:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind((ADDRESS, 0))
            self.port = self.socket.getsockname()[1]
            self.control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.control.bind((ADDRESS, self.port + 1))
            except OSError:
                self.control.close()
                self.socket.close()
                continue
            if self.port % 2 == 0:
                break
            self.control.close()
            self.socket.close()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, _TIMESTAMP, 1)
        self.phase = phase
        self.ticks = ticks
        self.kind = payload_type
        self.peer: tuple[str, int] | None = None
        self.due = 0.0
        self.sequence = random.getrandbits(16)
        self.timestamp = random.getrandbits(32)
        self.ssrc = random.getrandbits(32)
        self.count = 0
        self.came: list[tuple[float, int]] = []
        self.judged: list[tuple[float, int]] = []

    def send(self, payload: bytes) -> None:
        """The next packet."""
        header = _HEADER.pack(0x80, self.kind, self.sequence, self.timestamp, self.ssrc)
        assert self.peer is not None
        self.socket.sendto(header + payload, self.peer)
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + self.ticks) & _WORD
        self.count += 1

    def read(self) -> bool:
        """One packet, if there is one; whether the endpoint is a new one."""
        try:
            data, ancillary, _, peer = self.socket.recvmsg(1500, 64)
        except BlockingIOError:
            return False
        seconds, nanoseconds = _TIME.unpack_from(ancillary[0][2])
        if len(data) > 12 and data[1] & 0x7F == self.kind:
            self.came.append((seconds + nanoseconds * 1e-9, data[2] << 8 | data[3]))
        if self.peer is None:
            self.peer = peer
            return True
        return False

    def judge(self) -> tuple[list[float], int, int]:
        """How late each packet was against the stream's own 20 ms, how many are missing, and how
        many came more than a frame late.
        """
        if not self.judged:
            return [], 1, 0
        first = self.judged[0][1]
        late = [
            at - ((number - first + 0x8000 & 0xFFFF) - 0x8000) * _PERIOD
            for at, number in self.judged
        ]
        middle = sorted(late)[len(late) // 2]
        errors = [at - middle for at in late]
        span = (self.judged[-1][1] - first & 0xFFFF) + 1
        return errors, span - len(self.judged), sum(error > _PERIOD for error in errors)


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="how long to measure")
    parser.add_argument("--settle", type=float, default=3.0, help="seconds before that")
    parser.add_argument("--payloads", help="JSON list of payloads in hexadecimal")
    parser.add_argument("--ticks", type=int, default=160)
    parser.add_argument("--payload-type", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Run the streams until the measurement is over."""
    options = _options()
    count = options.streams
    chance = random.Random(count)
    phases = [chance.uniform(0, _PERIOD) for _ in range(count)]
    streams = [_Stream(phase, options.ticks, options.payload_type) for phase in phases]
    payloads = [random.Random(1).randbytes(160)]
    if options.payloads:
        payloads = [bytes.fromhex(each) for each in json.loads(options.payloads)]
    poll = select.epoll()
    by_number = {stream.socket.fileno(): stream for stream in streams}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    signalling = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    signalling.bind((ADDRESS, 0))
    signalling.setblocking(False)
    print("ready", json.dumps([signalling.getsockname()[1], [s.port for s in streams]]), flush=True)
    heard = 0
    began = measured = ended = 0.0
    ping_to: tuple[str, int] | None = None
    ping_at = 0.0
    late_sent = 0
    while True:
        now = time.monotonic()
        ahead = 1.0
        for stream in streams:
            if stream.peer is not None:
                if stream.due <= now:
                    late_sent += now - stream.due > 0.01
                    stream.send(payloads[stream.count % len(payloads)])
                    stream.due += _PERIOD
                ahead = min(ahead, stream.due - now)
        if ping_to is not None and ping_at <= now:
            signalling.sendto(b"ping", ping_to)
            ping_at = now + random.uniform(0.005, 0.015)
        elif ping_to is None:
            try:
                ping_to = signalling.recvfrom(100)[1]
            except BlockingIOError:
                pass
        # It sleeps without looking at its sockets: else each packet would have to wake it, which
        # would cost whoever sends it as much again as the sending.
        time.sleep(max(0.0, min(ahead, 0.002) - (time.monotonic() - now)))
        for number, _ in poll.poll(0, count):
            stream = by_number[number]
            if stream.read():
                heard += 1
                stream.due = (time.monotonic() // _PERIOD + 1) * _PERIOD + stream.phase
                if heard == count:
                    began = time.monotonic() + options.settle
                    emit(heard=count)
        if not began:
            continue
        if not measured and now >= began:
            measured = now
            for stream in streams:
                stream.came.clear()
            late_sent = 0
            emit(began=True)
        elif measured and not ended and now >= measured + options.seconds:
            # The endpoints are read now, and what they hear goes on until that is done.
            ended = now
            for stream in streams:
                stream.judged, stream.came = stream.came, []
            emit(ended=True)
        elif ended and now >= ended + _AFTERWARDS:
            break
    errors: list[float] = []
    missing = late = packets = 0
    for stream in streams:
        of_stream, gone, after = stream.judge()
        errors += of_stream
        missing += gone
        late += after
        packets += len(stream.judged)
    emit(
        packets=packets,
        missing=missing + sum(not stream.judged for stream in streams),
        late=late,
        error_ms_p50=_percentile([abs(error) for error in errors], 0.5) * 1e3,
        error_ms_p99=_percentile([abs(error) for error in errors], 0.99) * 1e3,
        error_ms_max=max((abs(error) for error in errors), default=0.0) * 1e3,
        own_late=late_sent,
    )


if __name__ == "__main__":
    main()
