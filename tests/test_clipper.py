"""Clipping of one request: to which size, when nothing needs counting, and what is learned from the answer."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from poe_proxy.canonical.card import Modality, ModelCard
from poe_proxy.canonical.events import Event, Started, Used
from poe_proxy.canonical.report import Report
from poe_proxy.canonical.usage import Usage
from poe_proxy.clipper import Clipper, Clipping
from poe_proxy.policy.clipping import SHARES
from poe_proxy.policy.factors import Factors
from poe_proxy.tokens import Encode, Tokens
from tests.policy.talks import IMAGE, Json, assistant, of, said, system, user

CARD = ModelCard("a-model", "a-model", context=1000)
DIRECT, BOT = "chatcmpl-7f1f3a1e-8a53-4ac5-9d5e-0d3a4d5e6f70", "chatcmpl-0123456789abcdef01234567"


def no_encoding() -> Encode:
    raise AssertionError("something is counted that needs no counting")


def letters() -> Encode:
    """One token a letter."""
    return lambda text: range(len(text))


def run(
    use: Callable[[Clipper], Coroutine[Any, Any, Any]], load: Callable[[], Encode] = letters, *, on: bool = True
) -> Any:
    async def running() -> Any:
        clipper = Clipper(Tokens(load), Factors(), on=on)
        try:
            return await use(clipper)
        finally:
            clipper.tokens.close()

    return asyncio.run(running())


def report() -> Report:
    return Report("req_1", "/v1/chat/completions", 0.0)


def talk(turns: int, size: int = 42) -> list[Json]:
    """So many turns of 100 tokens each, and a question of 46."""
    return of(*([user("u" * size), assistant("a" * (size + 8))] for _ in range(turns)), user("q" * 42))


def body(messages: list[Json], **more: Any) -> Json:
    return {"model": "a-model", "messages": messages, **more}


def fitted(asked: Json, card: ModelCard = CARD, **how: Any) -> tuple[Json, Report]:
    told = report()
    return run(lambda clipper: clipper.of(card, told).fit(asked), **how), told


class TestNothingIsCounted:
    def test_where_the_bytes_prove_that_it_fits(self) -> None:
        asked = body([system("s" * 100), user("é" * 400)])
        found, told = fitted(asked, load=no_encoding)
        assert found is asked
        assert told.clipped is None

    @pytest.mark.parametrize("card", [replace(CARD, context=None), replace(CARD, modality=Modality.IMAGE)])
    def test_for_models_without_a_limit_and_for_media(self, card: ModelCard) -> None:
        asked = body(talk(100))
        assert fitted(asked, card, load=no_encoding)[0] is asked

    def test_when_clipping_is_off(self) -> None:
        asked = body(talk(100))
        assert fitted(asked, load=no_encoding, on=False)[0] is asked


class TestTheSize:
    def test_is_the_models_limit(self) -> None:
        found, told = fitted(body(talk(20)))
        assert told.clipped is not None
        before, after = told.clipped
        assert before == 2050
        assert 750 <= after <= 1000
        assert len(found["messages"]) == (after - 50) // 100 * 2 + 1

    def test_leaves_room_for_the_answer(self) -> None:
        for asked, room in ((200, 200), (900, 250)):
            _, told = fitted(body(talk(20), max_tokens=asked))
            assert told.clipped is not None
            assert told.clipped[1] <= 1000 - room

    def test_is_smaller_for_a_model_that_makes_more_tokens(self) -> None:
        _, told = fitted(body(talk(20)), replace(CARD, poe_name="Claude-Opus-4.7"))
        assert told.clipped is not None
        before, after = told.clipped
        assert before == 3137
        assert after <= 1000

    def test_images_count(self) -> None:
        shown = said("user", "", content=[{"type": "text", "text": "look"}, IMAGE])
        found, told = fitted(body(of([shown] * 20, assistant("a"), user("q"))))
        assert told.clipped is not None
        assert len(found["messages"]) < 22

    def test_of_a_conversation_that_fits_when_counted_nothing_is_told(self) -> None:
        asked = body([user("é" * 900)])
        found, told = fitted(asked)
        assert found is asked
        assert told.clipped is None

    def test_of_very_many_messages_is_found_beside_the_loop(self) -> None:
        found, told = fitted(body([user("x")] * 5000))
        assert told.clipped is not None
        assert len(found["messages"]) < 250

    def test_of_very_many_parts_is_found_there_too(self) -> None:
        parts = [{"type": "text", "text": "x"}] * 5000
        found, told = fitted(body([said("user", "", content=parts), assistant("a"), user("q")]))
        assert found["messages"] == [user("q")]
        assert told.clipped == (5018, 9)

    def test_of_very_many_messages_that_fit_by_their_bytes_too(self) -> None:
        asked = body([user("x")] * 5000)
        found, told = fitted(asked, replace(CARD, context=100_000))
        assert found is asked
        assert told.clipped is None


class TestShorter:
    def shares(self, asked: Json, card: ModelCard = CARD, *, on: bool = True) -> tuple[list[int | None], Report]:
        """Tokens after each share of the limit, None where nothing went; each from what the one before left."""
        told = report()

        async def use(clipper: Clipper) -> list[int | None]:
            clipping = clipper.of(card, told)
            now, found = await clipping.fit(asked), list[int | None]()
            for share in SHARES:
                shorter = await clipping.shorter(now, share)
                found.append(told.clipped[1] if shorter is not None and told.clipped else None)
                now = shorter or now
            return found

        found = run(use, on=on)
        assert isinstance(found, list)
        return found, told

    def test_in_four_steps_of_the_limit(self) -> None:
        sizes, told = self.shares(body(talk(20)))
        assert all(size is not None and size <= 1000 * share for size, share in zip(sizes, SHARES, strict=True))
        assert told.clipped is not None
        assert told.clipped[0] == 2050

    def test_where_the_limit_is_unknown_in_steps_of_what_was_counted(self) -> None:
        sizes, _ = self.shares(body(talk(20)), replace(CARD, context=None))
        assert all(size is not None and size <= 2050 * share for size, share in zip(sizes, SHARES, strict=True))

    def test_where_poe_bears_less_than_it_says_too(self) -> None:
        sizes, _ = self.shares(body(talk(20)), replace(CARD, context=100_000))
        assert all(size is not None and size <= 2050 * share for size, share in zip(sizes, SHARES, strict=True))

    def test_of_next_to_nothing_there_is_nothing_shorter(self) -> None:
        assert self.shares(body([user("hi")]))[0] == [None] * 4

    def test_with_clipping_off_there_is_nothing_shorter(self) -> None:
        assert self.shares(body(talk(20)), on=False)[0] == [None] * 4

    def test_keeps_the_rest_of_the_body(self) -> None:
        async def use(clipper: Clipper) -> Json | None:
            clipping = clipper.of(CARD, report())
            return await clipping.shorter(await clipping.fit(body(talk(5), x_unknown=1)), 0.6)

        assert run(use)["x_unknown"] == 1


class TestLearning:
    def factor(self, *events: Event, messages: list[Json] | None = None, card: ModelCard = CARD) -> float:
        """The factor in force after these events followed a request of some 1,000 tokens."""

        async def use(clipper: Clipper) -> float:
            clipping: Clipping = clipper.of(card, report())
            await clipping.fit(body(messages or [user("x" * 1100)]))
            assert clipping.push(list(events)) == list(events)
            return clipper.factors.of(card.poe_name)

        found = run(use)
        assert isinstance(found, float)
        return found

    big = replace(CARD, context=1109)

    def test_from_the_usage_of_the_direct_path(self) -> None:
        assert self.factor(Started(DIRECT, 0, "m"), Used(Usage(prompt=2000)), card=self.big) > 1.1

    def test_from_the_providers_own_ids_too(self) -> None:
        assert self.factor(Started("msg_01", 0, "m"), Used(Usage(prompt=2000)), card=self.big) > 1.1

    def test_not_from_the_bot_path_which_estimates(self) -> None:
        assert self.factor(Started(BOT, 0, "m"), Used(Usage(prompt=2000)), card=self.big) == 1.0

    def test_not_where_nothing_was_counted(self) -> None:
        small = [user("x")]
        assert self.factor(Started(DIRECT, 0, "m"), Used(Usage(prompt=2000)), messages=small) == 1.0

    def test_not_with_images_whose_price_is_a_guess(self) -> None:
        shown = said("user", "", content=[{"type": "text", "text": "x" * 1100}, IMAGE])
        assert self.factor(Started(DIRECT, 0, "m"), Used(Usage(prompt=2000)), messages=[shown], card=self.big) == 1.0

    def test_changes_how_the_next_request_is_clipped(self) -> None:
        async def use(clipper: Clipper) -> list[int]:
            sizes = []
            for _ in range(3):
                told = report()
                clipping = clipper.of(replace(CARD, context=2000), told)
                found = await clipping.fit(body(talk(30)))
                assert told.clipped is not None
                clipping.push([Started(DIRECT, 0, "m"), Used(Usage(prompt=2 * told.clipped[1]))])
                sizes.append(len(found["messages"]))
            return sizes

        first, second, third = run(use)
        assert first > second >= third
