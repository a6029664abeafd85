"""A vLLM server of the run's own: started on loopback, asked over HTTP, ended with the run.

Beside vLLM's own engine (`worker`) it is of use where something else on this machine asks the same server, and where
the server is to share questions out among several copies of a model (`data_parallel_size`).
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from nerkd_local.annotate.completer import Completion, EngineDied, Request
from nerkd_local.annotate.engines.control_tokens import known_control_tokens
from nerkd_local.annotate.engines.lifeline import ENGINE_OWNER
from nerkd_local.annotate.engines.logs import last_words, tell
from nerkd_local.annotate.engines.openai_http import ServerCompleter
from nerkd_local.annotate.engines.processes import end_session
from nerkd_local.annotate.engines.server_trouble import one_line
from nerkd_local.annotate.engines.vllm_hook import admit
from nerkd_local.annotate.engines.vllm_server import HOST, NAME
from nerkd_local.annotate.settings import ServerSettings, ServeSettings
from nerkd_local.errors import InputError
from nerkd_local.files import local_model, read_json

_PROGRAM = "nerkd_local.annotate.engines.vllm_server"
_LOOK_EVERY_S = 0.2
_SAY_EVERY_S = 30.0


class VllmServer:
    """The server's process and all that it starts: begun when the object is made, up when `wait_until_up` returns.

    It listens on 127.0.0.1 only, on a port that was free, and answers to a key that was drawn for it (in its
    environment, where other users cannot read it). It ends with this process, however that ends, and Ctrl-C in the
    terminal does not reach it: a run that was asked to stop still gets what it has asked for.
    """

    def __init__(self, settings: ServeSettings, *, program: str = _PROGRAM) -> None:
        """`program` is the module to run. Raises InputError if the model is no local folder."""
        local_model(settings.model)
        self._settings = settings
        self.key = secrets.token_urlsafe(32)
        # kept bound, not listened on, while the server lives: the kernel gives that port to nobody but the server,
        # which asks for it by number and with SO_REUSEADDR
        self._port = socket.socket()
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port.bind((HOST, 0))
        self._address = f"http://{HOST}:{self._port.getsockname()[1]}"
        self.url = f"{self._address}/v1"
        handle, name = tempfile.mkstemp(prefix="nerkd-vllm-server-", suffix=".log")
        self.log = Path(name)
        self._ended = threading.Event()
        self._how = ""
        self._closed = False
        started: Future[subprocess.Popen[bytes]] = Future()
        self._keeper = threading.Thread(target=self._keep, args=(program, handle, started), daemon=True)
        self._keeper.start()
        try:
            self._process = started.result()
        except BaseException:
            self._port.close()
            self.log.unlink()
            raise

    def _keep(self, program: str, log: int, started: Future[subprocess.Popen[bytes]]) -> None:
        """Start the server, and notice its end. In a thread that lives as long as the server: the kernel counts the
        end of the thread that started a process as that of its parent (see `signal_at_parents_end`).
        """
        settings, port = self._settings.model_dump_json(), str(self._port.getsockname()[1])
        environment = {
            "VLLM_LOGGING_LEVEL": "INFO",
            **os.environ,
            "VLLM_API_KEY": self.key,
            "VLLM_CPU_KVCACHE_SPACE": str(self._settings.cpu_kv_cache_gib),
            ENGINE_OWNER: str(os.getpid()),
        }
        admit(environment)
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", program, settings, port],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        except BaseException as error:
            started.set_exception(error)
            return
        finally:
            os.close(log)
        started.set_result(process)
        with suppress(ChildProcessError):  # `end` was quicker, and has reaped it
            end = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            if end is not None:
                self._how = f"exit code {end.si_status}" if end.si_code == os.CLD_EXITED else f"signal {end.si_status}"
        self._ended.set()

    @property
    def pid(self) -> int:
        """The server's process. What it started shares its session."""
        return self._process.pid

    def is_gone(self) -> bool:
        """Whether the server's process has ended."""
        return self._ended.is_set()

    def describe_end(self) -> str:
        """How it ended by itself, its last words and where to read more; for a message."""
        return f"{self._how}; last words: {last_words(self.log)}; its log: {self.log}"

    def wait_until_up(self, say: Callable[[str], None] = tell) -> None:
        """Wait until the server answers; every half minute say what it is at.

        Raises InputError with its last words if it ends, or is not up within `startup_timeout_s`.
        """
        begun = time.monotonic()
        said = begun
        while not self._is_healthy():
            waited = time.monotonic() - begun
            if self._ended.wait(_LOOK_EVERY_S):
                raise InputError(f"the vLLM server did not start ({self.describe_end()})", path=self._settings.model)
            if waited > self._settings.startup_timeout_s:
                raise InputError(
                    f"the vLLM server was not up after {waited:.0f} s (engine.startup_timeout_s; last words: "
                    f"{last_words(self.log)}; its log: {self.log})",
                    path=self._settings.model,
                )
            if time.monotonic() - said > _SAY_EVERY_S:
                said = time.monotonic()
                say(f"the vLLM server is starting ({said - begun:.0f} s): {last_words(self.log)}")

    def _is_healthy(self) -> bool:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(f"{self._address}/health", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:  # refused, reset, too late, another status than 200
            return False

    def end(self, *, keep_log: bool = False) -> None:
        """End the server and all that it started; nothing of it is left when this returns. Twice is fine.

        The log of a server that had ended by itself stays.
        """
        if self._closed:
            return
        self._closed = True
        keep_log = keep_log or self.is_gone()
        end_session(self._process)
        self._keeper.join()
        self._port.close()
        if not keep_log:
            self.log.unlink(missing_ok=True)


class ServeCompleter:
    """A server of the run's own, and the connection to it.

    Asked the same, it answers as the engine in this process does: it gets the same arguments, and each question says
    all of how to sample. (Sums in 16 bits differ with what is computed together, in process as here.)
    """

    def __init__(
        self,
        settings: ServeSettings,
        *,
        server: VllmServer | None = None,
        retried: Counter[str] | None = None,
        say: Callable[[str], None] = tell,
    ) -> None:
        """Starts a server, or takes over one that was started with these settings. Raises InputError if it does not
        come up (`VllmServer.wait_until_up`).
        """
        self.server = server or VllmServer(settings)
        try:
            self._blank_too = _control_tokens(settings.model)  # takes seconds, in which the server starts
            self._channels = read_json(settings.model / "config.json").get("model_type") == "gpt_oss"
            self.server.wait_until_up(say)
            self._connection = ServerCompleter(
                ServerSettings(
                    base_url=self.server.url,
                    model=NAME,
                    control_tokens=self._blank_too,
                    in_flight=settings.in_flight,
                    timeout_s=settings.timeout_s,
                    retries=settings.retries,
                ),
                key=self.server.key,
                is_gone=self.server.is_gone,
                retried=retried,
            )
        except BaseException as error:
            self.server.end(keep_log=isinstance(error, InputError))
            raise

    @property
    def in_flight(self) -> int:
        """See `Completer`."""
        return self._connection.in_flight

    @property
    def retried(self) -> Counter[str]:
        """What questions were asked again for; see `ServerCompleter`."""
        return self._connection.retried

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """See `Completer` and `ServerCompleter.complete`. Raises EngineDied, with its last words, if the server's
        process ended.
        """
        try:
            yield from self._connection.complete(map(self._check, requests))
        except EngineDied as error:
            raise EngineDied(f"the vLLM server ended ({self.server.describe_end()})") from error

    def _check(self, request: Request | None) -> Request | None:
        if self._channels and request is not None and request.keep_control_tokens:
            raise InputError("a vLLM server takes gpt-oss's channels out of the answer; set thinking: apart")
        return request

    def close(self) -> None:
        """Hang up and end the server. Calling it twice is fine."""
        self._connection.close()
        self.server.end()


def _control_tokens(model: Path) -> tuple[str, ...]:
    """The model's control tokens, as the engine in this process finds them; only common shapes where the folder has
    no tokenizer.json.
    """
    if not (model / "tokenizer.json").is_file():
        return ()
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
    except (ValueError, OSError) as error:
        raise InputError(f"its tokenizer cannot be read ({one_line(str(error))})", path=model) from None
    return tuple(sorted(known_control_tokens(tokenizer)))
