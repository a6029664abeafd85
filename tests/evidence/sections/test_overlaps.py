"""The section on copies: counts, ids, and no sentence of a corpus."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.evidence.run import open_run
from nerkd_local.evidence.sections.overlaps import section
from nerkd_local.report.parts import Table
from tests.evidence.copies import forget_near, with_copies


def test_the_section_shows_counts_and_ids(tmp_path: Path) -> None:
    made = section(open_run(with_copies(tmp_path)))
    assert made.lead.startswith("In the training files there are 2 exact and 2 near copies (similarity 0.8 or more)")
    counts, listed, _ = made.parts
    assert isinstance(counts, Table)
    assert isinstance(listed, Table)
    assert [row[:5] for row in counts.rows] == [
        ("original, 10", "10", "1", "0", "1 of 42"),
        ("original, 20", "21", "1", "1", "2 of 42"),
        ("distilled, news", "31", "0", "1", "1 of 42"),
    ]
    assert [(row[0], row[1], row[2], row[3]) for row in listed.rows[1:]] == [
        ("o:late", "original, 20", "near, trained on", "e:ferry"),
        ("news/late", "distilled, news", "near, trained on", "e:ferry"),
    ]
    assert len(listed.records) == len(listed.rows)
    # ids alone: no sentence of a corpus stands in it
    assert "Karobridge" not in str(made)


def test_a_folder_without_corpora_tells_what_is_on_record(tmp_path: Path) -> None:
    output = with_copies(tmp_path)
    forget_near(output)
    for path in (output / "corpus").glob("*.jsonl"):
        path.unlink()
    made = section(open_run(output))
    assert made.lead.startswith("The corpora are not in this folder, so it was not counted again. Left out")
    assert isinstance(made.parts[0], Table)
    assert [row[0] for row in made.parts[0].rows] == ["train:1", "news:2"]
    (output / "corpus" / "preparation.json").unlink()
    made = section(open_run(output))
    assert made.lead.startswith("Not known: ")
    assert made.parts == ()


def test_the_lead_counts_the_scored_sentences_with_a_copy_in_any_file(tmp_path: Path) -> None:
    output = with_copies(tmp_path)
    path = output / "corpus" / "unlabelled-news.jsonl"
    other = next(read_documents(output / "corpus" / "evaluation.jsonl"))
    write_documents(path, [*read_documents(path), replace(other, id="news/other", spans=())])
    run = open_run(output)
    scored = list(read_documents(output / "corpus" / "evaluation.jsonl"))
    copied = [scored[0], *scored[40:]]
    # two stand in the larger original file, and one of these and a third in the news: no single file has three
    expected = (
        f"Of the 42 scored sentences 3, with {sum(len(each.spans) for each in copied)} of the "
        f"{sum(len(each.spans) for each in scored)} entities, have a copy in one of the files at least."
    )
    assert expected in section(run).lead
