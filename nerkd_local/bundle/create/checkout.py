"""A checkout as it goes into a bundle: the files that git knows, and nothing else that lies between them.

A wheel is made of folders. What somebody keeps there (a key, a token, notes) would be in it, signed and sent.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nerkd_local.software import ask_git

_NAMED = 5


@contextmanager
def known_files(checkout: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """A copy of the files that git knows, as they are now; what is left out, and what is not committed, is said.

    Where git does not answer it is the folder itself, which is said too.
    """
    listed = ask_git(checkout, "ls-files", "-z", "--cached")
    if not listed:
        say(f"note: git does not answer for {checkout}: whatever lies in its folders goes into the toolkit's wheel")
        yield checkout
        return
    known = [name for name in listed.split("\0") if name]
    others = ask_git(checkout, "ls-files", "-z", "--others", "--exclude-standard")
    _say_names(say, "left out, as git does not know them", others, checkout)
    _say_names(say, "not as they were committed", ask_git(checkout, "diff", "-z", "--name-only", "HEAD"), checkout)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / checkout.absolute().name
        for name in known:
            file, target = checkout / name, copy / name
            if file.is_file():  # not for one that was removed, and not for a checkout inside this one
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target, follow_symlinks=False)
        yield copy


def _say_names(say: Callable[[str], None], what: str, listed: str | None, checkout: Path) -> None:
    names = [name for name in (listed or "").split("\0") if name]
    if names:
        more = f" and {len(names) - _NAMED} more" if names[_NAMED:] else ""
        say(f"note: {len(names)} files of {checkout} are {what}: {', '.join(names[:_NAMED])}{more}")
