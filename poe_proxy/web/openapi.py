"""The routes as OpenAPI describes them, for tools that read ``GET /openapi.json``. It decides nothing.

It is built each time it is asked for, which is next to never; a test calls every route as it says.
"""

from collections.abc import Mapping
from typing import Any

from poe_proxy import __version__
from poe_proxy.canonical.json import Json
from poe_proxy.web.schemas import COUNT, TEXT, object_of, ref, schemas

_ERRORS: Mapping[str, str] = {
    "400": "The request cannot be served as it is; the message says why.",
    "401": "No key of this proxy's, or a wrong one.",
    "402": "Out of points, or dearer than MAX_POINTS_PER_MESSAGE.",
    "403": "A host, origin, model or content that is not allowed.",
    "404": "No such model.",
    "408": "The body, or Poe's answer, did not come in time.",
    "413": "The body is larger than MAX_BODY_MB.",
    "415": "The body is compressed.",
    "429": "Too many requests; `retry-after` says when to come again.",
    "5XX": "Poe, the way to it or the proxy failed.",
}
_OF_A_CALL = tuple(_ERRORS)
_OF_A_COUNT = ("400", "401", "403", "404", "408", "413", "415", "5XX")


def document() -> Json:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Poe Proxy", "version": __version__},
        "security": [{}, {"bearer": []}, {"x-api-key": []}],
        "paths": {
            "/v1/chat/completions": {"post": _chat()},
            "/v1/messages": {"post": _messages()},
            "/v1/messages/count_tokens": {"post": _count_tokens()},
            "/v1/models": {"get": _list_models()},
            "/v1/models/{model_id}": {"get": _get_model()},
            "/v1/usage": {"get": _usage()},
            "/": {"get": _open("What this is, and where to point a client", ref("About"))},
            "/health": {"get": _open("Alive, whatever Poe does", ref("Health"))},
            "/api/hello": {"get": _open("Alive, as Claude Code asks", ref("Health"))},
            "/ready": {"get": _ready()},
            "/metrics": {"get": _metrics()},
        },
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "PROXY_API_KEY, where one is set"},
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


# --- routes ---------------------------------------------------------------------------------------------------------


def _chat() -> Json:
    parameters = [_header("x-poe-footer", "`on` or `off`: whether the cost is told below the answer")]
    return {
        "summary": "Answer a chat completion with any model, streamed or whole",
        "parameters": parameters,
        "requestBody": _body("ChatRequest"),
        "responses": {"200": _answer(ref("ChatCompletion"), streams=True), **_failures(_OF_A_CALL, "Error")},
    }


def _messages() -> Json:
    return {
        "summary": "Answer a message with any model, streamed or whole",
        "parameters": [_version(), _header("anthropic-beta", "Anthropic's betas, separated by commas")],
        "requestBody": _body("MessagesRequest"),
        "responses": {"200": _answer(ref("Message"), streams=True), **_failures(_OF_A_CALL, "AnthropicError")},
    }


def _count_tokens() -> Json:
    counted = object_of({"input_tokens": COUNT})
    return {
        "summary": "Count a prompt's tokens, without asking Poe",
        "parameters": [_version()],
        "requestBody": _body("CountRequest"),
        "responses": {"200": _answer(counted), **_failures(_OF_A_COUNT, "AnthropicError")},
    }


def _list_models() -> Json:
    cursor = "a model's id; only with anthropic-version"
    parameters = [
        _version(),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "only with anthropic-version"),
        _query("after_id", TEXT, cursor),
        _query("before_id", TEXT, cursor),
    ]
    lists = {"anyOf": [ref("ModelList"), ref("AnthropicModelList")]}
    return {
        "summary": "The listed models, with Poe's facts; in Anthropic's shape for who sends anthropic-version",
        "parameters": parameters,
        "responses": {"200": _answer(lists), **_failures(("400", "401", "403", "5XX"), "Error")},
    }


def _get_model() -> Json:
    model_id = {"name": "model_id", "in": "path", "required": True, "schema": {**TEXT, "minLength": 1}}
    models = {"anyOf": [ref("Model"), ref("AnthropicModel")]}
    return {
        "summary": "One model by any of its names, which may hold a slash",
        "parameters": [_version(), model_id],
        "responses": {"200": _answer(models), **_failures(("401", "403", "404", "5XX"), "Error")},
    }


def _usage() -> Json:
    return {
        "summary": "What was spent: balance, points of today and this month (UTC), by model and by key",
        "parameters": [_query("session", TEXT, "a session's id, whose sums are told as well")],
        "responses": {"200": _answer(ref("Usage")), **_failures(("401", "403", "5XX"), "Error")},
    }


def _open(summary: str, schema: Json) -> Json:
    """A route that needs no key."""
    return {
        "summary": summary,
        "security": [],
        "responses": {"200": _answer(schema), **_failures(("403", "5XX"), "Error")},
    }


def _ready() -> Json:
    route = _open("Whether key and catalogue are good, in words", ref("Ready"))
    route["responses"]["503"] = _answer({"anyOf": [ref("Ready"), ref("Error")]}, "Not ready, and why")
    return route


def _metrics() -> Json:
    page = {"description": "The page", "content": {"text/plain": {"schema": TEXT}}}
    return {
        "summary": "Prometheus metrics",
        "responses": {"200": page, **_failures(("401", "403", "5XX"), "Error")},
    }


# --- OpenAPI's own words --------------------------------------------------------------------------------------------


def _body(name: str) -> Json:
    return {"required": True, "content": {"application/json": {"schema": ref(name)}}}


def _answer(schema: Json, description: str = "The answer", *, streams: bool = False) -> Json:
    content: Json = {"application/json": {"schema": schema}}
    if streams:
        content["text/event-stream"] = {"schema": object_of({"data": TEXT})}  # of each event
    return {"description": description, "headers": {"x-request-id": {"schema": TEXT}}, "content": content}


def _failures(statuses: tuple[str, ...], shape: str) -> dict[str, Any]:
    return {status: _answer(ref(shape), _ERRORS[status]) for status in statuses}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _header(name: str, description: str) -> Json:
    return {"name": name, "in": "header", "schema": TEXT, "description": description}


def _version() -> Json:
    return _header("anthropic-version", "the version of Anthropic's API, as 2023-06-01")
