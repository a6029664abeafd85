"""`nerkd-bundle`: what the closed side does with a bundle, by name, and what an error becomes on the way out."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from nerkd_local.bundle.refusals import NoSpace
from nerkd_local.errors import InputError, InterruptedRun, NerkdError

PROGRAM = "nerkd-bundle"
DEFAULT_ROOT = Path("/opt/nerkd")


class Verb(NamedTuple):
    """A subcommand: the module that has its `configure` and `run`, and its line in the help."""

    module: str
    help: str


VERBS = {
    "verify": Verb("nerkd_local.bundle.verify", "Check a bundle against its signature, byte by byte; change nothing."),
    "receive": Verb("nerkd_local.bundle.receive", "Check a bundle and copy it in; as often as it takes."),
    "missing": Verb("nerkd_local.bundle.missing", "Print which volumes of a received bundle are still missing."),
    "resend": Verb("nerkd_local.bundle.resend", "Copy the volumes that are missing over there to another medium."),
    "install": Verb("nerkd_local.bundle.install", "Install a received bundle beside the others, test and activate it."),
    "activate": Verb("nerkd_local.bundle.activate", "Switch to an installed version."),
    "rollback": Verb("nerkd_local.bundle.rollback", "Switch back to the version that was active before."),
    "list": Verb("nerkd_local.bundle.listing", "Say what is received, installed and active here."),
    "diff": Verb("nerkd_local.bundle.diff", "Say what changes from one bundle to another."),
    "gc": Verb("nerkd_local.bundle.gc", "Remove versions and volumes that nothing needs any more."),
    "unpack": Verb("nerkd_local.bundle.unpack", "Check a bundle of results and lay its files out."),
}
"""Every subcommand. A module is imported when its verb is called."""

EPILOG = (
    "Exit codes: 0 done, 1 a bug, 2 bad usage or input, 3 interrupted (the same command goes on), 10 incomplete, "
    "11 corrupt, 12 bad signature, 13 wrong platform, 14 no space, 15 lower sequence, 16 self-test failed, "
    "17 environment not made."
)


class VerbModule(Protocol):
    """What a verb's module has to have."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the verb's arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; returns the exit code, or raises a NerkdError."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool with these arguments (without: the program's own); errors become lines and exit codes."""
    try:
        code = call(sys.argv[1:] if argv is None else argv)
        if sys.stdout is not None:  # closed
            sys.stdout.flush()
        return code
    except NerkdError as error:
        return _end(error, str(error))
    except OSError as error:
        if error.errno == errno.EPIPE:
            # `| head`, perhaps before the work was done: 0 would say that it was, and that the answer is yes
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return InterruptedRun.exit_code
        return _end(InputError(""), f"{_place(error)}{error.strerror or error}")
    except KeyboardInterrupt:
        return _end(InterruptedRun(), "interrupted; the same command goes on from what is stored")


def _end(error: NerkdError, line: str) -> int:
    print(f"{PROGRAM}: {line}", file=sys.stderr)
    return error.exit_code


def call(argv: Sequence[str], program: str = PROGRAM) -> int:
    """Run one verb; returns its exit code.

    Raises NerkdError (NoSpace too for a disk that fills while it is written to), and SystemExit for bad usage and for
    help.
    """
    parser = argparse.ArgumentParser(
        prog=program, description="Take a bundle into a closed network: check, receive, install.", epilog=EPILOG
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        # Only the called verb's module is imported: the help of the others is their line above
        below = verbs.add_parser(name, help=verb.help, description=verb.help, epilog=EPILOG)
        if argv and argv[0] == name:
            _module(verb).configure(below)
    arguments = parser.parse_args(argv)
    try:
        return _module(VERBS[arguments.verb]).run(arguments)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoSpace(
            f"{_place(error)}{error.strerror}", next_step="make room; the same command goes on from what is stored"
        ) from None


def _place(error: OSError) -> str:
    return f"{error.filename}: " if error.filename else ""


def _module(verb: Verb) -> VerbModule:
    return cast(VerbModule, importlib.import_module(verb.module))


def add_root(parser: argparse.ArgumentParser) -> None:
    """The option that says where bundles are received and installed; `arguments.root` is its path."""
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(os.environ.get("NERKD_ROOT") or DEFAULT_ROOT),
        help="where bundles are received and installed [$NERKD_ROOT, else %(default)s]",
    )


def add_key(parser: argparse.ArgumentParser) -> None:
    """The option that names the sender's public key; `arguments.key` is its path or None (then: the pinned one)."""
    parser.add_argument(
        "--key",
        type=Path,
        metavar="PUBLIC.pem",
        help="the sender's public key, which came another way than the bundle [the one pinned under --root]",
    )
