"""What the keys of foreign question sets mean: which is the question, which the reference answers,
which neither.

A set has the first form of the table whose keys it has. Without one, a key of `_NAMES` is taken for
what it says; where two could be the question, or two the answers, it is an error that names both:
an answer that a model gave must never become a reference.

ragas        user_input, reference, reference_contexts; before 0.2: question, ground_truth
https://docs.ragas.io DeepEval     input, expected_output, context
https://deepeval.com/docs LangSmith    input or inputs, expected_output, outputs or
reference_outputs      https://docs.langchain.com/langsmith OpenAI evals input (messages), ideal; or
item: {…}                                  https://github.com/openai/evals Kiln         input,
output; a repaired output before the first one                          https://docs.kiln.tech
promptfoo    vars and assert, or __expected beside columns: see `promptfoo.py`
LlamaIndex   query, reference_answer, reference_contexts of LabelledRagDataset; of
LabelledEvaluatorDataset query, ground_truth_answer      https://docs.llamaindex.ai
Haystack     question, ground_truth_answers as its evaluators call them; question, answer,
predicted_answer of its reports                          https://docs.haystack.deepset.ai
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from acclimate.errors import SettingsError

FIELDS = ("question", "answers", "document", "evidence", "id", "kind", "split", "answerable")
_NAMES = {
    "question": "question query q prompt user_input input instruction",
    "answers": "answers answer a reference references reference_answer expected expected_answer "
    "expected_output ground_truth ground_truths ground_truth_answer ground_truth_answers "
    "correct_answer correct_answers gold gold_answer ideal target solution",
    "document": "document file source path",
    "evidence": "evidence quote context reference_contexts reference_context",
    "id": "id question_id qid",
    "kind": "kind type category",
    "split": "split set",
    "answerable": "answerable is_impossible unanswerable is_unanswerable",
}
_PLURALS = {"answers", "references", "groundtruths", "groundtruthanswers", "correctanswers"}
_NUMBERED = re.compile(r"(?:answer|answers|reference|expected|groundtruth|correctanswer)(\d+)")


def squash(name: str) -> str:
    """A key as it is compared: `expectedOutput`, `Expected output` and `expected_output` are
    one."""
    return re.sub(r"[\s_.\-]+", "", name).casefold()


KNOWN = {what: tuple(map(squash, names.split())) for what, names in _NAMES.items()}


@dataclass(frozen=True, slots=True)
class Form:
    """A form: the keys that tell it, what they are, and keys that say something else than their
    name does here."""

    name: str
    needed: frozenset[str]
    means: Mapping[str, str]
    ignored: frozenset[str] = frozenset()


def _form(name: str, needed: str, means: Mapping[str, str], ignored: str = "") -> Form:
    return Form(
        name, frozenset(map(squash, needed.split())), {w: squash(k) for w, k in means.items()},
        frozenset(map(squash, ignored.split())),
    )  # fmt: skip


# a system's, not the set's
_MODELS = "response answer actual_output retrieved_contexts retrieval_context contexts"
FORMS = (
    _form(
        "ragas",
        "user_input reference",
        {"question": "user_input", "answers": "reference", "evidence": "reference_contexts"},
        _MODELS,
    ),
    _form(
        "ragas before 0.2",
        "question ground_truth",
        {"question": "question", "answers": "ground_truth"},
        _MODELS,
    ),
    _form(
        "ragas before 0.2",
        "question ground_truths",
        {"question": "question", "answers": "ground_truths"},
        _MODELS,
    ),
    _form(
        "DeepEval or LangSmith",
        "input expected_output",
        {"question": "input", "answers": "expected_output", "evidence": "context"},
        f"{_MODELS} output outputs",
    ),
    _form(
        "LangSmith",
        "inputs reference_outputs",
        {"question": "inputs", "answers": "reference_outputs"},
        "outputs",
    ),
    _form("LangSmith", "inputs outputs", {"question": "inputs", "answers": "outputs"}),
    _form("OpenAI evals", "input ideal", {"question": "input", "answers": "ideal"}),
    _form(
        "Kiln",
        "input repaired_output",
        {"question": "input", "answers": "repaired_output"},
        "output",
    ),
    _form("Kiln", "input output", {"question": "input", "answers": "output"}),
    _form("LangSmith", "input outputs", {"question": "input", "answers": "outputs"}),
    _form(
        "LlamaIndex",
        "query reference_answer",
        {"question": "query", "answers": "reference_answer", "evidence": "reference_contexts"},
        _MODELS,
    ),
    _form(
        "LlamaIndex",
        "query ground_truth_answer",
        {"question": "query", "answers": "ground_truth_answer"},
        _MODELS,
    ),
    _form(
        "Haystack",
        "question ground_truth_answers",
        {"question": "question", "answers": "ground_truth_answers"},
        _MODELS,
    ),
    _form(
        "Haystack",
        "question answer predicted_answer",
        {"question": "question", "answers": "answer"},
        "response contexts",
    ),
)
# What `--format` names: the forms that a set may then have, by their names above and in
# `imports.py`.
FORMATS = {
    "ragas": ("ragas", "ragas before 0.2"),
    "langsmith": ("LangSmith", "DeepEval or LangSmith"),
    "llamaindex": ("LlamaIndex",),
    "haystack": ("Haystack", "SQuAD"),
    "squad": ("SQuAD",),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How the keys of a set are read: what each field is called there, answers in the order of
    their numbers, and the keys that nobody reads."""

    form: str
    means: Mapping[str, tuple[str, ...]]
    unread: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)  # squashed → as it is written

    @property
    def plural(self) -> bool:
        """Whether the answers' column says that there may be several."""
        return any(name in _PLURALS for name in self.means.get("answers", ()))

    def summary(self) -> str:
        """In one line: `ragas: user_input is the question, …; not read: …`."""
        parts = [
            f"{' and '.join(self.names[key] for key in keys)} → {what}"
            for what, keys in self.means.items()
            if keys
        ]
        return f"{self.form}: {', '.join(parts)}" + (
            f"; not read: {', '.join(self.unread)}" if self.unread else ""
        )


def choose_reading(
    keys: Collection[str],
    place: str,
    columns: Mapping[str, str] | None = None,
    wanted: str = "",
) -> Reading:
    """How rows with these keys are read; `columns` are the user's own words, field → key, and
    `wanted` the key of FORMATS that it must be ("": any).

    Raises SettingsError where there is no question, or more than one key could be it, or it is not
    in the form that is wanted.
    """
    names = {squash(key): key for key in keys}
    known = [one for one in FORMS if not wanted or one.name in FORMATS[wanted]]
    plain = Form("columns", frozenset(), {})
    form = next((one for one in known if one.needed <= names.keys()), plain)
    if wanted and form is plain:
        raise wrong_form(place, wanted, keys)
    means: dict[str, tuple[str, ...]] = {}
    for what in FIELDS:
        if columns and what in columns:
            means[what] = (_named(columns[what], names, place),)
        elif what in form.means:
            means[what] = tuple(key for key in (form.means[what],) if key in names)
            if what == "question":
                _require_only(means[what][0], names, place)
        else:
            means[what] = _by_name(what, names, form.ignored, place)
    if not means["question"]:
        raise SettingsError(
            f"{place}: no key is a question: {', '.join(keys) or 'none'}.",
            hint="Call it 'question', or say which is: --column question=NAME.",
        )
    used = {key for some in means.values() for key in some}
    unread = tuple(key for name, key in names.items() if name not in used)
    return Reading(form.name, means, unread, names)


def wrong_form(place: str, wanted: str, keys: Collection[str] = ()) -> SettingsError:
    """The error for a set that is not in the form `wanted`, a key of FORMATS."""
    needed = [" and ".join(sorted(one.needed)) for one in FORMS if one.name in FORMATS[wanted]]
    if "SQuAD" in FORMATS[wanted]:
        needed.append("an object with 'data', articles and paragraphs")
    has = f" It has the keys {', '.join(map(str, keys))}." if keys else ""
    return SettingsError(
        f"{place} is no set in the form of {wanted}: that has {', or '.join(needed)}.{has}",
        hint="Leave --format out: the form is then told by the keys.",
    )


def _named(key: str, names: Mapping[str, str], place: str) -> str:
    if squash(key) not in names:
        raise SettingsError(
            f"{place}: there is no column '{key}'.", hint=f"There are: {', '.join(names.values())}."
        )
    return squash(key)


def _require_only(question: str, names: Mapping[str, str], place: str) -> None:
    if others := [name for name in KNOWN["question"] if name in names and name != question]:
        raise _unsure("question", [question, *others], names, place)


def _unsure(what: str, found: Sequence[str], names: Mapping[str, str], place: str) -> SettingsError:
    both = " and ".join(f"'{names[name]}'" for name in found)
    return SettingsError(
        f"{place}: {both} could each be the {what}.",
        hint=f"Say which: --column {what}={names[found[0]]}.",
    )


def _by_name(
    what: str, names: Mapping[str, str], ignored: Collection[str], place: str
) -> tuple[str, ...]:
    found = [name for name in KNOWN[what] if name in names and name not in ignored]
    if what == "answers":
        numbered = sorted(
            (int(match[1]), name) for name in names if (match := _NUMBERED.fullmatch(name))
        )
        found += [name for _, name in numbered]
        if len(numbered) == len(found):
            return tuple(found)
    if len(found) > 1 and what in ("question", "answers"):
        raise _unsure(what, found, names, place)
    return tuple(found[:1])
