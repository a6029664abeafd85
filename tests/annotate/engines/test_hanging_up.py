"""Connections are closed however a call ends, also those that were idle when the server died."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nerkd_local.annotate.completer import Request
from nerkd_local.annotate.engines.hanging_up import Line
from nerkd_local.errors import InterruptedRun
from tests.annotate.engines.openai_calls import connected, request

SERVER = """
import sys, time
from tests.fakes.openai_server import HANG, FakeOpenAIServer, chat, question

def answer(body):
    if question(body) == "hang":
        return HANG
    time.sleep(0.02)  # an answer takes a while, so several connections are open
    return chat("NONE")

with FakeOpenAIServer(answer) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def server() -> Iterator[tuple[subprocess.Popen[str], str]]:
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert process.stdout is not None
    with process:
        yield process, process.stdout.readline().strip()
        process.kill()


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_a_server_that_dies_leaves_no_connection_open(server: tuple[subprocess.Popen[str], str]) -> None:
    process, url = server
    with connected(url, in_flight=24) as engine:
        assert len(list(engine.complete(request(n) for n in range(100)))) == 100
        assert len(sockets_of(url)) > 8

        def dying() -> Iterator[Request]:
            for number in range(4):
                yield request(number, "Text: hang")
            process.kill()
            yield request(4, "Text: hang")

        with pytest.raises(InterruptedRun):
            list(engine.complete(dying()))
    assert sockets_of(url) == []
    gc.collect()  # what was not closed would warn here


def sockets_of(url: str) -> list[str]:
    """The connections of this process to a server, as the kernel lists them."""
    port = f":{int(url.rpartition(':')[2].removesuffix('/v1')):04X}"
    mine = {link.readlink().name for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    rows = [row.split() for row in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return [row[2] for row in rows if row[2].endswith(port) and f"socket:[{row[9]}]" in mine]


def test_what_is_hung_up_on_ends_and_what_begins_later_too() -> None:
    async def hang() -> str:
        await asyncio.Event().wait()
        return "never"

    async def main() -> None:
        line, other = Line(), Line()
        early = asyncio.ensure_future(line.hold(hang()))
        kept = asyncio.ensure_future(other.hold(asyncio.sleep(0, "an answer")))
        await asyncio.sleep(0)
        line.hang_up()
        late = asyncio.ensure_future(line.hold(hang()))
        outcomes = await asyncio.gather(early, late, kept, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, asyncio.CancelledError, str]

    asyncio.run(main())
