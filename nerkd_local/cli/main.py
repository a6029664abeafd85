"""`nerkd`: the subcommands by name, and what an error becomes on the way out."""

from __future__ import annotations

import errno
import importlib
import signal
import sys

import click

from nerkd_local import __version__, offline
from nerkd_local.errors import InputError, InterruptedRun, NerkdError
from nerkd_local.stopping import STOP_SIGNALS
from nerkd_local.threads import wait_politely

COMMANDS = {
    "demo": "Show the whole flow in minutes, with nothing from outside.",
    "run": "Run a whole experiment: annotate, train under every regimen, score, tabulate.",
    "tune": "Find the best annotator by a few human-labelled sentences.",
    "annotate": "Label a corpus with an annotator.",
    "store": "Merge, inspect, verify and export stored annotations.",
    "select": "Decide which labels a student is to learn from.",
    "plan": "Fix which examples every training step sees under a regimen.",
    "train": "Train one student on a plan, through accelerate launch.",
    "predict": "Label a sentence, a file or a folder of text with a trained student.",
    "loop": "Ask again where student and annotator disagree, for as long as it pays.",
    "audit": "Rank likely errors in human labels.",
    "evaluate": "Score predicted labels against human ones.",
    "compare": "Say in words which regimens differ, and by how much.",
    "report": "Write one HTML file that shows what a run found.",
    "reproduce": "Run a finished run again, and say which numbers come out the same.",
    "calibrate": "Fit an annotator's confidences to what is right.",
    "convert": "Convert a corpus between CoNLL columns and JSON lines.",
    "models": "Take model folders in, verify them, list them.",
    "bundle": "Carry the toolkit into a closed network as signed plain files, and results out of it.",
    "doctor": "Say what this machine has, and whether the network switches are off.",
}
"""Every subcommand with its line in the help. A command is imported when it is called, so help is instant."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"nerkd_local.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _seal(context: click.Context, option: click.Parameter, network: str | None) -> None:
    """Before a command is imported, whose libraries read the switches then."""
    if not context.resilient_parsing:  # the shell asks how a word goes on
        offline.seal(network)


@click.group(cls=_Commands)
@click.version_option(__version__, prog_name="nerkd")
@click.option(
    "--network",
    metavar="PROFILE",
    callback=_seal,
    is_eager=True,
    expose_value=False,
    help="What may be reached: 'local' (this machine alone), or 'cluster interface=NAME peers=ADDRESS[,ADDRESS...]'. "
    f"Default: {offline.NETWORK}, else local.",
)
def nerkd() -> None:
    """Label text with a local LLM, train a small student on mixed labels, score it. No network anywhere.

    \b
    Exit codes: 0 done, 1 a bug, 2 bad usage or input, 3 interrupted (the same command goes on),
    4 a check failed.
    """


def main() -> None:
    """The console script."""
    wait_politely()
    # Wherever no stage listens for them itself, these end the program as Ctrl-C does: nothing half-written, 3
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, signal.default_int_handler)
    try:
        code = nerkd.main(prog_name="nerkd", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except NerkdError as error:
        click.echo(f"nerkd: {error}", err=True)
        code = error.exit_code
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):  # nothing is wrong with what was asked for
            click.echo(f"nerkd: {place}{error.strerror}; make room, and the same command goes on", err=True)
            code = InterruptedRun.exit_code
        else:
            click.echo(f"nerkd: {place}{error.strerror or error}", err=True)
            code = InputError.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("nerkd: interrupted; the same command goes on from what is stored", err=True)
        code = InterruptedRun.exit_code
    # Python gives signals back to the system while it ends: a notice that the time is up would kill what is done
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    sys.exit(code if isinstance(code, int) else 0)
