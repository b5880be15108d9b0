"""Full answers: claims, the places that support them, and what is left out."""

import pytest

from acclimate.prompting.claims import read_claims
from acclimate.prompting.full_answer import FullReading
from acclimate.prompting.passages import REFUSAL
from acclimate.prompting.support import Support, figures
from acclimate.types import Chunk, Hit

TEXTS = (
    "You can return items for any reason within 30 days of your purchase. Keep the receipt. "
    "Shipping back costs $1,250 for machines.",
    "Refunds are paid by Nora Quist's team. They take seven working days.",
    "# Reset\n\nTo reset the hub:\n\n1. Hold the button R for 5 seconds.\n2. Wait until it blinks.",
)
HITS = tuple(
    Hit(Chunk(f"c{n}", f"{n}.md", 100, 100 + len(text), text), 1 / n, n)
    for n, text in enumerate(TEXTS, start=1)
)


def read(raw: str, question: str = "How long can I return items?") -> FullReading:
    reading = FullReading(question, HITS)
    reading.end(raw)
    return reading


def test_claims_keep_their_bullets_and_the_numbers_of_their_marks() -> None:
    raw = "You can return it. [2] Ask e.g. Ada [1, 3].\n\nDo this:\n1. Open **Slack** [1]\n2. Wait.[2]"
    found = [(one.lead, one.text, one.numbers) for one in read_claims(raw)]
    assert found == [
        ("", "You can return it.", (2,)),
        (" ", "Ask e.g. Ada.", (1, 3)),
        ("\n", "Do this:", ()),
        ("\n1. ", "Open **Slack**", (1,)),
        ("\n2. ", "Wait.", (2,)),
    ]


@pytest.mark.parametrize(
    ("text", "gap"),
    [
        ("Not in the documents: the date.", True),
        ("The documents give the price, not the date, which they do not mention.", True),
        ("The date is not specified.", True),
        ("Documents must not be shared.", False),
        ("Do not drop it.", False),
    ],
)
def test_gaps(text: str, gap: bool) -> None:
    assert read_claims(text)[0].gap is gap


def test_a_wrong_mark_is_moved_to_the_passage_that_says_it() -> None:
    answer = read("You can return items within 30 days of your purchase [2].").answer.resolved()
    assert answer.marked == "You can return items within 30 days of your purchase. [1]"
    (citation,) = answer.citations
    assert citation.quote == TEXTS[0][: TEXTS[0].index(" Keep")]
    assert (citation.document, citation.start, citation.verbatim) == ("1.md", 100, True)
    assert citation.claim is not None
    assert answer.text[citation.claim.start : citation.claim.end] == answer.text


def test_each_sentence_has_its_own_place() -> None:
    raw = "Items can be returned within 30 days [1]. Refunds take 7 working days [1]."
    answer = read(raw).answer.resolved()
    assert [one.number for one in answer.citations] == [1, 2]
    spans = [one.claim for one in answer.citations if one.claim]
    assert [answer.text[one.start : one.end] for one in spans] == [
        "Items can be returned within 30 days.",
        "Refunds take 7 working days.",
    ]


@pytest.mark.parametrize(
    "invented",
    [
        "Returns are free within 60 days [1].",
        "Shipping back costs $1,520 for machines [1].",
        "Refunds are paid by Karl Berg's team [2].",
        "Ask in #returns about the receipt [1].",
    ],
)
def test_figures_and_names_that_stand_nowhere_are_left_out(invented: str) -> None:
    answer = read(f"Keep the receipt [1]. {invented}").answer.resolved()
    assert answer.text == "Keep the receipt."
    assert "left out" in answer.decision
    assert read(invented).answer.resolved().abstained


def test_figures_are_compared_however_they_are_written() -> None:
    assert list(figures("$1,250, 10:30 and seven")) == ["1250", "10", "30", "7"]
    claim = read_claims("Machines cost $1250 to ship; refunds take 7 days.")[0]
    assert Support("?", HITS).foreign(claim) == []


def test_what_no_place_supports_is_shown_without_a_mark_or_left_out() -> None:
    reading = read("Keep the receipt [1]. Our friendly staff gladly helps everybody [2].")
    answer = reading.answer.resolved()
    assert answer.marked == "Keep the receipt. [1] Our friendly staff gladly helps everybody."
    (span,) = answer.unsupported
    assert answer.text[span.start : span.end] == "Our friendly staff gladly helps everybody."
    unmarked = read("Keep the receipt [1]. Our friendly staff gladly helps everybody.")
    assert unmarked.answer.resolved().text == "Keep the receipt."


def test_steps_stay_steps() -> None:
    raw = "To reset the hub:\n1. Hold the button R for 5 seconds [3].\n2. Wait until it blinks [3]."
    answer = read(raw, "How do I reset the hub?").answer.resolved()
    assert answer.marked == (
        "To reset the hub:\n1. Hold the button R for 5 seconds. [3]\n2. Wait until it blinks. [3]"
    )
    assert answer.unsupported == ()


def test_a_part_may_be_missing_and_nothing_at_all_is_a_refusal() -> None:
    answer = read("Keep the receipt [1]. Not in the documents: the price.").answer.resolved()
    assert answer.text == "Keep the receipt. Not in the documents: the price."
    before = read("The passages do not mention the price. Keep the receipt [1].")
    assert before.answer.resolved().text.startswith("Keep the receipt.")
    for raw in (REFUSAL, "The documents do not say when.", "", "Here it is:"):
        refused = read(raw).answer.resolved()
        assert (refused.text, refused.abstained, refused.citations) == (REFUSAL, True, ())


def test_links_are_earned_by_the_sentence_that_cites_them() -> None:
    answer = read("Keep the receipt, see https://evil.example/x [1].").answer.resolved()
    assert "evil" not in answer.text + answer.marked


def test_what_is_heard_ends_in_the_same_answer() -> None:
    raw = "Keep the receipt [1]. Refunds take 7 working days [1]. Ask Karl Berg [2]."
    for size in (1, 7, len(raw)):
        reading, heard = FullReading("?", HITS), ""
        for at in range(0, len(raw), size):
            heard += reading.hear(raw[at : at + size])
        reading.end(raw)
        resolved = reading.answer.resolved()
        assert resolved.marked.startswith(heard)
        assert resolved == read(raw, "?").answer.resolved()


def test_a_sentence_that_was_cut_goes_unless_it_is_the_only_one() -> None:
    reading = FullReading("?", HITS)
    reading.end("Keep the receipt [1]. Refunds take seven", cut=True)
    assert reading.answer.text == "Keep the receipt."
    alone = FullReading("?", HITS)
    alone.end("Refunds take seven working", cut=True)
    assert alone.answer.text == "Refunds take seven working"


def test_what_says_nothing_new_is_left_out() -> None:
    raw = (
        "Items can be returned within 30 days [1]. Items can be returned within 30 days [2].\n"
        "How long can I return items? [1]"
    )
    answer = read(raw).answer.resolved()
    assert answer.marked == "Items can be returned within 30 days. [1]"
    assert answer.decision == "a sentence was left out: it says nothing new"


def test_an_answer_of_yes_or_no_may_repeat_the_question() -> None:
    answer = read("Yes. You can return items [1].", "Can I return items?").answer.resolved()
    assert answer.marked == "Yes. You can return items. [1]"


def test_steps_are_counted_without_those_that_were_left_out() -> None:
    raw = "1. Hold the button R [3]\n2. Hold it for 9 seconds [3]\n3. Wait until it blinks [3]"
    answer = read(raw, "How do I reset the hub?").answer.resolved()
    assert answer.marked == "1. Hold the button R [3]\n2. Wait until it blinks [3]"


@pytest.mark.parametrize(
    "beside",
    [
        "Based on the information provided, the correct answer is:\n",
        "# Returns [1]\n",
        "Shop › Returns\n",
    ],
)
def test_headings_and_words_about_the_task_are_no_part_of_an_answer(beside: str) -> None:
    answer = read(beside + "Items can be returned within 30 days [1].").answer.resolved()
    assert answer.marked == "Items can be returned within 30 days. [1]"


def test_a_model_that_goes_round_in_circles_is_stopped() -> None:
    reading = FullReading("How do I reset the hub?", HITS)
    heard = 0
    for number in range(1, 15):
        reading.hear(f"{number}. Hold the button R [3]\n")
        heard = number
        if reading.loops:
            break
    assert heard == 5  # the last line may go on, so four were judged: one said, three again
    reading.end("1. Hold the button R [3]\n")
    assert reading.answer.resolved().marked == "1. Hold the button R [3]"


def test_a_label_of_questions_and_answers_is_not_shown() -> None:
    answer = read("A: Refunds take seven working days [2].").answer.resolved()
    assert answer.text == "Refunds take seven working days."


def test_what_was_said_is_known() -> None:
    reading = read("Items can be returned within 30 days of the purchase [1].")
    assert reading.says("You can return items within 30 days of your purchase.")
    assert not reading.says("Refunds take seven working days.")
