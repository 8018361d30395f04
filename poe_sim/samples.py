"""Plausible values for a JSON Schema: what a model would fill into a tool's arguments or a format."""

from __future__ import annotations

import math
from typing import Any

Schema = dict[str, Any]

_MAX_DEPTH = 12
_BY_NAME = {
    "location": "San Francisco",
    "city": "San Francisco",
    "country": "Japan",
    "query": "weather",
    "url": "https://example.com/",
    "path": "README.md",
    "file_path": "README.md",
    "command": "echo hello",
    "name": "Ada",
    "email": "ada@example.com",
    "date": "2026-03-01",
}
_BY_FORMAT = {
    "date-time": "2026-03-01T12:00:00Z",
    "date": "2026-03-01",
    "time": "12:00:00Z",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
}


def sample(schema: Schema) -> Any:
    """A value that satisfies `schema` (patterns and conditionals are beyond it)."""
    return _value(schema, schema, "", 0)


def _value(schema: Any, root: Schema, name: str, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return None
    schema = _resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for keyword in ("anyOf", "oneOf"):
        if schema.get(keyword):
            return _value(schema[keyword][0], root, name, depth + 1)
    return _typed(schema, root, name, depth)


def _resolved(schema: Schema, root: Schema, depth: int = 0) -> Schema:
    target = _referred(schema["$ref"], root) if "$ref" in schema else schema
    merged: Schema = dict(target)
    for part in target.get("allOf", ()) if depth < _MAX_DEPTH else ():
        resolved = _resolved(part, root, depth + 1)
        properties = {**merged.get("properties", {}), **resolved.get("properties", {})}
        merged = {**merged, **resolved} | ({"properties": properties} if properties else {})
    return merged


def _referred(pointer: str, root: Schema) -> Schema:
    target: Any = root
    for step in filter(None, pointer.lstrip("#").split("/")):
        target = target[int(step)] if isinstance(target, list) else target.get(step, {})
    return target if isinstance(target, dict) else {}


def _typed(schema: Schema, root: Schema, name: str, depth: int) -> Any:
    kind = schema.get("type") or ("object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    match kind:
        case "object":
            return _object(schema, root, depth)
        case "array":
            size = max(1, schema.get("minItems", 1))
            return [_value(schema.get("items", {}), root, name, depth + 1) for _ in range(size)]
        case "integer" | "number":
            return _number(schema, kind)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _string(schema, name)


def _object(schema: Schema, root: Schema, depth: int) -> Schema:
    properties: Schema = schema.get("properties", {})
    shallow = depth < _MAX_DEPTH // 2
    wanted = [key for key in properties if shallow or key in schema.get("required", ())]
    return {key: _value(properties[key], root, key, depth + 1) for key in wanted}


def _number(schema: Schema, kind: str) -> float | int:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    step = schema.get("multipleOf", 1)
    value = 42 if low is None else low + ("exclusiveMinimum" in schema)
    if high is not None and value > high:
        value = high - ("exclusiveMaximum" in schema)
    value = math.ceil(value / step) * step if "multipleOf" in schema else value
    return math.ceil(value) if kind == "integer" else value


def _string(schema: Schema, name: str) -> str:
    text = _BY_FORMAT.get(schema.get("format", "")) or _BY_NAME.get(name.lower()) or f"sample {name}".strip()
    text = text.ljust(schema.get("minLength", 0), "x")
    return text[: schema.get("maxLength", len(text))]
