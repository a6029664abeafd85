"""Whether an installation computes what it must: run in the new environment, against vectors that came with the bundle.

`python -m nerkd_local.bundle.selftest VERSION_FOLDER` prints a line a check (one for all packages that are as listed)
and ends with 0 or 1. The vectors
(selftest.json) were computed by the same functions on the connected side:

    {"packages": {name: version}, "imports": [module],
     "student": {"model": name, "labels": [label] or null,
                 "sentences": [{"text": text, "spans": [[start, end, label]]}]},
     "models": [{"path": folder, "texts": [{"text": text, "ids": [id]}],
                 "template": {"messages": [message], "sha256": hash} or null}]}
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

VECTORS = "selftest.json"
_SHOWN = 300


class Check(NamedTuple):
    """Something to compute, under a name: what it must come to, and how."""

    name: str
    expected: object
    compute: Callable[[], object]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every check of a version's folder, sealed; 1 if one of them does not come out, or there is none."""
    from nerkd_local import offline

    offline.seal()
    (given,) = sys.argv[1:] if arguments is None else arguments
    folder = Path(given)
    vectors = json.loads((folder / VECTORS).read_bytes())
    passed = [_passes(check, quiet=True) for check in package_checks(vectors)]
    if any(passed):
        print(f"ok    {sum(passed)} packages as listed", flush=True)
    passed += [_passes(check) for check in checks(vectors, folder)]
    if not passed:
        print("FAIL  there is nothing to check", flush=True)
        return 1
    print(f"{len(passed)} checks, {passed.count(False)} failed", flush=True)
    return 0 if all(passed) else 1


def _passes(check: Check, *, quiet: bool = False) -> bool:
    """Whether it comes out, which is printed; `quiet`: only if it does not."""
    problem = outcome(check)
    if problem is not None or not quiet:
        # a line at a time: a library that crashes in native code takes what is not written with it
        print(f"ok    {check.name}" if problem is None else f"FAIL  {check.name}: {problem}", flush=True)
    return problem is None


def package_checks(vectors: Mapping[str, Any]) -> Iterator[Check]:
    """Each package, which must be there in its version."""
    for name, version in vectors.get("packages", {}).items():
        yield Check(f"package {name} {version}", version, partial(importlib.metadata.version, name))


def checks(vectors: Mapping[str, Any], folder: Path) -> Iterator[Check]:
    """What else the vectors ask for, the cheap checks first."""
    for module in vectors.get("imports", ()):
        yield Check(f"import {module}", module, partial(_import, module))
    for model in vectors.get("models", ()):
        path, texts = model["path"], model.get("texts", ())
        if texts:
            ids = [each["ids"] for each in texts]
            yield Check(f"tokens of {path}", ids, partial(token_ids, folder / path, [each["text"] for each in texts]))
        if template := model.get("template"):
            rendered = partial(template_hash, folder / path, template["messages"])
            yield Check(f"chat template of {path}", template["sha256"], rendered)
    if student := vectors.get("student"):
        model, sentences = student["model"], student["sentences"]
        texts = [each["text"] for each in sentences]
        compute = partial(student_spans, _student_folder(model, folder), texts, student.get("labels"))
        yield Check(f"entities by {model}", [each["spans"] for each in sentences], compute)


def outcome(check: Check) -> str | None:
    """What is wrong with it, in a line; None if it comes to what it must."""
    try:
        found = check.compute()
    except Exception as error:  # whatever a library says, it is this check that failed
        return _shorten(f"{type(error).__name__}: {error}")
    if found == check.expected:
        return None
    return _shorten(f"expected {check.expected}, found {found}")


def token_ids(folder: Path, texts: Sequence[str]) -> list[list[int]]:
    """What a model's tokenizer makes of each text, special tokens included."""
    tokenizer = _tokenizer(folder)
    return [list(tokenizer(text)["input_ids"]) for text in texts]


def template_hash(folder: Path, messages: Sequence[Mapping[str, str]]) -> str | None:
    """SHA-256 (hex) of the chat as the model's own template renders it, the answer's begin included.

    None for a model without a template, and for one that asks for today's date: it renders differently every day.
    """
    tokenizer = _tokenizer(folder)
    if not isinstance(tokenizer.chat_template, str) or "strftime_now" in tokenizer.chat_template:
        return None
    rendered = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
    return hashlib.sha256(rendered.encode("utf-8", "surrogatepass")).hexdigest()


def student_spans(folder: Path, texts: Sequence[str], labels: Sequence[str] | None = None) -> list[list[list[Any]]]:
    """The entities that a student finds in each text: [start, end, label], half-open code points.

    In float32 on the CPU, which is the same everywhere but for the last bits of the scores. With `labels` the folder
    is that of an encoder (the shipped demo-student is one), under a head that is drawn from a fixed seed: what it finds
    means nothing, but every layer has a part in it.
    """
    import torch

    from nerkd_local.corpus.text import tokenize
    from nerkd_local.records import Document
    from nerkd_local.student.model import load_trained, new_student
    from nerkd_local.student.predict import predict

    model, tokenizer = load_trained(folder) if labels is None else new_student(folder, labels, seed=0)
    documents = [Document(str(number), text, tokenize(text)) for number, text in enumerate(texts)]
    predictions = predict(model, tokenizer, documents, device=torch.device("cpu"), precision="fp32")
    return [[[span.start, span.end, span.label] for span in each.document.spans] for each in predictions]


def _import(module: str) -> str:
    importlib.import_module(module)
    return module


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _student_folder(model: str, folder: Path) -> Path:
    """A path below the version's folder, or the name of a model that is shipped inside the toolkit."""
    if "/" in model:
        return folder / model
    from nerkd_local.config.folders import models_folder

    return models_folder(model)  # type: ignore[arg-type]  # raises for one that is not shipped


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."


if __name__ == "__main__":
    sys.exit(main())
