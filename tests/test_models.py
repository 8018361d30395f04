"""``GET /v1/models`` as it is shown to Anthropic's clients and to Claude Code's picker, over real sockets."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest

from poe_proxy.canonical.card import ModelCard
from poe_proxy.web.models import shown_as_anthropics
from tests.running import Proxy

ANTHROPICS = {"anthropic-version": "2023-06-01"}
DISCOVERY = {**ANTHROPICS, "user-agent": "claude-code/2.1.329", "authorization": "Bearer any"}


def get(proxy: Proxy, path: str, headers: dict[str, str]) -> Any:
    return httpx.get(proxy.url + path, headers=headers, trust_env=False).json()


def ids(answer: Any) -> list[str]:
    return [model["id"] for model in answer["data"]]


@pytest.fixture
def sdk(proxy: Proxy) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=proxy.url, api_key="any", max_retries=0, timeout=30) as client:
        yield client


class TestTheOfficialSdk:
    def test_lists_every_model_page_by_page(self, sdk: anthropic.Anthropic, proxy: Proxy) -> None:
        everything = [model.id for model in sdk.models.list(limit=7)]
        assert everything == ids(get(proxy, "/v1/models", {}))
        assert [model.id for model in sdk.models.list()] == everything

    def test_lists_backwards_too(self, sdk: anthropic.Anthropic, proxy: Proxy) -> None:
        everything = ids(get(proxy, "/v1/models", {}))
        page = sdk.models.list(before_id=everything[10], limit=4)
        assert [model.id for model in page.data] == everything[6:10]
        assert [model.id for model in page.get_next_page().data] == everything[2:6]

    def test_retrieves_a_model_by_any_of_its_names(self, sdk: anthropic.Anthropic) -> None:
        model = sdk.models.retrieve("claude-sonnet-4-5-20250929")
        assert (model.id, model.type, model.display_name) == ("claude-sonnet-4.5", "model", "Claude-Sonnet-4.5")
        assert (model.max_input_tokens, model.max_tokens, model.lifecycle) == (983040, 32768, "active")
        assert model.created_at == datetime(2025, 9, 26, 6, 41, 34, tzinfo=UTC)
        assert sdk.models.retrieve("gpt-5.4").display_name == "GPT-5.4"

    def test_is_told_of_a_model_that_does_not_exist(self, sdk: anthropic.Anthropic) -> None:
        with pytest.raises(anthropic.NotFoundError, match="no model 'no-such-model'"):
            sdk.models.retrieve("no-such-model")


class TestClaudeCodesPicker:
    def test_every_text_model_has_an_id_that_it_keeps(self, proxy: Proxy) -> None:
        answer = get(proxy, "/v1/models?limit=1000", DISCOVERY)
        everything = ids(answer)
        assert all(re.search("claude|anthropic", name, re.IGNORECASE) for name in everything)
        assert {"claude-opus-4.6", "claude-poe-gpt-5.4", "claude-poe-gemini-3.1-pro"} <= set(everything)
        assert "claude-poe-claude-opus-4.6" not in everything
        assert not any("sora" in name or "imagen" in name for name in everything)
        assert answer["has_more"] is False

    def test_names_and_context_sizes_are_shown(self, proxy: Proxy) -> None:
        shown = {model["id"]: model for model in get(proxy, "/v1/models?limit=1000", DISCOVERY)["data"]}
        assert shown["claude-poe-gpt-5.4"]["display_name"] == "GPT-5.4 (Poe)"
        assert shown["claude-poe-gpt-5.4"]["max_input_tokens"] > 100_000
        assert shown["claude-opus-4.6"]["display_name"] == "Claude-Opus-4.6"

    def test_each_id_means_the_model_it_stands_for(self, proxy: Proxy) -> None:
        for name in ids(get(proxy, "/v1/models?limit=1000", DISCOVERY)):
            card = proxy.house.upkeep.resolve(f"{name}[1m]")
            assert (card.name, card.note) == (name.removeprefix("claude-poe-"), "")

    def test_one_model_is_shown_alike(self, proxy: Proxy) -> None:
        one = get(proxy, "/v1/models/claude-poe-gpt-5.4", DISCOVERY)
        assert (one["id"], one["display_name"]) == ("claude-poe-gpt-5.4", "GPT-5.4 (Poe)")

    @pytest.mark.parametrize("agent", ["claude-cli/2.1.329 (external, cli)", "Claude-Code/3"])
    def test_it_is_known_by_its_user_agent(self, proxy: Proxy, agent: str) -> None:
        assert "claude-poe-gpt-5.4" in ids(get(proxy, "/v1/models?limit=99", {**ANTHROPICS, "user-agent": agent}))

    @pytest.mark.parametrize("headers", [{"user-agent": "claude-cli/2.1.329"}, {**ANTHROPICS, "user-agent": "curl/8"}])
    def test_all_others_see_plain_ids(self, proxy: Proxy, headers: dict[str, str]) -> None:
        assert "gpt-5.4" in ids(get(proxy, "/v1/models?limit=1000", headers))


class TestPages:
    def test_the_first_and_the_last(self, proxy: Proxy) -> None:
        everything = ids(get(proxy, "/v1/models", {}))
        first = get(proxy, "/v1/models?limit=5", ANTHROPICS)
        assert (ids(first), first["has_more"]) == (everything[:5], True)
        assert (first["first_id"], first["last_id"]) == (everything[0], everything[4])
        last = get(proxy, f"/v1/models?limit=1000&after_id={everything[-3]}", ANTHROPICS)
        assert (ids(last), last["has_more"]) == (everything[-2:], False)

    def test_twenty_where_no_limit_is_named(self, proxy: Proxy) -> None:
        assert len(get(proxy, "/v1/models", ANTHROPICS)["data"]) == 20

    def test_behind_the_last_there_is_nothing(self, proxy: Proxy) -> None:
        last = ids(get(proxy, "/v1/models", {}))[-1]
        answer = get(proxy, f"/v1/models?after_id={last}", ANTHROPICS)
        assert answer == {"data": [], "has_more": False, "first_id": None, "last_id": None}

    @pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=-1", "limit=many", "limit=%C2%B2", "after_id=x"])
    def test_what_makes_no_sense_is_refused_with_a_word(self, proxy: Proxy, query: str) -> None:
        answer = httpx.get(f"{proxy.url}/v1/models?{query}", headers=ANTHROPICS, trust_env=False)
        assert answer.status_code == 400
        assert query.partition("=")[0] in answer.json()["error"]["message"]

    def test_openais_shape_has_no_pages(self, proxy: Proxy) -> None:
        assert len(get(proxy, "/v1/models?limit=5", {})["data"]) > 50


def test_an_open_house_lists_what_models_yaml_lists(start_proxy: Callable[..., Proxy], tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    file.write_text("models: {text: [{poe_name: gpt-5.4, name: Claude Five}, mine], image: [imagen-4]}")
    proxy = start_proxy(MODELS_FILE=file)
    assert ids(get(proxy, "/v1/models", DISCOVERY)) == ["Claude Five", "claude-poe-mine"]
    assert ids(get(proxy, "/v1/models", ANTHROPICS)) == ["Claude Five", "mine", "imagen-4"]


@pytest.mark.parametrize(("created", "told"), [(0, "1970-01-01T00:00:00Z"), (10**15, "9999-12-31T23:59:59Z")])
def test_a_date_that_nobody_knows_is_a_date_all_the_same(created: int, told: str) -> None:
    assert shown_as_anthropics(ModelCard("x", "x", created=created), picker=False)["created_at"] == told
