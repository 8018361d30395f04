"""What a message weighs, whatever it is made of."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.policy.costs import MESSAGE, cost, fits_for_sure, has_media, weigh, weigh_beside


def part(**fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": [fields]}


def data_url(kind: str, size: int) -> str:
    return f"data:{kind};base64,{'A' * (size * 4 // 3)}"


def test_text_is_counted_in_a_string_and_in_parts() -> None:
    assert weigh({"role": "user", "content": "hello"}) == (MESSAGE, ["hello"])
    assert weigh(part(type="text", text="hello")) == (MESSAGE, ["hello"])


@pytest.mark.parametrize("field", ["tool_calls", "name", "reasoning_content", "x_unknown"])
def test_whatever_else_a_message_holds_is_counted(field: str) -> None:
    fixed, texts = weigh({"role": "assistant", "content": None, field: "z" * 50})
    assert fixed == MESSAGE
    assert "z" * 50 in "".join(texts)


def test_what_stands_beside_the_messages_is_counted_if_the_model_is_shown_it() -> None:
    assert weigh_beside({"model": "m" * 99, "temperature": 1, "messages": []}) == (MESSAGE, [])
    assert len(weigh_beside({"tools": [{"a": 1}], "functions": [{"b": 1}], "response_format": {"c": 1}})[1]) == 3


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        ({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}, 1600),
        ({"type": "image_url", "image_url": {"url": data_url("image/png", 3_000_000)}}, 1600),
        ({"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}, 85),
        ({"type": "image_url", "image_url": "https://example.org/a.png"}, 1600),
        ({"type": "file", "file": {"file_data": data_url("application/pdf", 320_000)}}, 10_000),
        ({"type": "file", "file": {"file_data": data_url("application/pdf", 90_000_000)}}, 50_000),
        ({"type": "file", "file": {"file_data": data_url("application/pdf", 30)}}, 250),
        ({"type": "file", "file": {"file_data": data_url("text/plain", 30_000)}}, 10_000),
        ({"type": "file", "file": {"file_data": data_url("audio/mpeg", 1_000_000)}}, 2000),
        ({"type": "file", "file": {"file_data": data_url("image/png", 1_000_000)}}, 1600),
        ({"type": "file", "file": {"file_data": "A" * 32_000 * 4}}, 3000),
        ({"type": "file", "file": {"file_id": "file-123"}}, 2000),
        ({"type": "video_url", "video_url": {"url": data_url("video/mp4", 4_000_000)}}, 4000),
        ({"type": "video_url", "video_url": "https://example.org/a.mp4"}, 2000),
        ({"type": "file", "file": None}, 2000),
    ],
)
def test_images_and_files_have_a_price(content: dict[str, Any], tokens: int) -> None:
    fixed, texts = weigh(part(**content))
    assert fixed - MESSAGE == pytest.approx(tokens, abs=1)
    assert texts == []
    assert has_media([part(**content)])


def test_parts_that_nobody_knows_are_counted_as_text() -> None:
    fixed, texts = weigh(part(type="x_thought", x_thought={"text": "z" * 50}))
    assert fixed == MESSAGE
    assert "z" * 50 in texts[0]
    assert not has_media([part(type="x_thought"), {"role": "user", "content": "a"}, {"role": "assistant"}])


class TestTheProof:
    def test_a_token_is_at_least_one_byte(self) -> None:
        weight = weigh({"role": "user", "content": "é" * 100})
        assert fits_for_sure([weight], 100 * 2 + MESSAGE + 1, 1.0)
        assert not fits_for_sure([weight], 100 * 2 + MESSAGE, 1.0)

    def test_texts_need_no_factor_but_prices_do(self) -> None:
        image = weigh(part(type="image_url", image_url={"url": "https://example.org/a.png"}))
        assert fits_for_sure([image], 1700, 1.0)
        assert not fits_for_sure([image], 1700, 1.53)
        assert fits_for_sure([(0, ["x" * 1000])], 1001, 1.53)

    @given(st.lists(st.text(max_size=50)), st.integers(0, 500))
    def test_holds_for_whatever_counts_no_more_than_bytes(self, texts: list[str], budget: int) -> None:
        weights = [weigh({"role": "user", "content": text}) for text in texts]
        if fits_for_sure(weights, budget, 1.0):
            assert sum(cost(weight, lambda text: len(text.encode())) for weight in weights) <= budget
