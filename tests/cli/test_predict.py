"""`nerkd predict`: what it takes, what it shows and writes, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nerkd_local.cli import evaluate, predict
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.errors import InputError
from nerkd_local.files import read_json
from nerkd_local.fingerprints import digest_file, digest_folder

LABEL_OF = {"paris": "LOC", "berlin": "LOC", "anna": "PER", "karl": "PER"}


@pytest.fixture(scope="module")
def student(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student that knows four words by heart: nothing of its encoder is left but an embedding by label."""
    import torch

    from nerkd_local.student.model import new_student, save_student, student_tags
    from nerkd_local.student.windows import Windows

    model, tokenizer = new_student(tiny_encoder, ["LOC", "PER"], seed=0)
    names = student_tags(model)
    vocabulary = tokenizer.get_vocab()
    with torch.no_grad():
        for weights in model.bert.embeddings.parameters():
            weights.zero_()
        model.bert.embeddings.LayerNorm.weight.fill_(1)
        for layer in model.bert.encoder.layer:
            for dense in (layer.attention.output.dense, layer.output.dense):
                dense.weight.zero_()
                dense.bias.zero_()
        embedding = model.bert.embeddings.word_embeddings.weight
        embedding[:, names.index("O")] = 1
        for word, label in LABEL_OF.items():
            embedding[vocabulary[word]] = 0
            embedding[vocabulary[word], names.index(f"B-{label}")] = 1
        model.classifier.weight.copy_(torch.eye(len(names), embedding.shape[1]))
    folder = tmp_path_factory.mktemp("student") / "student"
    save_student(model, tokenizer, folder, Windows(max_tokens=16, stride=4))
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(predict.command, [str(argument) for argument in arguments])


def done(*arguments: object) -> str:
    """What it printed, if it worked."""
    result = run(*arguments)
    assert result.exception is None, result.exception
    return result.stdout


def refused(message: str, *arguments: object) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, InputError), result.exception
    assert message in str(result.exception)
    assert len(str(result.exception).splitlines()) == 1
    assert result.stdout == ""


def mentions(row: dict[str, Any], original: str) -> list[str]:
    """The mentions of a line of the result, cut out of the original text."""
    offset = row["meta"]["offset"]
    return [original[offset + start : offset + end] for start, end, _ in row["spans"]]


def masked(shown: str) -> str:
    """Without the confidences, which are other tests' business."""
    return re.sub(r" \.\d\d\b", " .NN", shown)


def test_a_sentence_is_shown_with_its_entities_marked(student: Path) -> None:
    shown = done(student, "anna lives in paris near berlin")
    assert masked(shown) == "[PER anna .NN] lives in [LOC paris .NN] near [LOC berlin .NN]\n"


@pytest.mark.parametrize("arguments", [["--text", "paris"], ["--text", "/in paris"], ["--text", "a.txt in paris"]])
def test_text_is_never_taken_for_a_path(student: Path, arguments: list[str]) -> None:
    assert "[LOC paris" in done(student, *arguments)


def test_a_path_with_a_space_that_is_there_is_read(student: Path, tmp_path: Path) -> None:
    (tmp_path / "my texts").mkdir()
    (tmp_path / "my texts" / "a.txt").write_text("the old town")
    assert done(student, tmp_path / "my texts") == "==> a.txt <==\nthe old town\n"


def test_several_sentences_of_a_text_are_one_each(student: Path) -> None:
    text = "anna works.  \r\n karl lives in paris. in berlin!"
    rows = [json.loads(line) for line in done(student, text, "--to", "jsonl").splitlines()]
    assert [(row["id"], row["text"], row["meta"]["line"]) for row in rows] == [
        ("text:0", "anna works.", 1),
        ("text:1", "karl lives in paris.", 2),
        ("text:2", "in berlin!", 2),
    ]
    assert [mentions(row, text) for row in rows] == [["anna"], ["karl", "paris"], ["berlin"]]
    for row in rows:
        assert len(row["meta"]["confidences"]) == len(row["spans"])
        assert all(0 < confidence <= 1 for confidence in row["meta"]["confidences"])


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    (folder / "b").mkdir(parents=True)
    (folder / "a.txt").write_bytes("\ufeffthe old town\r\n\r\n😀 anna works in paris.\r\n".encode())
    (folder / "b" / "c.txt").write_bytes("karl\x0c lives. \u2028In berlin".encode())
    return folder


def test_a_folder_becomes_one_file_with_offsets_into_each_original(student: Path, texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    told = done(student, texts, "--output", output)
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert told == f"4 sentences of {texts} -> {output}\n"
    made_from = read_json(tmp_path / "out.jsonl.made-from.json")
    assert made_from["student_sha256"] == digest_folder(student)
    assert made_from["output_sha256"] == digest_file(output)
    assert made_from["sentences"] == 4
    assert str(tmp_path) not in json.dumps(made_from)
    originals = {name: (texts / name).read_bytes().decode() for name in ("a.txt", "b/c.txt")}
    assert [(row["id"], mentions(row, originals[row["meta"]["document"]])) for row in rows] == [
        ("a.txt:0", []),
        ("a.txt:1", ["anna", "paris"]),
        ("b/c.txt:0", ["karl"]),
        ("b/c.txt:1", ["berlin"]),
    ]


def test_a_folder_on_the_terminal_is_headed_by_its_files(student: Path, texts: Path) -> None:
    shown = masked(done(student, texts))
    assert shown.startswith(
        "==> a.txt <==\nthe old town\n😀 [PER anna .NN] works in [LOC paris .NN].\n\n==> b/c.txt <=="
    )
    assert "[PER karl .NN]\\f lives." in shown


def test_columns_are_written_to_a_file_and_to_standard_output_alike(student: Path, texts: Path, tmp_path: Path) -> None:
    done(student, texts, "--output", tmp_path / "out.conll")
    columns = (tmp_path / "out.conll").read_text()
    assert columns == done(student, texts, "--to", "conll")
    assert "anna\tB-PER\nworks\tO\nin\tO\nparis\tB-LOC\n" in columns
    assert columns.count("-DOCSTART-\tO\n") == 2


def test_highlighted_text_may_be_kept_too(student: Path, tmp_path: Path) -> None:
    done(student, "in paris", "--to", "terminal", "--output", tmp_path / "out.txt")
    assert masked((tmp_path / "out.txt").read_text()) == "in [LOC paris .NN]\n"


def test_the_result_is_read_back_and_scored(student: Path, tmp_path: Path) -> None:
    gold = tmp_path / "gold.conll"
    gold.write_text("anna B-PER\nlives O\nin O\nparis B-LOC\n\nkarl B-PER\nworks O\n\nold B-LOC\ntown I-LOC\n")
    output = tmp_path / "out.jsonl"
    assert done(student, gold, "--output", output) == f"3 sentences of {gold} -> {output}\n"
    documents = list(read_documents(output))
    assert [document.id for document in documents] == ["gold:0", "gold:1", "gold:2"]
    scored = CliRunner().invoke(
        evaluate.command, [str(gold), str(output), "--output", str(tmp_path / "scores.jsonl")], catch_exceptions=False
    )
    assert scored.exit_code == 0
    micro = json.loads((tmp_path / "scores.jsonl").read_text().splitlines()[0])
    assert (micro["precision"], micro["recall"]) == (1.0, 0.75)
    # once more through the student: labels and confidences of before do not stay
    done(student, output, "--output", tmp_path / "again.jsonl")
    assert list(read_documents(tmp_path / "again.jsonl")) == documents


def test_a_text_of_many_windows_is_labelled_to_its_end(student: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("in the old town " * 50 + "anna lives in paris")
    (row,) = [json.loads(line) for line in done(student, path, "--to", "jsonl").splitlines()]
    assert mentions(row, path.read_text())[-2:] == ["anna", "paris"]
    assert len(row["meta"]["confidences"]) == len(row["spans"])


@pytest.fixture
def piped() -> Iterator[None]:
    """Standard input as a pipe that holds two sentences."""
    kept = os.dup(0)
    read, write = os.pipe()
    os.write(write, b"karl works.\nin berlin")
    os.close(write)
    os.dup2(read, 0)
    os.close(read)
    yield
    os.dup2(kept, 0)
    os.close(kept)


@pytest.mark.usefixtures("piped")
def test_a_dash_is_standard_input(student: Path) -> None:
    assert masked(done(student, "-")) == "==> stdin <==\n[PER karl .NN] works.\nin [LOC berlin .NN]\n"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs the command with a pseudo-terminal as standard output and gives back what that was sent."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def sent(*arguments: object) -> str:
        master, slave = os.openpty()
        with open(slave, "w", encoding="utf-8") as stream, redirect_stdout(stream):
            predict.command.main([str(argument) for argument in arguments], standalone_mode=False)
        received = b""
        with suppress(OSError):  # how Linux says that all was read and nobody writes any more
            while piece := os.read(master, 65536):
                received += piece
        os.close(master)
        return received.decode().replace("\r\n", "\n")

    return sent


HOSTILE = "anna \x1b[2J\x1b]0;x\x07 in paris\x9b31m \u202e x"


def test_a_terminal_gets_colours(student: Path, terminal: Callable[..., str]) -> None:
    shown = terminal(student, "in paris")
    assert shown.startswith("in \x1b[")
    assert "paris" in shown


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_none_gets_marks(
    student: Path, terminal: Callable[..., str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert masked(terminal(student, "in paris")) == "in [LOC paris .NN]\n"


@pytest.mark.parametrize("kind", ["terminal", "jsonl", "conll"])
def test_no_escape_sequence_of_the_text_reaches_the_terminal(
    student: Path, terminal: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "a.txt").write_text(HOSTILE)
    shown = terminal(student, tmp_path / "a.txt", "--to", kind)
    assert not set(shown) & set("\x1b\x07\x9b\u202e\r")
    assert "\\u001b" in shown
    if kind == "jsonl":
        assert json.loads(shown)["text"] == HOSTILE


def test_files_and_pipes_get_the_text_as_it_is(student: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(HOSTILE)
    assert json.loads(done(student, tmp_path / "a.txt", "--to", "jsonl"))["text"] == HOSTILE
    assert "\x1b" in done(student, tmp_path / "a.txt", "--to", "conll")
    assert "\x1b" not in done(student, tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["parsi"], "parsi: no such file or folder; to label these words themselves, give them with --text"),
        (["my texts/a.txt"], "no such file or folder"),
        (["./my texts"], "no such file or folder"),
        (["my texts/"], "no such file or folder"),
        ([""], "no such file or folder"),
        ([" \n"], "the text holds no word"),
        (["--text", ""], "the text holds no word"),
        (["--text", "\udcff x"], "the text is not in the encoding of this terminal"),
        ([], "give either INPUT"),
        (["in paris", "--text", "in paris"], "only one of them"),
        (["in paris", "--format", "conll"], "--format and --encoding are for files"),
        (["in paris", "--encoding", "latin-1"], "--format and --encoding are for files"),
        (["-", "--format", "jsonl"], "standard input is read as text"),
        (["in paris", "--output", "out.csv"], "out.csv: the output's extension must be .jsonl or .conll"),
        (["in paris", "--output", "out.jsonl", "--to", "conll"], "its extension says jsonl and --to conll"),
        (["/dev/null", "--encoding", "utf-9"], "unknown text encoding 'utf-9'"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_loaded(arguments: list[str], message: str) -> None:
    refused(message, "no-student", *arguments)


def test_a_student_that_is_none(tiny_encoder: Path, tmp_path: Path) -> None:
    refused("looks like a hub name; nothing is downloaded here", "org/model", "in paris")
    refused("is a folder without a config.json", tmp_path, "in paris")
    refused("weights are missing", tiny_encoder, "in paris")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"in paris\n\xa315m", "a.txt:2: byte 0xa3 at offset 9 is not utf-8"), (b" \n", "a.txt: holds no sentence")],
)
def test_a_file_that_cannot_be_labelled_leaves_the_earlier_result(
    student: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    (tmp_path / "out.jsonl").write_text("earlier")
    refused(message, student, tmp_path / "a.txt", "--output", tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "out.jsonl"]


def test_an_interrupted_prediction_leaves_nothing_half_written(student: Path, tmp_path: Path) -> None:
    code = "from nerkd_local.cli.main import main; main()"
    command = [sys.executable, "-c", code, "predict", str(student), "-", "--output", str(tmp_path / "out.jsonl")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write("in paris\n" * 3000)
        process.stdin.flush()
        deadline = time.monotonic() + 300
        while not any(tmp_path.iterdir()):  # it is writing, and waits for more
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 3
        assert "interrupted" in process.stderr.read()
        process.stdin.close()
    assert list(tmp_path.iterdir()) == []
