"""Templates: strict variables, data never read as template."""

import pytest

from acclimate.errors import SettingsError
from acclimate.prompting.recipes import PARTS, STYLES, find_recipe
from acclimate.prompting.templates import load_template, parse_template


def test_turns_are_rendered_with_the_values_given():
    template = parse_template("t", "# why\n--- system\nBe brief.\n--- user\n{{a}} and {{b}}\n")
    messages = template.render({"a": "1", "b": "2"})
    assert [(message.role, message.content) for message in messages] == [
        ("system", "Be brief."),
        ("user", "1 and 2"),
    ]


def test_a_value_is_never_read_as_a_template():
    template = parse_template("t", "--- user\n{{passages}} {{question}}")
    assert (
        template.render({"passages": "{{question}} \\1", "question": "Q"})[0].content
        == "{{question}} \\1 Q"
    )


@pytest.mark.parametrize("values", [{}, {"a": "1", "b": "2"}, {"b": "1"}])
def test_missing_or_extra_values_are_refused(values):
    with pytest.raises(SettingsError, match=r"\['a'\]"):
        parse_template("t", "--- user\n{{a}}").render(values)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("hello\n--- user\nx", "line 1"),
        ("--- robot\nx", "'robot'"),
        ("# only a comment\n", "no turn"),
    ],
)
def test_a_malformed_template_names_its_line(text, part):
    with pytest.raises(SettingsError, match=part):
        parse_template("t", text)


@pytest.mark.parametrize(
    "name",
    [
        *(part for part in PARTS if part not in STYLES),
        *("rag+cot", "stuffing+cot", "rag+few-shot", "lora+rag", "self-consistency+rag"),
        *("rag+short", "rag+full", "stuffing+full", "extract+full"),
    ],
)
def test_every_recipe_has_a_template_with_the_variables_it_fills(name):
    recipe = find_recipe(name)
    expected = {"question"} | ({"passages"} if recipe.reads else set())
    assert load_template(recipe.template).variables - {"reasoning"} == expected


def test_parts_compose_in_any_order():
    first, second = find_recipe("lora+rag"), find_recipe("rag+lora")
    assert (first.context, first.adapter, first.adapter_name) == ("passages", "lora", "lora+rag")
    assert second.adapter_name == first.adapter_name
    assert find_recipe("lora").adapter_name == "lora"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "rag+",
        "rag+rag",
        "rag+stuffing",
        "cot+zero-shot-cot",
        "rag+zero-shot-cot",
        "cot+few-shot",
        "a+b",
        "Rag",
    ],
)
def test_parts_that_contradict_each_other_are_refused(name):
    with pytest.raises(SettingsError, match="recipe"):
        find_recipe(name)


def test_the_users_own_template_wins_and_changes_the_fingerprint(tmp_path):
    (tmp_path / "rag.txt").write_text("--- user\n{{passages}} {{question}}")
    assert load_template("rag", tmp_path).fingerprint != load_template("rag").fingerprint
    assert load_template("zero-shot", tmp_path) == load_template("zero-shot")


def test_unknown_names_list_the_known():
    with pytest.raises(SettingsError, match="no recipe 'ragg'") as caught:
        find_recipe("ragg")
    assert "'rag'" in caught.value.hint
    with pytest.raises(SettingsError, match="no template 'x'"):
        load_template("x")
