"""Everyday tables and what people ask of them: each answer is exact, or there is none."""

import pytest

from .reading import read

PRICES = """\
# Price list 2026

| Article | Name | Price | Weight |
| --- | --- | --- | --- |
| A-1 | Garden bench | 120 € | 14 kg |
| A-2 | Folding chair | 45 € | 3.2 kg |
| A-3 | Parasol | 80 € | 6 kg |
| A-4 | Oak table | 340 € | 38 kg |
"""
BANK = """\
Kontoauszug;;;
Zeitraum;01.08.2026;31.08.2026;
;;;
Datum;Empfänger;Verwendungszweck;Betrag
03.08.2026;Müller GmbH;Rechnung 881;1.250,50
05.08.2026;Grün & Söhne;Rechnung 882;320,00
07.08.2026;Stadtwerke;Abschlag August;1.080,25
"""
HOURS = """\
# Opening hours

| Day | Library | Pool |
| --- | --- | --- |
| Monday | closed | 7:00–21:00 |
| Tuesday | 10:00–18:00 | 7:00–21:00 |
| Saturday | 10:00–14:00 | 9:00–18:00 |
| Sunday | closed | 9:00–16:00 |
"""
STAFF = """\
# Staff list

| Name | Department | Office | Extension |
| --- | --- | --- | --- |
| Anna Berg | Sales | Berlin | 4101 |
| Jonas Weiss | Sales | Hamburg | 4102 |
| Mia Lund | Finance | Berlin | 4201 |
| Karl Otto | IT | Berlin | 4301 |
"""
STOCK = """\
# Warehouse stock

| Item | Stock | Shelf |
| --- | --- | --- |
| Screws M4 | 1,200 | B1 |
| Screws M6 | 850 | B2 |
| Washers | 4,300 | B3 |
| Total | 6,350 | |
"""
SALES = """\
# Sales by region (in thousands)

| Region | 2023 | 2024 | 2025 |
| --- | --- | --- | --- |
| North | 200 | 250 | 300 |
| South | 400 | 380 | 410 |
| Total | 600 | 630 | 710 |
"""
MIXED_UNITS = """\
# Parts

| Part | Weight |
| --- | --- |
| Bolt | 20 g |
| Frame | 1.5 kg |
| Cover | 300 g |
"""
NAMELESS_ROWS = """\
# Rooms

| Building | Room | Seats |
| --- | --- | --- |
| North | N1 | 12 |
|  | N2 | 20 |
| South | S1 | 8 |
"""
GERMAN = """\
Produkt;Preis;Bestand
Schraube;1.250,00 €;12
Mutter;80,50 €;40
Dübel;9,90 €;7
"""
PROPERTIES = """\
# Pump PX-9

| Property | Value |
| --- | --- |
| Flow | 40 l/min |
| Head | 12 m |
| Voltage | 230 V |
| Mass | 7.5 kg |
"""
SIDE_BY_SIDE = """\
# Models

| | Basic | Pro | Max |
| --- | --- | --- | --- |
| Price | 99 € | 149 € | 199 € |
| Memory | 8 GB | 16 GB | 32 GB |
| Warranty | 2 years | 2 years | 3 years |
"""

ASKED = [
    (PRICES, "How much does the oak table cost?", "340 €"),
    (PRICES, "What is the price of A-3?", "80 €"),
    (PRICES, "What does the parasol weigh?", "6 kg"),
    (PRICES, "What does the hammock cost?", None),
    (PRICES, "Which product is the most expensive?", "Oak table"),
    (PRICES, "Which article is the cheapest?", "A-2"),
    (PRICES, "What is the cheapest product?", "Folding chair"),
    (PRICES, "How many products cost more than 100 €?", "2"),
    (PRICES, "How many products cost over 100 euros?", "2"),
    (PRICES, "How many articles are there?", "4"),
    (PRICES, "How much more does the oak table cost than the garden bench?", "220 €"),
    (PRICES, "What is the average price?", "146.25 €"),
    (PRICES, "What is the sum of all prices?", "585 €"),
    (PRICES, "What is the highest price?", "340 €"),
    (PRICES, "Which products cost less than 100 €?", "Folding chair, Parasol"),
    (PRICES, "Which is heavier, the parasol or the folding chair?", "Parasol"),
    (PRICES, "What do the parasol and the oak table cost together?", "420 €"),
    (PRICES, "How much is the parasol and the folding chair in total?", "125 €"),
    (PRICES, "Why is the oak table so expensive?", None),
    (PRICES, "How many products weigh less than 5 kg?", "1"),
    (PRICES, "What is the total weight of all articles?", "61.2 kg"),
    (PRICES, "What is the delivery time of the parasol?", None),
    (PRICES, "What colour is the parasol?", None),
    (PRICES, "Which product is the heaviest?", "Oak table"),
    (PRICES, "How much does the garden bench weigh?", "14 kg"),
    (PRICES, "Is the parasol in stock?", None),
    (PRICES, "How do I return the parasol?", None),
    (PRICES, "What is the price difference between the parasol and the garden bench?", "40 €"),
    (PRICES, "How many products have a price of at least 80 €?", "3"),
    (PRICES, "What percentage of products are out of stock?", None),
    (BANK, "How much did Müller pay?", "1.250,50"),
    (BANK, "How much did Grün & Söhne pay?", "320,00"),
    (BANK, "What did Müller GmbH pay?", "1.250,50"),
    (BANK, "How much did Schmidt pay?", None),
    (BANK, "What is the sum of all amounts?", "2.650,75"),
    (BANK, "How much was paid in total?", "2.650,75"),
    (BANK, "When did Müller pay?", "03.08.2026"),
    (BANK, "How much did the Stadtwerke get?", "1.080,25"),
    (HOURS, "When is the library open on Saturday?", "10:00–14:00"),
    (HOURS, "When is the pool open on Sunday?", "9:00–16:00"),
    (HOURS, "What are the opening hours of the pool on Monday?", "7:00–21:00"),
    (HOURS, "When is the museum open on Sunday?", None),
    (HOURS, "When is the pool open on Thursday?", None),
    (HOURS, "How long is the library open on Saturday?", None),
    (STAFF, "How many people work in Berlin?", "3"),
    (STAFF, "How many employees are in Sales?", "2"),
    (STAFF, "What is Mia Lund's extension?", "4201"),
    (STAFF, "Which department does Karl Otto work in?", "IT"),
    (STAFF, "Who has extension 4102?", "Jonas Weiss"),
    (STAFF, "Who works in Finance?", "Mia Lund"),
    (STAFF, "In which office does Jonas Weiss work?", "Hamburg"),
    (STAFF, "What is the average extension?", None),
    (STAFF, "Who is the head of Sales?", None),
    (STAFF, "How many people work in Munich?", None),
    (STAFF, "What is the phone number of Anna Berg?", "4101"),
    (STAFF, "How many staff are there?", "4"),
    (STAFF, "What is the sum of the extensions?", None),
    (STAFF, "Who has the highest extension?", None),
    (STOCK, "How many washers are in stock?", "4,300"),
    (STOCK, "How many Screws M6 are in stock?", "850"),
    (STOCK, "What is the total stock?", "6,350"),
    (STOCK, "Which item has the lowest stock?", "Screws M6"),
    (STOCK, "What is the average stock?", "2,116.67"),
    (STOCK, "On which shelf are the washers?", "B3"),
    (STOCK, "How many items are there?", "3"),
    (STOCK, "How many bolts are in stock?", None),
    (STOCK, "How many more washers than Screws M6 are in stock?", "3,450"),
    (STOCK, "Which items have fewer than 1,000 in stock?", "Screws M6"),
    (SALES, "What were sales in the North in 2024?", "250 thousand"),
    (SALES, "By how many percent did sales in the North grow from 2023 to 2025?", "50%"),
    (SALES, "What is the change in the South from 2023 to 2024?", "-20 thousand"),
    (SALES, "In which year were sales in the South lowest?", "2024"),
    (SALES, "How many years did the South exceed 390?", "2"),
    (SALES, "What is the average for the North?", "250 thousand"),
    (SALES, "What were total sales in 2025?", "710 thousand"),
    (SALES, "What percentage of total sales did the North make in 2025?", "42.25%"),
    (SALES, "What is the North as a percentage of the total in 2025?", "42.25%"),
    (SALES, "What were sales in the West in 2024?", None),
    (SALES, "What were sales in the North in 2022?", None),
    (SALES, "Which region had the highest sales in 2025?", "South"),
    (SALES, "What is the sum of North and South in 2023?", "600 thousand"),
    (MIXED_UNITS, "What is the total weight?", None),
    (MIXED_UNITS, "Which part is the heaviest?", "Frame"),
    (MIXED_UNITS, "How many parts weigh more than 250 g?", "2"),
    (MIXED_UNITS, "What is the average weight?", None),
    (NAMELESS_ROWS, "How many seats are there in total?", None),
    (NAMELESS_ROWS, "How many rooms are there?", None),
    (NAMELESS_ROWS, "How many seats does S1 have?", "8"),
    (NAMELESS_ROWS, "What is the average number of seats?", None),
    (GERMAN, "What does the Schraube cost?", "1.250,00 €"),
    (GERMAN, "Which Produkt is the most expensive?", "Schraube"),
    (GERMAN, "What is the sum of the Preis?", "1.340,40 €"),
    (GERMAN, "What is the average Preis?", "446,80 €"),
    (GERMAN, "How much more does the Schraube cost than the Mutter?", "1.169,50 €"),
    (PROPERTIES, "What is the voltage of the PX-9?", "230 V"),
    (PROPERTIES, "What is the flow of pump PX-9?", "40 l/min"),
    (PROPERTIES, "What is the mass of pump PX-10?", None),
    (PROPERTIES, "What is the sum of the values?", None),
    (PROPERTIES, "What is the average value?", None),
    (SIDE_BY_SIDE, "What does the Pro cost?", "149 €"),
    (SIDE_BY_SIDE, "How much memory does the Max have?", "32 GB"),
    (SIDE_BY_SIDE, "How much more does the Max cost than the Basic?", "100 €"),
    (SIDE_BY_SIDE, "Which model is the cheapest?", "Basic"),
    (SIDE_BY_SIDE, "What is the warranty of the Basic?", "2 years"),
    (SIDE_BY_SIDE, "Which model has the most memory?", "Max"),
]


@pytest.mark.parametrize(("text", "question", "expected"), ASKED)
def test_an_answer_is_exact_or_there_is_none(text, question, expected, tmp_path):
    found = read(text, question, tmp_path)
    assert (found and found.text) == expected
