"""What a search leaves: a table to read, one to go on with, a figure, and the winner's settings."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nerkd_local.files import write_text
from nerkd_local.report.tables import NOTHING, markdown_table, write_csv
from nerkd_local.report.trade import TradePoint, trade_figure
from nerkd_local.settings import dump_settings
from nerkd_local.stats.bootstrap import Interval
from nerkd_local.tune.candidates import AXES
from nerkd_local.tune.settings import TuneSettings
from nerkd_local.tune.slices import Slice
from nerkd_local.tune.standing import Ranked, Standing, rank

_PAIRED = "They are of each candidate by itself; two candidates are told apart by the paired differences in the table."
_FEW = 30
"""Documents below which a bootstrap over them understates (see `stats.bootstrap`)."""
_LEGEND = (
    "Hallucinated: mentions a sentence that stand nowhere in their text. Unusable: sentences without an answer that "
    "can be read; they count as answers without mentions. Differences are paired by document, on the sentences that "
    "both were asked about. Tokens and ms are a sentence's, ms of the time asking took once the engine ran. In "
    "brackets: 95% intervals. Candidates asked about fewer sentences dropped out there, and their figures are of those."
)


def write_results(tune: TuneSettings, slice: Slice, standings: Sequence[Standing]) -> str:
    """Write `table.csv`, `summary.md`, `figure.png` and `winner.yaml`; returns the summary. One standing at least has a
    trial.
    """
    ranked = rank(standings)
    intervals = [each.interval(slice.documents) for each in ranked]
    leads = [None, *(each.lead(ranked[0], slice.documents) for each in ranked[1:])]
    failed = [each for each in standings if not each.trial]
    costs = [_costs(each, slice) for each in ranked]
    rows = [_row(number, *of) for number, of in enumerate(zip(ranked, intervals, leads, costs, strict=True), 1)]
    rows += [{"candidate": each.candidate.name, **each.candidate.values, "failure": each.failure} for each in failed]
    write_csv(tune.output / "table.csv", rows)
    points = [_point(each, interval) for each, interval in zip(ranked, intervals, strict=True)]
    told = _verdict(ranked, slice)
    trade_figure(points, tune.output / "figure.png", f"{tune.name}. {_ground(slice)} {_PAIRED}")
    _write_winner(tune, slice, ranked[0])
    lines = [f"# {tune.name}", "", _ground(slice), "", told, "", _table(ranked, intervals, leads, costs)]
    if failed:
        lines += ["Not asked, or not to the end:", "", *_reasons(failed), ""]
    summary = "\n".join(lines).rstrip() + "\n"
    write_text(tune.output / "summary.md", summary)
    return f"{summary}\nwinner -> {tune.output / 'winner.yaml'}"


def _costs(each: Ranked, slice: Slice) -> tuple[Interval, Interval]:
    """Hallucinated mentions and output tokens a sentence."""
    trial = each.trial
    invented, tokens = (
        each.a_sentence(of, slice.documents) for of in (trial.hallucinated_each, trial.output_tokens_each)
    )
    return invented, tokens


def _row(
    number: int, each: Ranked, interval: Interval, lead: Interval | None, costs: tuple[Interval, Interval]
) -> dict[str, Any]:
    trial = each.trial
    invented, tokens = costs
    return {
        "rank": number,
        "candidate": each.candidate.name,
        **{axis: each.candidate.values[axis] for axis in AXES},
        "sentences": trial.sentences,
        "f1": trial.f1,
        "f1_low": interval.low,
        "f1_high": interval.high,
        "to_first": lead and lead.mean,
        "to_first_low": lead and lead.low,
        "to_first_high": lead and lead.high,
        "precision": trial.precision,
        "recall": trial.recall,
        "mentions": trial.mentions,
        "hallucinated": trial.hallucinated,
        "hallucinated_a_sentence": invented.mean,
        "hallucinated_a_sentence_low": invented.low,
        "hallucinated_a_sentence_high": invented.high,
        "unusable": trial.unusable,
        "prompt_tokens_a_sentence": trial.prompt_tokens / trial.sentences,
        "output_tokens_a_sentence": tokens.mean,
        "output_tokens_a_sentence_low": tokens.low,
        "output_tokens_a_sentence_high": tokens.high,
        "seconds_a_sentence": None if trial.seconds is None else trial.seconds / trial.sentences,
        "failure": None,
    }


def _table(
    ranked: Sequence[Ranked],
    intervals: Sequence[Interval],
    leads: Sequence[Interval | None],
    costs: Sequence[tuple[Interval, Interval]],
) -> str:
    headers = [
        "",
        "candidate",
        "sentences",
        "F1",
        "95% interval",
        "to the first (95% interval)",
        "precision",
        "recall",
        "hallucinated",
        "unusable",
    ]
    headers += ["prompt tokens", "output tokens", "ms"]
    cells = []
    for number, (each, interval, lead, (invented, tokens)) in enumerate(
        zip(ranked, intervals, leads, costs, strict=True), 1
    ):
        trial, count = each.trial, each.trial.sentences
        cells.append(
            (
                str(number),
                each.candidate.name,
                f"{count:,}",
                f"{trial.f1:.3f}",
                f"{interval.low:.3f} to {interval.high:.3f}",
                NOTHING if lead is None else f"{_signed(lead.mean)} ({_signed(lead.low)} to {_signed(lead.high)})",
                f"{trial.precision:.3f}",
                f"{trial.recall:.3f}",
                f"{invented.mean:.2f} ({invented.low:.2f} to {invented.high:.2f})",
                f"{trial.unusable:,}",
                f"{trial.prompt_tokens / count:.1f}",
                f"{tokens.mean:.1f} ({tokens.low:.1f} to {tokens.high:.1f})",
                NOTHING if trial.seconds is None else f"{1000 * trial.seconds / count:.1f}",
            )
        )
    table = markdown_table(headers, cells, left=("candidate", *headers[4:6], "hallucinated", "output tokens"))
    return f"{table}\n{_LEGEND}\n"


def _reasons(failed: Sequence[Standing]) -> list[str]:
    """One line a reason, with the candidates it holds for."""
    names: dict[str, list[str]] = {}
    for each in failed:
        names.setdefault(each.failure or "was not tried", []).append(each.candidate.name)
    return [f"- {'; '.join(those)}: {reason}" for reason, those in names.items()]


def _ground(slice: Slice) -> str:
    left_out = f"; {slice.repeated:,} whose text stands in it are left out" if slice.repeated else ""
    shown = (
        f"{len(slice.pool):,} others are the pool of worked examples, and are not scored{left_out}"
        if slice.pool
        else "there are no worked examples"
    )
    documents = len(set(slice.documents))
    narrow = "; of so few of them they are rather narrow" if documents < _FEW else ""
    return (
        f"{len(slice.scored):,} human-labelled sentences of {documents:,} documents to score on; {shown}. "
        f"Intervals: bootstrap over documents{narrow}."
    )


def _verdict(ranked: Sequence[Ranked], slice: Slice) -> str:
    """Who won, whether the data tell them from the second, and who costs less and is not told from them."""
    best, *others = ranked
    if not others:
        return f"**{best.candidate.name}** was the only candidate that could be asked."
    second = others[0]
    lead = best.lead(second, slice.documents)
    count = min(best.trial.sentences, second.trial.sentences)
    apart = best.is_told_from(second, slice.documents)
    told = (
        f"**{best.candidate.name}** is first with F1 {best.trial.f1:.3f}, {_signed(lead.mean)} to the second, "
        f"{second.candidate.name} (95% interval {_signed(lead.low)} to {_signed(lead.high)}, paired by document): "
        f"{count:,} sentences {'tell the two apart' if apart else 'do not tell the two apart'}. It was chosen on "
        "these sentences, so its own F1 is a little flattered."
    )
    rivals = [each for each in others if each.trial.sentences == best.trial.sentences]
    alike = [each for each in rivals if not each.is_told_from(best, slice.documents)]
    cheapest = min(alike, key=lambda each: each.trial.output_tokens, default=None)
    if cheapest and cheapest.trial.output_tokens < best.trial.output_tokens:
        tokens = [each.trial.output_tokens / each.trial.sentences for each in (cheapest, best)]
        told += (
            f" Of those not told apart from it, {cheapest.candidate.name} writes the fewest tokens: "
            f"{tokens[0]:.1f} a sentence against {tokens[1]:.1f}."
        )
    return told


def _signed(value: float) -> str:
    text = f"{value:+.3f}"
    return "0.000" if float(text) == 0 else text


def _point(each: Ranked, interval: Interval) -> TradePoint:
    trial = each.trial
    return TradePoint(
        each.candidate.name,
        trial.output_tokens / trial.sentences,
        trial.f1,
        interval.low,
        interval.high,
        trial.sentences,
    )


def _write_winner(tune: TuneSettings, slice: Slice, winner: Ranked) -> None:
    examples = f" --examples {_quoted(tune.output / 'pool.jsonl')} --seed {tune.seed}" if slice.pool else ""
    header = (
        f"# The first of a search ({tune.name}): F1 {winner.trial.f1:.3f} on {winner.trial.sentences:,} sentences.\n"
        f"#   nerkd annotate {_quoted(tune.output / 'winner.yaml')} CORPUS --output FOLDER{examples}\n"
    )
    write_text(tune.output / "winner.yaml", header + dump_settings(winner.candidate.settings))


def _quoted(path: Path) -> str:
    """As a shell wants it."""
    return shlex.quote(str(path))
