"""What training files and the evaluation have in common, counted in a run's own files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.corpus.near import Copy
from nerkd_local.evidence.overlaps import LeftOut, Overlaps, find_overlaps
from nerkd_local.evidence.run import open_run
from nerkd_local.evidence.sections.overlaps import section
from nerkd_local.files import read_json, write_json
from nerkd_local.records import Document, Span, from_words
from tests.evidence.copies import FERRY, forget_near, with_copies
from tests.evidence.runs import write_run


def found(output: Path) -> Overlaps:
    return find_overlaps(open_run(output))


def test_copies_are_found_in_every_training_file(tmp_path: Path) -> None:
    output = with_copies(tmp_path)
    small, large, news = found(output).files
    first = next(read_documents(output / "corpus" / "original-10.jsonl"))
    same = Copy(first.id, "e:same", 1.0, exact=True)
    assert [file.name for file in (small, large, news)] == ["original, 10", "original, 20", "distilled, news"]
    assert [file.sentences for file in (small, large, news)] == [10, 21, 31]
    assert (small.copies, small.exact, small.near) == ((same,), 1, 0)
    assert large.copies == (same, Copy("o:late", "e:ferry", 0.96, exact=False))
    assert (large.exact, large.near) == (1, 1)
    assert news.copies == (Copy("news/late", "e:ferry", 0.96, exact=False),)


def test_the_scored_sentences_with_a_copy_are_counted_with_their_entities(tmp_path: Path) -> None:
    output = with_copies(tmp_path)
    small, large, _ = found(output).files
    entities = sum(len(document.spans) for document in read_documents(output / "corpus" / "evaluation.jsonl"))
    first = next(read_documents(output / "corpus" / "original-10.jsonl"))
    assert (found(output).resembled, found(output).resembled_entities) == (2, len(first.spans) + 1)
    assert (small.scored, small.entities) == (42, entities)
    assert (small.resembled, small.resembled_entities) == (frozenset({41}), len(first.spans))
    assert (large.resembled, large.resembled_entities) == (frozenset({40, 41}), len(first.spans) + 1)


def test_entities_are_seen_where_their_words_stand_under_a_label(tmp_path: Path) -> None:
    output = with_copies(tmp_path)
    _, large, news = found(output).files

    def names(documents: list[Document]) -> list[str]:
        return [document.text[span.start : span.end] for document in documents for span in document.spans]

    scored = names(list(read_documents(output / "corpus" / "evaluation.jsonl")))
    human = names(list(read_documents(output / "corpus" / "original-20.jsonl")))
    # by the annotator's labels, under which Karobridge stands nowhere new
    llm = names(list(read_documents(output / "annotations" / "news" / "annotations.jsonl")))
    assert large.seen == sum(name in human for name in scored) > 0
    assert news.seen == sum(name in llm for name in scored)


def test_a_sentence_far_from_all_others_is_no_copy_under_any_name(tmp_path: Path) -> None:
    output = write_run(tmp_path, regimens=("original_only",), sizes=(10,), seeds=(0,)).output
    corpus = output / "corpus"
    write_documents(corpus / "evaluation.jsonl", [from_words("e:1", ["Nothing", "here", "is", "written", "elsewhere"])])
    assert [file.copies for file in found(output).files] == [(), ()]
    lead = section(open_run(output)).lead
    assert lead.startswith("No training sentence stands in the evaluation set, and none resembles one of it")


def test_with_folds_a_copy_is_one_in_another_fold(tmp_path: Path) -> None:
    folds = {"folds": {"count": 3, "nested": False}}
    output = write_run(tmp_path, regimens=("original_only",), sizes=(20,), seeds=(0,), more=folds).output
    corpus = output / "corpus"
    parts = [corpus / f"original-20-fold-{fold}.jsonl" for fold in range(3)]
    twice = [FERRY, replace(FERRY, id="e:twin")]
    late = from_words("e:late", [*FERRY.words, "."])
    write_documents(parts[0], [*read_documents(parts[0]), *twice])
    write_documents(parts[1], [*read_documents(parts[1]), late])
    write_documents(corpus / "original-20.jsonl", [*read_documents(corpus / "original-20.jsonl"), *twice, late])
    before = {copy.id for copy in found(output).files[0].copies} - {"e:ferry", "e:twin", "e:late"}
    original = found(output).files[0]
    # the twins are in one fold and are never trained on while the other is scored
    assert {copy.id: copy.of for copy in original.copies if copy.id not in before} == {
        "e:ferry": "e:late",
        "e:twin": "e:late",
        "e:late": "e:ferry",
    }
    assert all(not copy.exact for copy in original.copies if copy.id.startswith("e:"))


def test_with_folds_an_entity_is_seen_where_another_fold_has_it_under_a_label(tmp_path: Path) -> None:
    folds = {"folds": {"count": 3, "nested": False}}
    output = write_run(tmp_path, regimens=("original_only",), sizes=(20,), seeds=(0,), more=folds).output
    corpus = output / "corpus"
    karo, velm = (
        from_words("e:0", ["Karobridge"], (Span(0, 10, "LOC"),)),
        from_words("e:2", ["Velm"], (Span(0, 4, "LOC"),)),
    )
    parts = [[karo, velm], [replace(karo, id="e:1", spans=(Span(0, 10, "ORG"),))], [replace(velm, id="e:3", spans=())]]
    for fold, part in enumerate(parts):
        write_documents(corpus / f"original-20-fold-{fold}.jsonl", part)
    write_documents(corpus / "original-20.jsonl", [document for part in parts for document in part])
    original = found(output).files[0]
    # Velm stands under a label in its own fold alone: no student that is scored on it has seen it
    assert (original.seen, original.entities) == (2, 3)


def test_what_was_left_out_is_told_with_what_it_resembled(tmp_path: Path) -> None:
    output = with_copies(tmp_path)
    report = read_json(output / "corpus" / "preparation.json")
    row = {"id": "train:9", "of": "evaluation:3", "among": "evaluation", "exact": False, "similarity": 0.9}
    report["original"]["duplicates"] = [{**row, "excluded": True}, {**row, "id": "train:10", "excluded": False}]
    report["distilled"]["news"]["duplicates"] = []
    write_json(output / "corpus" / "preparation.json", report)
    overlaps = found(output)
    assert overlaps.left_out == (LeftOut("original", "train:9", "evaluation", False, "evaluation:3", 0.9),)
    assert overlaps.looked_for_near
    assert "0 exact and 1 near copies of evaluation sentences." in section(open_run(output)).lead


def test_an_earlier_run_says_that_near_copies_were_not_looked_for(tmp_path: Path) -> None:
    output = with_copies(tmp_path)
    forget_near(output)
    overlaps = found(output)
    assert overlaps.left_out == (
        LeftOut("original", "train:1", "evaluation", exact=True),
        LeftOut("news", "news:2", "original", exact=True),
    )
    lead = section(open_run(output)).lead
    expected = "1 exact copies of evaluation sentences, and 1 of original ones; near ones were not looked for then."
    assert lead.endswith(expected)
