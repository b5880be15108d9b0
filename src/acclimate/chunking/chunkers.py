"""The chunkers by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from acclimate.chunking.base import Chunker, Embed, TokenSpans
from acclimate.chunking.langchain import LangChainChunker
from acclimate.chunking.length import CharacterChunker, FixedChunker
from acclimate.chunking.parents import ParentChunker
from acclimate.chunking.patterns import RecursiveChunker, RegexChunker
from acclimate.chunking.sentences import SemanticChunker, SentenceChunker
from acclimate.chunking.structure import StructureChunker
from acclimate.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Cut:
    """How to cut: lengths in tokens unless said otherwise; `tokenizer` names what counts them.

    `pattern` is for regex, `characters` for characters, `child_tokens` for parent-child,
    `percentile` for semantic, `splitter` for langchain.
    """

    max_tokens: int
    overlap: int = 0
    tokenizer: str = ""
    pattern: str = r"^#+ "
    characters: int = 800
    child_tokens: int = 60
    percentile: float = 80.0
    splitter: str = "RecursiveCharacterTextSplitter"


Make = Callable[[TokenSpans, Embed, Cut], Chunker]
CHUNKERS: dict[str, Make] = {
    "structure": lambda tokens, _, cut: StructureChunker(tokens, cut.max_tokens, cut.tokenizer),
    "sections": lambda tokens, _, cut: StructureChunker(
        tokens, cut.max_tokens, cut.tokenizer, join=False
    ),
    "fixed": lambda tokens, _, cut: FixedChunker(
        tokens, cut.max_tokens, cut.overlap, cut.tokenizer
    ),
    "characters": lambda tokens, _, cut: CharacterChunker(
        tokens, cut.max_tokens, cut.characters, 4 * cut.overlap, cut.tokenizer
    ),
    "sentence": lambda tokens, _, cut: SentenceChunker(
        tokens, cut.max_tokens, cut.overlap, cut.tokenizer
    ),
    "recursive": lambda tokens, _, cut: RecursiveChunker(
        tokens, cut.max_tokens, cut.overlap, cut.tokenizer
    ),
    "regex": lambda tokens, _, cut: RegexChunker(
        tokens, cut.max_tokens, cut.pattern, cut.tokenizer
    ),
    "semantic": lambda tokens, embed, cut: SemanticChunker(
        tokens, embed, cut.max_tokens, cut.percentile, cut.tokenizer
    ),
    "parent-child": lambda tokens, _, cut: ParentChunker(
        StructureChunker(tokens, cut.max_tokens, cut.tokenizer), tokens, cut.child_tokens
    ),
    "langchain": lambda tokens, _, cut: LangChainChunker(
        tokens, cut.max_tokens, cut.overlap, cut.splitter, cut.tokenizer
    ),
}


def make_chunker(method: str, tokens: TokenSpans, embed: Embed, cut: Cut) -> Chunker:
    """The chunker `method`, a key of CHUNKERS; `embed` is used by semantic only."""
    if method not in CHUNKERS:
        raise SettingsError(
            f"[chunking] method = {method!r} is unknown.", hint=f"One of {', '.join(CHUNKERS)}."
        )
    return CHUNKERS[method](tokens, embed, cut)
