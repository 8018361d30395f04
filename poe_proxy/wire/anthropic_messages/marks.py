"""Our own marks in what clients keep for us: on thinking, and Google's signatures in call ids. It knows no request."""

from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode

THINKING_SIGNATURE = b64encode(b"poe-proxy").decode()
"""Clients keep thinking blocks that are signed, and no provider signs so."""
_SIGNED = "__sig_"  # with base64url after it within what Anthropic lets an id consist of: [a-zA-Z0-9_-]


def is_foreign(signature: str) -> bool:
    """Whether thinking with this signature is none of Claude's: unsigned, or translated by us."""
    return signature in ("", THINKING_SIGNATURE)


def with_signature(call_id: str, signature: str) -> str:
    """The id that carries ``signature`` to the client and back; without one the id as it is."""
    if not signature and split_signature(call_id) == (call_id, ""):
        return call_id
    coded = urlsafe_b64encode(signature.encode("utf-8", "surrogatepass")).decode()
    return f"{call_id}{_SIGNED}{coded.rstrip('=')}"


def split_signature(call_id: str) -> tuple[str, str]:
    """The id as its maker gave it, and the signature that it carried; an id that carries none is left as it is."""
    id_, mark, coded = call_id.rpartition(_SIGNED)
    signature = _decoded(coded) if mark else None
    return (call_id, "") if signature is None else (id_, signature)


def _decoded(coded: str) -> str | None:
    try:
        plain = urlsafe_b64decode(coded + "=" * (-len(coded) % 4))
        is_exact = urlsafe_b64encode(plain).decode().rstrip("=") == coded
        return plain.decode("utf-8", "surrogatepass") if is_exact else None
    except ValueError:
        return None
