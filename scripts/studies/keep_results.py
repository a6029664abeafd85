"""Copy a run's results without anybody's text, so that they can be committed and shared.

    python scripts/studies/keep_results.py RUN_FOLDER DEST [--spans one]

DEST is a folder that `nerkd compare` and `nerkd report` open as they open RUN_FOLDER; what needs the sentences they say
is missing. Its cells may be copied into a run folder that has the corpora (README). See evidence/keep.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nerkd_local.evidence.keep import keep_results
from nerkd_local.evidence.run import open_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("dest", type=Path)
    parser.add_argument("--spans", choices=("all", "one", "none"), default="all", help="of all seeds, one or none")
    arguments = parser.parse_args()
    account = keep_results(open_run(arguments.run), arguments.dest, spans=arguments.spans)
    print(
        f"{account.students:,} students, {account.spans:,} with their mentions, {account.courses:,} with their course: "
        f"{account.size / 1e6:.2f} MB in {arguments.dest}"
    )


if __name__ == "__main__":
    main()
