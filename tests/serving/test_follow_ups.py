"""What can be asked next: from the documents that the caller may see, and only what is answered."""

import json

import pytest

from acclimate.prompting.citations import mark_answer
from acclimate.questions.follow_ups import candidates
from acclimate.questions.tables import table_facts
from acclimate.types import Document, Element, Question, Span
