"""What a question asks for, by its words."""

import pytest

from acclimate.text.questions import asked_for


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How do I return a parcel?", "steps"),
        ("my screen is black, what should I do", "steps"),
        ("how to reset the hub", "steps"),
        ("How much does it cost?", "other"),
        ("How many people do we employ?", "other"),
        ("Do I get a company phone?", "yes-no"),
        ("I left last week. Can I keep it?", "yes-no"),
        ("Who can sign a contract?", "other"),
        ("Why is the office closed?", "reason"),
        ("whats the point of two keys", "reason"),
        ("Which programs are installed?", "list"),
        ("What regions do we offer?", "list"),
        ("What are the core values?", "list"),
        ("Which business is it?", "other"),
        ("Which antivirus runs on laptops?", "other"),
        ("Which countries may I work from?", "list"),
        ("What status do we get?", "other"),
        ("What core values do we have?", "list"),
        ("What was I told?", "other"),
        ("Up to which serial number are hubs of the first kind?", "other"),
        ("In what year were both sites opened?", "other"),
        ("Which people are on call?", "list"),
        ("Which are the office days?", "list"),
        ("What is the price?", "other"),
        ("What this does", "other"),
        ("", "other"),
    ],
)
def test_kinds(question: str, kind: str) -> None:
    assert asked_for(question) == kind
