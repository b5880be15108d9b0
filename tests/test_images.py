"""Pictures in documents get vectors of their own in the library, and passages are found by what they show.

The model is a real CLIP of tiny size with random weights: it knows nothing, but the way from a file to a hit is whole.
"""

import io
import json

import docx
import numpy as np
import pptx
import pytest
from fpdf import FPDF
from PIL import Image, ImageDraw
from pptx.util import Inches

from acclimate.chunking.structure import StructureChunker
from acclimate.documents.parsers import parse
from acclimate.documents.pictures import make_small
from acclimate.embeddings.clip import ClipEmbedder
from acclimate.errors import ModelError
from acclimate.indexes.filters import Among
from acclimate.indexes.library import Library
from acclimate.ingest import ingest
from acclimate.project import Project
from acclimate.retrieval.pictures import PictureRetriever
from acclimate.settings import FILE_NAME, make_settings
from acclimate.testing.chunking import word_spans
from acclimate.testing.embeddings import HashEmbedder
from acclimate.types import Hit


def picture(colour, size=(120, 90)):
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).ellipse((10, 10, size[0] - 10, size[1] - 10), fill=colour)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


RED, BLUE = picture("red"), picture("blue")


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    """A CLIP of two layers of width 16, saved as Transformers saves it."""
    import torch
    from transformers import (
        CLIPConfig,
        CLIPImageProcessor,
        CLIPModel,
        CLIPProcessor,
        CLIPTokenizerFast,
    )

    folder = tmp_path_factory.mktemp("clip")
    words = [f"{letter}{end}" for letter in "abcdefghijklmnopqrstuvwxyz" for end in ("", "</w>")]
    vocab = {word: at for at, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizerFast(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16
    )
    sizes = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    ends = {"bos_token_id": vocab["<|startoftext|>"], "eos_token_id": vocab["<|endoftext|>"]}
    text = {**sizes, **ends, "vocab_size": len(vocab), "max_position_embeddings": 16}
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config=text,
        vision_config={**sizes, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    CLIPModel(config).save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(images, tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(clip_folder):
    return ClipEmbedder(clip_folder, weights_sha256="0")


def test_pictures_and_texts_are_unit_vectors_of_one_space(clip, clip_folder):
    pictures, texts = clip.embed_pictures([RED, BLUE]), clip.embed_queries(["a red circle"])
    assert pictures.shape == (2, 8)
    assert texts.shape == (1, 8)
    assert np.allclose(np.linalg.norm(np.vstack([pictures, texts]), axis=1), 1, atol=1e-5)
    assert np.array_equal(clip.embed_pictures([RED])[0].round(4), pictures[0].round(4))
    assert ClipEmbedder(clip_folder, weights_sha256="1").fingerprint != clip.fingerprint


def test_a_model_that_sees_nothing_is_refused(tmp_path, clip_folder):
    with pytest.raises(ModelError, match="cannot be loaded"):
        ClipEmbedder(tmp_path, weights_sha256="0")


def _docx(path):
    source = docx.Document()
    source.add_paragraph("Before.")
    source.add_picture(io.BytesIO(RED))
    source.add_paragraph("Figure 1: the red one", style="Caption")
    source.save(str(path))


def _pptx(path):
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = "The red one"
    slide.shapes.add_picture(io.BytesIO(RED), Inches(1), Inches(2))
    show.save(str(path))


def _pdf(path):
    pdf = FPDF()
    pdf.set_font("helvetica", size=11)
    for text, image in (("Far above.", None), ("Figure 2: the red one", RED)):
        pdf.add_page()
        pdf.text(20, 30, "A paragraph far away from every picture.")
        if image:
            pdf.image(io.BytesIO(image), x=20, y=100, w=40)
        pdf.text(20, 140, text)
    pdf.output(str(path))


def _png(path):
    path.write_bytes(RED)


PLACES = {
    "docx": (_docx, "Figure 1: the red one", None),
    "pptx": (_pptx, "The red one", 1),
    "pdf": (_pdf, "Figure 2: the red one", 2),
    "png": (_png, "[picture: a]", None),
}


@pytest.mark.parametrize("kind", PLACES)
def test_a_picture_stands_where_its_caption_does(kind, tmp_path):
    make, text, page = PLACES[kind]
    make(tmp_path / f"a.{kind}")
    document = parse(tmp_path / f"a.{kind}", f"a.{kind}", pictures=True)
    (found,) = document.pictures
    assert (document.text[found.start : found.end], found.page) == (text, page)
    assert Image.open(io.BytesIO(found.png)).format == "PNG"
    if kind != "png":
        assert parse(tmp_path / f"a.{kind}", f"a.{kind}").pictures == ()


@pytest.mark.parametrize("content", [b"", b"no picture", RED[:60], picture("red", (30, 30))])
def test_what_is_no_picture_worth_looking_at_is_left_out(content):
    assert make_small(content) is None


def test_large_pictures_are_made_small():
    assert Image.open(io.BytesIO(make_small(picture("red", (2000, 500))))).size == (336, 84)


class TextHits:
    """A retriever that always finds the same chunks."""

    def __init__(self, chunks):
        self._chunks = chunks

    def retrieve(self, query, k):
        return [Hit(chunk, 1.0, rank) for rank, chunk in enumerate(self._chunks[:k], start=1)]


@pytest.fixture
def library(tmp_path, clip):
    root = tmp_path / "documents"
    root.mkdir()
    for name, image in (("red", RED), ("blue", BLUE)):
        (root / f"{name}.png").write_bytes(image)
    (root / "text.txt").write_text("Only words here.")
    opened, embedder = Library(tmp_path / "library"), HashEmbedder()

    def run():
        chunker = StructureChunker(word_spans, 50)
        return ingest(
            root,
            opened,
            lambda file, path: parse(file, path, pictures=True),
            chunker,
            embedder,
            pictures=clip,
        )

    assert run().failures == ()
    yield opened, root, run
    opened.close()


def test_a_text_finds_the_picture_most_like_it(library, clip):
    opened, root, run = library
    table, query = opened.record.pictures, clip.embed_queries(["a red circle"])[0]
    vectors = clip.embed_pictures([make_small(BLUE), make_small(RED)])
    best = ("blue.png", "red.png")[int(np.argmax(vectors @ query))]
    matches = table.search(query, 5, clip.fingerprint)
    chunks = opened.fetch([match.key for match in matches])
    assert chunks[0].document == best
    assert {chunk.document for chunk in chunks} == {"red.png", "blue.png"}
    assert matches[0].score == pytest.approx(float(np.max(vectors @ query)), abs=1e-4)
    assert table.search(query, 5, "another model") == []
    keys = np.array(opened.record.keys_of(["blue.png"]), np.int64)
    assert [
        match.key for match in table.search(query, 5, clip.fingerprint, Among(keys))
    ] == keys.tolist()
    (root / "blue.png").unlink()
    assert run().removed == 1
    assert table.count(clip.fingerprint) == 1


def test_pictures_take_the_last_places_and_no_other(library, clip):
    opened, _, _ = library
    everything = opened.fetch(opened.record.keys())
    text = [chunk for chunk in everything if chunk.document == "text.txt"]
    words = TextHits(text)
    retriever = PictureRetriever(words, clip, opened.record.pictures, opened.fetch, 1)
    hits = retriever.retrieve("a red circle", 2)
    assert [hit.rank for hit in hits] == [1, 2]
    assert hits[0].chunk == text[0]
    assert hits[1].chunk.document.endswith(".png")
    assert [hit.chunk.document[-3:] for hit in retriever.retrieve("a red circle", 1)] == ["png"]
    assert retriever.retrieve(" ", 1) == words.retrieve("", 1)
    every = PictureRetriever(TextHits(everything), clip, opened.record.pictures, opened.fetch, 1)
    assert len({hit.chunk.id for hit in every.retrieve("a red circle", 3)}) == 3


def test_a_project_searches_pictures_once_a_model_is_named(tmp_path, clip_folder):
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "red.png").write_bytes(RED)
    (tmp_path / "documents" / "a.txt").write_text("Only words here.")
    (tmp_path / FILE_NAME).write_text("")
    for model, found in (("", {"a.txt"}), (str(clip_folder), {"a.txt", "red.png"})):
        settings = make_settings({"images": {"model": model}}, "test")
        with Project(tmp_path, settings) as project:
            project.__dict__["embedder"] = HashEmbedder()
            report = project.ingest()
            assert len(report.failures) == (0 if model else 1)
            assert {hit.chunk.document for hit in project.retrieve("words", 2)} == found
