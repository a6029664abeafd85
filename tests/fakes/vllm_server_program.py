"""Stands in for engines/vllm_server.py: the same arguments, and a fake server in place of vLLM's.

The environment says what it does: FAKE_SERVER_IS `up` (echoes questions, and dies of the question "kill"), `broken`
(ends at once), `slow` (never up) or `stubborn` (does not mind SIGTERM). Whatever it is, it has a child.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import Any

from nerkd_local.annotate.engines.vllm_server import NAME, follow_owner
from nerkd_local.annotate.settings import ServeSettings
from tests.fakes.openai_server import FakeOpenAIServer, Reply, chat, question, refusal


def main() -> None:
    follow_owner()
    settings, port = ServeSettings.model_validate_json(sys.argv[1]), int(sys.argv[2])
    subprocess.Popen(["sleep", "1000"])
    kind = os.environ["FAKE_SERVER_IS"]
    print("(EngineCore pid=7) INFO 01-02 03:04:05 [core.py:1] Loading", settings.model.name, flush=True)
    if kind == "broken":
        print("(EngineCore pid=7) ERROR 01-02 03:04:05 [core.py:9] ValueError: no room for \x1b[31mkeys\x1b[0m")
        print("(APIServer pid=6) RuntimeError: Engine core initialization failed. See root cause above.")
        sys.exit(1)
    if kind == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if kind != "slow":
        server = FakeOpenAIServer(answer, models=Reply({"data": [{"id": NAME, "max_model_len": 64}]}), port=port)
        server.__enter__()
        server.script = lambda body: answer(body) if is_known(server) else refusal("who are you?", 401)
    threading.Event().wait()


def is_known(server: FakeOpenAIServer) -> bool:
    return server.headers[-1].get("authorization") == f"Bearer {os.environ['VLLM_API_KEY']}"


def answer(body: dict[str, Any]) -> Reply:
    if question(body) == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return chat(question(body))


if __name__ == "__main__":
    main()
