"""Why does an order of sources work? Order, exposure and learning rate told apart, from finished runs.

    python scripts/studies/mechanism.py RUN... [--output docs/results/mechanism]

Each RUN is one learning-rate schedule of configs/experiments/mechanism_cpu.yaml. All must be scored on the same
sentences and differ in nothing but the schedule. Only seeds that every regimen of every run has finished count, so that
all is paired by document and seed. Writes summary.md, figure.png, figure.svg, table.csv and contrasts.csv; a
`reading.md` in the output folder, written by a person, is put into the summary as it stands.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nerkd_local.evidence.mechanism.questions import contrasts
from nerkd_local.evidence.mechanism.scores import caption, panels, row_of, score
from nerkd_local.evidence.mechanism.study import read_study
from nerkd_local.evidence.mechanism.words import summary
from nerkd_local.evidence.run import open_run
from nerkd_local.experiment.intervals import RESAMPLING_SEED
from nerkd_local.files import read_text, write_text
from nerkd_local.report.mechanism import mechanism_figure
from nerkd_local.report.tables import write_csv
from nerkd_local.stats.contrasts import answer_contrasts
from nerkd_local.stats.holm import holm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, default=Path("docs/results/mechanism"))
    arguments = parser.parse_args()
    study = read_study([open_run(path) for path in arguments.runs])
    points = dict(score(study))
    answers = answer_contrasts(
        list(contrasts(study)),
        {cell.name: counts for cell, counts in study.cells.items()},
        groups=study.documents,
        seed=RESAMPLING_SEED,
    )
    adjusted = holm([answer.p for answer in answers])
    write_csv(arguments.output / "table.csv", [row_of(cell, point, study) for cell, point in points.items()])
    write_csv(
        arguments.output / "contrasts.csv",
        [
            {
                "contrast": answer.contrast.name,
                "difference": answer.interval.mean,
                "low": answer.interval.low,
                "high": answer.interval.high,
                "p": answer.p,
                "p_holm": p,
                "seeds": len(study.seeds),
            }
            for answer, p in zip(answers, adjusted, strict=True)
        ],
    )
    for suffix in ("png", "svg"):
        mechanism_figure(panels(study, points, answers), arguments.output / f"figure.{suffix}", caption(study))
    reading = arguments.output / "reading.md"
    told = read_text(reading) if reading.exists() else ""
    write_text(arguments.output / "summary.md", summary(study, points, answers, adjusted, told))


if __name__ == "__main__":
    main()
