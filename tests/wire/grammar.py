"""What a chat completions stream must look like to any client, written down apart from the code that writes it."""

import json
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
LEGAL_FINISHES = {"stop", "length", "tool_calls", "content_filter", "function_call"}


@dataclass(frozen=True)
class Told:
    """A stream as a client read it: its chunks, the error it ended with, and whether ``[DONE]`` came."""

    chunks: list[Json]
    error: Json | None
    done: bool


def read(data: bytes) -> Told:
    """Read what our writer wrote: frames of one ``data:`` line each, and nothing after the end."""
    assert data.endswith(b"\n\n")
    chunks: list[Json] = []
    error: Json | None = None
    done = False
    for frame in data.removesuffix(b"\n\n").split(b"\n\n"):
        assert frame.startswith(b"data: "), frame
        assert not done, "something follows [DONE]"
        assert error is None, "something follows the error"
        if frame == b"data: [DONE]":
            done = True
            continue
        chunk = json.loads(frame.removeprefix(b"data: "))
        if "error" in chunk:
            error = chunk["error"]
        else:
            chunks.append(chunk)
    return Told(chunks, error, done)


def check_whole(told: Told, *, model: str, wants_usage: bool) -> None:
    """The grammar of a stream that ended well."""
    assert told.error is None
    assert told.done
    chunks, usage = told.chunks, [chunk for chunk in told.chunks if not chunk["choices"]]
    assert usage == (chunks[-1:] if wants_usage and usage else []), "usage comes last, and only if it is asked for"
    check_begun(told, model=model)
    finishes = [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"]]
    assert finishes[-1] in LEGAL_FINISHES
    assert set(finishes[:-1]) <= {None}, "one finish, and nothing after it"


def check_broken(told: Told, *, model: str) -> None:
    """The grammar of a stream that ended with an error."""
    assert told.error is not None
    assert set(told.error) == {"message", "type", "param", "code"}
    assert not told.done, "an error is never followed by a clean end"
    check_begun(told, model=model)


def check_begun(told: Told, *, model: str) -> None:
    """What holds for every chunk, however the stream ended."""
    known: list[str] = []
    for number, chunk in enumerate(told.chunks):
        assert chunk["object"] == "chat.completion.chunk"
        assert chunk["model"] == model
        assert chunk["id"] == told.chunks[0]["id"]
        if chunk["choices"]:
            (choice,) = chunk["choices"]
            assert choice["index"] == 0
            delta = choice["delta"]
            assert ("role" in delta) == (number == 0), "the role comes first, and once"
            assert "reasoning" not in delta
            for piece in delta.get("tool_calls", []):
                if "function" not in piece:  # a call of another type passes as it is
                    known += [""] * (piece["index"] == len(known))
                    continue
                _check_piece(piece, known)


def _check_piece(piece: Json, known: list[str]) -> None:
    assert isinstance(piece["function"]["arguments"], str)
    if piece["index"] < len(known):
        return
    assert piece["index"] == len(known), "indexes rise by one"
    assert piece["type"] == "function"
    assert isinstance(piece["function"]["name"], str)
    assert piece["id"]
    assert piece["id"] not in known
    known.append(piece["id"])


def added_up(chunks: list[Json]) -> Json:
    """The message that the chunks add up to, with ``finish_reason`` and ``usage`` beside it; empty things left out."""
    message: Json = {}
    calls: dict[int, Json] = {}
    whole: Json = {"finish_reason": None, "usage": None}
    for chunk in chunks:
        whole["usage"] = chunk.get("usage") or whole["usage"]
        for choice in chunk["choices"]:
            whole["finish_reason"] = choice["finish_reason"] or whole["finish_reason"]
            for name, value in choice["delta"].items():
                if name == "tool_calls":
                    for piece in value:
                        _add_call(calls, piece)
                elif name in ("content", "reasoning_content", "refusal"):
                    message[name] = message.get(name, "") + (value or "")
                else:
                    message[name] = value
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return {**whole, "message": without_nothing(message)}


def _add_call(calls: dict[int, Json], piece: Json) -> None:
    call = calls.setdefault(piece["index"], {"function": {"arguments": ""}})
    for name, value in piece.items():
        if name == "function":
            so_far = call["function"]["arguments"]
            call["function"] = {**call["function"], **value, "arguments": so_far + value["arguments"]}
        elif name != "index":
            call[name] = value


def without_nothing(message: Json) -> Json:
    """``message`` without fields that say nothing, which a stream does not repeat."""
    return {name: value for name, value in message.items() if value not in (None, "", [])}
