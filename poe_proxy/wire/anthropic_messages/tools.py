"""Tools as Anthropic's clients offer them, those that Anthropic itself defines among them, and what becomes of each.

A client runs bash_…, text_editor_… and memory_… itself, so that any model may call them once their arguments are
spelled out. What runs on Anthropic's servers no other model can have.
"""

from collections.abc import Mapping
from typing import Any

from poe_proxy.canonical.conversation import Choice, Tool
from poe_proxy.canonical.json import Json, as_object, as_string

_PLACEHOLDER = "DeferredToolPlaceholder"
"""Claude Code's stand-in for the tools that it has yet to load; nobody can call it."""


def schema_of(arguments: Mapping[str, str], *required: str) -> Json:
    """The schema of a tool whose arguments are of these types."""
    properties = {name: {"type": kind} for name, kind in arguments.items()}
    return {"type": "object", "properties": properties, "required": list(required)}


_EDITOR = schema_of(
    {
        "command": "string",
        "path": "string",
        "file_text": "string",
        "old_str": "string",
        "new_str": "string",
        "insert_line": "integer",
        "insert_text": "string",
    },
    "command",
    "path",
)
_EDITOR["properties"]["view_range"] = {"type": "array", "items": {"type": "integer"}}
_EDITOR["properties"]["command"]["enum"] = ["view", "create", "str_replace", "insert"]
_MEMORY: Json = {
    **_EDITOR,
    "properties": {**_EDITOR["properties"], "old_path": {"type": "string"}, "new_path": {"type": "string"}},
    "required": ["command"],
}
_MEMORY["properties"]["command"] = {
    "type": "string",
    "enum": ["view", "create", "str_replace", "insert", "delete", "rename"],
}
_RUN_BY_CLIENTS: Mapping[str, tuple[str, Json]] = {
    "bash_2": ("Run a command in a persistent shell.", schema_of({"command": "string", "restart": "boolean"})),
    "text_editor_2": ("View and edit files: view, create, str_replace, insert.", _EDITOR),
    "memory_2": ("Keep notes in files below /memories.", _MEMORY),
}
"""By how their dated types begin. Computer and browser tools show pictures of a size told in the tool: left out."""


def read(body: Json) -> tuple[tuple[Tool, ...], list[str], list[str]]:
    """The tools that any model can be offered, the names of those that are not available, and what was left out."""
    tools: dict[str, Tool] = {}
    unavailable: list[str] = []
    for said in _defined(body):
        tool = read_tool(said)
        if tool is not None:
            tools[tool.name] = tool
        elif said.get("name") != _PLACEHOLDER:
            unavailable.append(_name(said))
    for name in _removed(body):
        tools.pop(name, None)
    unavailable += [_name(server) for server in body.get("mcp_servers") or () if isinstance(server, dict)]
    return tuple(tools.values()), unavailable, [f"dropped tool {name}" for name in unavailable]


def read_tool(said: Json) -> Tool | None:
    """One tool; None for the placeholder and for what the client does not run itself."""
    kind, name = said.get("type") or "custom", said.get("name")
    if name == _PLACEHOLDER or not isinstance(name, str):
        return None
    description, mark, strict = as_string(said.get("description")), said.get("cache_control"), said.get("strict")
    if kind == "custom":
        schema = complete(said.get("input_schema"))
        return Tool(name, description, schema, strict if isinstance(strict, bool) else None, mark)
    known = next((known for start, known in _RUN_BY_CLIENTS.items() if kind.startswith(start)), None)
    return None if known is None else Tool(name, *known, None, mark)


def complete(schema: Any) -> Json:
    """A schema with the two fields that providers insist on."""
    schema = as_object(schema)
    kept = {name: value for name, value in schema.items() if value is not None}
    if kept.get("type", "object") != "object":
        return kept
    return {"type": "object", "properties": {}, **kept}


def read_choice(said: Any, tools: tuple[Tool, ...]) -> Choice | None:
    """The choice among ``tools``; None where nothing was said, or what was said names a tool that is not there."""
    said = as_object(said)
    match said.get("type"):
        case "auto" | "any" | "none" as mode if tools:
            return Choice(mode)
        case "tool" if any(tool.name == said.get("name") for tool in tools):
            return Choice("tool", said["name"])
        case _:
            return None


def write(tool: Tool) -> Json:
    """A tool as Anthropic knows it."""
    said: Json = {"name": tool.name, "input_schema": complete(tool.schema)}
    if tool.description:
        said["description"] = tool.description
    if tool.strict is not None:
        said["strict"] = tool.strict
    return said if tool.mark is None else {**said, "cache_control": tool.mark}


def write_choice(choice: Choice | None, parallel: bool | None) -> Json | None:
    """The choice with what goes with it at Anthropic: whether several calls may come at once."""
    if choice is None and parallel is not False:
        return None
    said: Json = {"type": "auto" if choice is None else choice.mode}
    if choice is not None and choice.mode == "tool":
        said["name"] = choice.name
    if parallel is not None and said["type"] != "none":
        said["disable_parallel_tool_use"] = not parallel
    return said


def _defined(body: Json) -> list[Json]:
    inline = [as_object(block["tool"].get("definition")) for block in _changes(body, "tool_addition")]
    return [*(body.get("tools") or ()), *(tool for tool in inline if tool)]


def _removed(body: Json) -> list[str]:
    """The tools whose last change in the course of the conversation took them away."""
    last: dict[str, bool] = {}
    for block in _changes(body, "tool_addition", "tool_removal"):
        tool = block["tool"]
        name = str(tool.get("name") or as_object(tool.get("definition")).get("name"))
        last[name] = block["type"] == "tool_removal"
    return [name for name, is_gone in last.items() if is_gone]


def _changes(body: Json, *kinds: str) -> list[Json]:
    contents = (message.get("content") for message in body["messages"])
    blocks = (block for content in contents if isinstance(content, list) for block in content)
    return [block for block in blocks if block["type"] in kinds and isinstance(block.get("tool"), dict)]


def _name(said: Json) -> str:
    return str(said.get("name") or said.get("mcp_server_name") or said.get("type"))
