"""A soak's clients: the official SDKs and rougher ones. Each turns one wish into one word on how it went."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx
import openai
import orjson

from benchmarks.soak.bodies import body, told
from benchmarks.soak.wishes import PATHS, Manner, Wish

PATIENCE_S = 45.0
"""No request of a soak takes as long; what does hangs."""
_OPENAI_ENDS, _ANTHROPIC_ENDS = b"data: [DONE]", b"event: message_stop"
_ERROR = b'"error":{'
_SMALL_BUFFER = 4096


class Unexpected(Exception):
    """An answer that is none; the words say in what way."""


class Client:
    """One client with connections of its own."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])
        options: dict[str, Any] = {"api_key": "any", "max_retries": 0, "timeout": PATIENCE_S}
        self._openai = openai.AsyncOpenAI(base_url=f"{url}/v1", **options)
        self._anthropic = anthropic.AsyncAnthropic(base_url=url, **options)
        self._manners: dict[Manner, Callable[[Wish], Awaitable[str]]] = {
            "sdk": self._by_sdk,
            "raw": self._raw,
            "reads slowly": self._slowly,
            "leaves before headers": self._leaving,
            "leaves in mid-stream": self._leaving_in_mid_stream,
            "half a body": self._half,
            "says nothing": self._silent,
            "bad body": self._bad,
        }

    async def aclose(self) -> None:
        await self._openai.close()
        await self._anthropic.close()

    async def ask(self, wish: Wish) -> str:
        """How it went: ``answer``, ``refused 400``, ``cut``, ``left``, or words for what never should be."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._manners[wish.manner](wish)
        except Unexpected as error:
            return str(error)
        except (TimeoutError, openai.APITimeoutError, anthropic.APITimeoutError):
            return "hung"
        except (OSError, EOFError, httpx.HTTPError, openai.APIConnectionError, anthropic.APIConnectionError) as error:
            return f"broken off: {type(error).__name__}"
        except Exception as error:  # the SDKs are the judges of what they are sent
            return f"not understood: {type(error).__name__}"

    # --- by the official SDKs ---------------------------------------------------------------------------------------

    async def _by_sdk(self, wish: Wish) -> str:
        return await (self._by_openai(wish) if wish.dialect == "chat" else self._by_anthropic(wish))

    async def _by_openai(self, wish: Wish) -> str:
        begun = False
        try:
            headers = {"x-request-id": wish.tag}
            answer: Any = await self._openai.chat.completions.create(**body(wish), extra_headers=headers)
            begun = wish.stream
            return _judged(wish, await _of_chunks(answer) if wish.stream else _of_chat(answer))
        except openai.APIStatusError as error:
            return _status(error.status_code, error.body)
        except openai.APIError as error:
            if begun and error.body is not None:
                return "cut"
            raise

    async def _by_anthropic(self, wish: Wish) -> str:
        begun = False
        try:
            headers = {"x-request-id": wish.tag}
            answer: Any = await self._anthropic.messages.create(**body(wish), extra_headers=headers)
            begun = wish.stream
            return _judged(wish, await _of_events(answer) if wish.stream else _of_message(answer))
        except anthropic.APIStatusError as error:
            return "cut" if begun else _status(error.status_code, error.body)

    # --- by plain sockets -------------------------------------------------------------------------------------------

    async def _raw(self, wish: Wish) -> str:
        async with self._connection() as (reader, writer):
            writer.write(_request(wish))
            return _seen(wish, await reader.read())

    async def _slowly(self, wish: Wish) -> str:
        async with self._connection(small=True) as (reader, writer):
            writer.write(_request(wish))
            pieces = []
            while piece := await reader.read(_SMALL_BUFFER):
                pieces.append(piece)
                await asyncio.sleep(0.02 * wish.chance)
            return _seen(wish, b"".join(pieces))

    async def _leaving(self, wish: Wish) -> str:
        async with self._connection(rude=wish.chance < 0.5) as (_, writer):
            writer.write(_request(wish))
            await asyncio.sleep(wish.chance)
        return "left"

    async def _leaving_in_mid_stream(self, wish: Wish) -> str:
        async with self._connection(rude=wish.chance < 0.5) as (reader, writer):
            writer.write(_request(wish))
            if not (await reader.read(200)).startswith(b"HTTP/1.1 200"):
                raise Unexpected("no stream to leave")
            await asyncio.sleep(wish.chance)
        return "left"

    async def _half(self, wish: Wish) -> str:
        request = _request(wish)
        async with self._connection() as (reader, writer):
            writer.write(request[: len(request) - 20])
            if wish.chance < 0.5:
                await asyncio.sleep(wish.chance)
                return "left"
            return _seen(wish, await reader.read())

    async def _silent(self, wish: Wish) -> str:
        async with self._connection():
            await asyncio.sleep(3 * wish.chance)
        return "left"

    async def _bad(self, wish: Wish) -> str:
        async with self._connection() as (reader, writer):
            writer.write(_request(wish, wish.bad))
            return _seen(wish, await reader.read())

    @asynccontextmanager
    async def _connection(
        self, *, small: bool = False, rude: bool = False
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """``small``: hardly a buffer on our side; ``rude``: it ends with a reset."""
        connection = socket.socket()
        connection.setblocking(False)
        if small:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        if rude:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self._port))
            reader, writer = await asyncio.open_connection(sock=connection, limit=_SMALL_BUFFER if small else 2**16)
        except BaseException:
            connection.close()
            raise
        try:
            yield reader, writer
        finally:
            writer.transport.abort()  # closes at once; a reset only where SO_LINGER says so


def _request(wish: Wish, bad: bytes | None = None) -> bytes:
    data = orjson.dumps(body(wish)) if bad is None else bad
    lines = (
        f"POST {PATHS[wish.dialect]} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"X-Request-Id: {wish.tag}",
        f"Content-Length: {len(data)}",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode() + data


def _seen(wish: Wish, said: bytes) -> str:
    """How an answer went whose bytes are all here."""
    head, _, body = said.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        raise Unexpected("broken off: no answer at all")
    status = int(head[9:12])
    if status != 200:
        return f"refused {status}" if _ERROR in body.replace(b" ", b"") else f"refused {status} without an error"
    end = _OPENAI_ENDS if wish.dialect == "chat" else _ANTHROPIC_ENDS
    if wish.stream and end not in body:
        return "cut" if _ERROR in body.replace(b" ", b"") else "unfinished"
    if told(wish) and told(wish).encode() not in body.replace(b" ", b"") and not _split_up(body, wish):
        raise Unexpected("an answer to something else")
    return "answer"


def _split_up(body: bytes, wish: Wish) -> bool:
    """A stream may quote in pieces."""
    return wish.stream and told(wish).rpartition("-")[2].encode() in body


@dataclass(slots=True)
class _Heard:
    """What an SDK made of an answer."""

    text: str = ""
    called: bool = False
    ended: bool = False


def _of_chat(answer: Any) -> _Heard:
    (choice,) = answer.choices
    return _Heard(choice.message.content or "", bool(choice.message.tool_calls), choice.finish_reason is not None)


async def _of_chunks(stream: Any) -> _Heard:
    heard = _Heard()
    async for chunk in stream:
        for choice in chunk.choices:
            heard.text += choice.delta.content or ""
            heard.called = heard.called or bool(choice.delta.tool_calls)
            heard.ended = heard.ended or choice.finish_reason is not None
    return heard


def _of_message(answer: Any) -> _Heard:
    text = "".join(block.text for block in answer.content if block.type == "text")
    return _Heard(text, any(block.type == "tool_use" for block in answer.content), answer.stop_reason is not None)


async def _of_events(stream: Any) -> _Heard:
    heard = _Heard()
    async for event in stream:
        heard.text += getattr(getattr(event, "delta", None), "text", None) or ""
        heard.called = heard.called or getattr(getattr(event, "content_block", None), "type", "") == "tool_use"
        heard.ended = heard.ended or event.type == "message_stop"
    return heard


def _judged(wish: Wish, heard: _Heard) -> str:
    if not heard.ended:
        return "unfinished"
    if wish.matter in ("tool", "tools"):
        return "answer" if heard.called else "no tool was called"
    if not heard.text:
        return "empty"
    return "answer" if told(wish) in heard.text else "an answer to something else"


def _status(status: int, body: Any) -> str:
    error = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(error, dict) or not error.get("message"):
        return f"refused {status} without an error"
    return f"refused {status}"
