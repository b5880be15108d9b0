"""A course in an hour: prompting, retrieval and fine-tuning on one set of documents, compared.

The documents are those of Halden Varme, a maker of heat pumps that does not exist, so that no model
knows them. Each `# %%` begins a cell for editors that run them (VS Code, PyCharm, Spyder, Jupytext);
`python examples/course.py` runs all of it, `--short` with few questions and a minute of training.
Cells that say "minutes" train or compare. Needs `pip install "acclimate[tune]"`.
"""

# %% 1. What we measure with
import shutil
import sys
import tempfile
from pathlib import Path

from acclimate import Filter, Project, Turn

HERE = Path(__file__).resolve().parent / "halden"
SHORT = "--short" in sys.argv
QUESTIONS = 4 if SHORT else 24  # of the test split, for each comparison
MINUTES = 1.0 if SHORT else 5.0  # of training

folder = Path(tempfile.mkdtemp(prefix="acclimate-course-"))
shutil.copytree(HERE / "documents", folder / "documents")
shutil.copy(HERE / "questions.jsonl", folder)
project = Project.create(folder, Path("documents"))

# Questions with right answers come before any model. They are split by document: what a model is
# trained on (train), what settings are chosen on (dev), and what nobody looks at before the end
# (test). The set says itself how large a difference it could tell.
sizes = dict.fromkeys(("train", "dev", "test"), 0)
for question in project.questions():
    if question.split in sizes:
        sizes[question.split] += 1
print(f"questions: {sizes}")
example = next(one for one in project.questions() if one.id and one.answerable and one.evidence)
print(f"for example: {example.question!r} → {example.answers}, as {example.document} says")

# %% 2. Prompting: what a model knows by itself
# `zero-shot` sends the question alone. The model has never seen these documents, so a good answer
# would be luck; what it makes up instead is what the other ways must beat.
ASKED = "What does a Fjell 9 weigh?"
bare = project.answer(ASKED, recipe="zero-shot")
print(f"zero-shot: {bare.text!r}")

# %% 3. Retrieval: the documents are read
# Each file becomes a text with headings, tables and pages, is cut into passages, and each passage
# gets a vector. Nothing is trained.
report = project.ingest()
print(f"{report.documents} documents, {report.chunks} passages, {report.seconds:.0f} s")

# A search alone, by words and by meaning together. `rank` is what a model would be shown first.
for hit in project.retrieve(ASKED, k=3):
    print(f"  {hit.rank}. {hit.chunk.document}: {hit.chunk.text[:60]!r}")

# %% 4. Retrieval and prompting together: an answer with its source
# The passages go into the prompt, and the model may only say what stands there. Each citation is
# looked up in the document, character by character.
answer = project.answer(ASKED, recipe="rag")
print(f"rag: {answer.text!r}")
for citation in answer.citations:
    print(f"  {citation.document}, page {citation.page}: {citation.quote!r}")

# A question that the documents do not answer should be refused, not guessed at.
refused = project.answer("What did the director have for lunch?", recipe="rag")
print(f"not in the documents: abstained={refused.abstained} ({refused.text!r})")

# Questions that point back are completed first, and filters leave some documents only.
turns = [Turn(answer.question, answer.text)]
print(f"and then: {project.answer('And the Fjell 12?', turns=turns).asked!r}")
only = project.retrieve("weight", k=2, where=Filter.parse(["path=products/*"]))
print(f"of products only: {[hit.chunk.document for hit in only]}")

# %% 5. Comparing prompts and retrieval (minutes)
# The same questions to every recipe, paired, with intervals: a difference that the questions cannot
# tell from chance is called one.
first = project.compare(["zero-shot", "few-shot", "rag", "extract"], limit=QUESTIONS)
print(first.verdict.sentence)

# %% 6. Fine-tuning: an adapter on the questions of the train split (minutes)
# LoRA leaves the model's weights alone and learns small matrices beside them. Dev decides which
# state is kept; before it is served, its answers are compared with the trainer's.
tuned = project.tune("lora+rag", minutes=MINUTES)
print(f"adapter: dev loss {tuned.trained.loss_before:.2f} → {tuned.trained.loss_after:.2f}")

# %% 7. Everything side by side (minutes)
# Prompting, retrieval, and fine-tuning over the same passages. The verdict names the simplest
# recipe that nothing beats: training that does not pay is told so.
last = project.compare(["zero-shot", "rag", "lora+rag"], limit=QUESTIONS)
for row in last.rows:
    print(f"  {row.recipe:10} F1 {row.summary.f1:.1f}")
print(last.verdict.sentence)
print(f"The report: {project.layout.comparisons}")

# %% 8. What to do with it
# `acclimate serve -p FOLDER` puts a page and an API over this project; `acclimate compare --gate`
# keeps what was reached. docs/coming-from.md maps the words of other libraries to these.
project.close()
if SHORT:
    shutil.rmtree(folder)
