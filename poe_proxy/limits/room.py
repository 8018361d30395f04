"""The memory that the bodies of all requests may take together: a flood of large ones is not the proxy's end."""

from poe_proxy.canonical.errors import TooMuchAtOnce
from poe_proxy.canonical.report import Report

_AT_ONCE = 16
"""As many of the largest bodies, or more smaller ones."""


class Room:
    """Counts each body from its first byte until its request is over."""

    def __init__(self, largest: int) -> None:
        """``largest`` is the most bytes that one body may have; ``left`` are those that there is room for."""
        self.left = largest * _AT_ONCE

    def take(self, report: Report, size: int) -> None:
        """``size`` more bytes of the body of one request. Raises TooMuchAtOnce."""
        if size > self.left:
            raise TooMuchAtOnce(
                "The proxy holds as many large requests as it may (MAX_BODY_MB); try again in a moment.",
                retry_after=1,
            )
        self.left -= size
        report.body_bytes += size

    def leave(self, report: Report) -> None:
        """The request is over."""
        self.left += report.body_bytes
        report.body_bytes = 0
