"""A messages request: from the client's bytes, and to the body that Poe is sent for Claude.

The body for Poe is the client's own JSON with edits on copies, and everything else in it as it was said.
"""

import re
from dataclasses import replace
from typing import Any

from poe_proxy.canonical.card import ModelCard
from poe_proxy.canonical.errors import BadRequest
from poe_proxy.canonical.json import Json, as_object
from poe_proxy.canonical.request import Request
from poe_proxy.wire.anthropic_messages import DIALECT
from poe_proxy.wire.anthropic_messages.marks import is_foreign, split_signature
from poe_proxy.wire.anthropic_messages.validate import validate
from poe_proxy.wire.json_body import dumps, loads

_OUR_OWN = ("auto_manage_context",)
"""What only the proxy understands; Anthropic refuses fields that it does not know."""
_CLEARS_THINKING = "clear_thinking"
_ID_OF = {"tool_use": "id", "tool_result": "tool_use_id"}
_NOT_IN_HEADERS = re.compile(r"[^ -~]")
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")


def parse(data: bytes) -> Request:
    """Read and validate a client's body. Raises BadRequest, which names the field at fault."""
    return _request(validate(loads(data)))


def parse_count(data: bytes) -> Request:
    """The same for counting tokens, where no ``max_tokens`` is needed."""
    return _request(validate(loads(data), needs_max_tokens=False))


def with_headers(request: Request, betas: str, version: str) -> Request:
    """The request with what its headers say: betas, instead of those in the body, and the API's version.

    Raises BadRequest.
    """
    if _NOT_IN_HEADERS.search(version):
        raise _unprintable("anthropic-version")
    if _NOT_IN_HEADERS.search(betas):
        raise _unprintable("anthropic-beta")
    told = [beta.strip() for beta in betas.split(",") if beta.strip()]
    return replace(request, body={**request.body, "betas": told} if told else request.body, version=version)


def native(request: Request, card: ModelCard) -> Json:
    """The client's own body for Poe: the model's Poe name, and nothing in it that Claude never said."""
    body = {name: value for name, value in request.body.items() if name not in _OUR_OWN}
    body["model"] = card.poe_name
    ids = _LegalIds()
    body["messages"] = [kept for message in body["messages"] if (kept := _own_words(message, ids)) is not None]
    if _goes_on_unthought(request.body["messages"], body["messages"]):
        _without_thinking(body)
    return body


def encode(body: Json, version: str) -> tuple[bytes, dict[str, str]]:
    """The body's bytes and the headers that go with them; ``betas`` is a header on the wire. Raises BadRequest."""
    headers = {"anthropic-version": version}
    if betas := body.get("betas"):
        headers["anthropic-beta"] = ",".join(betas)
    return dumps({name: value for name, value in body.items() if name != "betas"}), headers


def _request(body: Json) -> Request:
    if any(_NOT_IN_HEADERS.search(beta) for beta in body.get("betas") or ()):
        raise _unprintable("betas")
    return Request(dialect=DIALECT, model=body["model"].strip(), body=body, stream=body.get("stream"))


def _unprintable(field: str) -> BadRequest:
    return BadRequest(f"{field}: Input should be of printable ASCII characters", param=field)


class _LegalIds:
    """Ids of calls as Claude gave them; those of other makers, such as Kimi's ``functions.Bash:0``, as Claude takes
    them, each only once."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._latest: dict[str, str] = {}

    def within(self, block: Json) -> Json:
        """The block with such an id."""
        if (field := _ID_OF.get(block["type"])) is None:
            return block
        own = split_signature(block[field])[0]
        id_ = self._call(own) if field == "id" else self._latest.get(own, own)
        return block if id_ == block[field] else {**block, field: id_}

    def _call(self, own: str) -> str:
        plain = id_ = _NOT_IN_IDS.sub("_", own) or "call"
        count = 1
        while id_ != own and id_ in self._used:
            count += 1
            id_ = f"{plain}_{count}"
        self._used.add(id_)
        self._latest[own] = id_
        return id_


def _own_words(message: Json, ids: _LegalIds) -> Json | None:
    """The message without what others thought, and with legal ids; None where nothing is left."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    is_assistant = message["role"] == "assistant"
    blocks = [ids.within(block) for block in content if not (is_assistant and _is_foreign(block))]
    if content and not blocks:
        return None
    return message if blocks == content else {**message, "content": blocks}


def _is_foreign(block: Json) -> bool:
    match block["type"]:
        case "thinking":
            signature = block.get("signature")
            return not isinstance(signature, str) or is_foreign(signature)
        case "redacted_thinking":
            return not block.get("data")
        case _:
            return False


def _goes_on_unthought(said: list[Json], kept: list[Json]) -> bool:
    """Whether a turn goes on with a tool's result whose thinking another model did, and which is gone now.

    Where thinking has a budget Claude refuses such a turn: it must begin with thinking.
    """
    if said == kept or not kept or not _holds(kept[-1], "tool_result"):
        return False
    asked = next((message for message in reversed(kept) if message["role"] == "assistant"), {})
    return not _holds(asked, "thinking") and not _holds(asked, "redacted_thinking")


def _holds(message: Json, kind: str) -> bool:
    content = message.get("content")
    return isinstance(content, list) and any(block["type"] == kind for block in content)


def _without_thinking(body: Json) -> None:
    if as_object(body.get("thinking")).get("type") != "enabled":
        return
    del body["thinking"]
    management = as_object(body.get("context_management"))
    if isinstance(management.get("edits"), list):
        edits = [edit for edit in management["edits"] if not _clears_thinking(edit)]
        body["context_management"] = {**management, "edits": edits}


def _clears_thinking(edit: Any) -> bool:
    """Anthropic refuses to clear thinking where there is none."""
    return str(as_object(edit).get("type")).startswith(_CLEARS_THINKING)
