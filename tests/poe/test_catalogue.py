"""What is read from Poe's GET /v1/models, and that no oddity of a row costs more than that row."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.canonical.card import Modality, ModelCard, Parameter, Pricing
from poe_proxy.files.cache import load_catalogue
from poe_proxy.poe.catalogue import read_catalogue

ROW = {
    "id": "gpt-5.4",
    "object": "model",
    "created": 1772143119942,
    "owned_by": "OpenAI",
    "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
    "supported_features": ["web_search", "tools"],
    "supported_endpoints": ["/v1/responses", "/v1/chat/completions"],
    "pricing": {"prompt": "0.0000022", "completion": "0.000014", "input_cache_read": "0.00000022", "request": None},
    "context_window": {"context_length": 1050000, "max_output_tokens": 128000},
    "metadata": {"display_name": "GPT-5.4"},
    "reasoning": {"budget": None, "required": False, "supports_reasoning_effort": True},
    "parameters": [{"name": "reasoning_effort", "schema": {"enum": ["low", "high"]}, "default_value": "low"}],
}


def card(**changes: Any) -> ModelCard:
    """The card of the usual row with these fields changed."""
    (only,) = read_catalogue({"data": [ROW | changes]}).values()
    return only


@pytest.fixture(scope="module")
def real() -> dict[str, ModelCard]:
    return read_catalogue(load_catalogue(Path("no such folder")).body)


def test_a_row_as_it_should_be() -> None:
    assert card() == ModelCard(
        name="gpt-5.4",
        poe_name="gpt-5.4",
        modality=Modality.TEXT,
        in_catalogue=True,
        display_name="GPT-5.4",
        owner="OpenAI",
        created=1772143119,
        input_modalities=("text", "image"),
        output_modalities=("text",),
        endpoints=frozenset({"/v1/responses", "/v1/chat/completions"}),
        features=("web_search", "tools"),
        parameters={
            "reasoning_effort": Parameter("reasoning_effort", "string", values=("low", "high"), default="low"),
        },
        takes_effort=True,
        context=1050000,
        max_output=128000,
        pricing=Pricing(Decimal("0.0000022"), Decimal("0.000014"), cache_read=Decimal("0.00000022")),
    )


class TestPoesKnownFaults:
    @pytest.mark.parametrize("created", [1772143119942, 1772143119])
    def test_created_is_seconds_whatever_poe_sends(self, created: int) -> None:
        assert card(created=created).created == 1772143119

    def test_a_text_model_that_lists_images_as_output_is_a_text_model(self) -> None:
        found = card(architecture={"output_modalities": ["image", "text"]})
        assert (found.modality, found.output_modalities) == (Modality.TEXT, ("text",))

    @pytest.mark.parametrize("name", ["gpt-4o-search", "deepseek-v4-pro-el", "DeepSeek-V4-Flash-EL"])
    def test_tools_that_fail_are_not_promised(self, name: str) -> None:
        assert card(id=name).features == ("web_search",)

    @pytest.mark.parametrize("name", ["search-gpt", "deepseek-v4", "deepseek-v3.2-el"])
    def test_other_models_keep_their_tools(self, name: str) -> None:
        assert "tools" in card(id=name).features

    @pytest.mark.parametrize("output", ["image", "video", "audio"])
    def test_a_media_model_has_no_context(self, output: str) -> None:
        found = card(architecture={"output_modalities": [output]})
        assert (found.modality, found.context, found.max_output) == (Modality(output), None, None)

    def test_no_price_is_not_a_price_of_0(self) -> None:
        assert card(pricing=None).pricing is None
        assert card(pricing={"request": "0.045"}).pricing == Pricing(request=Decimal("0.045"))


class TestParameters:
    @pytest.mark.parametrize(
        ("schema", "parameter"),
        [
            ({"type": "boolean"}, Parameter("x", "boolean")),
            ({"type": "string"}, Parameter("x", "string")),
            ({"type": "number", "minimum": 0.1, "maximum": 10}, Parameter("x", "number", minimum=0.1, maximum=10)),
            ({"type": "integer", "minimum": 1}, Parameter("x", "number", minimum=1)),
            ({"enum": ["a", "b", 3]}, Parameter("x", "string", values=("a", "b"))),
            ({"type": 3, "enum": "a", "minimum": True, "maximum": "9"}, Parameter("x", "string")),
            (None, Parameter("x", "string")),
        ],
    )
    def test_schemas(self, schema: object, parameter: Parameter) -> None:
        assert card(parameters=[{"name": "x", "schema": schema}]).parameters == {"x": parameter}

    def test_one_without_a_name_is_left_out(self) -> None:
        assert card(parameters=[{"schema": {}}, None, {"name": 3}]).parameters == {}


class TestOddRows:
    def test_context_where_older_catalogues_had_it(self) -> None:
        assert card(context_window=None, context_length=8000).context == 8000

    @pytest.mark.parametrize("price", ["free", "NaN", "Infinity", "-1", True, [], None])
    def test_a_price_that_is_none(self, price: object) -> None:
        assert card(pricing={"prompt": price}).pricing == Pricing()

    @pytest.mark.parametrize("length", ["8000", True, -1, 0, 10**400, float("inf"), float("nan"), None])
    def test_a_context_that_is_none(self, length: object) -> None:
        assert card(context_window={"context_length": length}).context is None

    def test_nothing_but_an_id(self) -> None:
        assert read_catalogue({"data": [{"id": "New-Bot"}]}) == {
            "new-bot": ModelCard("New-Bot", "New-Bot", in_catalogue=True)
        }

    def test_a_broken_row_costs_no_other(self) -> None:
        body = {"data": [None, {}, {"id": None}, {"id": ""}, {"id": 7}, ["x"], ROW]}
        assert list(read_catalogue(body)) == ["gpt-5.4"]

    @pytest.mark.parametrize("body", [None, [], "x", {}, {"data": None}, {"data": {"id": "x"}}, {"error": {}}])
    def test_what_is_no_catalogue_is_empty(self, body: object) -> None:
        assert read_catalogue(body) == {}

    @given(
        st.dictionaries(
            st.sampled_from(sorted(ROW)),
            st.recursive(
                st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "schema"]), inner),
                max_leaves=5,
            ),
        )
    )
    def test_any_fields_of_any_kind(self, changes: dict[str, object]) -> None:
        assert len(read_catalogue({"data": [ROW | changes, ROW | {"id": "other"}]})) in (1, 2)


class TestTheRealCatalogue:
    def test_every_model_has_sensible_facts(self, real: dict[str, ModelCard]) -> None:
        for name, found in real.items():
            assert name == found.name == found.display_name.lower()
            assert 1_600_000_000 < found.created < 1_800_000_000
            assert found.in_catalogue

    def test_modalities(self, real: dict[str, ModelCard]) -> None:
        names = ("gpt-5.4", "nano-banana-pro", "sora-2", "lyria-3")
        assert [real[name].modality.value for name in names] == ["text", "image", "video", "audio"]

    def test_knobs(self, real: dict[str, ModelCard]) -> None:
        assert real["claude-opus-4.6"].parameters["output_effort"].values
        assert real["gemini-2.5-pro"].parameters["thinking_budget"].maximum
        assert real["glm-5"].parameters["enable_thinking"].kind == "boolean"
