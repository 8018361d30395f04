"""A Poe that answers each call with the same recorded bytes, on a real socket, and remembers what it was asked."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Recorded:
    """One answer: its body leaves in these pieces, chunked where there are several."""

    status: int
    headers: Mapping[str, str]
    pieces: Sequence[bytes]


@dataclass
class ScriptedPoe:
    """Set ``answer`` before a call; ``asked`` are the bodies of the chat calls since then."""

    url: str
    _answer: Recorded
    asked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def answer(self) -> Recorded:
        return self._answer

    @answer.setter
    def answer(self, answer: Recorded) -> None:
        self._answer = answer
        self.asked.clear()


@contextmanager
def scripted_poe() -> Iterator[ScriptedPoe]:
    """Serve for as long as the block lasts. There is no catalogue here, so the proxy goes by its seed."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # a head and its body leave together
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._say(Recorded(404, {"content-type": "text/plain"}, [b"not here"]))

        def do_POST(self) -> None:
            poe.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self._say(poe.answer)

        def _say(self, answer: Recorded) -> None:
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if len(answer.pieces) == 1:
                self.send_header("content-length", str(len(answer.pieces[0])))
                self.end_headers()
                self.wfile.write(answer.pieces[0])
            else:
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for piece in (*answer.pieces, b""):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing: what was asked is in ``asked``."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    poe = ScriptedPoe(f"http://127.0.0.1:{server.server_port}", Recorded(503, {}, [b""]))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield poe
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
