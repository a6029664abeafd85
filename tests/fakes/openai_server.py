"""A fake server with OpenAI's chat API on loopback: real HTTP, scripted replies, and a note of all it was sent."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "fake-model"


@dataclass
class Reply:
    """What goes back: a status, a body (bytes as they are, anything else as JSON), more headers.

    Of a `cut_off` reply half the body comes, of one that is `reset` nothing.
    """

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut_off: bool = False
    reset: bool = False


HANG = Reply(None, status=0)
"""No reply at all: the connection is kept until the client hangs up."""

RESET = Reply(None, reset=True)
"""The connection is torn down in place of a reply."""

Script = Callable[[dict[str, Any]], Reply]


def chat(text: str | None, finish_reason: str | None = "stop", **more: Any) -> Reply:
    """A well-formed answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 7, "completion_tokens": len((text or "").split()), "total_tokens": 0}
    return Reply({"object": "chat.completion", "choices": [choice | more], "usage": usage})


def refusal(message: str, status: int = 400, **headers: str) -> Reply:
    """An error in OpenAI's shape."""
    return Reply({"error": {"message": message, "type": "error", "code": status}}, status, headers)


def question(body: dict[str, Any]) -> str:
    """The sentence that a request asks about."""
    content: str = body["messages"][-1]["content"]
    return content.rpartition("Text: ")[2]


def obey(body: dict[str, Any]) -> Reply | None:
    """What a server that honours constraints says to the question that tries it; None to any other."""
    constraint = body.get("structured_outputs", {}).get("regex", "")
    return chat("ZX123QV") if re.fullmatch(constraint, "ZX123QV") else None


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512  # many connections at once; a full queue would make clients wait a second or more


class FakeOpenAIServer:
    """Serves while the block lasts. `script` answers each chat request, after `obey` where `obedient`."""

    def __init__(self, script: Script, *, models: Reply | None = None, obedient: bool = True, port: int = 0) -> None:
        self.script = script
        self.port = port
        self.obedient = obedient
        self.models = models or Reply({"data": [{"id": MODEL}]})
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.open = 0
        self.most_open = 0
        self.hung_up = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> FakeOpenAIServer:
        self._server = _HttpServer(("127.0.0.1", self.port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply(self, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> Reply:
        with self._lock:
            self.headers.append(headers)
            if path == "/health":
                return Reply({})
            if body is None:
                return self.models if path == "/v1/models" else refusal("no such page", 404)
            self.bodies.append(body)
        return (self.obedient and obey(body)) or self.script(body)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self.respond(None)

            def do_POST(self) -> None:
                self.respond(json.loads(self.rfile.read(int(self.headers["content-length"]))))

            def respond(self, body: dict[str, Any] | None) -> None:
                with fake._lock:
                    fake.open += 1
                    fake.most_open = max(fake.most_open, fake.open)
                try:
                    reply = fake.reply(self.path, body, {name.lower(): value for name, value in self.headers.items()})
                    if reply is HANG:
                        self.close_connection = True
                        if not self.connection.recv(1, socket.MSG_PEEK):
                            with fake._lock:
                                fake.hung_up += 1
                        return
                finally:
                    with fake._lock:
                        fake.open -= 1
                if reply.reset:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    for open_end in (self.rfile, self.wfile, self.connection):
                        open_end.close()
                    return
                content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                headers = {"content-type": "application/json", "content-length": str(len(content))} | reply.headers
                try:
                    self.send_response(reply.status)
                    for name, value in headers.items():
                        self.send_header(name.replace("_", "-"), value)
                    self.end_headers()
                    self.wfile.write(content[: len(content) // 2] if reply.cut_off else content)
                    self.close_connection = self.close_connection or reply.cut_off
                except OSError:  # the client did not wait
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                """Nothing on stderr."""

        return Handler
