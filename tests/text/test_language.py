"""In which language a text is: documents beyond doubt, questions by a word, and English never taken for another."""

import pytest

from acclimate.text.language import (
    language_of,
    language_of_document,
    question_language,
    same_language,
    script_of,
    scripts_in,
)

PROSE = {
    "english": "The notice period is four weeks to the end of the month and it applies to all employees.",
    "german": "Die Kündigungsfrist beträgt vier Wochen zum Ende des Monats und gilt für alle Mitarbeiter.",
    "spanish": "El plazo de aviso es de cuatro semanas y se aplica a todos los empleados de la empresa.",
    "french": "Le délai est de quatre semaines à la fin du mois et il vaut pour tous les employés.",
    "russian": "Срок уведомления составляет четыре недели до конца месяца и действует для всех, кто работает.",
    "ukrainian": "Термін повідомлення становить чотири тижні до кінця місяця і діє для всіх, хто працює у відділі.",
    "chinese": "通知期为月底前四周，适用于所有员工。",
    "japanese": "通知期間は月末までの四週間で、すべての従業員に適用されます。",
    "korean": "통지 기간은 월말까지 4주이며 모든 직원에게 적용됩니다.",
    "arabic": "مدة الإشعار أربعة أسابيع حتى نهاية الشهر وتنطبق على جميع الموظفين.",
    "hebrew": "תקופת ההודעה היא ארבעה שבועות עד סוף החודש והיא חלה על כל העובדים.",
    "greek": "Η προθεσμία είναι τέσσερις εβδομάδες και ισχύει για όλους τους υπαλλήλους.",
}


@pytest.mark.parametrize("language", PROSE)
def test_a_document_is_in_the_language_of_its_prose(language):
    assert language_of_document(PROSE[language] * 3) == language
    assert language_of(PROSE[language]) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42 17 8.5 %",
        "Anna Schmidt, Jean Dupont, María de la Cruz, João da Silva",
        "| Code | Price |\n|---|---|\n| AX-200 | 12 |\n| DE-10 | 14 |",
        "# Tools\n\n- [Die Linke](a.md)\n- [El Niño](b.md)\n- [Le Monde](c.md)\n- [do](d.md) [a](e.md)",
    ],
)
def test_what_is_no_prose_is_in_no_language(text):
    assert language_of_document(text) == ""


def test_english_with_names_and_words_of_others_stays_english():
    text = "The party Die Linke and the weather of El Niño are in the news of Le Monde. " * 3
    assert language_of_document(text) == "english"
    assert script_of(text) == ""
    mixed = f"{text} It is called 通知期 there."
    assert (language_of_document(mixed), scripts_in(mixed, 3)) == ("english", {"chinese"})
    assert scripts_in(mixed, 4) == set()


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Wer zahlt?", "german"),
        ("Wie hoch ist die Pauschale?", "german"),
        ("¿Cuánto cuesta?", "spanish"),
        ("Combien ?", "french"),
        ("Сколько?", "cyrillic"),
        ("年假有几天？", "chinese"),
        ("كم يوم؟", "arabic"),
        ("What is a Dirndl?", "english"),
        ("Define El Niño", ""),
        ("Urlaub", ""),
        ("AX-200", ""),
    ],
)
def test_a_short_question_tells_its_language_by_how_it_begins(question, language):
    assert question_language(question) == language


def test_cyrillic_that_tells_no_more_is_not_another_language_than_russian():
    assert same_language("Сколько дней отпуска?", PROSE["russian"]) is None
    assert same_language(PROSE["ukrainian"], PROSE["russian"]) is False
