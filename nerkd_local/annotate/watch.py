"""A run that a person can watch: how far it is, how fast, what became of the mentions, and where the time went.

On a terminal one live line; elsewhere (a log, a batch job) a whole line now and then.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, TextIO

from tqdm import tqdm

from nerkd_local.annotate.completer import Completion
from nerkd_local.annotate.reading import Reading

Part = Literal["render", "engine", "parse", "store"]
PARTS: tuple[Part, ...] = ("render", "engine", "parse", "store")
"""What a run's time goes to: making questions, waiting for the engine, reading answers, storing them."""

_SHOWN_MENTIONS = ("accepted", "repaired", "hallucinated")
_SHOWN_SENTENCES = ("truncated", "looped", "malformed", "too_long", "quarantined")
_LINE_SECONDS = 15.0


class Watch:
    """Counts and times one run, and shows them. A context manager: leaving it ends the live line."""

    def __init__(self, stream: TextIO | None = None, *, line_seconds: float = _LINE_SECONDS) -> None:
        """Shown on `stream` (standard error where it is not given)."""
        self._stream = stream or sys.stderr
        self._line_seconds = line_seconds
        self._bar: Any = None
        self._total = self._before = 0
        self._began = self._last_line = time.monotonic()
        self.sentences = 0
        self.copies = 0
        self.prompt_tokens = 0
        self.output_tokens = 0
        self.cached_tokens = 0
        self.cache_is_known = False
        self.states: Counter[str] = Counter()
        self.mentions: Counter[str] = Counter()
        self._spent: dict[Part, float] = dict.fromkeys(PARTS, 0.0)
        self._inner = 0.0

    def start(self, total: int, done: int) -> None:
        """Of `total` sentences `done` have their answers already. The clock starts with the first question."""
        self._total, self._before = total, done
        self._began = self._last_line = time.monotonic()
        if self._stream.isatty():
            self._bar = tqdm(total=total, initial=done, unit=" sentences", file=self._stream, smoothing=0.05)
        elif done:
            self._say(f"going on: {done:,} of {total:,} answers are stored")

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(self._account(), refresh=False)
            self._bar.close()
            self._bar = None

    @contextmanager
    def time(self, part: Part) -> Iterator[None]:
        """Time within the block goes to that part; of nested blocks each has its own."""
        outer, self._inner = self._inner, 0.0
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            self._spent[part] += took - self._inner
            self._inner = outer + took

    def answer(self, completion: Completion, reading: Reading, copies: int = 0) -> None:
        """One answer has come, and serves so many further sentences of the same text."""
        self.sentences += 1 + copies
        self.copies += copies
        self.prompt_tokens += completion.prompt_tokens
        self.output_tokens += completion.output_tokens
        if completion.cached_tokens is not None:
            self.cached_tokens += completion.cached_tokens
            self.cache_is_known = True
        self.states[reading.state] += 1 + copies
        for state, count in reading.mentions.items():
            self.mentions[state] += count * (1 + copies)
        self._show(1 + copies)

    def note(self, line: str) -> None:
        """Say something without breaking the live line."""
        if self._bar is None:
            self._say(line)
        else:
            self._bar.write(line, file=self._stream)

    def _show(self, new: int) -> None:
        if self._bar is not None:
            if self._bar.update(new):
                self._bar.set_postfix_str(self._account(), refresh=False)
            return
        now = time.monotonic()
        if now - self._last_line >= self._line_seconds:
            self._last_line = now
            done = self._before + self.sentences
            rate = self.sentences / max(now - self._began, 1e-9)
            left = tqdm.format_interval((self._total - done) / rate)
            self._say(f"{done:,} of {self._total:,} sentences, {rate:,.1f}/s, {left} left; {self._account()}")

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    def _account(self) -> str:
        seconds = max(time.monotonic() - self._began, 1e-9)
        parts = [f"{self.mentions[state]:,} {state}" for state in _SHOWN_MENTIONS]
        parts += [f"{self.states[s]:,} {s.replace('_', ' ')}" for s in _SHOWN_SENTENCES if self.states[s]]
        return f"{self.output_tokens / seconds:,.0f} tokens/s, {', '.join(parts)}"

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began

    def to_json(self) -> dict[str, Any]:
        """The run's speed as plain JSON: rates a second, tokens a sentence asked, shares of the time."""
        seconds, asked = self.seconds, max(self.sentences - self.copies, 1)
        spent = sum(self._spent.values()) or 1.0
        hits = round(self.cached_tokens / max(self.prompt_tokens, 1), 4)
        return {
            "sentences": self.sentences,
            "copies": self.copies,
            "seconds": round(seconds, 3),
            "sentences_a_second": round(self.sentences / max(seconds, 1e-9), 2),
            "output_tokens_a_second": round(self.output_tokens / max(seconds, 1e-9), 1),
            "prompt_tokens_a_sentence": round(self.prompt_tokens / asked, 2),
            "output_tokens_a_sentence": round(self.output_tokens / asked, 2),
            "prefix_cache_hits": hits if self.cache_is_known else None,
            "time": {part: round(self._spent[part] / spent, 4) for part in PARTS},
        }


def describe_speed(speed: dict[str, Any]) -> str:
    """A line for a person, from `Annotation.speed`."""
    hits = speed["prefix_cache_hits"]
    cached = "" if hits is None else f" ({hits:.0%} from the prefix cache)"
    shares = ", ".join(f"{part} {share:.1%}" for part, share in speed["time"].items())
    copies = f", {speed['copies']:,} of them copies" if speed["copies"] else ""
    again = "".join(f"; {count:,} asked again ({reason})" for reason, count in speed["asked_again"].items())
    return (
        f"{speed['sentences']:,} sentences{copies} in {speed['seconds']:,.1f} s: "
        f"{speed['sentences_a_second']:,.1f} sentences/s, {speed['output_tokens_a_second']:,.0f} tokens/s; "
        f"a sentence {speed['prompt_tokens_a_sentence']:,.1f} tokens in{cached} and "
        f"{speed['output_tokens_a_sentence']:,.1f} out{again}; time: {shares}"
    )
