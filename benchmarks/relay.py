"""The floor of the benchmarks: the least that FastAPI and aiohttp can do, which is to relay bytes and to know nothing.

No proxy in Python on the same framework can be faster; how near one comes says what its own work costs.
"""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse


def relay(upstream: str) -> FastAPI:
    """An application that hands ``POST /v1/…`` on to ``upstream``."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            app.state.session = session
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None)

    @app.post("/v1/{path:path}")
    async def relayed(request: Request) -> Response:
        session: aiohttp.ClientSession = app.state.session
        headers = {"content-type": "application/json"}
        answer = await session.post(upstream + request.url.path, data=await request.body(), headers=headers)
        kind = answer.headers["content-type"]
        if kind.startswith("text/event-stream"):
            return StreamingResponse(_pieces(answer), answer.status, media_type=kind)
        return Response(await answer.read(), answer.status, media_type=kind)

    return app


async def _pieces(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async with answer:
        async for piece in answer.content.iter_any():
            yield piece


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9997)
    parser.add_argument("--upstream", default="http://127.0.0.1:9998")
    chosen = parser.parse_args()
    uvicorn.run(
        relay(chosen.upstream),
        port=chosen.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        backlog=4096,
    )


if __name__ == "__main__":
    main()
