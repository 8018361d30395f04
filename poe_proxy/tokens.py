"""How many tokens a text has in ``o200k_base``: the only one who knows tiktoken. It knows no messages and no models.

Everything is offline: the ranks are package data (``data/README.md``). The encoding is built once in a process, in a
thread, but its last step is one call into tiktoken that keeps the interpreter: all streams stand still for 0.1 to
0.2 s. Small counts are made where they are asked for, large ones in one thread of their own. Texts are counted in
pieces: tiktoken panics on a million spaces, with an exception that no ``except Exception`` sees, and between pieces the
event loop has its turn.
"""

import asyncio
import base64
import gzip
import hashlib
import threading
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import TypeVar

_RANKS = Path(__file__).parent / "data" / "o200k_base.tiktoken.gz"
_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
_SPECIAL = {"<|endoftext|>": 199_999, "<|endofprompt|>": 200_018}
_CASES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_PATTERN = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + _CASES,
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + _CASES,
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
_PIECE = 16_384
"""Characters counted in one go: 2 ms at worst, and far from where tiktoken's regex runs out of stack (some 500,000)."""
_AT_ONCE = 8_000
"""Characters that may be counted on the event loop for one request: about a millisecond."""
_LOOKED_UP = 8
"""A look-up costs its hash only: a character that was counted before weighs 2 to the minus this."""
_REMEMBERED = 50_000
_BYTES_PER_TOKEN = 3
_BROKEN = "the tokenizer cannot be loaded: install tiktoken anew; until then tokens are estimated"

Counter = Callable[[str], int]
Encode = Callable[[str], Sequence[int]]
Result = TypeVar("Result")


class TokensError(Exception):
    """The encoding cannot be loaded; says why and what to do."""


class _TooMuch(Exception):
    """More needs counting than may be counted on the event loop: the same work is begun again in the thread."""


class Tokens:
    """Counts texts, and remembers counts by content.

    The encoding is 70 MB, and most days of most people have no conversation that is long enough to be counted: it is
    loaded for the first that is, which waits half a second for it.
    """

    def __init__(
        self, load: Callable[[], Encode] | None = None, on_fault: Callable[[str], None] = lambda _: None
    ) -> None:
        """``load`` gives tiktoken's ``encode_ordinary``; where it fails, ``on_fault`` is told why and what to do."""
        self._load = load or encoding
        self._on_fault = on_fault
        self._encode: Encode | None = None
        self._loading: asyncio.Task[None] | None = None
        self._memory = _Memory()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tokens")

    async def loaded(self) -> None:
        """Return when texts can be counted; without the encoding they are estimated."""
        if self._encode is None:
            self._loading = self._loading or asyncio.create_task(self._loads())
            await asyncio.shield(self._loading)

    async def counted(self, work: Callable[[Counter], Result], *, large: bool = False) -> Result:
        """What ``work`` returns, given a counter: at once if it has little to count, else from the thread.

        ``work`` must be a pure function, since it may be begun twice; ``large`` says that even looking is much work.
        """
        await self.loaded()
        if not large:
            try:
                return work(self._counter(_AT_ONCE))
            except _TooMuch:
                pass
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._counter(inf))

    def close(self) -> None:
        """Give the thread up; a count that is under way ends by itself."""
        if self._loading is not None:
            self._loading.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _counter(self, left: float) -> Counter:
        return _Counting(self._encode or _estimated, self._memory, left)

    async def _loads(self) -> None:
        try:
            self._encode = await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        except Exception as error:  # whatever it is, nobody must wait for a loading that failed
            self._encode = _estimated
            self._on_fault(str(error) if isinstance(error, TokensError) else f"{_BROKEN} ({error!r})")


class _Counting:
    """A counter that gives up with ``_TooMuch`` once it did ``left`` characters' worth of work."""

    def __init__(self, encode: Encode, memory: "_Memory", left: float) -> None:
        self._encode = encode
        self._memory = memory
        self._left = left

    def __call__(self, text: str) -> int:
        if len(text) <= _PIECE:
            return self._piece(text)
        return sum(self._piece(text[start : start + _PIECE]) for start in range(0, len(text), _PIECE))

    def _piece(self, text: str) -> int:
        key = hash(text)
        known = self._memory.get(key)
        self._left -= len(text) if known is None else len(text) >> _LOOKED_UP
        if self._left < 0:
            raise _TooMuch
        if known is None:
            known = _length(self._encode, text)
            self._memory.put(key, known)
        return known


class _Memory:
    """Counts by the hash of what was counted (keyed anew in each process), the longest unused forgotten first.

    Two generations instead of a list in order: nothing is moved, and threads need no lock.
    """

    def __init__(self) -> None:
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def get(self, key: int) -> int | None:
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self.put(key, found)
        return found

    def put(self, key: int, tokens: int) -> None:
        if len(self._young) >= _REMEMBERED:
            self._old, self._young = self._young, {}
        self._young[key] = tokens


_building = threading.Lock()
_built: list[Encode] = []


def encoding() -> Encode:
    """tiktoken's ``encode_ordinary`` for ``o200k_base``, built on the first call. Raises TokensError."""
    with _building:
        if not _built:
            _built.append(_build(_read(_RANKS)))
        return _built[0]


def _read(path: Path) -> bytes:
    cure = "restore it from the repository (poe_proxy/data/README.md); until then tokens are estimated"
    try:
        ranks = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise TokensError(f"{path} cannot be read ({error}): {cure}") from error
    if hashlib.sha256(ranks).hexdigest() != _SHA256:
        raise TokensError(f"{path} is not OpenAI's o200k_base: {cure}")
    return ranks


def _build(lines: bytes) -> Encode:
    import tiktoken  # noqa: PLC0415  # with the ranks, when they are needed

    # A loop, since a single call into C would not let the event loop have its turn in between; the next line is one.
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines.splitlines())}
    built = tiktoken.Encoding("o200k_base", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens=_SPECIAL)
    ranks.clear()  # tiktoken has copied them; the dictionary that it keeps a hold of is 30 MB
    return built.encode_ordinary


def _length(encode: Encode, text: str) -> int:
    try:
        return len(encode(text))
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # pyo3's, which is no Exception and has no importable name
            raise
        return len(_estimated(text))


def _estimated(text: str) -> Sequence[int]:
    """As many as there would roughly be, where they cannot be counted."""
    return range(-(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN))
