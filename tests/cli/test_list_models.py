"""``python list_models.py``, with a Poe of our own on a loopback port."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner, Result

import poe_sim
from poe_proxy.cli.list_models import app
from poe_proxy.files.cache import SEED_FETCHED_AT, save_catalogue

ROOT = Path(__file__).parents[2]
CATALOGUE = {
    "object": "list",
    "data": [
        {
            "id": "gpt-5",
            "architecture": {"output_modalities": ["text"]},
            "context_window": {"context_length": 400000},
            "pricing": {"prompt": "0.0000011", "completion": "0.000009"},
            "supported_features": ["tools"],
        },
        {"id": "gpt-5-mini", "architecture": {"output_modalities": ["text"]}},
        {"id": "nano-banana", "architecture": {"output_modalities": ["image"]}, "pricing": {"request": "0.045"}},
    ],
}
MODELS = "# mine\nmodels:\n  text:\n    - gpt-5 # the big one\n\n  # pictures\n  image: []\n"


@dataclass
class Poe:
    """What ``GET /v1/models`` answers, to be changed by a test; ``base_url`` leads there."""

    base_url: str
    status: int = 200
    body: bytes = json.dumps(CATALOGUE).encode()


@pytest.fixture
def poe() -> Iterator[Poe]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/v1/models" and "Authorization" not in self.headers
            self.send_response(said.status if found else 404)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gave it
            """The tests' output is not its place."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        said = Poe(f"http://127.0.0.1:{server.server_port}")
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield said
        server.shutdown()


@dataclass(frozen=True)
class Desk:
    """A folder with a models.yaml, and the command run in it."""

    models: Path
    data: Path

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)


@pytest.fixture
def desk(poe: Poe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk(tmp_path / "models.yaml", tmp_path / "data")
    desk.models.write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POE_BASE_URL", poe.base_url)
    monkeypatch.setenv("MODELS_FILE", str(desk.models))
    monkeypatch.setenv("DATA_DIR", str(desk.data))
    return desk


class TestTheTable:
    def test_it_shows_both_sides(self, desk: Desk) -> None:
        result = desk.run()
        assert result.exit_code == 0, result.output
        assert [line.split()[:4] for line in result.stdout.splitlines()[1:]] == [
            ["yes", "gpt-5", "text", "400,000"],
            ["gpt-5-mini", "text", "–", "–"],
            ["nano-banana", "image", "–", "$0.045"],
        ]
        assert "$1.10 in · $9.00 out /M" in result.stdout

    def test_the_shown_name_stands_beside_poes(self, desk: Desk) -> None:
        desk.models.write_text("models: {text: [{poe_name: gpt-5, name: five}]}")
        assert "five → gpt-5" in desk.run().stdout

    def test_it_needs_neither_key_nor_a_safe_host(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("POE_API_KEY", raising=False)
        monkeypatch.setenv("HOST", "0.0.0.0")
        assert desk.run().exit_code == 0


class TestJson:
    def test_it_says_the_same_to_programs(self, desk: Desk) -> None:
        report = json.loads(desk.run("--json").stdout)
        assert (report["source"], report["note"], report["disagreements"]) == ("poe", "", [])
        listed, _, image = report["models"]
        assert (listed["id"], listed["listed"], listed["context"]) == ("gpt-5", True, 400000)
        assert listed["pricing"] == {"prompt": "0.0000011", "completion": "0.000009"}
        assert (image["modality"], image["listed"], image["pricing"]) == ("image", False, {"request": "0.045"})

    def test_disagreements_are_in_it_and_in_the_exit_code(self, desk: Desk) -> None:
        desk.models.write_text("models: {text: [gpt-6]}")
        result = desk.run("--json")
        assert result.exit_code == 1
        assert "no gpt-6 (closest: gpt-5" in json.loads(result.stdout)["disagreements"][0]


class TestDisagreements:
    def test_a_model_that_poe_lacks(self, desk: Desk) -> None:
        desk.models.write_text("models:\n  text:\n    - gpt-6\n")
        result = desk.run()
        assert result.exit_code == 1
        assert "models.yaml line 3, entry gpt-6: Poe's catalogue has no gpt-6 (closest: gpt-5" in result.stderr
        assert "not in Poe's catalogue" in result.stdout

    def test_a_limit_above_poes(self, desk: Desk) -> None:
        desk.models.write_text("models: {text: [{poe_name: gpt-5, max_tokens: 400001}]}")
        result = desk.run()
        assert result.exit_code == 1
        assert "max_tokens 400001 is above Poe's 400000" in result.stderr

    def test_the_shipped_file_agrees_with_the_stand_in(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        with poe_sim.running() as stand_in:
            monkeypatch.setenv("POE_BASE_URL", f"{stand_in.base_url}/v1")
            monkeypatch.setenv("MODELS_FILE", str(ROOT / "models.yaml"))
            result = desk.run("--json")
        assert (result.exit_code, json.loads(result.stdout)["source"]) == (0, "poe")


class TestWithoutPoe:
    @pytest.mark.parametrize(
        ("status", "body", "note"),
        [
            (500, b"oops", "answered 500"),
            (200, b"<html>", "did not answer with JSON"),
            (200, b'{"data": []}', "answered without a single model"),
        ],
    )
    def test_the_seed_stands_in_with_a_note(self, desk: Desk, poe: Poe, status: int, body: bytes, note: str) -> None:
        poe.status, poe.body = status, body
        result = desk.run("--json")
        assert result.exit_code == 0
        assert note in result.stderr
        report = json.loads(result.stdout)
        assert (report["source"], len(report["models"])) == ("seed", 362)

    def test_the_last_catalogue_fetched_is_better(self, desk: Desk, poe: Poe) -> None:
        poe.status = 503
        save_catalogue(desk.data, CATALOGUE, SEED_FETCHED_AT + 1)
        result = desk.run("--json")
        assert "this is the last catalogue fetched" in result.stderr
        assert len(json.loads(result.stdout)["models"]) == 3

    def test_nobody_at_the_other_end(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("POE_BASE_URL", "http://127.0.0.1:1")
        result = desk.run()
        assert result.exit_code == 0
        assert "note: http://127.0.0.1:1/v1/models cannot be reached" in result.stderr


class TestWriting:
    def test_models_go_to_their_groups_and_the_rest_stays(self, desk: Desk) -> None:
        result = desk.run("--write", "openai/GPT-5-mini", "nano-banana")
        assert result.exit_code == 0, result.output
        assert desk.models.read_text() == MODELS.replace("one\n", "one\n    - gpt-5-mini\n").replace(
            "[]", "[nano-banana]"
        )
        assert "gpt-5-mini added to text" in result.stdout

    def test_what_is_listed_already_is_not_written_twice(self, desk: Desk) -> None:
        result = desk.run("--write", "gpt-5")
        assert (result.exit_code, desk.models.read_text()) == (0, MODELS)
        assert "gpt-5 is listed already" in result.stdout

    def test_one_unknown_name_and_nothing_is_written(self, desk: Desk) -> None:
        result = desk.run("--write", "gpt-5-mini", "gpt-5-mimi")
        assert (result.exit_code, desk.models.read_text()) == (1, MODELS)
        assert "Poe's catalogue has no gpt-5-mimi (closest: gpt-5-mini, gpt-5)" in result.stderr

    @pytest.mark.parametrize(("name", "code"), [("claude-opus-4-6-20260205", 0), ("claude-opus-9", 1), ("opus", 1)])
    def test_another_model_than_the_named_one_is_not_written(self, desk: Desk, poe: Poe, name: str, code: int) -> None:
        opus = {"id": "claude-opus-4.6", "owned_by": "Anthropic", "architecture": {"output_modalities": ["text"]}}
        poe.body = json.dumps({"data": [opus]}).encode()
        result = desk.run("--write", name)
        assert (result.exit_code, "claude-opus-4.6" in desk.models.read_text()) == (code, code == 0)
        assert code == 0 or "claude-opus-4.6 answers; say claude-opus-4.6 if you mean that" in result.stderr

    def test_a_name_that_the_file_uses_otherwise(self, desk: Desk) -> None:
        before = "models: {text: [{poe_name: gpt-5, aliases: gpt-5-mini}]}"
        desk.models.write_text(before)
        result = desk.run("--write", "gpt-5-mini")
        assert (result.exit_code, desk.models.read_text()) == (2, before)
        assert "models.yaml is left as it was; with gpt-5-mini it would be faulty" in result.stderr


class TestMisuse:
    @pytest.mark.parametrize("arguments", [["--write"], ["gpt-5"]])
    def test_write_and_names_belong_together(self, desk: Desk, arguments: list[str]) -> None:
        result = desk.run(*arguments)
        assert result.exit_code == 2
        assert "list_models.py --write NAME…" in result.stderr

    def test_a_broken_models_file(self, desk: Desk) -> None:
        desk.models.write_text("models: {text: [5], imag: []}")
        result = desk.run()
        assert result.exit_code == 2
        assert result.stderr.count("models.yaml line 1") == 2

    def test_a_bad_setting(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("POE_BASE_URL", "poe")
        result = desk.run()
        assert result.exit_code == 2
        assert "POE_BASE_URL" in result.stderr
