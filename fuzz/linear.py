"""Time over growing hostile inputs: no parser may be worse than linear.

    python fuzz/linear.py              inputs of 1 kB to 64 kB
    python fuzz/linear.py --large      up to 1 MB as well, where the parser has no limit below that
    python fuzz/linear.py --only uri

Each row is a shape that a careless parser is slow at: many of something, one long something,
something that is opened and not closed. The shape is made at growing sizes, the best of a few
times is taken for each, and the growth exponent is the slope from the middle sizes to the largest,
in logarithms: 1 is linear, 2 quadratic. Where the parser refuses an input early, time does not
grow.

Exit status 1: an exponent is above `MOST_EXPONENT` where the time is above `WORTH_MEASURING`, or an
input of 64 kB takes more than `MOST_TIME`.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

if not __package__:  # run as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from fuzz.targets import TARGETS

__all__ = ["SHAPES", "Measured", "Shape", "main", "measure"]

#: The growth exponent that is still called linear; caches and allocators take their share.
MOST_EXPONENT = 1.2
#: Seconds that 64 kB may take.
MOST_TIME = 0.050
#: Seconds below which growth is lost in noise, and does no harm.
WORTH_MEASURING = 0.004

SIZES = (1_024, 4_096, 16_384, 65_536)
LARGE = (262_144, 1_048_576)


@dataclass(frozen=True)
class Shape:
    """A hostile input of any size.

    Args:
        target: The parser, of `fuzz.targets`.
        name: What it is.
        make: Gives the input of about so many bytes.
    """

    target: str
    name: str
    make: Callable[[int], bytes]


@dataclass(frozen=True)
class Measured:
    """What came of one shape.

    Args:
        shape: The shape.
        times: Seconds to look at it from all sides, as fuzzing does, by size in bytes.
        once: Seconds to read one of 64 kB.
        exponent: Of the growth of time with size.
    """

    shape: Shape
    times: dict[int, float]
    once: float
    exponent: float

    @property
    def is_fine(self) -> bool:
        """Whether it is linear, and fast enough at 64 kB."""
        slow = self.once > MOST_TIME
        grows = self.exponent > MOST_EXPONENT and max(self.times.values()) > WORTH_MEASURING
        return not (slow or grows)


def fill(before: bytes, piece: bytes, after: bytes = b"") -> Callable[[int], bytes]:
    """Make inputs of a beginning, a piece as often as fits, and an end."""

    def make(size: int) -> bytes:
        return before + piece * max(1, (size - len(before) - len(after)) // len(piece)) + after

    return make


def count(before: bytes, piece: bytes, after: bytes = b"") -> Callable[[int], bytes]:
    """The same with a number in each piece, so that no two are alike: `%d` stands for it."""

    def make(size: int) -> bytes:
        times = max(1, (size - len(before) - len(after)) // (len(piece) + 3))
        return before + b"".join(piece % at for at in range(times)) + after

    return make


_HEAD = (
    b"INVITE sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"
)
_END = b"\r\n\r\n"
_SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
_AUDIO = _SDP + b"m=audio 4000 RTP/AVP 0\r\n"
_DIGEST = b'Digest realm="r", nonce="n"'

#: What stands in a header: name, beginning, piece, end. Tried as a message and as a line alone.
_IN_HEADERS: tuple[tuple[str, bytes, bytes, bytes], ...] = (
    ("long value", b"Subject: ", b"x", b""),
    ("spaces in a value", b"Subject: x", b" ", b"x"),
    ("folds", b"Subject: x", b"\r\n ", b"x"),
    ("spaces before folds", b"Subject: x\r\n ", b" ", b"x"),
    ("spaces, then a fold", b"Subject: x", b" ", b"y\r\n z"),
    ("folds with words", b"Subject: x", b"\r\n\ty ", b"z"),
    ("spaces before the colon", b"Subject", b" ", b": x"),
    ("long unknown name", b"", b"x", b": y"),
    ("commas", b"Contact: <sip:a@b>", b",", b""),
    ("contacts", b"Contact: <sip:a@b>", b",<sip:a@b>", b""),
    ("routes", b"Record-Route: <sip:a;lr>", b", <sip:a;lr>", b""),
    ("open brackets", b"Contact: ", b"<", b""),
    ("brackets and commas", b"Contact: ", b"<,", b""),
    ("closed brackets", b"Contact: ", b"<>,", b""),
    ("quoted pairs", b'Contact: "', b"\\\\", b'" <sip:a@b>'),
    ("unclosed quote", b'Contact: "', b"a", b" <sip:a@b>"),
    ("unclosed quote of pairs", b'Contact: "', b'\\"', b" <sip:a@b>"),
    ("many quotes", b"Contact: ", b'"" ', b"<sip:a@b>"),
    ("semicolons", b"Contact: <sip:a@b>", b";", b""),
    ("parameters", b"Contact: <sip:a@b>", b";a=b", b""),
    ("quoted parameters", b"Contact: <sip:a@b>", b';a="b;c"', b""),
    ("parameter and unclosed quote", b"To: <sip:a@b>", b';a="', b""),
    ("equals signs", b"Contact: <sip:a@b>;a", b"=", b""),
    ("semicolons in Via", b"Via: SIP/2.0/UDP h", b";", b""),
    ("parameters in Via", b"Via: SIP/2.0/UDP h", b";a=b", b""),
    ("spaces in Via", b"Via: SIP/2.0/UDP h", b" ", b"x"),
    ("spaces in Via's protocol", b"Via: SIP", b" ", b"x"),
    ("long host in Via", b"Via: SIP/2.0/UDP ", b"h", b"\x01"),
    ("colons in Via", b"Via: SIP/2.0/UDP [", b":", b"]"),
    ("many Vias", b"Via: SIP/2.0/UDP h", b",SIP/2.0/UDP h", b""),
    ("tokens", b"Supported: a", b",a", b""),
    ("long CSeq", b"CSeq: ", b"1", b" INVITE"),
    ("spaces in CSeq", b"CSeq: 1", b" ", b"\x01"),
    ("dates", b"Date: ", b"Sat, ", b""),
    ("nested comments", b"Server: ", b"(", b""),
    ("closed comments", b"Retry-After: 1 ", b"()", b""),
    ("warnings", b"Warning: 301 a", b', 301 a "b"', b""),
    ("languages", b"Accept-Language: da", b", da;q=0.1", b""),
    ("accepts", b"Accept: a/b", b", a/b;c=d", b""),
    ("boundaries", b"Content-Type: multipart/mixed", b';boundary="x"', b""),
    ("reasons", b"Reason: SIP;cause=1", b", SIP;cause=1", b""),
    ("event parameters", b"Event: presence", b";a=b", b""),
    ("challenges", b"WWW-Authenticate: " + _DIGEST, b", Digest a=b", b""),
    ("challenge parameters", b"WWW-Authenticate: " + _DIGEST, b", a=b", b""),
    ("credentials", b"Authorization: " + _DIGEST, b", uri=x", b""),
)  # fmt: skip

_IN_URIS: tuple[tuple[str, bytes, bytes, bytes], ...] = (
    ("long user", b"sip:", b"a", b"@b"),
    ("escaped user", b"sip:", b"%61", b"@b"),
    ("broken escapes", b"sip:", b"%", b"@b"),
    ("escapes cut short", b"sip:", b"%6", b"@b"),
    ("user of colons", b"sip:", b":", b"@b"),
    ("long password", b"sip:a:", b"%61", b"@b"),
    ("at signs", b"sip:a", b"@", b"b"),
    ("long host", b"sip:a@", b"b", b""),
    ("labels", b"sip:a@", b"b.", b"c"),
    ("dots", b"sip:a@b", b".", b""),
    ("hyphens", b"sip:a@b", b"-", b"."),
    ("numeric labels", b"sip:a@", b"1.", b"1"),
    ("colons in IPv6", b"sip:[", b":", b"]"),
    ("groups in IPv6", b"sip:[", b"1:", b"1]"),
    ("triple colons", b"sip:[", b":::1.", b"]"),
    ("unclosed IPv6", b"sip:[", b"a", b""),
    ("long port", b"sip:a@b:", b"0", b"5060"),
    ("long digits in a port", b"sip:a@b:", b"9", b""),
    ("semicolons", b"sip:a@b", b";", b""),
    ("parameters", b"sip:a@b", b";a=b", b""),
    ("escaped parameters", b"sip:a@b", b";%61=%62", b""),
    ("equals signs", b"sip:a@b;a", b"=", b""),
    ("headers", b"sip:a@b?a=b", b"&a=b", b""),
    ("ampersands", b"sip:a@b?a=b", b"&", b""),
    ("question marks", b"sip:a@b", b"?", b""),
    ("long scheme", b"", b"a", b":b"),
    ("no scheme", b"", b"a", b""),
    ("telephone number", b"tel:+", b"1", b""),
    ("telephone parameters", b"tel:+1", b";a=b", b""),
    ("opaque", b"urn:", b"a:%61", b""),
    ("spaces", b"sip:a@b", b" ", b""),
    ("octets beyond UTF-8", b"sip:", b"\xff", b"@b"),
)  # fmt: skip

_IN_SDP: tuple[tuple[str, bytes, bytes, bytes], ...] = (
    ("attributes", _AUDIO, b"a=x\r\n", b""),
    ("attributes with values", _AUDIO, b"a=x:y\r\n", b""),
    ("session attributes", _SDP, b"a=x:y\r\n", b"m=audio 1 RTP/AVP 0\r\n"),
    ("maps", _AUDIO, b"a=rtpmap:97 x/8000\r\n", b""),
    ("format parameters", _AUDIO, b"a=fmtp:0 a=b\r\n", b""),
    ("one long fmtp", _AUDIO + b"a=fmtp:0 ", b"a=b;", b"\r\n"),
    ("one long rtpmap", _AUDIO + b"a=rtpmap:0 ", b" ", b"\r\n"),
    ("one long attribute", _AUDIO + b"a=x:", b"y", b"\r\n"),
    ("streams", _SDP, b"m=audio 1 RTP/AVP 0\r\n", b""),
    ("streams refused", _SDP, b"m=audio 0 x 0\r\n", b""),
    ("formats", _SDP + b"m=audio 1 RTP/AVP", b" 0", b"\r\n"),
    ("spaces in m=", _SDP + b"m=audio 1 RTP/AVP 0", b" ", b"0\r\n"),
    ("connections", _AUDIO, b"c=IN IP4 224.0.0.1/1\r\n", b""),
    ("slashes in c=", _AUDIO + b"c=IN IP4 224.0.0.1", b"/1", b"\r\n"),
    ("colons in c=", _AUDIO + b"c=IN IP6 ", b":", b"\r\n"),
    ("bandwidths", _SDP, b"b=AS:1\r\n", b""),
    ("times", _SDP, b"t=0 0\r\n", b""),
    ("repeats", _SDP, b"r=1 1 0\r\n", b""),
    ("offsets", _SDP + b"r=1 1 0", b" 1", b"\r\n"),
    ("zones", _SDP + b"r=1 1 0\r\nz=", b"1 1h ", b"\r\n"),
    ("long number", _SDP + b"t=", b"1", b" 0\r\n"),
    ("empty lines", _SDP, b"\r\n", b""),
    ("line feeds", _SDP, b"\n", b""),
    ("carriage returns", _SDP, b"\r", b""),
    ("unknown lines", _SDP, b"y=1\r\n", b""),
)  # fmt: skip

_LENGTH = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: "
_IN_STREAMS: tuple[tuple[str, bytes, bytes, bytes], ...] = (
    ("empty lines", b"", b"\r\n", b""),
    ("messages", b"", b"A b SIP/2.0\r\nl:0\r\n\r\n", b""),
    ("a head without end", b"A b SIP/2.0\r\n", b"x", b""),
    ("carriage returns", b"A b SIP/2.0\r\nX: ", b"\r", _END),
    ("nearly ends", b"A b SIP/2.0\r\nl:0", b"\r\n\r", b"\n"),
    ("lengths", b"A b SIP/2.0\r\n", b"l: 1\r\n", b"\r\n"),
    ("long length", _LENGTH, b"1", _END),
    ("length of spaces", _LENGTH, b" ", _END),
    ("folded length", _LENGTH, b"\r\n ", _END),
    ("spaces before a colon", b"A b SIP/2.0\r\nl", b" ", _END),
    ("a body", _LENGTH + b"4000\r\n\r\n", b"x", b""),
)  # fmt: skip


_MIXED = b"Content-Type: multipart/mixed;boundary=x\r\n\r\n"
#: Bodies of several parts: the name, what stands before, what is repeated, what stands behind.
_IN_BODIES = (
    ("parts", b"", b"--x\r\n\r\n", b"--x--"),
    ("parts without an end", b"", b"--x\r\n\r\n", b""),
    ("delimiters without a line between", b"", b"--x\r\n", b"--x--"),
    ("what begins as a delimiter", b"--x\r\n\r\n", b"\r\n--xy", b"\r\n--x--"),
    ("spaces behind a delimiter", b"--x", b" ", b"-\r\n--x--"),
    ("spaces behind each delimiter", b"--x\r\n", b"\r\n--x" + b" " * 60 + b".", b"\r\n--x--"),
    ("line ends", b"--x\r\n", b"\r\n", b"\r\n--x--"),
    ("hyphens", b"--x\r\n\r\n", b"-", b"\r\n--x--"),
    ("a long part", b"--x\r\n\r\n", b"y", b"\r\n--x--"),
    ("before the first part", b"", b"y", b"\r\n--x\r\n\r\n\r\n--x--"),
    ("behind the last part", b"--x\r\n\r\n\r\n--x--\r\n", b"--x--", b""),
    ("headers of a part", b"--x\r\n", b"A: b\r\n", b"\r\n\r\n--x--"),
    ("a folded header of a part", b"--x\r\nA: b", b"\r\n c", b"\r\n\r\n--x--"),
    ("base64", b"--x\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n",
     b"=a", b"\r\n--x--"),
)  # fmt: skip


def _nested(size: int) -> bytes:
    """Make a part in a part in a part, and so on."""
    inner = b"Content-Type: multipart/mixed;boundary=x%d\r\n\r\n--x%d\r\n"
    levels = range(max(1, size // 70))
    before = b"".join(inner % (at, at) for at in levels)
    return before + b"\r\n" + b"".join(b"\r\n--x%d--" % at for at in reversed(levels))


def _shapes() -> list[Shape]:
    shapes = [
        Shape("message", "many headers", fill(_HEAD, b"X: y\r\n", b"\r\n")),
        Shape("message", "different headers", count(_HEAD, b"X%d: y\r\n", b"\r\n")),
        Shape("message", "long method", fill(b"", b"A", b" sip:a SIP/2.0" + _END)),
        Shape("message", "long URI", fill(b"A sip:", b"a", b" SIP/2.0" + _END)),
        Shape("message", "long reason", fill(b"SIP/2.0 200 ", b"a", _END)),
        Shape("message", "spaces in the start line", fill(b"A", b" ", b"b SIP/2.0" + _END)),
        Shape("message", "empty lines before", fill(b"", b"\r\n", _HEAD + b"\r\n")),
        Shape("message", "long body", fill(_HEAD + b"\r\n", b"x")),
        Shape("message", "no end", fill(_HEAD, b"x")),
        Shape("message", "line feeds", fill(_HEAD + b"X: ", b"\n", _END)),
        Shape("message", "parts of a multipart", fill(
            _HEAD + b"Content-Type: multipart/mixed;boundary=x\r\n\r\n", b"--x\r\n\r\n", b"--x--"
        )),
        Shape("message", "spaces in 200 folds", lambda size: (
            _HEAD + b"X: y" + b"\r\n ".join([b" " * (size // 200) + b"z"] * 200) + _END
        )),
        Shape("uri", "different parameters", count(b"sip:a@b", b";a%d=b")),
        Shape("uri", "different headers", count(b"sip:a@b?a=b", b"&a%d=b")),
        Shape("headers", "different parameters", count(b"Contact: <sip:a@b>", b";a%d=b")),
        Shape("headers", "different parameters of a URI", count(b"To: <sip:a@b", b";a%d=b", b">")),
        Shape("headers", "many lines", fill(b"", b"Contact: <sip:a@b>\r\n")),
        Shape("sdp", "different attributes", count(_AUDIO, b"a=x%d:y\r\n")),
        Shape("auth", "different parameters", count(_DIGEST, b", a%d=b")),
        Shape("auth", "token68", fill(b"Negotiate ", b"a", b"=,\x01")),
        Shape("auth", "schemes", fill(b"", b"Basic a=b,")),
        Shape("auth", "quoted pairs", fill(b'Digest a="', b"\\\\")),
        Shape("auth", "commas", fill(_DIGEST, b",")),
        Shape("auth", "spaces", fill(_DIGEST, b" ")),
        Shape("auth", "folds", fill(_DIGEST, b"\r\n ")),
        *(Shape("multipart", name, fill(_MIXED + before, piece, after)) for (
            name, before, piece, after
        ) in _IN_BODIES),
        Shape("multipart", "parts in parts", _nested),
        Shape("rtp", "payload", fill(bytes.fromhex("800000010000000100000001"), b"x")),
        Shape("rtcp", "packets", fill(b"", bytes.fromhex("80c9000100000001"))),
        Shape("rtcp", "descriptions", fill(b"", bytes.fromhex("81ca00020000000101016100"))),
    ]  # fmt: skip
    for name, before, piece, after in _IN_HEADERS:
        shapes.append(Shape("message", name, fill(_HEAD + before, piece, after + _END)))
        shapes.append(Shape("headers", name, fill(before, piece, after)))
    for name, before, piece, after in _IN_URIS:
        shapes.append(Shape("uri", name, fill(before, piece, after)))
        inside = fill(b"To: <" + before, piece, after + b">")
        shapes.append(Shape("headers", f"URI: {name}", inside))
    for name, before, piece, after in _IN_SDP:
        shapes.append(Shape("sdp", name, fill(before, piece, after)))
    for name, before, piece, after in _IN_STREAMS:
        shapes.append(Shape("stream", name, fill(before, piece, after)))
    order = list(TARGETS)
    return sorted(shapes, key=lambda shape: order.index(shape.target))


#: Every shape, by target.
SHAPES: list[Shape] = _shapes()


def measure(shape: Shape, sizes: tuple[int, ...], patience: float = 2.0) -> Measured:
    """Time a shape at growing sizes.

    Args:
        shape: The shape.
        sizes: In bytes, from small to large.
        patience: Seconds for one run beyond which larger sizes are not tried.
    """
    target = TARGETS[shape.target]
    times: dict[int, float] = {}
    once = math.inf
    for _ in range(3):  # what else runs on the machine can make a row look bad, but not thrice
        for size in sizes:
            times[size] = min(times.get(size, math.inf), _best(target.probe, shape.make(size)))
            if times[size] > patience:
                break
        once = min(once, _best(target.read, shape.make(SIZES[-1])))
        done = Measured(shape, times, once, _exponent(times))
        if done.is_fine:
            break
    return done


def _exponent(times: dict[int, float]) -> float:
    """The slope of time over size, in logarithms; of the last steps, since what a call costs by
    itself hides growth at small sizes.
    """
    sizes = list(times)[-3:]
    if len(sizes) < 2:
        return 0.0
    return math.log(times[sizes[-1]] / times[sizes[0]]) / math.log(sizes[-1] / sizes[0])


def _best(call: Callable[[bytes], object], data: bytes) -> float:
    """The shortest of a few runs, in seconds: the others were disturbed."""
    best = math.inf
    for _ in range(5):
        start = time.perf_counter()
        call(data)
        best = min(best, time.perf_counter() - start)
        if best > 0.5:
            break
    return best


def main(arguments: list[str] | None = None) -> int:
    """Measure every shape, print a table, and return the exit status."""
    parser = argparse.ArgumentParser(description="Time parsers over growing hostile inputs.")
    parser.add_argument("--large", action="store_true", help="up to 1 MB as well")
    parser.add_argument("--only", metavar="NAMES", default="", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--all", action="store_true", help="print every row, not the worst alone")
    options = parser.parse_args(arguments)
    only = options.only.split(",") if options.only else list(TARGETS)
    sizes = SIZES + LARGE if options.large else SIZES
    say = sys.stdout.write
    titles = "".join(f"{f'{size // 1024} kB':>9}" for size in sizes)
    say("Milliseconds to read 64 kB once; and to look at an input from all sides, by its size:\n")
    say(f"{'parser':10} {'shape':32}{'once':>9} {titles}  exponent\n")
    done = [measure(shape, sizes) for shape in SHAPES if shape.target in only]
    bad = [one for one in done if not one.is_fine]
    shown = sorted(done, key=lambda one: one.once, reverse=True)
    for one in shown if options.all else [*bad, *(one for one in shown[:12] if one.is_fine)]:
        cells = "".join(f"{one.times.get(size, math.nan) * 1000:9.2f}" for size in sizes)
        mark = "" if one.is_fine else "   <-- FINDING"
        say(f"{one.shape.target:10} {one.shape.name:32}{one.once * 1000:9.2f} {cells}")
        say(f"  {one.exponent:8.2f}{mark}\n")
    worth = [one.exponent for one in done if max(one.times.values()) > WORTH_MEASURING]
    say(
        f"{len(done)} shapes, {len(bad)} findings; the slowest 64 kB took "
        f"{shown[0].once * 1000:.1f} ms, the steepest growth is {max(worth, default=0.0):.2f}\n"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
