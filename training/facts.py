"""Tables, lists and contrasts to read, made up by rule: what SQuAD's prose does not teach a reader.

Each made-up passage comes with questions that it answers and questions about the same things that it does not. The
words are everyday ones from many trades, so that a reader learns the shape, not the subject.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

MADE = (
    "Al",
    "Bor",
    "Cas",
    "Dun",
    "El",
    "Fen",
    "Gar",
    "Hol",
    "Ist",
    "Jor",
    "Kel",
    "Lun",
    "Mar",
    "Nor",
    "Os",
    "Pel",
)
ENDS = (
    "a",
    "en",
    "ix",
    "or",
    "ton",
    "by",
    "ley",
    "mar",
    "ra",
    "vik",
    "stad",
    "um",
    "o",
    "is",
    "wick",
    "dale",
)
PEOPLE = (
    "Ana Ruiz",
    "Ben Okafor",
    "Chen Wei",
    "Dora Klein",
    "Emil Berg",
    "Fatima Nasser",
    "George Hill",
    "Hana Sato",
)
PLACES = (
    "Porto",
    "Leeds",
    "Graz",
    "Turku",
    "Lyon",
    "Gdansk",
    "Cork",
    "Aarhus",
    "Ghent",
    "Malmo",
    "Bergen",
    "Split",
)
MONTHS = ("January", "March", "April", "June", "July", "September", "October", "November")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
COLOURS = ("red", "blue", "green", "black", "white", "grey", "yellow")

Rng = random.Random


@dataclass(frozen=True, slots=True)
class Made:
    """A passage with (question, answer) pairs, and questions that it does not answer."""

    title: str
    text: str
    pairs: tuple[tuple[str, str], ...]
    unanswerable: tuple[str, ...]


def _number(rng: Rng) -> str:
    value = rng.choice((rng.randint(2, 99), rng.randint(100, 990), rng.randint(1_000, 95_000)))
    return f"{value:,}" if rng.random() < 0.7 else str(value)


def _decimal(rng: Rng) -> str:
    return f"{rng.uniform(0.3, 60):.1f}"


def _unit(unit: str, make: Callable[[Rng], str] = _number) -> Callable[[Rng], str]:
    return lambda rng: f"{make(rng)} {unit}"


def _money(rng: Rng) -> str:
    amount = _number(rng)
    return rng.choice(
        (
            f"{amount} EUR",
            f"${amount}",
            f"{amount} euros",
            f"{amount} SEK",
            f"£{amount}",
            f"{amount} USD",
        )
    )


def _date(rng: Rng) -> str:
    return f"{rng.randint(1, 28)} {rng.choice(MONTHS)} {rng.choice((2019, 2021, 2023, 2024, 2025))}"


def _of(values: tuple[str, ...]) -> Callable[[Rng], str]:
    return lambda rng: rng.choice(values)


# A property: its name in a table, ways to ask for it of a thing, and how to draw a value.
Property = tuple[str, tuple[str, ...], Callable[[Rng], str]]
THING: tuple[Property, ...] = (
    (
        "Weight",
        ("How much does {} weigh?", "What is the weight of {}?", "How heavy is {}?"),
        _unit("kg", _decimal),
    ),
    ("Price", ("What does {} cost?", "How much is {}?", "What is the price of {}?"), _money),
    ("Power", ("What power does {} have?", "How much power does {} need?"), _unit("W")),
    ("Length", ("How long is {}?", "What is the length of {}?"), _unit("mm")),
    ("Capacity", ("What is the capacity of {}?", "How much does {} hold?"), _unit("litres")),
    ("Noise level", ("How loud is {}?", "What is the noise level of {}?"), _unit("dB", _decimal)),
    (
        "Warranty",
        ("How long is the warranty of {}?", "For how long is {} under warranty?"),
        _unit("months"),
    ),
    (
        "Delivery time",
        ("How long does delivery of {} take?", "What is the delivery time of {}?"),
        _unit("working days"),
    ),
    ("Colour", ("What colour is {}?", "In which colour does {} come?"), _of(COLOURS)),
    ("Made in", ("Where is {} made?", "In which town is {} made?"), _of(PLACES)),
    ("Efficiency", ("How efficient is {}?", "What is the efficiency of {}?"), _unit("%", _decimal)),
    (
        "Maximum temperature",
        ("How hot may {} become?", "What is the highest temperature for {}?"),
        _unit("C"),
    ),
    (
        "Battery life",
        ("How long does the battery of {} last?", "What is the battery life of {}?"),
        _unit("hours"),
    ),
    ("Supplier", ("Who supplies {}?", "Which person supplies {}?"), _of(PEOPLE)),
    ("In stock", ("How many of {} are in stock?", "What stock is there of {}?"), _number),
)
PLACE: tuple[Property, ...] = (
    ("Manager", ("Who manages {}?", "Who is the manager of {}?", "Who runs {}?"), _of(PEOPLE)),
    ("Staff", ("How many people work in {}?", "What is the staff of {}?"), _number),
    ("Opened", ("When was {} opened?", "On what date did {} open?"), _date),
    ("Closed on", ("On which day is {} closed?", "When is {} closed?"), _of(DAYS)),
    (
        "Phone",
        ("What is the phone number of {}?", "Under which number is {} reached?"),
        lambda r: str(r.randint(1000, 9999)),
    ),
    ("Budget", ("What budget does {} have?", "How much money does {} have?"), _money),
    ("Floor area", ("How large is {}?", "What is the floor area of {}?"), _unit("m2")),
    ("Sales", ("What did {} sell?", "How high were the sales of {}?"), _money),
    ("Visitors", ("How many visitors did {} have?", "How many people visited {}?"), _number),
)
RULE: tuple[Property, ...] = (
    (
        "Days off",
        ("How many days off are there for {}?", "How many days does one get for {}?"),
        _unit("days", lambda r: str(r.randint(1, 30))),
    ),
    ("Limit", ("What is the limit for {}?", "Up to which amount is {} allowed?"), _money),
    (
        "Approved by",
        ("Who approves {}?", "Whose approval does {} need?"),
        _of(("team lead", "head of department", "the board", "finance", "human resources")),
    ),
    (
        "Notice",
        ("How early must {} be announced?", "What notice does {} need?"),
        _unit("weeks", lambda r: str(r.randint(1, 12))),
    ),
    (
        "How often",
        ("How often is {} due?", "How often does {} take place?"),
        _of(("every month", "once a year", "every 6 months", "weekly", "every 2 years")),
    ),
    (
        "Form",
        ("Which form is used for {}?", "What form does {} need?"),
        lambda r: f"F-{r.randint(10, 99)}",
    ),
    ("Fee", ("What is the fee for {}?", "What does {} cost?"), _money),
)
RULES = (
    "marriage",
    "parental leave",
    "a training course",
    "a business trip",
    "overtime",
    "a new laptop",
    "moving house",
    "equipment inspection",
    "a room booking",
    "a visa",
    "a parking space",
    "a change of address",
    "sick leave",
    "a fire drill",
)


def _names(rng: Rng, count: int, kind: str) -> list[str]:
    if kind == "rule":
        return rng.sample(RULES, count)
    stem = rng.choice(MADE) + rng.choice(ENDS)
    if kind == "thing" and rng.random() < 0.6:  # one series: Kelix 4, Kelix 6 Pro
        numbers = sorted(rng.sample(range(2, 99), count))
        return [f"{stem} {number}{rng.choice(('', '', '', ' Pro', 'S'))}" for number in numbers]
    names: set[str] = set()
    while len(names) < count:
        end = rng.choice((" plant", " office", " store", "")) if kind == "place" else ""
        names.add(rng.choice(MADE) + rng.choice(ENDS) + end)
    return sorted(names)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join([_row(header), _row(["---"] * len(header)), *map(_row, rows)])


def _article(name: str, kind: str) -> str:
    return (
        f"the {name}" if kind == "place" and name.endswith(("plant", "office", "store")) else name
    )


def _laid_out(
    rng: Rng, head: str, labels: list[str], names: list[str], values: list[list[str]]
) -> str:
    """Things down, things across, or a list."""
    rows = [[name, *line] for name, line in zip(names, values, strict=True)]
    style = rng.random()
    if style < 0.55:
        return _markdown([head, *labels], rows)
    if style < 0.85 and len(names) <= 5:
        columns = [[label, *(line[at] for line in values)] for at, label in enumerate(labels)]
        return _markdown([rng.choice(("Property", "", head)), *names], columns)
    return "\n".join(
        f"- {row[0]}: "
        + ", ".join(f"{label.lower()} {cell}" for label, cell in zip(labels, row[1:], strict=True))
        for row in rows
    )


def make_table(rng: Rng) -> Made:
    """A table (things down or across) or a list of the same facts, among a sentence or two."""
    kind = rng.choice(("thing", "thing", "place", "rule"))
    properties = {"thing": THING, "place": PLACE, "rule": RULE}[kind]
    count, width = rng.randint(2, 8), rng.randint(1, min(5, len(properties) - 1))
    chosen, others = rng.sample(properties, width), list(properties)
    others = [item for item in others if item not in chosen]
    names = _names(rng, count, kind)
    values = [[make(rng) for _, _, make in chosen] for _ in names]
    corner = {
        "thing": ("Model", "Product", "Item"),
        "place": ("Site", "Location", "Branch"),
        "rule": ("Case", "Occasion", "What"),
    }
    head = rng.choice(corner[kind])
    labels = [name for name, _, _ in chosen]
    text = _laid_out(rng, head, labels, names, values)
    pairs = []
    for at, (_, ways, _) in enumerate(chosen):
        for name, line in zip(names, values, strict=True):
            pairs.append((rng.choice(ways).format(_article(name, kind)), line[at]))
        column = [line[at] for line in values]
        unique = rng.randrange(count)
        if column.count(column[unique]) == 1 and kind != "rule" and rng.random() < 0.4:
            label = labels[at].lower()
            pairs.append(
                (
                    rng.choice(
                        (
                            f"Which {head.lower()} has {column[unique]} as its {label}?",
                            f"For which {head.lower()} is the {label} {column[unique]}?",
                        )
                    ),
                    names[unique],
                )
            )
    missing = [name for name in _names(rng, 3, kind) if name not in names][:1]
    unanswerable = [
        rng.choice(ways).format(_article(rng.choice(names), kind))
        for _, ways, _ in rng.sample(others, min(2, len(others)))
    ]
    unanswerable += [rng.choice(chosen[0][1]).format(_article(name, kind)) for name in missing]
    title = (
        rng.choice(("Overview", "Data sheet", "List", "Summary", "Table"))
        + " "
        + rng.choice(MADE)
        + rng.choice(ENDS)
    )
    before = rng.choice(
        (
            "",
            "",
            f"{title}\n\n",
            "The following holds from this year on.\n\n",
            f"Responsible: {rng.choice(PEOPLE)}\n\n",
        )
    )
    after = rng.choice(
        ("", "", "\n\nAll figures without tax.", "\n\nChanges are announced in time.", "\n\nNotes")
    )
    return Made(title, before + text + after, tuple(_some(rng, pairs)), tuple(unanswerable))


Contrast = tuple[str, list[tuple[str, str]]]
"""A sentence with two values, and questions for either."""


def _prices(rng: Rng) -> Contrast:
    a, b = _money(rng), _money(rng)
    group = rng.choice(("students", "members", "children", "pensioners", "groups"))
    thing = rng.choice(("Tickets", "Tours", "Courses", "Day passes", "Workshops"))
    asked = [(f"What do {group} pay?", b), (f"What do {thing.lower()} cost normally?", a)]
    return f"{thing} cost {a}, and {b} for {group}.", [
        *asked,
        (f"How much are {thing.lower()} for {group}?", b),
    ]


def _hours(rng: Rng, shop: str) -> Contrast:
    first, second = rng.randint(6, 11), rng.randint(15, 21)
    day = rng.choice(DAYS)
    hours, late = f"from {first} to {second}", f"from {first + 2} to {second - 3}"
    asked = [
        (f"When is {shop} open on {day}?", late),
        (f"What are the usual opening hours of {shop}?", hours),
    ]
    return f"{shop} is open {hours}, on {day} {late}.", asked


def _terms(rng: Rng) -> Contrast:
    x, y = f"{rng.randint(10, 30)} days", f"{rng.randint(31, 90)} days"
    asked = [
        ("How long do companies have to pay?", y),
        ("Within what time do private customers pay?", x),
    ]
    return f"Private customers pay within {x}; companies have {y}.", asked


def _leaders(rng: Rng) -> Contrast:
    p, q = rng.sample(PEOPLE, 2)
    asked = [("Who leads the project?", p), ("Who is the deputy of the project lead?", q)]
    return f"{p} leads the project, and {q} stands in.", asked


def _changes(rng: Rng) -> Contrast:
    m, n = rng.sample(MONTHS, 2)
    asked = [("When was the pump changed?", n), ("In which month was the filter changed?", m)]
    return f"The filter was changed in {m}; the pump followed in {n}.", asked


def _rises(rng: Rng) -> Contrast:
    old, new = _money(rng), _money(rng)
    part = rng.choice(
        ("the licence", "the seal kit", "the yearly service", "the rack", "the adapter")
    )
    asked = [(f"What does {part} cost now?", new), (f"What did {part} cost before?", old)]
    return f"The price of {part} rises from {old} to {new}.", [
        *asked,
        (f"What is the new price of {part}?", new),
    ]


def _stores(rng: Rng) -> Contrast:
    up, down = rng.sample(PLACES, 2)
    asked = [("Where are finished goods stored?", down), ("In which town are the parts?", up)]
    return f"Parts are stored in {up}, finished goods in {down}.", asked


def _deliveries(rng: Rng) -> Contrast:
    w1, w2 = f"{rng.randint(1, 5)} weeks", f"{rng.randint(6, 14)} weeks"
    asked = [
        ("How long does a special colour take?", w2),
        ("What is the delivery time of a standard model?", w1),
    ]
    return f"Standard models are delivered in {w1}, special colours in {w2}.", asked


def make_contrasts(rng: Rng) -> Made:
    """Sentences that hold two values for two cases each: the right one must be chosen."""
    shop = rng.choice(MADE) + rng.choice(ENDS)
    others = (_terms, _leaders, _changes, _rises, _stores, _deliveries)
    drawn = [_prices(rng), _hours(rng, shop), *(draw(rng) for draw in others)]
    kept = rng.sample(drawn, rng.randint(2, 6))
    dropped = [item for item in drawn if item not in kept]
    text = rng.choice((" ", "\n\n", " ")).join(sentence for sentence, _ in kept)
    pairs = [pair for _, all_pairs in kept for pair in all_pairs]
    unanswerable = [
        rng.choice(all_pairs)[0] for _, all_pairs in rng.sample(dropped, min(2, len(dropped)))
    ]
    return Made(f"Notes on {shop}", text, tuple(_some(rng, pairs)), tuple(unanswerable))


def _some(rng: Rng, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return rng.sample(pairs, min(len(pairs), 8))


def make(rng: Rng) -> Made:
    """A made-up passage with its questions."""
    return make_table(rng) if rng.random() < 0.65 else make_contrasts(rng)
