"""What is taken out of Poe's errors and headers: our own key, which one may quote. It knows no dialect."""

import re
from typing import Any

from poe_proxy.canonical.errors import PoeError, ProxyError
from poe_proxy.canonical.events import Event, Failed

_MASK = "***"
_PART = 8
"""As many characters of the key in a row are as good as the key: providers quote it shortened."""


class Mask:
    """Takes ``secret`` out, and every part of it that is long enough to be one."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        size = min(_PART, len(secret))
        parts = {secret[start : start + size] for start in range(len(secret) - size + 1)} - {""}
        overlapping = "|".join(map(re.escape, sorted(parts)))
        self._parts = re.compile(f"(?=({overlapping}))") if parts else None

    def text(self, said: str) -> str:
        """``said`` with each run of such parts as ``***``."""
        pieces, end = [], 0
        for start, stop in self._runs(said):
            pieces += [said[end:start], _MASK]
            end = stop
        return "".join([*pieces, said[end:]])

    def header(self, value: str) -> str:
        """A header of Poe's; looked at closely only where the whole secret is in it, since each answer brings many."""
        return self.text(value) if self._secret and self._secret in value else value

    def error(self, error: ProxyError) -> ProxyError:
        """The same error, with nothing of the secret in whatever of it a caller, the log or the ledger could see."""
        error.message = self.text(error.message)
        error.args = (error.message,)
        error.param, error.code = self._within(error.param), self._within(error.code)
        if isinstance(error, PoeError):
            error.poe_type, error.original = self._within(error.poe_type), self._within(error.original)
        return error

    def events(self, events: list[Event]) -> list[Event]:
        """The same events; of these only an error could quote the secret."""
        if events and isinstance(last := events[-1], Failed):
            self.error(last.error)
        return events

    def _runs(self, said: str) -> list[tuple[int, int]]:
        """From where to where parts of the secret stand, those that overlap or touch put together."""
        runs: list[tuple[int, int]] = []
        for found in self._parts.finditer(said) if self._parts else ():
            start, stop = found.span(1)
            if runs and start <= runs[-1][1]:
                runs[-1] = (runs[-1][0], stop)
            else:
                runs.append((start, stop))
        return runs

    def _within(self, said: Any) -> Any:
        """JSON with every text in it masked, names included."""
        if isinstance(said, str):
            return self.text(said)
        if isinstance(said, dict):
            return {self._within(name): self._within(value) for name, value in said.items()}
        return [self._within(value) for value in said] if isinstance(said, list) else said
