"""Other tasks than names in English: slots in text without spaces, chunks of a corpus, mentions inside mentions."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.annotate.align import align
from nerkd_local.annotate.folder import annotate_folder, prepare_job, write_corpus
from nerkd_local.annotate.formats import Mention, answer_format
from nerkd_local.annotate.settings import TASK, AnnotatorSettings, FormatName, ScriptedSettings
from nerkd_local.annotate.verbatim import Verbatim
from nerkd_local.config.folders import configs_folder
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.corpus.nesting import Nested
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.corpus.schemes import spans_to_tags, tags_to_spans
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.corpus.text import split_text
from nerkd_local.errors import InputError
from nerkd_local.records import Document, Span, from_words
from nerkd_local.settings import load_settings
from tests.fakes.completer import ScriptedCompleter

FORMATS: list[FormatName] = ["lines", "json"]


def shipped(name: str, **changes: object) -> AnnotatorSettings:
    settings = load_settings(AnnotatorSettings, configs_folder("annotators") / f"{name}.yaml")
    return settings.model_copy(update={"engine": ScriptedSettings(), **changes})


def annotate(folder: Path, settings: AnnotatorSettings, gold: list[Document]) -> list[Document]:
    """What the right answers about documents make of them."""
    form = answer_format(settings.format)
    answers = {d.text: form.write([Mention(d.text[s.start : s.end], s.label) for s in d.spans]) for d in gold}
    job = prepare_job(settings)
    for document in gold if settings.verbatim else ():
        assert Verbatim(job.prompt, document).admits(answers[document.text])
    write_corpus(folder / "corpus.jsonl", gold)
    engine = ScriptedCompleter(lambda text: (answers[text], "stop"))
    annotate_folder(folder / "corpus.jsonl", folder, settings, engine, say=lambda line: None)
    return list(read_documents(folder / "annotations.jsonl"))


def marked(text: str) -> Document:
    """A document from `[LABEL mention]` marks."""
    plain, spans = "", []
    for number, piece in enumerate(text.replace("]", "[").split("[")):
        label, _, mention = piece.partition(" ") if number % 2 else ("", "", piece)
        if label:
            spans.append(Span(len(plain), len(plain) + len(mention), label))
        plain += mention
    (document,) = split_text(plain, name="t")
    return Document(document.id, document.text, document.tokens, tuple(spans), document.meta)


JAPANESE = marked(
    "[date 明日][from_city 東京]から[to_city 新大阪]まで[seats 2枚]ください、東京駅は[to_city 京都]の方です"
)
TEXTS = {
    "ja": marked("[PER 田中]さんは[ORG 株式会社ソニー]の[LOC 東京]本社で[PER 田中花子]に会った。"),
    "zh": marked("[PER 王小明]在[LOC 北京]的[ORG 清华大学]读书，常去[LOC 上海]。"),
    "th": marked("[PER สมชาย]ทำงานที่[ORG ธนาคารกรุงเทพ]ใน[LOC เชียงใหม่]"),
}


@pytest.mark.parametrize("format", FORMATS)
def test_slots_in_japanese_come_from_the_prompt_to_training_tags(tmp_path: Path, format: FormatName) -> None:
    settings = shipped("slots_ja", format=format)
    prompt = prepare_job(settings).prompt.prefix[0].content
    assert prompt.startswith("You fill slots from what travellers ask for, in Japanese. Find every mention of these")
    assert (
        "- from_city: 出発する都市や駅の名前\n  For example: 東京; 新大阪\n  Not from_city: 目的地や経由地\n" in prompt
    )
    (found,) = annotate(tmp_path, settings, [JAPANESE])
    assert [(found.text[s.start : s.end], s.label) for s in found.spans] == [
        ("明日", "date"),
        ("東京", "from_city"),
        ("新大阪", "to_city"),
        ("2枚", "seats"),
        ("京都", "to_city"),
    ]
    tags = spans_to_tags(found)
    assert tags[:5] == ["B-date", "I-date", "B-from_city", "I-from_city", "O"]
    assert tags_to_spans(tags, found.tokens, strict=True) == found.spans


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("language", sorted(TEXTS))
def test_names_in_text_without_spaces_come_back_as_they_were(tmp_path: Path, language: str, format: FormatName) -> None:
    gold = TEXTS[language]
    (found,) = annotate(tmp_path, shipped("qwen3_8b", format=format, verbatim=True), [gold])
    assert found.spans == gold.spans
    assert found.meta["mentions"] == {"accepted": len(gold.spans)}


@pytest.mark.parametrize(
    ("text", "written", "expected"),
    [
        ("ｿﾆｰは東京だ", "ソニー", "ｿﾆｰ"),  # width
        ("彼はＡＢＣ社だ", "ABC社", "ＡＢＣ社"),
        ("東京都に住む", "東京都に", "東京都に"),
        ("東京都に住む", "京都", "京都"),  # which word it is, no token tells
        ("RUSSIAだ", "US", None),
    ],
)
def test_other_spellings_are_found_between_characters(text: str, written: str, expected: str | None) -> None:
    (document,) = split_text(text, name="t")
    spans = align(document, [Mention(written, "ORG")], ["ORG"]).spans
    assert [document.text[span.start : span.end] for span in spans] == ([expected] if expected else [])


def test_chunks_are_a_column_of_a_corpus_and_survive_the_way_round(shared: Path, tmp_path: Path) -> None:
    path = shared / "data" / "conll2003" / "dev.conll"
    gold = list(read_corpus(CorpusSettings(path=path, column=3)))[:400]
    labels = {span.label for document in gold for span in document.spans}
    assert {"NP", "VP", "PP"} <= labels
    settings = shipped("chunking", labels=dict.fromkeys(sorted(labels), "phrases"))
    assert settings.task.startswith("You divide text into phrases")
    found = annotate(tmp_path, settings, gold)
    right = sum(len({*one.spans} & {*two.spans}) for one, two in zip(gold, found, strict=True))
    total = sum(len(document.spans) for document in gold)
    assert 2 * right / (total + sum(len(document.spans) for document in found)) >= 0.999


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("Ann B-PER\n")
    with pytest.raises(InputError, match=r"a.conll:1: 2 columns, and the tags are to be in column 3"):
        list(read_corpus(CorpusSettings(path=tmp_path / "a.conll", column=3)))
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(InputError, match="`column` is for columns"):
        list(read_corpus(CorpusSettings(path=tmp_path / "a.jsonl", column=2)))


def test_the_task_begins_the_prompt_and_its_default_is_what_it_always_was() -> None:
    settings = shipped("bench_lines")
    assert settings.task == TASK == "You label named entities in text."
    plain, other = (prepare_job(s) for s in (settings, settings.model_copy(update={"task": " You find dates. "})))
    assert plain.prompt.prefix[0].content.startswith(f"{TASK} Find every mention of these types:\n")
    assert other.prompt.prefix[0].content.startswith("You find dates. Find every mention of these types:\n")
    assert plain.identity()["prompt_sha256"] != other.identity()["prompt_sha256"]
    assert other.prompt.messages(from_words("s", ["Hi"]))[-1].content == "Text: Hi"


@pytest.mark.parametrize(
    ("policy", "expected", "nested"),
    [("outermost", ["Bank of Leeds Ltd"], 2), ("innermost", ["Bank", "Leeds"], 1)],
)
def test_nested_mentions_are_kept_by_the_declared_policy_and_counted(
    policy: Nested, expected: list[str], nested: int
) -> None:
    document = from_words("s", ["The", "Bank", "of", "Leeds", "Ltd"])
    written = [Mention(text, "ORG") for text in ("Bank of Leeds Ltd", "Bank", "Leeds")]
    found = align(document, written, ["ORG"], policy)
    assert [document.text[span.start : span.end] for span in found.spans] == expected
    assert found.states.count("overlap") == found.nested == nested
    assert found.states.count("accepted") == len(expected)


@pytest.mark.parametrize(
    ("words", "written", "expected"),
    [
        ("Ann Lee met Ann", ["Ann Lee", "Ann"], ["Ann Lee", "Ann"]),  # each has its own place: nothing is nested
        ("Ann Lee met Ann", ["Ann Lee", "Ann", "Ann"], ["Ann", "Ann"]),
        ("Ann Lee met Ann at Leeds Bank", ["Ann Lee", "Ann", "Leeds Bank", "Leeds"], ["Ann Lee", "Ann", "Leeds"]),
        ("Leeds Bank and Leeds FC", ["Leeds Bank", "Leeds FC", "Leeds"], ["Leeds Bank", "Leeds"]),
        ("a b c d", ["a b c", "a b", "b", "d"], ["b", "d"]),
        ("a b c", ["a b", "b c"], ["a b"]),  # one across the other is not inside it
        ("Rome", ["Rome", "Rome"], ["Rome"]),
        ("Rome", ["Rome", "Paris"], ["Rome"]),
    ],
)
def test_the_innermost_are_kept_where_nothing_flat_explains_the_answer(
    words: str, written: list[str], expected: list[str]
) -> None:
    document = from_words("s", words.split())
    found = align(document, [Mention(text, "ORG") for text in written], ["ORG"], "innermost")
    assert [document.text[span.start : span.end] for span in found.spans] == expected
    assert len(found.states) == len(written)
    assert sum(state in ("accepted", "repaired") for state in found.states) == len(expected) == len(found.origins)


def test_the_policy_is_of_the_export_alone(tmp_path: Path) -> None:
    document = from_words("s", ["The", "Bank", "of", "Leeds", "Ltd"])
    answer = "ORG\tBank of Leeds Ltd\nLOC\tLeeds"
    engine = ScriptedCompleter(lambda text: (answer, "stop"))
    settings = shipped("bench_lines")
    write_corpus(tmp_path / "corpus.jsonl", [document])
    for policy, label in (("outermost", "ORG"), ("innermost", "LOC"), ("outermost", "ORG")):
        chosen = settings.model_copy(update={"nested": policy})
        ledger = annotate_folder(tmp_path / "corpus.jsonl", tmp_path, chosen, engine, say=lambda line: None)
        (found,) = read_documents(tmp_path / "annotations.jsonl")
        assert [span.label for span in found.spans] == [label]
        assert ledger["overlapping_as_nested"] == ledger["mentions"]["overlap"] == 1
        assert prepare_job(chosen).identity() == prepare_job(settings).identity()
    assert len(engine.asked) == 1
