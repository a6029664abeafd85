"""The model card beside a student's weights: what it finds, what it was trained on, how good it is, how to load it.

`README.md`, as Hugging Face's tools read it: a YAML head (written by their library) and Markdown. The same facts make
the same bytes, without dates or paths, so a finished student's folder keeps its digest. Names and labels come from
other people's data: they are shown as they are and can neither be markup nor break out of the head.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nerkd_local.files import write_text
from nerkd_local.records import Source

_FILE = "README.md"


@dataclass(frozen=True, slots=True)
class Figure:
    """A student's strict score on one evaluation, of one label or (None) of all together. Shares of 1."""

    evaluation: str
    label: str | None
    precision: float
    recall: float
    f1: float
    interval: tuple[float, float] | None = None
    """The ends of the 95 % interval of `f1` over the evaluation's documents, where one was computed."""
    entities: int | None = None
    """How many the human marked, where that is known."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card tells. Digests are SHA-256 in hex; None for a source that was not used.

    Those of data are of the files' bytes, as `sha256sum` has them; `encoder_sha256` is `fingerprints.digest_folder`,
    `plan_sha256` the plan's `fingerprint`. `examples` and `passes`, by source (`original`, `distilled`): the examples
    that training showed, repeats counted, and how often that is each source's whole. `loss`: in words. `precision`: the
    number format, `fp32` or `bf16`. `figures`: none as long as the student is not scored; `evaluation_sha256`: by the
    name of an evaluation in them, its file's.
    """

    labels: tuple[str, ...]
    encoder: str
    encoder_sha256: str
    regimen: str
    plan_sha256: str
    original_sha256: str | None
    distilled_sha256: str | None
    steps: int
    batch_size: int
    seed: int
    learning_rate: float
    loss: str
    precision: str
    examples: Mapping[Source, int]
    passes: Mapping[Source, float] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    evaluation_sha256: Mapping[str, str] = field(default_factory=dict)


def write_card(folder: Path, facts: CardFacts) -> None:
    """Write `README.md` into a student's folder, in place of an earlier one."""
    write_text(folder / _FILE, f"---\n{_head(facts)}\n---\n\n{_body(facts)}")


def _head(facts: CardFacts) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="token-classification",
            dataset_type="local",
            dataset_name=_visible(figure.evaluation),
            metric_type="f1",
            metric_name="strict entity F1",
            metric_value=round(figure.f1, 4),
        )
        for figure in facts.figures
        if figure.label is None
    ]
    data = ModelCardData(
        # a card has a field for the name only where there are results
        model_name=f"NER student ({_visible(facts.regimen)})" if results else None,
        eval_results=results or None,
        library_name="transformers",
        license="unknown",
        pipeline_tag="token-classification",
        tags=["token-classification", "named-entity-recognition", "nerkd-local"],
    )
    return str(data.to_yaml(line_break="\n"))


def _body(facts: CardFacts) -> str:
    return "\n\n".join([_INTRODUCTION, _what(facts), *_results(facts), _training(facts), _LOADING, _LIMITS]) + "\n"


_INTRODUCTION = """# A student for named entity recognition

A token classifier trained with nerkd-local from human labels (*original*) and labels of a local language model
(*distilled*)."""


def _what(facts: CardFacts) -> str:
    labels = "\n".join(f"- {_text(label)}" for label in sorted(facts.labels))
    return f"It finds entities of these types, tagged in IOB2:\n\n{labels}"


def _results(facts: CardFacts) -> list[str]:
    if not facts.figures:
        return []
    rows = [
        [
            _text(figure.evaluation),
            "all types" if figure.label is None else _text(figure.label),
            "" if figure.entities is None else f"{figure.entities:,}",
            *(f"{share:.4f}" for share in (figure.precision, figure.recall, figure.f1)),
            "" if figure.interval is None else f"{figure.interval[0]:.4f} to {figure.interval[1]:.4f}",
        ]
        for figure in facts.figures
    ]
    head = ["scored on", "type", "entities", "precision", "recall", "F1", "95 % interval of F1"]
    told = _RESULTS if any(figure.interval is not None for figure in facts.figures) else _STRICT
    return [f"## Results\n\n{told}\n\n{_table(head, rows)}"]


_STRICT = "Whole entities, strict: an entity counts where its words and its type are exactly the human's."
_RESULTS = f"""{_STRICT} Intervals say how much
other documents would have moved the score of this one student; another seed would have moved it as well."""


def _training(facts: CardFacts) -> str:
    shown = ", ".join(
        f"{count:,} {_text(source)}"
        + (f" ({facts.passes[source]:.2f} passes)" if facts.passes.get(source) is not None else "")
        for source, count in facts.examples.items()
    )
    rows = [
        ["regimen", _text(facts.regimen)],
        ["optimizer steps", f"{facts.steps:,} of {facts.batch_size:,} examples"],
        ["examples shown", shown],
        ["seed", str(facts.seed)],
        ["learning rate", f"{facts.learning_rate:g}"],
        ["loss", _text(facts.loss)],
        ["number format", _text(facts.precision)],
        ["encoder", _text(facts.encoder)],
        ["license of the encoder", "unknown to nerkd-local: see where the encoder came from"],
        ["encoder, fingerprint", _text(facts.encoder_sha256)],
        ["plan, fingerprint", _text(facts.plan_sha256)],
        ["original data, SHA-256", _text(facts.original_sha256 or "not used")],
        ["distilled data, SHA-256", _text(facts.distilled_sha256 or "not used")],
        *(
            [f"evaluation data ({_text(name)}), SHA-256", _text(sha256)]
            for name, sha256 in facts.evaluation_sha256.items()
        ),
    ]
    return f"## Training\n\n{_table(['', ''], rows)}"


_LOADING = """## Loading it

Offline, in this folder:

```sh
nerkd predict . "Anna lives in Paris."
nerkd predict . texts/ --output out.jsonl
```

or from Python:

```python
from pathlib import Path

from nerkd_local.records import from_words
from nerkd_local.student.model import load_trained
from nerkd_local.student.predict import predict

model, tokenizer = load_trained(Path("."))
for answer in predict(model, tokenizer, [from_words("1", ["Anna", "lives", "in", "Paris", "."])]):
    print(answer.tags, answer.confidences)
```

It reads texts of any length, in windows as it was trained, and never answers with an invalid tag sequence. Without
nerkd-local (`HF_HUB_OFFLINE=1` keeps transformers off the network):

```python
from transformers import pipeline

find = pipeline("token-classification", model=".", aggregation_strategy="first")
print(find("Anna lives in Paris ."))
```

The pipeline decides word by word and reads no more than the encoder's longest input."""

_LIMITS = """## Limits

It repeats what its labels got wrong, the language model's and the human's. Scores hold for texts like those it was
scored on. Its confidences are not calibrated."""


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _text(text: str) -> str:
    """A text that Markdown and HTML show as it is: what could mean something to them as character references.

    Plain are letters and digits, a space, hyphen, underscore, slash or plus between two of them, a dot between digits,
    and a comma, semicolon or colon that stands between a letter or digit and a space.
    """
    shown = _visible(text)

    def is_plain(place: int) -> bool:
        before, character, after = shown[place - 1 : place], shown[place], shown[place + 1 : place + 2]
        if character == ".":
            return before.isdecimal() and after.isdecimal()
        if character in ",;:":
            return before.isalnum() and after == " "
        if character == " " and before in (",", ";", ":"):
            return after.isalnum() and is_plain(place - 1)
        return character.isalnum() or (character in " -_/+" and before.isalnum() and after.isalnum())

    return "".join(character if is_plain(place) else f"&#{ord(character)};" for place, character in enumerate(shown))


def _visible(text: str) -> str:
    """A text on one line with what cannot be seen (controls, direction marks, lone surrogates) spelled out."""
    return "".join(
        f"(U+{ord(character):04X})" if unicodedata.category(character)[0] in "CZ" and character != " " else character
        for character in text
    )
