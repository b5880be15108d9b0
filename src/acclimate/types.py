"""The values that pass between domains: frozen, without behaviour beyond looking at themselves.

Character offsets are Python string indices into `Document.text`; `end` is exclusive. Pages count
from 1. Seconds are wall-clock. Nothing here imports anything outside the standard library.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, ClassVar, Literal

ElementKind = Literal[
    "title", "heading", "message", "paragraph", "list_item", "table", "code", "caption", "quote", "header",
    "footer",
]  # fmt: skip
QUOTED = "Quoted from"
"""How the heading ("message") of an older message begins that a mail quotes: with its author and
date."""
Role = Literal["system", "user", "assistant", "tool"]
Language = Literal[
    "arabic", "cjk", "danish", "dutch", "english", "finnish", "french", "german", "greek", "hungarian", "italian",
    "none", "norwegian", "portuguese", "romanian", "russian", "spanish", "swedish", "tamil", "turkish",
]  # fmt: skip
"""Language whose word endings are stripped (Snowball stemmer). "none" keeps them; "cjk" also makes
a word of each Chinese, Japanese or Korean character."""


Style = Literal["auto", "short", "full"]
"""How long answers are. short: the exact words; full: one to four sentences, a list or steps, each
with its citation; auto: as the model can."""


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of characters, `start <= end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page in PDF points, origin at the top left."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Element:
    """One structural part of a document.

    A "message" is the heading of a message inside another, which begins a chunk of its own. `level`
    is 1 to 6 for headings (nesting depth for list items, from 1) and 0 elsewhere; `page` is None
    where the format has no pages; `box` is None where the parser knows no geometry. `metadata` may
    have `hidden`, what kind of thing its author hid (it is kept only where that was asked for), and
    for a table of a spreadsheet `values`, the numbers behind cells that show them in another form:
    a JSON object of cell address → number as it is stored; and `merged`, "rows" where a cell over
    several rows is repeated in each of them.
    """

    kind: ElementKind
    start: int
    end: int
    level: int = 0
    page: int | None = None
    box: Box | None = None
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in a document as a small PNG, and the text that stands for it: its caption, or what
    is nearest."""

    start: int
    end: int
    page: int | None
    png: bytes


@dataclass(frozen=True, slots=True)
class Document:
    """One parsed file.

    `path` is POSIX, relative to the documents folder, and identifies the document in a library.
    `elements` are in reading order and do not overlap. `page_starts[i]` is the offset where page i
    + 1 begins (empty: no pages). `sha256` is of the file's bytes. `pictures` are there only where
    they were asked for, and are not kept. `hidden` and `unread` count, by kind, what the file's
    author hid and what has no value to be read; neither is kept.
    """

    path: str
    text: str
    elements: tuple[Element, ...] = ()
    title: str = ""
    media_type: str = "text/plain"
    sha256: str = ""
    page_starts: tuple[int, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    hidden: Mapping[str, int] = field(default_factory=dict)
    unread: Mapping[str, int] = field(default_factory=dict)

    def page_at(self, offset: int) -> int | None:
        """Page holding the character at `offset`; None where the format has no pages."""
        return max(1, bisect_right(self.page_starts, offset)) if self.page_starts else None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A contiguous span of a document: `document.text[chunk.start:chunk.end] == chunk.text`,
    always.

    `id` is unique in a library and stable while the document's bytes and the chunking settings are.
    `headings` is the path of headings above the span, outermost first; `title` is the document's.
    `header` is the header row of the table that the span goes on with: shown to models and
    embedders, not part of the span. `parent` is the larger span to read where this one is found.
    `breaks` are the offsets inside the span where a new page begins. `context` says what the span
    is about: searched by, and not shown.
    """

    id: str
    document: str
    start: int
    end: int
    text: str
    title: str = ""
    headings: tuple[str, ...] = ()
    page: int | None = None
    header: str = ""
    parent: Span | None = None
    breaks: tuple[int, ...] = ()
    context: str = ""

    def page_at(self, offset: int) -> int | None:
        """Page of the character at `offset` in the document; None where the format has no pages."""
        return None if self.page is None else self.page + bisect_right(self.breaks, offset)

    @property
    def shown(self) -> str:
        """The text as a model or an embedder reads it: after the header row of its table."""
        return f"{self.header}\n{self.text}" if self.header else self.text

    @property
    def searched(self) -> str:
        """What is searched by beside the text: where it stands, and what it is about."""
        return f"{self.heading_path}\n{self.context}".strip()

    @property
    def heading_path(self) -> str:
        """Title and headings joined for display and for contextual embedding, without repeats."""
        return " › ".join(dict.fromkeys(part for part in (self.title, *self.headings) if part))


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk found for a query. `rank` counts from 1; a higher `score` is better, comparable in
    one list only.

    `also` are the paths of other documents that hold the same passage, of those that may be seen.
    """

    chunk: Chunk
    score: float
    rank: int
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat prompt."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Turn(Message):
    """A turn that says more to the chat template than text: `fields` is a JSON object with
    `tool_calls`, `name`, `tool_call_id`, or on the first turn `tools`."""

    fields: str = "{}"


@dataclass(frozen=True, slots=True)
class Generation:
    """How to generate.

    `max_tokens` bounds the new tokens; `temperature` 0 is greedy; `top_p` in (0, 1]; `stop` strings
    end the text and are not part of it; `seed` makes sampling repeatable where the engine can
    (None: no seed). `schema` is a JSON Schema, as JSON text, that the engine holds the text to
    while it is written ("": free text).
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """The text a model wrote, its token counts, and why it ended: a stop token, `max_tokens`, or
    `on_text`.

    `reasoning` is what it wrote before its answer, where that came apart; token counts are of all
    `calls`.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish: Literal["stop", "length", "cancelled"]
    reasoning: str = ""
    calls: int = 1


@dataclass(frozen=True, slots=True)
class Prompt:
    """The messages sent to a model, after fitting to the token budget.

    `passages` are the hits shown, in the order of their numbers [1], [2], …; `dropped` are the hits
    left out because they did not fit; `tokens` is counted by the model's own tokenizer with its
    chat template. `overflow` is what was done because not all fitted ("" where all did), and `cut`
    how many of the passages are shown in part.
    """

    messages: tuple[Message, ...]
    tokens: int
    passages: tuple[Hit, ...] = ()
    dropped: tuple[Hit, ...] = ()
    overflow: str = ""
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer over all its `calls` of the model.

    How many passages were shown, dropped to fit, and cut to fit, and the policy by which ("" where
    all fitted).
    """

    prompt_tokens: int
    completion_tokens: int
    passages_shown: int = 0
    passages_dropped: int = 0
    calls: int = 1
    passages_cut: int = 0
    overflow: str = ""


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds from the question to: the retrieved passages, the first token, the whole answer."""

    retrieve_s: float
    first_token_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Citation:
    """A place in a document that an answer points to.

    `number` is the passage's number in the prompt; `start` and `end` are offsets into the
    document's text, and `quote` is exactly that text: the sentence that holds the answer's words
    where they stand there (`verbatim`), else the one closest to them. `page` is None where the
    format has no pages. `also` are the paths of other documents that hold the same passage.
    `claim` is the sentence, list item or step of `Answer.text` that it supports; None where that is
    the whole answer. `url` is the document's own address where it was mirrored from one, else "".
    """

    number: int
    document: str
    start: int
    end: int
    quote: str
    page: int | None = None
    headings: tuple[str, ...] = ()
    verbatim: bool = False
    also: tuple[str, ...] = ()
    claim: Span | None = None
    url: str = ""


Abstention = Literal["", "empty_library", "no_document_left", "nothing_found", "not_answered"]
"""Why an answer abstains: the library holds no document; a filter or labels leave none; the search
found no passage; or the model did not answer, from the passages that it was shown where its recipe
reads. "": it does not abstain."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one question.

    `text` is the answer without citation marks; `marked` has them as the model wrote them, less
    those that point to no passage shown; `reasoning` is what the model wrote before it. `abstained`
    is True where the documents do not hold the answer. `template` is the prompt template's
    fingerprint. `finish` is "stop", "length" (cut at the token limit) or "cancelled" (by the
    reader). `data` is the JSON value where a schema was given, and `text` the same as JSON text.
    `asked` is the question as it was asked of the passages, where that is not what was typed: it
    pointed back to earlier turns, or wrote a code in another way than they do ("" where nothing was
    changed). `decision` says why this recipe was taken where `auto` chose it, and why the extractor
    had the last word. `links_removed` counts links that were taken out of the text, see
    `acclimate.prompting.links`. `abstention` says why where `abstained`. `style` is the one that it
    was answered in; of a full answer, `unsupported` are the sentences in `text` whose words stand
    in no passage, which have no mark either. `model` names what answered, which may be the
    extractor or the rules for tables. `working` are the steps of an answer that was worked
    out from cells ("" for any other).
    """

    question: str
    text: str
    marked: str
    abstained: bool
    citations: tuple[Citation, ...]
    prompt: Prompt
    usage: Usage
    timings: Timings
    recipe: str
    model: str
    template: str = ""
    finish: Literal["stop", "length", "cancelled"] = "stop"
    reasoning: str = ""
    data: Any = None
    asked: str = ""
    decision: str = ""
    links_removed: int = 0
    abstention: Abstention = ""
    style: Style = "short"
    unsupported: tuple[Span, ...] = ()
    working: str = ""

    def _repr_html_(self) -> str:
        """The answer and its sources, for notebooks."""
        sources = "".join(
            f"<li value='{one.number}'>{escape(one.document)}"
            + (f", page {one.page}" if one.page else "")
            + (f" ({escape(one.url)})" if one.url else "")
            + f": <q>{escape(one.quote)}</q></li>"
            for one in self.citations
        )
        return f"<p>{escape(self.marked)}</p><ol>{sources}</ol>"


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier question of a conversation as it was asked, and the answer that was given, without
    citation marks."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its reference answers and evidence, as in `questions.jsonl`.

    `answers` is empty where unanswerable; `document` is the path under documents/, or None;
    `evidence` is exact text of that document, or None; `kind` and `split` are empty where the set
    does not say. `documents` are all that an answer needs, where that is more than one. `status` is
    what a reviewer said: "", "accepted" or "rejected". For scoring: of each key fact in `facts` one
    of several regular expressions is in a good answer, none of those in `wrong` is, and a judge
    says yes to each line of `rubric`.
    """

    SCORING: ClassVar[frozenset[str]] = frozenset({"facts", "wrong", "rubric"})

    id: str
    question: str
    answers: tuple[str, ...] = ()
    document: str | None = None
    evidence: str | None = None
    answerable: bool = True
    kind: str = ""
    split: str = ""
    documents: tuple[str, ...] = ()
    status: str = ""
    facts: tuple[tuple[str, ...], ...] = field(default=(), repr=False)
    wrong: tuple[str, ...] = field(default=(), repr=False)
    rubric: tuple[str, ...] = field(default=(), repr=False)
    turns: tuple[Exchange, ...] = field(default=(), repr=False)
    added: str = field(default="", repr=False)

    @property
    def told(self) -> str:
        """The question with the conversation before it; equal for what is asked alike."""
        before = [f"User: {one.question}\nAssistant: {one.answer}\n" for one in self.turns]
        return "".join([*before, "User: " if before else "", self.question])
