"""The routes keep what ``GET /openapi.json`` says of them: schemathesis calls each with what it may and may not take.

It is used as a library; its pytest plugin stays out of the other tests, see ``pytest.ini``.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, CheckFunction, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

import poe_sim
from poe_proxy.web.openapi import document
from tests.running import Proxy, running_proxy
from tests.talk import chat

Route = APIOperation[Any, Any, Any, Any]
_RUNS = settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
_FOUND = schemathesis.openapi.from_dict(document()).get_all_operations()
_OPERATIONS: list[Route] = [found.ok() for found in _FOUND if isinstance(found, Ok)]
_MODELS = st.sampled_from(["gpt-5.4-mini", "claude-haiku-4.5", "gemini-3-flash", "imagen-4", "haiku", "no-such-model"])
_CHECKS: list[CheckFunction] = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
_FAULTS = [
    *("400context", "400moderation", "401", "402", "403", "404", "408", "413", "429", "500", "503", "529"),
    *("502html", "html_200", "error_200", "closed", "cut"),
]
_KEY = "4f1b0c9d8e7a6f5b4c3d2e1f"
_CALLS = [one for one in _OPERATIONS if one.path in ("/v1/chat/completions", "/v1/messages")]
each_route = pytest.mark.parametrize("route", _OPERATIONS, ids=lambda route: route.label)


def check(proxy: Proxy, case: Case[Any], checks: list[CheckFunction] = _CHECKS) -> int:
    """Call the route and hold the answer against its description; the status."""
    return case.call_and_validate(base_url=proxy.url, checks=checks, timeout=30).status_code


@pytest.fixture(scope="module")
def impatient(poe: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy that asks once."""
    with running_proxy(poe.base_url, tmp_path_factory.mktemp("data"), RETRY_BUDGET_S=0) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(poe: poe_sim.SimServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy with a key, that reads small bodies only."""
    settings = {"PROXY_API_KEY": _KEY, "MAX_BODY_MB": 0.1}
    with running_proxy(poe.base_url, tmp_path_factory.mktemp("data"), **settings) as server:
        yield server


@each_route
def test_what_a_route_takes_is_answered_as_described(route: Route, proxy: Proxy) -> None:
    @_RUNS
    @given(route.as_strategy(GenerationMode.POSITIVE), _MODELS)
    def run(case: Case[Any], model: str) -> None:
        if isinstance(case.body, dict):
            case.body["model"] = model
        if "model_id" in case.path_parameters:
            case.path_parameters["model_id"] = model
        check(proxy, case)

    run()


@pytest.mark.parametrize("route", [one for one in _OPERATIONS if one.body or one.query], ids=lambda route: route.label)
def test_what_it_does_not_take_is_refused_as_described(route: Route, proxy: Proxy) -> None:
    @_RUNS
    @given(route.as_strategy(GenerationMode.NEGATIVE))
    def run(case: Case[Any]) -> None:
        check(proxy, case)

    run()


@pytest.mark.parametrize("fault", _FAULTS)
@pytest.mark.parametrize("route", _CALLS, ids=lambda route: route.label)
def test_what_goes_wrong_at_poe_s_is_told_as_described(route: Route, fault: str, impatient: Proxy) -> None:
    body = {**chat(f"[[sim:fault {fault}]]", model="claude-haiku-4.5"), "max_tokens": 9}
    check(impatient, route.Case(body=body, media_type="application/json"), _CHECKS[1:])


@pytest.mark.parametrize(
    ("headers", "size", "status"),
    [({}, 1, 401), ({"content-encoding": "br", "x-api-key": _KEY}, 1, 415), ({"x-api-key": _KEY}, 2**17, 413)],
)
@pytest.mark.parametrize("route", _CALLS, ids=lambda route: route.label)
def test_who_is_turned_away_is_told_as_described(
    route: Route, headers: dict[str, str], size: int, status: int, guarded: Proxy
) -> None:
    case = route.Case(body=chat("x" * size), media_type="application/json", headers=headers)
    assert check(guarded, case) == status


def test_every_route_is_described(proxy: Proxy) -> None:
    """Those that also work without /v1, and HEAD, go without saying."""
    assert httpx.get(f"{proxy.url}/openapi.json", trust_env=False).json() == document()
    described = {(route.path, route.method.upper()) for route in _OPERATIONS}
    served = {(path.replace(":path}", "}"), method) for path, method in _served(proxy)}
    assert described == {(path, method) for path, method in served if (f"/v1{path}", method) not in served}


def _served(proxy: Proxy) -> Iterator[tuple[str, str]]:
    for route in proxy.app.routes:
        if isinstance(route, APIRoute):
            yield from ((route.path, method) for method in (route.methods or ()) if method != "HEAD")
