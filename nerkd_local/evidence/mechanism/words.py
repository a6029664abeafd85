"""What the contrasts carry, in words and tables, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nerkd_local.evidence.mechanism import questions
from nerkd_local.evidence.mechanism.scores import caption
from nerkd_local.evidence.mechanism.study import Cell, Study
from nerkd_local.report.mechanism import Point
from nerkd_local.report.tables import markdown_table
from nerkd_local.stats.contrasts import Answer

ALPHA = 0.05


def summary(
    study: Study, points: Mapping[Cell, Point], answers: Sequence[Answer], adjusted: Sequence[float], reading: str
) -> str:
    lines = [
        "# Order, exposure and learning rate",
        "",
        f"`scripts/studies/mechanism.py` on {len(study.runs)} runs of `configs/experiments/mechanism_cpu.yaml`, one a "
        f"learning-rate schedule: {', '.join(study.rates)}. {caption(study)}.",
        "",
        "![F1 over exposure by order and learning rate](figure.png)",
        "",
        "## What the numbers say",
        "",
        *say(answers, adjusted, study),
        "",
    ]
    if reading:
        lines += [reading.rstrip(), ""]
    lines += ["## F1", "", f1_table(study, points).rstrip(), "", "## Contrasts", ""]
    lines += [
        "Differences in F1, paired by document. 95% intervals and p: `stats/contrasts.py`, documents and seeds. p "
        f"(Holm) is corrected over all {len(answers)} contrasts.",
        "",
        contrast_table(answers, adjusted).rstrip(),
    ]
    return "\n".join(lines) + "\n"


def say(answers: Sequence[Answer], adjusted: Sequence[float], study: Study) -> list[str]:
    """What the intervals carry, contrast by contrast, and nothing else."""
    found = {answer.contrast.name: (answer, p) for answer, p in zip(answers, adjusted, strict=True)}
    lines = []
    for rate in study.rates:
        for word in questions.OTHERS:
            name = questions.ORDER_MEAN.format(other=word, rate=rate)
            if name in found:
                lines.append(
                    f"- {rate.capitalize()} rate, equal exposure: human labels last {verdict(*found[name], word)}"
                )
    for rate in study.rates[1:]:
        for word in questions.OTHERS:
            name = questions.ORDER_BY_RATE.format(other=word, rate=rate, first=study.rates[0])
            if name in found:
                answer, p = found[name]
                told = "is another than" if p <= ALPHA else "cannot be told apart from"
                lines.append(
                    f"- What human labels last gain over {word} at a {rate} rate {told} what they gain at a "
                    f"{study.rates[0]} one: {numbers(answer, p)}."
                )
    exposures = {
        f"human {word}, {rate} rate": found[name]
        for word in questions.PLACES
        for rate in study.rates
        if (name := questions.EXPOSURE.format(order=word, rate=rate)) in found
    }
    if exposures:
        apart = [name for name, (_, p) in exposures.items() if p <= ALPHA]
        values = [answer.interval.mean for answer, _ in exposures.values()]
        named = f": {'; '.join(apart)}" if apart else ""
        lines.append(
            f"- Twice the distilled share, 2/3 for 1/3, at equal order and rate: {min(values):+.3f} to "
            f"{max(values):+.3f}; told apart from no effect in {len(apart)} of {len(exposures)} cases{named}."
        )
    for word in questions.OTHERS:
        name = questions.ORDER_BY_EXPOSURE.format(other=word)
        if name in found:
            answer, p = found[name]
            told = "depends on exposure" if p <= ALPHA else "cannot be said to depend on exposure"
            lines.append(
                f"- What human labels last gain over {word} {told}: at 2/3 minus at 1/3, on average over the rates, "
                f"{numbers(answer, p)}."
            )
    for rate in study.rates:
        name = questions.UNMATCHED.format(rate=rate)
        matched = questions.ORDER.format(other="throughout", exposure="1/2", rate=rate)
        if name in found and matched in found:
            lines.append(
                f"- An unmatched comparison at a {rate} rate, simple_mix minus mixed as they are, would have said "
                f"{numbers(*found[name])}; at equal exposure, one half, it is {numbers(*found[matched])}."
            )
    return lines


def verdict(answer: Answer, p: float, word: str) -> str:
    if p <= ALPHA:
        return f"are {'better' if answer.interval.mean > 0 else 'worse'} than {word}: {numbers(answer, p)}."
    largest = max(abs(answer.interval.low), abs(answer.interval.high))
    return f"cannot be told apart from {word}: {numbers(answer, p)}; none larger than {largest:.3f} is supported."


def numbers(answer: Answer, p: float) -> str:
    interval = answer.interval
    return f"{interval.mean:+.3f} ({interval.low:+.3f} to {interval.high:+.3f}), corrected p {p:.3f}"


def f1_table(study: Study, points: Mapping[Cell, Point]) -> str:
    headers = ["rate", "regimen", "order", "W", "F1", "95% interval"]
    cells = [
        (
            cell.rate,
            study.regimens[cell],
            cell.order,
            f"{point.exposure:.3f}",
            f"{point.f1:.3f}",
            f"{point.low:.3f} to {point.high:.3f}",
        )
        for cell, point in points.items()
    ]
    return markdown_table(headers, cells, left=[*headers[:3], headers[5]])


def contrast_table(answers: Sequence[Answer], adjusted: Sequence[float]) -> str:
    headers = ["contrast", "difference", "95% interval", "p", "p (Holm)"]
    cells = [
        (
            answer.contrast.name,
            f"{answer.interval.mean:+.4f}",
            f"{answer.interval.low:+.4f} to {answer.interval.high:+.4f}",
            f"{answer.p:.4f}",
            f"{p:.3f}",
        )
        for answer, p in zip(answers, adjusted, strict=True)
    ]
    return markdown_table(headers, cells, left=[headers[0], headers[2]])
