"""Detours of HTTP itself: lengths that lie, headers beyond measure, an encoding or an answer that nobody asked for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from poe_sim.detours import Steps, at_moment
from poe_sim.dialects.dialect import Frame
from poe_sim.directives import Directive
from poe_sim.steps import Break, End, Pause, Raw, Start, Step

_LEAVING_S = 0.1
"""Time for earlier bytes to leave and be read: who reads nonsense with them gives up all of it."""
_GZIP = 16 + zlib.MAX_WBITS
_ANOTHER = b'{"error": {"message": "Nobody asked for this answer.", "type": "provider_error"}}'


def bad_chunk(steps: Steps, args: Directive) -> Iterator[Step]:
    """What stands where the next chunk's length belongs is no length."""
    leaving = Pause(_LEAVING_S)
    return at_moment(steps, args, [leaving, Raw(b"what?\r\n"), Break("drop")], ends=True)


def _with_headers(steps: Steps, headers: Mapping[str, str]) -> Iterator[Step]:
    """The answer with further headers; it comes in chunks, so that its body may change."""
    for step in steps:
        if isinstance(step, Start):
            kept = {name: value for name, value in step.headers.items() if name != "content-length"}
            yield Start(step.status, {**kept, **headers})
        else:
            yield step


def label(steps: Steps, args: Directive) -> Iterator[Step]:
    return _with_headers(steps, {"content-type": args.text("type", "text/plain")})


def big_headers(steps: Steps, args: Directive) -> Iterator[Step]:
    return _with_headers(steps, {"x-much": "x" * args.count("bytes", 100_000)})


def many_headers(steps: Steps, args: Directive) -> Iterator[Step]:
    return _with_headers(steps, {f"x-much-{n}": "x" for n in range(args.count("n", 500))})


def gzip(steps: Steps, _args: Directive) -> Iterator[Step]:
    packer = zlib.compressobj(wbits=_GZIP)
    for step in _with_headers(steps, {"content-encoding": "gzip"}):
        if isinstance(step, Frame):
            data = packer.compress(step.data) + packer.flush(zlib.Z_SYNC_FLUSH)
            yield Frame(step.kind, data + (packer.flush() if step.kind in ("done", "tail") else b""))
        else:
            yield step


def interim(steps: Steps, args: Directive) -> Iterator[Step]:
    """An answer of 1xx goes ahead, as gateways send."""
    status = args.text("status", "103")
    yield Raw(f"HTTP/1.1 {status} Early Hints\r\nlink: </style.css>\r\n\r\n".encode())
    yield from steps


def redirect(_steps: Steps, args: Directive) -> Iterator[Step]:
    yield Start(args.count("status", 302), {"location": "http://poe.invalid/", "content-length": "0"})


def empty(_steps: Steps, args: Directive) -> Iterator[Step]:
    """A success that says nothing."""
    status = args.count("status", 200)
    yield Start(status, {"content-type": "application/json"} | ({} if status == 204 else {"content-length": "0"}))


def length(steps: Steps, args: Directive) -> Iterator[Step]:
    """Content-Length says so many bytes more than there are, or fewer; then the connection closes."""
    body = b"".join(step.data for step in steps if isinstance(step, Frame))
    said = len(body) + args.count("more", 10)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    yield Raw(head % said + body, status=200)
    yield Break("drop")


def until_close(steps: Steps, _args: Directive) -> Iterator[Step]:
    """As HTTP/1.0 had it: nothing tells the length, the end of the connection is the end of the answer."""
    for step in steps:
        match step:
            case Start(status, headers):
                told = b"".join(b"%b: %b\r\n" % (name.encode(), value.encode()) for name, value in headers.items())
                yield Raw(b"HTTP/1.1 %d OK\r\n%bconnection: close\r\n\r\n" % (status, told), status=status)
            case Frame(kind, data):
                yield Raw(data, kind=kind)
            case _:
                yield step
    yield Break("drop")


def second(steps: Steps, args: Directive) -> Iterator[Step]:
    """A second answer comes on the same connection, `seconds` after the first."""
    yield from steps
    head = b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    yield End(head % len(_ANOTHER) + _ANOTHER, args.number("seconds", 0))
