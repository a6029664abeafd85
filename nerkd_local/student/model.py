"""The student: a pretrained encoder from a local folder under a fresh token classification head."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from nerkd_local.errors import InputError
from nerkd_local.files import local_model, sync_folder
from nerkd_local.student.decode import tag_names
from nerkd_local.student.windows import Windows, load_windows, save_windows, usual_windows

_HEADS = ("classifier", "score")  # what transformers calls the last layer of its token classifiers
_BELOW_HEADS = ("head",)  # a layer that ModernBERT has before it; whole pretrained folders hold it, bare encoders not
_POOLERS = ("pooler",)  # a layer above the hidden states, which folders of fine-tuned encoders often lack
_HEAD_DEVIATION = 0.02  # BERT's initializer_range


def new_student(folder: Path, labels: Iterable[str], seed: int, *, dropout: float | None = None) -> tuple[Any, Any]:
    """The encoder in `folder` with a head for the IOB2 tags of `labels`, in float32, and its tokenizer.

    Only the head is new: normal with deviation 0.02, zero bias, drawn from `seed` alone; a head the folder
    may hold is not used. (A dense layer below the head, which ModernBERT has, is the folder's; where a bare encoder
    lacks it, it is drawn as well.) `dropout` replaces every dropout rate the encoder's config declares; None keeps
    them. Raises InputError for a folder that is no local model, holds no safetensors, or lacks encoder
    weights.
    """
    from transformers import AutoConfig, AutoModelForTokenClassification

    tags = tag_names(labels)
    with _quiet(local_model(folder)):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        config.id2label = dict(enumerate(tags))
        config.label2id = {tag: number for number, tag in enumerate(tags)}
        if dropout is not None:
            for name, value in config.to_dict().items():
                if "dropout" in name and isinstance(value, int | float) and not isinstance(value, bool):
                    setattr(config, name, dropout)
        # Loading draws the head from torch's global state first; the caller's state is put back.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model, report = AutoModelForTokenClassification.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        tokenizer = _tokenizer(folder, config.model_type)
    _check_loaded(folder, report, allowed=_HEADS + _BELOW_HEADS)
    _draw_head(_head(folder, model), seed)
    return model, tokenizer


def load_trained(folder: Path) -> tuple[Any, Any]:
    """A student saved by `save_student`, in float32 and evaluation mode, and its tokenizer.

    The model remembers the windows it was saved with (see `student_windows`).
    Raises InputError for a folder that is no local model, lacks weights, or whose classes are not IOB2 tags
    (an encoder without a trained head, for one).
    """
    from transformers import AutoModelForTokenClassification

    model, tokenizer = _load(AutoModelForTokenClassification, folder, allowed=())
    student_tags(model, folder)
    model.nerkd_windows = load_windows(folder)
    return model, tokenizer


def load_encoder(folder: Path) -> tuple[Any, Any]:
    """The bare encoder in `folder`, in float32 and evaluation mode, and its tokenizer; a head it may have is not read.

    Raises InputError for a folder that is no local model, holds no safetensors, or lacks encoder weights.
    """
    from transformers import AutoModel

    return _load(AutoModel, folder, allowed=_POOLERS)


def _load(kind: Any, folder: Path, *, allowed: tuple[str, ...]) -> tuple[Any, Any]:
    with _quiet(local_model(folder)):
        model, report = kind.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        tokenizer = _tokenizer(folder, model.config.model_type)
    _check_loaded(folder, report, allowed=allowed)
    return model.eval(), tokenizer


def student_tags(model: Any, folder: Path | None = None) -> tuple[str, ...]:
    """The tag of each class of the head. Raises InputError if they are not `O`, `B-x`, `I-x`."""
    tags = tuple(model.config.id2label[number] for number in range(model.config.num_labels))
    if tags != tag_names(tag[2:] for tag in tags if tag != "O"):
        raise InputError(
            f"its classes are {', '.join(tags[:5])}, not O, B-x and I-x; a student trained here is needed",
            path=folder,
        )
    return tags


def student_windows(model: Any) -> Windows:
    """The windows a student from `load_trained` was trained with.

    For a student that does not say, `usual_windows` as far as its positions go.
    """
    windows: Windows | None = getattr(model, "nerkd_windows", None)
    return windows or usual_windows(_positions(model))


def check_length(model: Any, max_tokens: int) -> None:
    """Raise InputError if windows of `max_tokens` are longer than the encoder has positions for."""
    positions = _positions(model)
    if positions is not None and max_tokens > positions:
        raise InputError(f"max_tokens {max_tokens} is more than this encoder can read; set {positions} or less")


def first_position_of(model: Any) -> int:
    """The position of a window's first token.

    RoBERTa and its kin number positions from the padding id on, so some of the table is never used.
    """
    for name, layer in model.named_modules():
        if name.endswith("position_embeddings") and getattr(layer, "padding_idx", None) is not None:
            return int(layer.padding_idx) + 1
    return 0


def _positions(model: Any) -> int | None:
    """The longest input of the encoder; None if it has no such bound."""
    positions: int | None = getattr(model.config, "max_position_embeddings", None)
    if positions is None or positions < 0:
        return None
    return positions - first_position_of(model)


# Tokenizers of these types read a word as it stands after a space only when told so on loading.
_BYTE_LEVEL = {"roberta", "longformer", "gpt2", "deberta", "bloom"}


def save_student(model: Any, tokenizer: Any, folder: Path, windows: Windows | None = None) -> None:
    """Write model (safetensors) and tokenizer as a model folder that `load_trained` and transformers read.

    The folder appears whole or not at all, and is on the disk when the call returns; an earlier one of that
    name is replaced. `windows` are those the student was trained with; None keeps what the model remembers.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        with _quiet(folder):
            model.save_pretrained(staging, safe_serialization=True)
            tokenizer.save_pretrained(staging)
        windows = windows or getattr(model, "nerkd_windows", None)
        if windows is not None:
            save_windows(windows, staging)
        staging.chmod(0o755)
        replace_folder(staging, folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def replace_folder(staging: Path, folder: Path) -> None:
    """Rename `staging` to `folder` with its files on the disk first; an earlier `folder` makes way."""
    for path in sorted(staging.iterdir()):
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    sync_folder(staging)
    if folder.exists():
        # A folder cannot be renamed onto one with content. Between the two renames neither name is there,
        # but both contents are.
        retired = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
        folder.rename(retired / folder.name)
        staging.rename(folder)
        shutil.rmtree(retired)
    else:
        staging.rename(folder)
    sync_folder(folder.parent)


def _tokenizer(folder: Path, model_type: str) -> Any:
    from transformers import AutoTokenizer

    options = {"add_prefix_space": True} if model_type in _BYTE_LEVEL else {}
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **options)
    if not tokenizer.is_fast:
        raise InputError("has no tokenizer.json; words cannot be traced through a slow tokenizer", path=folder)
    if tokenizer.pad_token_id is None:
        raise InputError("its tokenizer has no padding token; name one in tokenizer_config.json", path=folder)
    _read_after_space(tokenizer.backend_tokenizer.pre_tokenizer)
    return tokenizer


def _read_after_space(splitter: Any) -> None:
    """Have a byte-level tokenizer read each word as it stands after a space, as nearly all words it was trained on.

    Some classes (ModernBERT's, for one) have no option for it. One that splits by a pattern of its own first would put
    a space into the middle of words, and is left alone.
    """
    from tokenizers import pre_tokenizers

    if isinstance(splitter, pre_tokenizers.ByteLevel):
        splitter.add_prefix_space = True


def _head(folder: Path, model: Any) -> Any:
    for name in _HEADS:
        layer = getattr(model, name, None)
        if isinstance(layer, torch.nn.Linear):
            return layer
    raise InputError(f"{type(model).__name__} has no linear head named {' or '.join(_HEADS)}", path=folder)


def _draw_head(layer: Any, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        layer.weight.copy_(torch.empty(layer.weight.shape).normal_(0, _HEAD_DEVIATION, generator=generator))
        if layer.bias is not None:
            layer.bias.zero_()


def _check_loaded(folder: Path, report: dict[str, Any], allowed: Sequence[str]) -> None:
    mismatched = [entry[0] for entry in report["mismatched_keys"]]
    lacking = [name for name in sorted({*report["missing_keys"], *mismatched}) if name.split(".")[0] not in allowed]
    if lacking:
        raise InputError(
            f"{len(lacking)} weights are missing or of another shape (first: {lacking[0]}); "
            "the folder's weights and its config.json do not belong together",
            path=folder,
        )


@contextmanager
def _quiet(folder: Path) -> Iterator[None]:
    """Without transformers' progress bars and load report; what it cannot load becomes an InputError."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(f"cannot be loaded or saved as a token classifier: {reason}", path=folder) from error
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
