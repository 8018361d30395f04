"""Server-sent events as bytes: frames out of pieces cut anywhere, and frames into bytes. It knows nothing of JSON."""

from dataclasses import dataclass

MAX_FRAME = 64 * 1024 * 1024
"""Bytes that one unfinished frame may hold; a media data URL stays far below, an endless line does not."""
_FIELDS = (b"data:", b"event:", b":", b"id:", b"retry:")
_LONGEST_FIELD = max(map(len, _FIELDS))
COMMENT_PING = b": ping\n\n"


class FrameTooLarge(ValueError):
    """An unfinished frame outgrew ``MAX_FRAME``."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One event: its ``event:`` name (None where it had none) and its joined ``data:`` lines."""

    name: bytes | None
    data: bytes


class Decoder:
    """Feed it bytes as they come and get whole frames back.

    Line ends may be LF, CRLF or CR, even mixed. Comments, ids and retry times are passed over. We have our own because
    ``httpx.Response.iter_lines`` also cuts at U+2028, which JSON may hold, and so breaks frames.
    """

    __slots__ = ("_after_cr", "_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._after_cr = False

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that ``data`` completes. Raises FrameTooLarge."""
        if self._after_cr or b"\r" in data:
            data = self._plain_newlines(data)
        if self._pieces:
            if b"\n\n" not in self._pieces[-1][-1:] + data:
                self._keep(data)
                return []
            data = b"".join((*self._pieces, data))
            self._pieces, self._size = [], 0
        blocks = data.split(b"\n\n")
        self._keep(blocks.pop())
        return [frame for block in blocks if (frame := _frame(block)) is not None]

    def close(self) -> list[Frame]:
        """Return a last frame that lacked its blank line: some servers end right after ``data: [DONE]``."""
        block = b"".join(self._pieces)
        self._pieces = []
        frame = _frame(block.removesuffix(b"\n"))
        return [] if frame is None else [frame]

    def _plain_newlines(self, data: bytes) -> bytes:
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _keep(self, data: bytes) -> None:
        if not data:
            return
        self._size += len(data)
        if self._size > MAX_FRAME:
            raise FrameTooLarge(f"a frame of more than {MAX_FRAME} bytes")
        self._pieces.append(data)


def _frame(block: bytes) -> Frame | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return Frame(None, block[6:])
    block = block.removeprefix(b"\xef\xbb\xbf")  # a byte order mark may open the stream
    name: bytes | None = None
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, colon, value = line.partition(b":")
        if not field and colon:
            continue  # a comment
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return Frame(name, b"\n".join(data)) if data else None


def begins(head: bytes) -> bool | None:
    """Whether an answer that begins with ``head`` is a stream of events; None where more of it is needed to tell.

    What it is labelled as does not tell: gateways were seen to lose or swap the content type.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(_FIELDS):
        return True
    return None if len(text) < _LONGEST_FIELD and any(field.startswith(text) for field in _FIELDS) else False


def encode(data: bytes, name: bytes | None = None) -> bytes:
    """One frame; ``data`` is a single line, as every JSON that orjson writes."""
    head = b"" if name is None else b"event: " + name + b"\n"
    return head + b"data: " + data + b"\n\n"
