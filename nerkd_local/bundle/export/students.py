"""Whose weights go out: every student tells something of what it was trained on, so one is the default."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from nerkd_local.errors import InputError, nearest
from nerkd_local.evidence.chosen import mean_f1, typical_seed
from nerkd_local.evidence.run import Run

LEADER, ALL, NONE = "leader", "all", "none"
_WEIGHTS = "model.safetensors"
_FILES = (
    *("config.json", "nerkd.json", "README.md"),
    *("model.safetensors", "model-*.safetensors", "model.safetensors.index.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja"),
    *("vocab.txt", "vocab.json", "merges.txt", "*.model"),
)
"""What a student's folder holds: weights, tokenizer, card."""


def choose_students(run: Run, wanted: Sequence[str] = (LEADER,)) -> tuple[str, ...]:
    """The names of the students wanted, in the run's order: `leader`, `all` (whose weights are there), `none`, names or
    patterns (`simple_mix-*`).

    The leader is of the largest size, of the line with the best mean F1, that of the seed nearest this mean; with folds
    the students of all folds of that seed. Raises InputError for a pattern that no finished student has, and for
    students whose weights were not kept.
    """
    if NONE in wanted:
        if len(wanted) > 1:
            raise InputError("--students none goes with no other")
        return ()
    with_weights = [name for name in run.results if has_weights(run, name)]
    chosen: set[str] = set()
    for pattern in wanted:
        if pattern == LEADER:
            named = leaders(run)
        elif pattern == ALL:
            named = tuple(with_weights)
            if not named:
                raise _not_kept(run, next(iter(run.results)))
        else:
            named = tuple(name for name in run.results if fnmatchcase(name, pattern))
            if not named:
                raise InputError(f"no finished student is called {pattern!r}{nearest(pattern, run.results)}")
        chosen.update(named)
    for name in chosen:
        if name not in with_weights:
            raise _not_kept(run, name)
    return tuple(name for name in run.results if name in chosen)


def leaders(run: Run) -> tuple[str, ...]:
    """The students of the leading line's typical seed; several with folds, none where no line has a finished seed."""
    if not run.lines:
        return ()
    size = max(line.size for line in run.lines)
    line = max((line for line in run.lines if line.size == size), key=lambda line: mean_f1(run, line))
    return tuple(dict.fromkeys(name for name, _ in line.parts[typical_seed(run, line)]))


def has_weights(run: Run, name: str) -> bool:
    """Whether the student's folder is there as training left it."""
    return (run.folder.student(name) / "student" / _WEIGHTS).is_file()


def student_files(run: Run, name: str) -> Iterator[Path]:
    """The files of its folder. Raises InputError for one that no student of this tool has: it is not known what it
    tells, and whoever loads a student must not be given code."""
    for path in sorted((run.folder.student(name) / "student").iterdir()):
        if path.is_symlink() or not path.is_file() or not any(fnmatchcase(path.name, name) for name in _FILES):
            raise InputError("is no file of a student; take it out of the folder, or leave the student out", path=path)
        yield path


def _not_kept(run: Run, name: str) -> InputError:
    return InputError(
        f"the weights of {name} were not kept (keep_students); --students none exports the results without them",
        path=run.folder.student(name),
    )
