"""README.md of a results bundle: for whoever decides whether it may go out, and for whoever gets it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nerkd_local.bundle.export.leaks import SHORTEST, Looked
from nerkd_local.bundle.manifest import Text


@dataclass(frozen=True, slots=True)
class Told:
    """What the page tells. `looked`: what was looked for in every file; None with the full texts."""

    run: str
    text: Text
    annotations: bool
    students: Sequence[str]
    looked: Looked | None


def write_readme(told: Told) -> str:
    """The page, in Markdown; names are shown as code, in which nothing is markup."""
    return (
        "\n\n".join(
            [
                "# Results of a run",
                f"The run is called {_code(told.run)}. **Text of the corpora: {told.text}.** {_TREATMENT[told.text]}",
                "\n".join(_looked(told)),
                "## What is in it\n\n" + "\n".join(f"- {line}" for line in _contents(told)),
                "## What it still tells\n\n" + "\n".join(f"- {line}" for line in _still(told)),
                _OPENING,
            ]
        )
        + "\n"
    )


_TREATMENT: dict[Text, str] = {
    "none": "No sentence, no word of one and no id of one is in any file; the exceptions are named below.",
    "hashes": "Sentences stand in it as SHA-256 of their text with the places and types of their labels: no sentence, "
    "no word of one, no id. **A short or common sentence can be guessed, and the guess confirmed by its hash.**",
    "full": "Sentences are in it as they are in the run: treat it as you treat the corpora.",
}


def _looked(told: Told) -> Iterator[str]:
    if told.looked is None:
        yield "Nothing was looked for in it: the texts are meant to be there."
    elif told.looked.sentences:
        yield (
            f"Before it was signed, {told.looked.sentences:,} different sentences of the run, each as a whole, and ids "
            f"that are words were looked for in every file but weights, vocabularies and pictures; none was found. "
            f"{told.looked.too_short:,} more have fewer "
            f"than {SHORTEST} letters and digits, and were not looked for."
        )
    else:
        yield "No sentence was looked for in it: the run's folder holds none."


def _contents(told: Told) -> Iterator[str]:
    shown = "with the scored and the distilled sentences to leaf through, and everybody's labels of them"
    report = shown if told.text == "full" else "without sentences"
    yield f"`report.html`: the report, {report}; its figures and tables as files in `figures/` and `tables/`"
    yield "`provenance.json`: digests of corpora, models and students, software and machines"
    yield "`settings.yaml`: the run's settings; of absolute paths the last two parts"
    yield (
        "`cells/NAME/`: of every student its scores, counts by sentence, what it was shown step by step (in numbers), "
        "and where it found what (sentence number, word numbers, type, confidence)"
    )
    yield "`annotations/*/ledger.json`: what became of the annotator's answers, counted; `speed.jsonl`: what they took"
    yield "`summary.md`, `table.csv`, `scores.jsonl` and figures, where the run had written them"
    for name in told.students:
        yield f"{_code(f'cells/{name}/student/')}: this student's weights, vocabulary and card"
    if not told.students:
        yield "no student's weights"
    if told.text == "none":
        return
    place = "`hashes/`: hashed, under the paths that they have in the run: " if told.text == "hashes" else ""
    yield f"{place}the sentences that students are scored on, and what the students named above found in them"
    if told.annotations:
        yield f"{place}the sentences that students and annotators were given, with human labels and the annotators'"
    else:
        yield "no file of the sentences that students and annotators were given, or of the annotators' labels"


def _still(told: Told) -> Iterator[str]:
    yield (
        "Names that somebody gave: of the run, its regimens, corpora (file names), annotators, models and entity "
        "types; and the words in `settings.yaml` that explain types and task to the annotator, with any example that "
        "somebody put into them"
    )
    yield (
        "Of absolute paths the last two parts, in which a person's name may stand (`anna/corpora` of "
        "`/home/anna/corpora`), and relative paths as they are"
    )
    if told.text != "full":
        yield "How many sentences and documents there are, and how many entities of which type in each sentence"
    yield "SHA-256 of whole corpus files: whoever has the same file can see that it is the same"
    yield "Processor and GPU models, versions of software, times taken"
    if told.students:
        yield (
            "Of each student with weights: its vocabulary is its encoder's. It says nothing of the corpora, "
            "unless the encoder was itself made from texts that are to stay: then it may hold their words. The weights "
            "do tell. Training changes the row of the embedding table of every word piece that occurs in the training "
            "sentences, and no other: whoever has the encoder can tell which pieces occurred. And as with any model, "
            "one can ask it how sure it is of a guess: names that it was trained on may come out surer"
        )


_OPENING = """## Check and open it

On the folder as it was carried, with the sender's public key:

```sh
openssl pkeyutl -verify -pubin -inkey PUBLIC.pem -rawin -in bundle.json -sigfile bundle.sig
sha256sum bundle.json    # the root hash: compare it with the sender
nerkd bundle verify FOLDER --key PUBLIC.pem
nerkd bundle unpack FOLDER RESULTS --key PUBLIC.pem
```

The unpacked folder is a run folder for reading: `nerkd report RESULTS`, `nerkd compare RESULTS`, and
`nerkd predict RESULTS/cells/NAME/student "A sentence."` for a student that is in it. `report.html` opens in any
browser and asks for nothing."""


def _code(name: str) -> str:
    """A name as code, whatever is in it: on one line, in more backticks than stand in it."""
    shown = " ".join(name.split()) or "(nothing)"
    fence = "`"
    while fence in shown:
        fence += "`"
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"
