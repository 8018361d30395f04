"""Counting with the real tokenizer, and without it."""

import asyncio
import gzip
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from poe_proxy import tokens
from poe_proxy.tokens import Counter, Encode, Tokens, TokensError, encoding

Work = Callable[[Counter], Any]


def counted(work: Work, *, load: Callable[[], Encode] | None = None) -> Any:
    """What ``work`` gets from tokens of its own."""
    return with_tokens(lambda own: own.counted(work), load)


def with_tokens(use: Callable[[Tokens], Coroutine[Any, Any, Any]], load: Callable[[], Encode] | None = None) -> Any:
    async def run() -> Any:
        own = Tokens(load)
        try:
            return await use(own)
        finally:
            own.close()

    return asyncio.run(run())


def count(text: str) -> int:
    found = counted(lambda counter: counter(text))
    assert isinstance(found, int)
    return found


class TestO200k:
    def test_is_openais(self) -> None:
        assert list(encoding()("hello world")) == [24912, 2375]
        assert list(encoding()("antidisestablishmentarianism")) == [493, 129901, 376, 160388, 21203, 2367]

    def test_is_built_once(self) -> None:
        assert encoding() is encoding()

    def test_of_nothing_is_nothing(self) -> None:
        assert count("") == 0

    def test_markup_is_text_like_any_other(self) -> None:
        assert count("<|endoftext|>") > 1
        assert count("<|endofprompt|><|im_start|>") > 2

    @pytest.mark.parametrize(
        "text",
        [" " * 1_000_000, "\t " * 500_000, "\u00a0" * 1_000_000, "\n" * 1_000_000, " " * 1_000_000 + "x"],
        ids=["spaces", "tabs", "hard spaces", "lines", "spaces before a letter"],
    )
    def test_a_million_spaces_do_no_harm(self, text: str) -> None:
        assert 0 < count(text) < 1_000_000

    @pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\x00", "\ufffe", "👩‍👩‍👧", "e" + "\u0301" * 1000])
    def test_nor_do_lone_oddities(self, text: str) -> None:
        assert count(text) > 0

    def test_a_long_text_has_what_its_pieces_have(self) -> None:
        sentence = "The quick brown fox jumps over the lazy dog. "
        assert count(sentence * 10_000) == pytest.approx(len(encoding()(sentence * 10_000)), rel=0.001)


class TestTheRankFile:
    @pytest.fixture
    def ranks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        path = tmp_path / "ranks.gz"
        monkeypatch.setattr(tokens, "_RANKS", path)
        monkeypatch.setattr(tokens, "_built", [])
        return path

    @pytest.mark.parametrize(
        "content",
        [None, b"", b"no gzip", gzip.compress(b"aGVsbG8= 0\n"), b"\x1f\x8b\x08\x00cut"],
        ids=["missing", "empty", "plain", "other", "cut"],
    )
    def test_is_checked_and_without_it_tokens_are_estimated(self, ranks: Path, content: bytes | None) -> None:
        if content is not None:
            ranks.write_bytes(content)
        with pytest.raises(TokensError, match=r"restore it from the repository"):
            encoding()

        async def use() -> list[int]:
            own = Tokens(on_fault=told.append)
            try:
                return [await own.counted(lambda counter: counter("x" * 300)) for _ in range(2)]
            finally:
                own.close()

        told: list[str] = []
        assert asyncio.run(use()) == [100, 100]
        assert len(told) == 1, "it is told once"
        assert str(ranks) in told[0]


class PanicException(BaseException):
    """What tiktoken raises where its Rust part gives up."""


class TestCounting:
    def test_a_panic_becomes_an_estimate(self) -> None:
        def panic(text: str) -> list[int]:
            raise PanicException("called `Result::unwrap()` on an `Err` value")

        assert counted(lambda counter: counter("x" * 300), load=lambda: panic) == 100

    def test_other_exceptions_are_not_swallowed(self) -> None:
        def stop(text: str) -> list[int]:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            counted(lambda counter: counter("x"), load=lambda: stop)

    def test_what_was_counted_is_not_counted_again(self) -> None:
        seen: list[str] = []

        def encode(text: str) -> list[int]:
            seen.append(text)
            return [0] * len(text)

        async def use(own: Tokens) -> list[int]:
            texts = ["a" * 100, "b" * 100, "long" * 20_000]
            first = await own.counted(lambda counter: [counter(text) for text in texts])
            again = [text[:1] + text[1:] for text in texts]
            assert first == await own.counted(lambda counter: [counter(text) for text in again])
            return first

        assert with_tokens(use, lambda: encode) == [100, 100, 80_000]
        assert len(seen) == len(set(seen))

    def test_what_is_remembered_is_bounded_and_what_is_used_stays(self) -> None:
        memory = tokens._Memory()
        for key in range(200_000):
            memory.put(key, key)
            memory.get(0)
        assert memory.get(0) == 0
        assert memory.get(199_999) == 199_999
        assert memory.get(1) is None
        assert len(memory._young) + len(memory._old) <= 100_000

    def test_little_is_counted_at_once_and_much_in_a_thread(self) -> None:
        where: list[bool] = []

        def encode(text: str) -> list[int]:
            where.append(threading.current_thread() is threading.main_thread())
            return [0] * len(text)

        counted(lambda counter: counter("x" * 7_000), load=lambda: encode)
        assert where == [True]
        where.clear()
        counted(lambda counter: [counter(f"{n}" * 900) for n in range(10, 30)], load=lambda: encode)
        assert where.index(False) < where.count(False) + 9
        assert not any(where[where.index(False) :])

    def test_what_is_said_to_be_large_is_not_even_looked_at_on_the_loop(self) -> None:
        async def use(own: Tokens) -> bool:
            return await own.counted(lambda _: threading.current_thread() is threading.main_thread(), large=True)

        assert with_tokens(use) is False

    def test_all_who_ask_early_wait_for_one_loading(self) -> None:
        loads: list[int] = []

        def load() -> Encode:
            loads.append(1)
            return lambda text: range(len(text))

        async def use(own: Tokens) -> list[int]:
            return await asyncio.gather(*(own.counted(lambda counter: counter("abc")) for _ in range(5)))

        assert with_tokens(use, load) == [3] * 5
        assert loads == [1]

    def test_a_tokenizer_that_does_not_load_is_told_once_and_tokens_are_estimated(self) -> None:
        def load() -> Encode:
            raise ImportError("no tiktoken")

        async def use() -> list[int]:
            own = Tokens(load, told.append)
            try:
                return [await own.counted(lambda counter: counter("x" * 300)) for _ in range(2)]
            finally:
                own.close()

        told: list[str] = []
        assert asyncio.run(use()) == [100, 100]
        assert told == [
            "the tokenizer cannot be loaded: install tiktoken anew; until then tokens are estimated "
            "(ImportError('no tiktoken'))"
        ]

    def test_who_leaves_while_it_loads_does_not_stop_it_for_others(self) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def load() -> Encode:
            begun.set()
            go_on.wait(10)
            return lambda text: range(len(text))

        async def use(own: Tokens) -> int:
            leaver = asyncio.create_task(own.counted(lambda counter: counter("abc")))
            await asyncio.to_thread(begun.wait, 10)
            leaver.cancel()
            go_on.set()
            return await own.counted(lambda counter: counter("abcd"))

        assert with_tokens(use, load) == 4
