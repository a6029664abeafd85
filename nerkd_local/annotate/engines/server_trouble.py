"""What a server did in place of answering, sorted: may the same question be asked again, or has somebody to act?

`Trouble` passes or may pass: no connection, no answer in time, a server that has too much to do or broke down, a body
that was cut off or that a proxy wrote. Everything else is an InputError: asked again, it would come again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nerkd_local.annotate.settings import ServerSettings
from nerkd_local.errors import InputError

_PASSING = (408, 409, 429)  # and everything from 500 on
_OVERLOAD = (429, 503)
_SHOWN = 200


class Trouble(Exception):
    """One attempt that failed, and may be made again.

    `kind` names what happened, for counts: `no connection`, `no answer in time`, `cut off`, `not JSON`, `given up`,
    or `status 503` and the like. `asked_s` is the pause that the server asked for (0: none); `overload` says that
    fewer questions at a time may help. `problem` goes on after "the server at ...".
    """

    def __init__(self, kind: str, problem: str, *, asked_s: float = 0.0, overload: bool = False) -> None:
        super().__init__(problem)
        self.kind = kind
        self.problem = problem
        self.asked_s = asked_s
        self.overload = overload


class Secrets:
    """The key of a server, which some servers repeat when they refuse it, and which no message may hold."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    def show(self, text: str) -> str:
        """The beginning of a server's text without the key, fit for a terminal."""
        return one_line(text.replace(self._key, "[key]") if self._key else text)


def sort_failure(openai: Any, error: Exception, settings: ServerSettings, secrets: Secrets) -> Trouble | InputError:
    """What the client (the module `openai`) raised, as one line: `Trouble`, or what somebody has to change."""
    if isinstance(error, openai.APITimeoutError):
        return Trouble("no answer in time", "does not answer (no answer in time)", overload=True)
    if not isinstance(error, openai.APIStatusError):
        cause = error.__cause__ or error
        # by name: the client comes with a build of httpx of its own
        kind = "no connection" if type(cause).__name__ in ("ConnectError", "ConnectTimeout") else "cut off"
        return Trouble(kind, f"does not answer ({secrets.show(str(cause) or type(cause).__name__)})")
    body, code, where = error.body, error.status_code, settings.base_url
    message = body.get("message") if isinstance(body, dict) else None
    said = secrets.show(str(message or error))
    if code in _PASSING or code >= 500:
        asked_s = read_pause(error.response.headers)
        return Trouble(
            f"status {code}", f"has trouble (status {code}: {said})", asked_s=asked_s, overload=code in _OVERLOAD
        )
    if code in (401, 403):
        named = settings.api_key_env
        hint = f"another key than in {named}" if named else "engine.api_key_env names the variable that holds it"
        return InputError(f"{where} wants a key; {hint} ({said})")
    if 300 <= code < 400:
        to = secrets.show(error.response.headers.get("location", "elsewhere"))
        return InputError(f"{where} redirects to {to!r}, which is not followed; name that as engine.base_url")
    hint = "; is engine.base_url right? it usually ends in /v1" if code == 404 else ""
    return InputError(f"{where} refuses a request ({said}){hint}")


def read_pause(headers: Mapping[str, str]) -> float:
    """Retry-After in seconds; 0 where there is none, or it is a date, which needs two clocks that agree."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def one_line(text: str) -> str:
    """The beginning of foreign text, fit for a terminal: one line, printable, cut short."""
    text = " ".join(text[: 4 * _SHOWN].split())
    return "".join(letter if letter.isprintable() else "�" for letter in text)[:_SHOWN]
