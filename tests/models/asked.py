"""Prompts that every engine of the default model is asked."""

from acclimate.prompting.passages import render_passages
from acclimate.prompting.templates import load_template
from acclimate.types import Chunk, Generation

GREEDY = Generation(max_tokens=24)


def ask(passage, question):
    chunk = Chunk("c", "d", 0, len(passage), passage, "Notes")
    return load_template("rag").render({"passages": render_passages([chunk]), "question": question})


PROMPTS = [
    ask("The museum opened in 1931. It was designed by Ada Holm.", "Who designed the museum?"),
    ask("Tickets cost 12 euros, and 6 euros for students.", "What do students pay?"),
    ask("The lake is 40 metres deep and freezes in January.", "Who owns the castle?"),
    ask("Copper melts at 1,085 degrees Celsius.", "At what temperature does copper melt?"),
]
