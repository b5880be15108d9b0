"""More everyday tables; where a rule could answer and does not, the question is left out."""

import pytest

from .reading import read

CITIES = """\
# City facts

| City | Country | Population | Founded | Area (km²) |
| --- | --- | --- | --- | --- |
| Oslo | Norway | 709,037 | 1040 | 454 |
| Bergen | Norway | 291,940 | 1070 | 465 |
| Malmö | Sweden | 357,377 | 1275 | 157 |
| Aarhus | Denmark | 290,598 | 750 | 91 |
"""
INVOICES = """\
Invoice;Customer;Date;Net;VAT;Status
2026-001;Alpha AS;2026-01-12;1200.00;300.00;paid
2026-002;Beta Ltd;2026-01-20;800.00;200.00;open
2026-003;Alpha AS;2026-02-03;450.50;112.63;open
2026-004;Gamma Oy;2026-02-17;2000.00;500.00;paid
"""
TIMETABLE = """\
# Timetable

| Station | Arrival | Departure |
| --- | --- | --- |
| Oslo S | – | 8:05 |
| Lillestrøm | 8:15 | 8:17 |
| Hamar | 9:21 | 9:24 |
"""
SERVERS = """\
# Servers

| Host | CPU | RAM | Disk | Owner |
| --- | --- | --- | --- | --- |
| web1 | 8 cores | 32 GB | 500 GB | Ops |
| web2 | 8 cores | 64 GB | 500 GB | Ops |
| db1 | 32 cores | 256 GB | 4 TB | Data |
"""
MENU = """\
# Lunch menu

| Day | Dish | Vegetarian | Price |
| --- | --- | --- | --- |
| Monday | Fish soup | no | 95 kr |
| Tuesday | Lentil curry | yes | 85 kr |
| Wednesday | Meatballs | no | 99 kr |
| Thursday | Pumpkin risotto | yes | 92 kr |
"""
EXAMS = """\
| Student | Maths | Physics | Art |
| --- | --- | --- | --- |
| Ann | 5 | 4 | 6 |
| Ben | 3 | 6 | 2 |
| Eva | 6 | 5 | 4 |
| Average | 4.67 | 5 | 4 |
"""
FLEET = """\
# Fleet

| Plate | Model | Mileage (km) | Year |
| --- | --- | --- | --- |
| AB 123 | Golf | 45,000 | 2021 |
| CD 456 | Polo | 120,500 | 2018 |
| EF 789 | Golf | 12,300 | 2024 |
"""

ASKED = [
    (CITIES, "What is the population of Malmo?", None),
    (CITIES, "What is the population of Malmö?", "357,377"),
    (CITIES, "How many cities are in Norway?", "2"),
    (CITIES, "Which city is the largest?", None),
    (CITIES, "Which city has the largest population?", "Oslo"),
    (CITIES, "What is the total population of the Norwegian cities?", None),
    (CITIES, "What is the total population of the cities in Norway?", "1,000,977"),
    (CITIES, "When was Bergen founded?", "1070"),
    (CITIES, "How large is Aarhus?", "91 km²"),
    (CITIES, "What is the area of Oslo?", "454 km²"),
    (CITIES, "Which cities have a population over 300,000?", "Oslo, Malmö"),
    (CITIES, "Which country is Aarhus in?", "Denmark"),
    (CITIES, "How many more people live in Oslo than in Bergen?", "417,097"),
    (CITIES, "What is the population density of Oslo?", None),
    (CITIES, "What is the oldest city?", None),
    (CITIES, "How many cities are there?", "4"),
    (CITIES, "How many people live in Stockholm?", None),
    (CITIES, "Who is the mayor of Oslo?", None),
    (INVOICES, "How many invoices are open?", "2"),
    (INVOICES, "How many invoices does Alpha AS have?", "2"),
    (INVOICES, "What is the net amount of invoice 2026-002?", "800.00"),
    (INVOICES, "What is the sum of net for Alpha AS?", "1650.50"),
    (INVOICES, "How much did Alpha AS pay?", None),
    (INVOICES, "What is the status of invoice 2026-004?", "paid"),
    (INVOICES, "When is the date of invoice 2026-003?", "2026-02-03"),
    (INVOICES, "Which invoice has the highest net?", "2026-004"),
    (INVOICES, "How many invoices are paid?", "2"),
    (INVOICES, "What is the total VAT?", "1112.63"),
    (INVOICES, "Which customer has the lowest net?", None),
    (INVOICES, "What is the average net?", "1112.63"),
    (INVOICES, "How many invoices have a net over 1000?", "2"),
    (INVOICES, "What is the due date of invoice 2026-001?", None),
    (TIMETABLE, "When does it leave Hamar?", "9:24"),
    (TIMETABLE, "What is the departure at Hamar?", "9:24"),
    (TIMETABLE, "When is the arrival in Lillestrøm?", "8:15"),
    (TIMETABLE, "What is the arrival at Oslo S?", None),
    (TIMETABLE, "How many stations are there?", "3"),
    (TIMETABLE, "When does it depart from Oslo S?", "8:05"),
    (SERVERS, "How much RAM does db1 have?", "256 GB"),
    (SERVERS, "Which host has the most RAM?", "db1"),
    (SERVERS, "Who owns web1?", None),
    (SERVERS, "Who is the owner of db1?", "Data"),
    (SERVERS, "What is the total RAM?", "352 GB"),
    (SERVERS, "What is the total disk?", None),
    (SERVERS, "Which hosts have more than 50 GB of RAM?", "web2, db1"),
    (SERVERS, "Which host has the largest disk?", "db1"),
    (SERVERS, "How much RAM do web1 and web2 have together?", "96 GB"),
    (SERVERS, "What is the IP address of web1?", None),
    (MENU, "What is served on Tuesday?", None),
    (MENU, "Which dish is served on Monday?", None),
    (MENU, "What does the lentil curry cost?", "85 kr"),
    (MENU, "Is the risotto vegetarian?", None),
    (MENU, "How many dishes are vegetarian?", None),
    (MENU, "On which day is there fish soup?", "Monday"),
    (MENU, "What is the most expensive dish?", "Meatballs"),
    (MENU, "What is the cheapest dish?", "Lentil curry"),
    (MENU, "What is the dish on Thursday?", "Pumpkin risotto"),
    (MENU, "How much cheaper is the lentil curry than the meatballs?", "14 kr"),
    (MENU, "What is the dish on Friday?", None),
    (MENU, "How much is the fish soup?", "95 kr"),
    (EXAMS, "Who is the best in Maths?", None),
    (EXAMS, "What is the average in Maths?", "4.67"),
    (EXAMS, "How many students are there?", "3"),
    (EXAMS, "What did Ann get in Art?", "6"),
    (EXAMS, "How many students have more than 4 in Maths?", "2"),
    (FLEET, "What is the mileage of CD 456?", "120,500 km"),
    (FLEET, "How many Golfs are there?", None),
    (FLEET, "What is the mileage of the Golf?", None),
    (FLEET, "What is the mileage of the Polo?", "120,500 km"),
    (FLEET, "What is the average mileage?", "59,266.67 km"),
    (FLEET, "What is the sum of the years?", None),
    (FLEET, "What is the total mileage of the Golf?", "57,300 km"),
    (FLEET, "How many cars are from 2021?", None),
]


@pytest.mark.parametrize(("text", "question", "expected"), ASKED)
def test_an_answer_is_exact_or_there_is_none(text, question, expected, tmp_path):
    found = read(text, question, tmp_path)
    assert (found and found.text) == expected
