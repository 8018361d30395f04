"""How many pixels a base64 image has, from its first bytes: PNG, JPEG, GIF, WebP. It decodes no image.

Only the bytes that are looked at are decoded, however large the image and its Exif are.
"""

from base64 import b64decode

Size = tuple[int, int]
"""Width and height."""

_SEGMENTS = 100  # of a JPEG, before the one that says its size
_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})


def read(data: str) -> Size | None:
    """Width and height of the image in ``data``, None where they cannot be read."""
    head = _bytes(data, 0, 32)
    size = _in_head(head) if not head.startswith(b"\xff\xd8") else _of_jpeg(data)
    return size if size is not None and min(size) > 0 else None


def _in_head(head: bytes) -> Size | None:
    if len(head) < 32:
        return None
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _big(head[16:20]), _big(head[20:24])
    if head.startswith(b"GIF8"):
        return _little(head[6:8]), _little(head[8:10])
    return _of_webp(head) if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


def _of_webp(head: bytes) -> Size | None:
    match head[12:16]:
        case b"VP8X":
            return _little(head[24:27]) + 1, _little(head[27:30]) + 1
        case b"VP8 ":
            return _little(head[26:28]) & 0x3FFF, _little(head[28:30]) & 0x3FFF
        case b"VP8L":
            packed = _little(head[21:25])
            return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    return None


def _of_jpeg(data: str) -> Size | None:
    """The size in the frame header, which stands behind other segments, such as Exif."""
    at = 2
    for _ in range(_SEGMENTS):
        segment = _bytes(data, at, 9)
        if len(segment) < 9 or segment[0] != 0xFF:
            return None
        if 0xC0 <= segment[1] <= 0xCF and segment[1] not in _NO_FRAME:
            return _big(segment[7:9]), _big(segment[5:7])
        at += 2 + _big(segment[2:4]) if segment[1] != 0xFF else 1  # any number of FF may stand before a segment
    return None


def _bytes(data: str, start: int, count: int) -> bytes:
    first, last = start // 3, -(-(start + count) // 3)
    try:
        return b64decode(data[first * 4 : last * 4])[start - first * 3 :][:count]
    except ValueError:
        return b""


def _big(number: bytes) -> int:
    return int.from_bytes(number, "big")


def _little(number: bytes) -> int:
    return int.from_bytes(number, "little")
