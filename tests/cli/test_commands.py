"""The command line: what it prints, what it refuses, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nerkd_local.cli.main import COMMANDS
from nerkd_local.energy import describe_meters, find_meters

CONLL = "-DOCSTART- O\n\nAnn B-PER\nsaw O\nBonn B-LOC\n\nIt O\nrained O\n"


def nerkd(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from nerkd_local.cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=dict(os.environ))


def refused(done: subprocess.CompletedProcess[str], message: str, *, before: int = 0) -> None:
    """One line says it, after `before` lines of what was begun."""
    assert done.returncode == 2, done.stderr
    assert message in done.stderr.splitlines()[-1]
    assert len(done.stderr.splitlines()) == 1 + before
    assert "Traceback" not in done.stderr


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "gold.conll"
    path.write_text(CONLL)
    return path


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.jsonl"
    rows = [{"text": "Ann saw Bonn", "answer": "PER\tAnn\nLOC\tOslo"}, {"text": "It rained", "answer": "NONE"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = nerkd(name, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: nerkd {name} ")


def test_replayed_answers_are_annotated_scored_and_converted(tmp_path: Path, corpus: Path, answers: Path) -> None:
    out = tmp_path / "out"
    done = nerkd("annotate", "recorded", corpus, "--output", out, "--set", f"engine.answers={answers}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["sentences: 2 = 2 annotated", "mentions: 2 = 1 accepted + 1 hallucinated"]
    done = nerkd("evaluate", corpus, out / "annotations.jsonl", "--output", tmp_path / "scores.jsonl")
    assert done.returncode == 0, done.stderr
    (micro, *_) = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert (micro["precision"], micro["recall"], micro["support"]) == (1.0, 0.5, 2)
    done = nerkd("convert", out / "annotations.jsonl", tmp_path / "out.conll")
    assert done.returncode == 0, done.stderr
    assert "Ann\tB-PER\nsaw\tO\nBonn\tO\n" in (tmp_path / "out.conll").read_text()


def test_a_folder_keeps_its_corpus_which_may_only_grow(tmp_path: Path, corpus: Path, answers: Path) -> None:
    annotate = ["annotate", "recorded", corpus, "--output", tmp_path / "o", "--set", f"engine.answers={answers}"]
    assert nerkd(*annotate, "--limit", 1).stdout.startswith("sentences: 1 = ")
    assert nerkd(*annotate).stdout.startswith("sentences: 2 = ")
    kept = (tmp_path / "o" / "corpus.jsonl").read_bytes()
    corpus.write_text(CONLL.replace("Ann", "Bob"))
    refused(nerkd(*annotate), "corpus.jsonl: holds another corpus; annotate this one into another folder")
    assert (tmp_path / "o" / "corpus.jsonl").read_bytes() == kept
    assert not (tmp_path / "o" / "corpus.new.jsonl").exists()


def test_a_plan_is_written_with_its_fingerprint(tmp_path: Path, corpus: Path) -> None:
    nerkd("convert", corpus, tmp_path / "a.jsonl")
    plan = ["plan", "mixed", "--original", tmp_path / "a.jsonl", "--distilled", tmp_path / "a.jsonl", "--steps", 3]
    done = nerkd(*plan, "--batch-size", 4, "--output", tmp_path / "plan.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["original: 6 examples, 3.00 passes", "distilled: 6 examples, 3.00 passes"]
    assert len((tmp_path / "plan.jsonl").read_text().splitlines()) == 4


def test_a_missing_corpus(tmp_path: Path, answers: Path) -> None:
    done = nerkd(
        "annotate", "recorded", "absent.conll", "--output", tmp_path / "o", "--set", f"engine.answers={answers}"
    )
    refused(done, "absent.conll: no such file")
    assert not (tmp_path / "o").exists() or not any((tmp_path / "o").iterdir())


def test_a_label_that_was_not_asked_for_among_the_examples(tmp_path: Path, corpus: Path, answers: Path) -> None:
    examples = tmp_path / "examples.conll"
    examples.write_text("Gandalf B-WIZARD\n")
    annotate = ["annotate", "recorded", corpus, "--output", tmp_path / "o", "--set", f"engine.answers={answers}"]
    refused(nerkd(*annotate, "--examples", examples), "examples.conll:1: label 'WIZARD' of 'Gandalf'")
    assert not (tmp_path / "o").exists()


def test_an_unknown_encoding_and_a_file_in_the_way_of_the_output(corpus: Path, tmp_path: Path) -> None:
    refused(
        nerkd("convert", corpus, tmp_path / "o.jsonl", "--encoding", "utf-9"), "encoding: unknown text encoding 'utf-9'"
    )
    refused(nerkd("convert", corpus, corpus / "o.jsonl"), "gold.conll")


def test_a_sentence_without_a_usable_answer_is_no_training_example(tmp_path: Path) -> None:
    rows = [
        {"id": name, "text": "x", "tokens": [[0, 1]], "spans": [], "meta": {"status": status}}
        for name, status in (("a", "annotated"), ("b", "malformed"), ("c", "truncated"))
    ]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = tmp_path / "plan.jsonl"
    done = nerkd("plan", "distilled_only", "--distilled", tmp_path / "d.jsonl", "--steps", 2, "--output", plan)
    assert done.returncode == 0, done.stderr
    assert "left out: 2 distilled sentences without a usable answer" in done.stdout
    assert not {'"b"', '"c"'} & set(plan.read_text().replace("[", ",").replace("]", ",").split(","))


def test_a_hub_name_for_a_model(tmp_path: Path, corpus: Path) -> None:
    done = nerkd("annotate", "bench_lines", corpus, "--output", tmp_path / "o", "--set", "engine.model=org/model")
    refused(done, "org/model: looks like a hub name; nothing is downloaded here")
    assert not (tmp_path / "o").exists()
    refused(nerkd("predict", "bert-base-cased", corpus, "--output", tmp_path / "p.jsonl"), "looks like a hub name")


def test_a_malformed_column_line(tmp_path: Path, corpus: Path) -> None:
    corpus.write_text("Ann B-PER\nsaw\nBonn B-LOC\n")
    refused(nerkd("convert", corpus, tmp_path / "o.jsonl"), "gold.conll:2: ")
    assert not (tmp_path / "o.jsonl").exists()


def test_an_unknown_key_in_the_settings(tmp_path: Path, corpus: Path) -> None:
    done = nerkd("annotate", "recorded", corpus, "--output", tmp_path / "o", "--set", "engine.anwers=x")
    refused(done, "--set engine.anwers: unknown key 'engine.anwers'")


def test_an_unreadable_encoding(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_bytes("A fee.\nOf £15m.".encode("latin-1"))
    refused(nerkd("convert", tmp_path / "texts", tmp_path / "o.jsonl"), "a.txt:2: byte 0xa3 at offset 10 is not utf-8")
    assert not (tmp_path / "o.jsonl").exists()
    done = nerkd("convert", tmp_path / "texts", tmp_path / "o.jsonl", "--encoding", "latin-1")
    assert done.returncode == 0, done.stderr


def test_a_label_the_annotator_was_not_asked_for(tmp_path: Path, corpus: Path, answers: Path) -> None:
    experiment = tmp_path / "e.yaml"
    experiment.write_text(
        "name: e\noutput: out\nstudent: model\nannotator: recorded\nevaluation: {path: gold.conll}\n"
        "original: {corpus: {path: gold.conll}, sizes: [1]}\nregimens: [mixed]\n"
        "distilled: [{name: a, corpus: {path: gold.conll}}]\n"
    )
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    settings = ["--set", f"annotator.engine.answers={answers}", "--set", "annotator.labels={PER: people}"]
    refused(nerkd("run", experiment, *settings, cwd=tmp_path), "gold.conll:5: label 'LOC' of 'Bonn'", before=1)
    assert not (tmp_path / "out" / "settings.yaml").exists()


def test_a_missing_answer_and_a_missing_settings_file(tmp_path: Path, corpus: Path, answers: Path) -> None:
    answers.write_text('{"text": "Ann saw Bonn", "answer": "NONE"}\n')
    done = nerkd("annotate", "recorded", corpus, "--output", tmp_path / "o", "--set", f"engine.answers={answers}")
    assert done.returncode == 2
    assert "answers.jsonl: no answer is recorded for the text 'It rained'" in done.stderr.splitlines()[-1]
    refused(nerkd("run", "absent.yaml"), "absent.yaml: no such file")
    refused(nerkd("train", "absent.yaml"), "absent.yaml: no such file")


def test_usage_errors_and_unknown_commands_exit_with_2() -> None:
    assert nerkd("annotate").returncode == 2
    assert nerkd("anotate").returncode == 2


def test_the_doctor_reports_and_fails_on_a_bad_model(tmp_path: Path) -> None:
    done = nerkd("doctor", "--json", "--no-vllm", "--store", tmp_path / "annotations")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["offline"] == "all set"
    assert found["python"].startswith("3.")
    assert found["energy"] == describe_meters(find_meters())
    findings = {finding["check"]: finding["status"] for finding in found["findings"]}
    assert findings["network guard"] == "ok"
    assert findings["store's writing"] in ("ok", "warn")
    done = nerkd("doctor", "--no-vllm", tmp_path)
    assert done.returncode == 4
    assert done.stderr.splitlines()[-1] == "nerkd: 1 problem(s) found"
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert "without a config.json" in line
    fixes = [line for line in done.stdout.splitlines() if line.strip().startswith("->")]
    assert len(fixes) == sum(line.startswith(("FAIL", "WARN", "?")) for line in done.stdout.splitlines())


def test_what_stands_for_what_is_written_as_a_channel(tmp_path: Path) -> None:
    def row(name: str, label: str | None, status: str) -> str:
        spans = [[0, 3, label]] if label else []
        row = {"id": name, "text": "Ann", "tokens": [[0, 3]], "spans": spans, "meta": {"status": status}}
        return json.dumps(row) + "\n"

    gold, found = tmp_path / "gold.jsonl", tmp_path / "found.jsonl"
    gold.write_text("".join(row(name, "PER", "annotated") for name in "abcd"))
    # an answer that could not be read says nothing of the annotator's errors
    found.write_text(row("a", "PER", "annotated") + row("b", None, "annotated") + row("c", "LOC", "annotated"))
    with found.open("a") as stream:
        stream.write(row("d", None, "malformed"))
    done = nerkd("evaluate", gold, found, "--channel", tmp_path / "channel.json")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("channel of 3 sentences, labels LOC, PER -> ")
    channel = json.loads((tmp_path / "channel.json").read_text())
    assert channel["tags"] == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    # three true B-PER and 2 pseudo-counts: 1.84 of them for the tag itself, 0.04 for each other one
    assert channel["channel"][3] == pytest.approx([1.04 / 5, 1.04 / 5, 0.04 / 5, 2.84 / 5, 0.04 / 5])
