"""What browsers are told of our answers, and how a foreign page's request is told from others. It knows no settings.

Nothing here is made to be shown, framed, kept or loaded by a page: these headers say so, should a browser be led here.
"""

from collections.abc import Mapping

ALWAYS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""For every answer: points, models and what was said are nobody's to keep."""
SHOWN = (
    *ALWAYS,
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
"""For answers that a browser may be led to by a link or load into a page: those to anything but POST."""
_OF_OTHERS = frozenset({"cross-site", "same-site"})


def headers_for(method: str) -> tuple[tuple[bytes, bytes], ...]:
    """What goes with every answer to ``method``."""
    return ALWAYS if method == "POST" else SHOWN


def is_from_foreign_page(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of another origin sent this: images, scripts and frames carry no Origin.

    A link that somebody follows is no such thing: it shows the answer to that person alone.
    """
    return headers.get("sec-fetch-site") in _OF_OTHERS and headers.get("sec-fetch-dest") != "document"
