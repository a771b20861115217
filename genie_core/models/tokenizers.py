"""The tokenizer that a config asks for."""

from __future__ import annotations

from genie_core.config import TokenizerConfig
from genie_core.models.reference_tokenizer import ReferenceTokenizer
from genie_core.models.tokenizer import VideoTokenizer

Tokenizer = VideoTokenizer | ReferenceTokenizer


def build_tokenizer(config: TokenizerConfig) -> Tokenizer:
    """One with fresh weights: it is given the last picture, or spells each frame anew."""
    return ReferenceTokenizer(config) if config.reference else VideoTokenizer(config)
