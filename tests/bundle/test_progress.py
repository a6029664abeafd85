from __future__ import annotations

import io
import sys

import pytest

from nerkd_local.bundle.progress import progress, silent


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, total: int, steps: list[tuple[float, int]]) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    times = iter([0.0, *(time for time, _ in steps)])
    with progress("reading", total, clock=lambda: next(times)) as on_bytes:
        for _, count in steps:
            on_bytes(count)
    return stream.getvalue()


def test_a_log_gets_a_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [(5.0, 1_000_000), (10.0, 1_000_000), (19.9, 1_000_000), (20.0, 1_000_000)]
    assert run(io.StringIO(), monkeypatch, 8_000_000, steps) == (
        "reading: 2.0 MB of 8.0 MB (25%), 200.0 kB/s, 30 s left\n"
        "reading: 4.0 MB of 8.0 MB (50%), 200.0 kB/s, 20 s left\n"
    )


def test_a_terminal_gets_one_line_that_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    said = run(Terminal(), monkeypatch, 100, [(1.0, 50), (2.0, 50)])
    assert "\n" not in said
    assert said.count("\r") == 3
    assert said.endswith("\r\x1b[K")


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_short_work_shows_nothing(stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(stream(), monkeypatch, 100, [(0.1, 100)]) == ""


def test_nothing_to_do_and_more_than_was_said_are_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(io.StringIO(), monkeypatch, 0, [(11.0, 0)]) == "reading: 0 B of 0 B, 0 B/s\n"
    assert "(100%)" in run(io.StringIO(), monkeypatch, 10, [(11.0, 20)])


def test_silence_takes_every_call() -> None:
    with silent("reading", 10) as on_bytes:
        on_bytes(5)


def test_the_work_goes_on_where_nobody_can_be_shown_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(Terminal):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    run(Gone(), monkeypatch, 100, [(11.0, 50), (22.0, 50)])
    monkeypatch.setattr(sys, "stderr", None)
    with progress("reading", 10) as on_bytes:
        on_bytes(10)
