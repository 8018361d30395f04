"""Secrets in every form in which they could be written somewhere, and where they were found."""

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus


def forms(secret: str) -> Iterator[bytes]:
    """``secret`` as it is, in JSON, in URLs, in hexadecimal and in base64 at any place."""
    raw = secret.encode()
    yield raw
    yield json.dumps(secret)[1:-1].encode()
    yield json.dumps(secret, ensure_ascii=False)[1:-1].encode()
    yield from (quote(secret).encode(), quote(secret, safe="").encode(), quote_plus(secret).encode())
    yield from (raw.hex().encode(), raw.hex().upper().encode())
    for ahead in range(3):
        whole = base64.b64encode(b"\0" * ahead + raw)
        yield whole[4 if ahead else 0 : len(whole) // 4 * 4 - 4]  # without what its neighbours decide
        yield base64.urlsafe_b64encode(b"\0" * ahead + raw)[4 if ahead else 0 : len(whole) // 4 * 4 - 4]


def found(secrets: Iterable[str], places: dict[str, bytes]) -> list[str]:
    """Which secret stands in which place."""
    return [
        f"{secret} in {place}"
        for secret in secrets
        for place, said in places.items()
        for form in forms(secret)
        if form in said
    ]


def files_in(folder: Path) -> dict[str, bytes]:
    """All files below ``folder`` by name."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
