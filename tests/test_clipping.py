"""Long conversations through the proxy, as clients see them, and what of them reaches Poe."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import BadRequestError, OpenAI

import poe_sim
from tests.policy.talks import Json, assistant, of, round_, system, user
from tests.running import Proxy
from tests.talk import arrived, chat, frames, open_stream, post, queue, text_of

SENTENCE = "The quick brown fox jumps over the lazy dog and runs away. "  # 13 tokens


def talk(turns: int) -> list[Json]:
    """A conversation of some 60 tokens a turn, numbered."""
    said = ([user(f"{n}: {SENTENCE * 2}"), assistant(f"{n}: {SENTENCE * 2}")] for n in range(turns))
    return of(system("You are terse."), *said, user("And now?"))


def sent(poe: poe_sim.SimServer, number: int = -1) -> list[Json]:
    """The messages of the request that reached Poe."""
    messages = arrived(poe)[number]["body"]["messages"]
    assert isinstance(messages, list)
    return messages


def ask(messages: list[Json], **more: Any) -> Json:
    return {"model": "gpt-5.4-mini", "messages": messages, **more}


@pytest.fixture
def capped(own_poe: poe_sim.SimServer, start_proxy: Callable[..., Proxy], tmp_path: Path) -> Callable[[str], Proxy]:
    """A proxy in front of ``own_poe`` with a models.yaml of its own."""

    def start(models: str, **settings: object) -> Proxy:
        file = tmp_path / "models.yaml"
        file.write_text(models)
        return start_proxy(own_poe.base_url, MODELS_FILE=file, **settings)

    return start


OWN_CAP = "models:\n  text:\n    - poe_name: gpt-5.4-mini\n      max_tokens: 1000\n"


class TestTheLimit:
    @pytest.mark.parametrize(
        "models",
        [
            OWN_CAP,
            OWN_CAP.replace("max_tokens", "context_limit"),
            OWN_CAP + "      context_limit: 5000\n",
            "defaults:\n  text_max_tokens: 1000\nmodels:\n  text: [gpt-5.4-mini]\n",
        ],
        ids=["max_tokens", "context_limit", "the smaller of both", "text_max_tokens"],
    )
    def test_is_what_models_yaml_says(
        self, own_poe: poe_sim.SimServer, capped: Callable[[str], Proxy], models: str
    ) -> None:
        answer = post(capped(models), ask(talk(50)))
        before, after = map(int, answer.headers["x-poe-clipped"].split("/"))
        assert before > 2500
        assert 500 < after <= 1000
        assert sent(own_poe)[0] == system("You are terse.")
        assert sent(own_poe)[-1] == user("And now?")
        assert sent(own_poe)[1]["role"] == "user"

    def test_is_else_poes_own(self, own_poe: poe_sim.SimServer, own_proxy: Proxy) -> None:
        answer = post(own_proxy, ask(talk(400), model="gpt-3.5-turbo", max_tokens=2000))
        assert answer.status_code == 200
        assert int(answer.headers["x-poe-clipped"].partition("/")[2]) <= 16384 - 2000
        assert len(arrived(own_poe)) == 1

    def test_is_not_felt_by_what_fits(self, own_poe: poe_sim.SimServer, own_proxy: Proxy) -> None:
        answer = post(own_proxy, ask(talk(20)))
        assert "x-poe-clipped" not in answer.headers
        assert sent(own_poe) == talk(20)

    def test_is_none_with_clip_off(self, own_poe: poe_sim.SimServer, capped: Callable[..., Proxy]) -> None:
        answer = post(capped(OWN_CAP, CLIP="off"), ask(talk(50)))
        assert answer.status_code == 200
        assert "x-poe-clipped" not in answer.headers
        assert len(sent(own_poe)) == 102


class TestWhatIsTold:
    def test_with_a_stream_too(self, capped: Callable[[str], Proxy]) -> None:
        with open_stream(capped(OWN_CAP), ask(talk(50))) as response:
            assert response.headers["x-poe-clipped"].count("/") == 1
            assert text_of(frames(response)) == "You said: And now?"

    def test_to_web_pages_as_well(self, start_proxy: Callable[..., Proxy]) -> None:
        proxy = start_proxy(CORS_ORIGINS="https://chat.example.org")
        answer = post(proxy, chat("hi"), origin="https://chat.example.org")
        assert "x-poe-clipped" in answer.headers["access-control-expose-headers"]

    def test_in_the_log(self, capped: Callable[[str], Proxy], capsys: pytest.CaptureFixture[str]) -> None:
        answer = post(capped(OWN_CAP), ask(talk(50)))
        logged = capsys.readouterr()
        assert f"clipped={answer.headers['x-poe-clipped']}" in logged.out + logged.err


class TestAContextThatIsTooLongForPoe:
    @pytest.mark.parametrize("fault", ["400context", "400context style=anthropic", "400context style=window", "413"])
    def test_is_clipped_again_until_it_is_not(self, own_poe: poe_sim.SimServer, own_proxy: Proxy, fault: str) -> None:
        queue(own_poe, fault, times=2)
        answer = post(own_proxy, ask(talk(50)))
        assert answer.status_code == 200
        assert answer.headers["x-poe-attempts"] == "3"
        assert answer.headers["x-poe-changes"] == "clipped to 80% of the context; clipped to 60% of the context"
        before, after = map(int, answer.headers["x-poe-clipped"].split("/"))
        assert after <= 0.6 * before
        lengths = [len(request["body"]["messages"]) for request in arrived(own_poe)]
        assert lengths == sorted(lengths, reverse=True)
        assert len(set(lengths)) == 3
        assert sent(own_poe)[-1] == user("And now?")

    def test_in_a_stream_too(self, own_poe: poe_sim.SimServer, own_proxy: Proxy) -> None:
        queue(own_poe, "413")
        with open_stream(own_proxy, ask(talk(50))) as response:
            assert response.headers["x-poe-attempts"] == "2"
            assert text_of(frames(response)) == "You said: And now?"

    def test_for_a_model_whose_limit_nobody_knows(self, own_poe: poe_sim.SimServer, own_proxy: Proxy) -> None:
        queue(own_poe, "400context")
        answer = post(own_proxy, ask(talk(50), model="claude-code"))
        assert answer.status_code == 200
        assert len(sent(own_poe)) < 102

    def test_is_told_after_the_last_step(self, own_poe: poe_sim.SimServer, own_proxy: Proxy) -> None:
        queue(own_poe, "413", times=10)
        answer = post(own_proxy, ask(talk(50)))
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "context_length_exceeded"
        assert len(arrived(own_poe)) == 5

    def test_is_told_at_once_where_nothing_can_go(self, own_poe: poe_sim.SimServer, own_proxy: Proxy) -> None:
        with own_proxy.openai() as client, pytest.raises(BadRequestError, match="maximum context length"):
            hello(client, "[[sim:fault 400context]] hi")
        assert len(arrived(own_poe)) == 1

    def test_is_told_at_once_with_clip_off(self, own_poe: poe_sim.SimServer, capped: Callable[..., Proxy]) -> None:
        queue(own_poe, "400context")
        assert post(capped(OWN_CAP, CLIP="off"), ask(talk(50))).status_code == 400
        assert len(arrived(own_poe)) == 1


def hello(client: OpenAI, text: str) -> Any:
    return client.chat.completions.create(model="gpt-5.4-mini", messages=[{"role": "user", "content": text}])


class TestAnAgent:
    def test_goes_on_with_its_question_and_its_newest_calls(
        self, own_poe: poe_sim.SimServer, capped: Callable[[str], Proxy]
    ) -> None:
        rounds = [round_(f"call_{n}", SENTENCE) for n in range(300)]
        answer = post(capped(OWN_CAP), ask(of(user("Mend it."), *rounds)))
        assert answer.status_code == 200
        messages = sent(own_poe)
        assert messages[0] == user("Mend it.")
        assert [message["role"] for message in messages[1:]] == ["assistant", "tool"] * ((len(messages) - 1) // 2)
        assert messages[-1]["tool_call_id"] == "call_299"


class TestOddTexts:
    @pytest.mark.parametrize(
        "text", [" " * 1_000_000, "<|endoftext|>" * 2000, "\n" * 300_000, "漢" * 20_000, "x" * 500_000]
    )
    def test_do_no_harm(self, own_poe: poe_sim.SimServer, capped: Callable[[str], Proxy], text: str) -> None:
        answer = post(capped(OWN_CAP), ask([user(f"begin {text} end")]))
        assert answer.status_code == 200
        content = sent(own_poe)[0]["content"]
        assert content.startswith("begin ")
        assert content.endswith(" end")

    def test_what_is_said_meanwhile_comes_meanwhile(self, capped: Callable[[str], Proxy]) -> None:
        """A stream goes on while a long conversation is counted for somebody else."""
        proxy = capped(OWN_CAP)
        with open_stream(proxy, chat("[[sim:long tokens=40 rate=200]] hi")) as response:
            assert post(proxy, ask(talk(2000))).headers["x-poe-clipped"]
            assert len(text_of(frames(response)).split()) == 40


def test_a_growing_conversation_begins_as_it_did(own_poe: poe_sim.SimServer, capped: Callable[[str], Proxy]) -> None:
    proxy = capped(OWN_CAP.replace("1000", "4000"))
    whole = talk(150)
    with httpx.Client(base_url=proxy.url, trust_env=False) as client:
        for turns in range(100, 150):
            client.post("/v1/chat/completions", json=ask([*whole[: 2 * turns + 1], user("And now?")]))
    requests = [request["body"]["messages"][:-1] for request in arrived(own_poe)]
    kept = [later[: len(earlier)] == earlier for earlier, later in itertools.pairwise(requests)]
    assert len(kept) == 49
    assert 2 <= kept.count(False) <= 5
