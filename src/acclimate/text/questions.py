"""What kind of answer a question asks for, by its English words."""

from __future__ import annotations

import re
from typing import Literal

Asked = Literal["steps", "list", "yes-no", "reason", "other"]

_AUXILIARY = (
    r"(?:do|does|did|is|are|am|was|were|can|could|may|must|should|shall|will|would|has|have|had)"
)
_WHO = (
    r"(?:i|we|you|one|they|he|she|it|people|somebody|someone|an?|the|my|our|this|that|these|there)"
)
_STEPS = re.compile(
    rf"\bhow\s+(?:do|can|should|could|would|may|must|does|did|might)\s+{_WHO}\b|\bhow\s+to\b"
    r"|\bwhat\s+(?:should|can|could|must|do)\s+(?:i|we|you|one)\s+(?:do|try)\b"
    r"|\b(?:right|best|proper|correct)\s+way\s+(?:to|of)\b"
    r"|\b(?:steps|procedure|instructions)\s+(?:to|for)\b",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\bwhy\b|\bwhat(?:['’]?s| is| was) the (?:point|reason|purpose)\b|\bfor what reason\b",
    re.IGNORECASE,
)
_YES_NO = re.compile(
    rf"^{_AUXILIARY}(?:n['’]?t)?\s+\w|[,;:.]\s+{_AUXILIARY}\s+{_WHO}\b", re.IGNORECASE
)
_LIST = re.compile(
    # Plurals before a verb of theirs: "which programs are", "what core values do we have".
    r"\b(?:which|what)\s+(?:\w+\s+){0,2}?(?!(?:was|has|does|this)\b)[a-z]{2,}(?<![su])s"
    r"(?=\s+(?:are|were|am|do|did|can|could|may|must|should|shall|will|would|have|had|get|need"
    r"|i|we|you|they)\b|\W*$)"
    # A singular noun before the verb asks for one thing: "in what year were both built".
    r"|\b(?:which|what)\s+(?:(?:\w+\s+)?(?:people|children|men|women|criteria|data|staff)\s+)?"
    r"(?:are|were)\b|\bin\s+(?:what|which)\s+ways\b"
    r"|^(?:list|name|enumerate)\b|\bwhat\s+(?:do|can|will)\s+\w+\s+(?:get|receive|need|bring)\b"
    r"|\bwhat\s+(?:is|['’]?s)\s+(?:in|included|part)\b",
    re.IGNORECASE,
)


def asked_for(question: str) -> Asked:
    """What a question asks for; "other" where its words do not tell."""
    text = question.strip()
    for kind, pattern in (("steps", _STEPS), ("reason", _REASON), ("yes-no", _YES_NO)):
        if pattern.search(text):
            return kind  # type: ignore[return-value]
    return "list" if _LIST.search(text) else "other"
