from __future__ import annotations

from nerkd_local.bundle.refusals import Corrupt, Refused
from nerkd_local.bundle.tool import EPILOG
from nerkd_local.cli.bundle import command
from nerkd_local.errors import CheckFailed, InputError, InterruptedRun, NerkdError


def test_a_refusal_says_only_what_there_is_a_line_each() -> None:
    error = Corrupt("it is bad", where="a/b", expected=3, found=0, next_step="do this")
    assert str(error) == "it is bad\n  where     a/b\n  expected  3\n  found     0\n  next      do this"
    assert str(Refused("it is")) == "it is"


def test_every_kind_has_its_own_exit_code_which_the_help_names() -> None:
    kinds = Refused.__subclasses__()
    codes = [kind.exit_code for kind in kinds]
    others = {NerkdError.exit_code, InputError.exit_code, InterruptedRun.exit_code, CheckFailed.exit_code}
    assert codes == list(range(10, 10 + len(kinds)))
    assert not {*codes} & others
    described = command.help or ""
    for code in codes:
        assert f" {code} " in EPILOG
        assert f" {code} " in described
