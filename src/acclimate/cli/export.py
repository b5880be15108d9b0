"""`acclimate export`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from acclimate.cli.output import echo_json, json_option, project_option
from acclimate.cli.progress import download_bar
from acclimate.models.merge import Precision
from acclimate.project import Project
from acclimate.tuning.export.export import FORMS, Exported


@click.command()
@click.argument("recipe")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--to", "form", type=click.Choice(list(FORMS)), required=True, help="The format.")
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    default="Q8_0",
    show_default=True,
    help="Of merged GGUF weights: 8 or 16 bits.",
)
@click.option(
    "--base",
    metavar="ORG/NAME",
    help="Hub id of the unquantised base, where it is not known here: for adapter_config.json and "
    "the model card.",
)
@click.option(
    "--push",
    metavar="ORG/NAME",
    help="Upload it to this repository of the Hugging Face hub (or HF_ENDPOINT), made where it is "
    "not there.",
)
@click.option("--public", is_flag=True, help="With --push: a new repository that all can read.")
@json_option
@project_option
def command(
    recipe: str,
    out: Path,
    form: str,
    precision: Precision,
    base: str | None,
    push: str | None,
    public: bool,
    as_json: bool,
    folder: Path,
) -> None:
    """Write what RECIPE wears (`lora`, `lora+rag`; `rag` is the reader that ships) to OUT, for
    other programs.

    \b
    peft       PEFT safetensors, for PeftModel.from_pretrained (extra tune)
    gguf-lora  the adapter alone, for llama.cpp and Ollama (extra export)
    gguf       the model with it merged in, for llama.cpp and Ollama (extra export)
    openvino   what is served, as OpenVINO IR, for openvino-genai
    merged     the merged model in bfloat16, for Transformers and vLLM (extra tune)
    vllm       the adapter as vLLM serves it, with the command for it (extra tune)
    ollama     Modelfile with template and stops, and its GGUF files (extra export)

    Folders hold a model card from what is known: base, training, results, how it is asked.

    Before it is kept, it is loaded again and answers up to four of your questions. Where its
    answers or log-probabilities are not those of what is served, it is refused.
    """
    if public and push is None:
        raise click.UsageError("--public goes with --push.")
    with download_bar() as on_bytes, Project.open(folder, on_bytes) as project:
        exported = project.export(
            recipe, form, out, precision=precision, base=base, push=push, public=public
        )
    if as_json:
        echo_json(exported)
    else:
        echo_exported(exported)


def echo_exported(exported: Exported) -> None:
    """Print where the export is, and how its answers compare."""
    parity = exported.parity
    click.echo(f"{exported.path} ({exported.size_mb:.1f} MB)")
    click.echo(
        f"{parity.runtime}: {parity.same} of {parity.answers} answers as served; "
        f"log-probabilities differ by "
        f"{parity.difference:.3f} on average, {exported.adapter} changes them by "
        f"{parity.effect:.2f}."
    )
    if exported.pushed:
        click.echo(exported.pushed)
