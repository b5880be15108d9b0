"""The refusal, and what is said where there was nothing to search, in the language of the question.

The templates ask every model for the English words, which are exact to detect; readers are told in
their own language. Models that are asked in another language write the refusal in that one now and
then, so that all of these words count as one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from acclimate.prompting.links import LinkGuard
from acclimate.prompting.passages import NO_DOCUMENTS, REFUSAL
from acclimate.text.language import question_language
from acclimate.types import Abstention


@dataclass(frozen=True, slots=True)
class Phrases:
    """What is said in one language: the refusal, and why nothing was searched."""

    refusal: str
    empty_library: str
    no_document_left: str


PHRASES = {
    "english": Phrases(REFUSAL, NO_DOCUMENTS["empty_library"], NO_DOCUMENTS["no_document_left"]),
    "german": Phrases(
        "Nicht in den Dokumenten.",
        "Die Bibliothek enthält keine Dokumente.",
        "Es bleibt kein Dokument, aus dem geantwortet werden kann: Der Filter oder die "
        "Zugriffsrechte schließen alle aus.",
    ),
    "spanish": Phrases(
        "No está en los documentos.",
        "La biblioteca no contiene documentos.",
        "No queda ningún documento del que responder: el filtro o las etiquetas de acceso los "
        "excluyen todos.",
    ),
    "french": Phrases(
        "Pas dans les documents.",
        "La bibliothèque ne contient aucun document.",
        "Il ne reste aucun document d'où répondre : le filtre ou les étiquettes d'accès les "
        "excluent tous.",
    ),
    "chinese": Phrases(
        "文档中没有答案。",
        "文档库中没有文档。",
        "没有可供回答的文档：筛选条件或访问标签排除了所有文档。",
    ),
    "russian": Phrases(
        "В документах этого нет.",
        "В библиотеке нет документов.",
        "Не осталось документов для ответа: фильтр или метки доступа исключают все.",
    ),
    "arabic": Phrases(
        "غير موجود في المستندات.",
        "لا تحتوي المكتبة على أي مستندات.",
        "لم يبق أي مستند للإجابة منه: عامل التصفية أو تسميات الوصول تستبعدها جميعًا.",
    ),
    "italian": Phrases(
        "Non è nei documenti.",
        "La biblioteca non contiene documenti.",
        "Non resta alcun documento da cui rispondere: il filtro o le etichette di accesso li "
        "escludono tutti.",
    ),
    "portuguese": Phrases(
        "Não está nos documentos.",
        "A biblioteca não contém documentos.",
        "Não resta nenhum documento a partir do qual responder: o filtro ou as etiquetas de "
        "acesso excluem todos.",
    ),
    "dutch": Phrases(
        "Niet in de documenten.",
        "De bibliotheek bevat geen documenten.",
        "Er blijft geen document over om uit te antwoorden: het filter of de toegangslabels "
        "sluiten alles uit.",
    ),
}
"""By the names of `acclimate.text.language`; any other language is answered in English."""

_SAME = {"cyrillic": "russian"}
# Other words that models were seen to take for it.
_ALSO = (
    "nicht in den dokumenten enthalten",
    "no se encuentra en los documentos",
    "n'est pas dans les documents",
    "文档中没有提到",
    "文件中没有",
    "不在文档中",
)


def phrases_for(question: str) -> Phrases:
    """What is said to who asked this; in English where the question does not say its language."""
    language = question_language(question)
    return PHRASES.get(_SAME.get(language, language), PHRASES["english"])


def refusal_for(question: str) -> str:
    """The refusal in the language of the question."""
    return phrases_for(question).refusal


def nothing_for(question: str, why: Abstention) -> str:
    """What is said where the search gave no passage, in the language of the question."""
    said = phrases_for(question)
    if why == "empty_library":
        return said.empty_library
    return said.no_document_left if why == "no_document_left" else said.refusal


def spellings() -> tuple[str, ...]:
    """All words that are a refusal, the English ones first."""
    return (*(one.refusal for one in PHRASES.values()), *_ALSO)


class AnswerStream:
    """An `OnText` that passes an answer on without links that may not be earned, and with the
    refusal in the words `refusal`."""

    def __init__(self, on_text: Callable[[str], bool], refusal: str) -> None:
        self._on_text, self._refusal = on_text, refusal
        self._links = LinkGuard(on_text if refusal == REFUSAL else self._told)
        self._held, self._sure = "", False

    def __call__(self, piece: str) -> bool:
        """Take the next piece."""
        return self._links(piece)

    def finish(self, shown: str) -> None:
        """Send what is left of `shown`: the whole text as it may be seen."""
        self._links.finish(shown)
        if self._held:
            self._on_text(self._held)

    def _told(self, piece: str) -> bool:
        """Hold back what may still become the refusal."""
        if self._sure:
            return self._on_text(piece)
        self._held += piece
        begun = self._held.lstrip()
        if REFUSAL.startswith(begun) and begun != REFUSAL:
            return self._on_text("")
        self._sure, said = True, self._held
        self._held = ""
        if begun.startswith(REFUSAL):
            said = self._refusal + begun.removeprefix(REFUSAL)
        return self._on_text(said)
