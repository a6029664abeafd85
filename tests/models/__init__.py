"""A student small enough to train in a test: 2 layers, 32 wide, random weights, a WordPiece vocabulary."""

from __future__ import annotations

from pathlib import Path

WORDS = ["paris", "berlin", "anna", "karl", "lives", "works", "in", "and", "near", "the", "old", "town"]
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,[]"


def make_encoder(folder: Path, *, positions: int = 64, dropout: float = 0.1) -> Path:
    """Write an untrained BERT encoder without a head, and its tokenizer, as a model folder.

    Lower-cased words of WORDS are one sub-token; any other word is one a letter.
    """
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    tokens = [*_SPECIAL, *WORDS, *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    backend = BertWordPieceTokenizer({token: number for number, token in enumerate(tokens)}, lowercase=True)
    backend.enable_truncation(8)  # as some published encoders declare it; it must not take effect
    tokenizer = BertTokenizerFast(tokenizer_object=backend._tokenizer, model_max_length=positions)
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=positions,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BertModel(config, add_pooling_layer=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
