// Recipes in words, and the picker.

import { h } from "./dom.js";

const PARTS = {
  "zero-shot": "the model by itself, without your documents",
  "few-shot": "a few solved questions in the prompt",
  cot: "reasons in steps, shown how",
  "zero-shot-cot": "reasons in steps",
  "self-consistency": "asks itself several times, takes the majority",
  stuffing: "reads whole documents",
  rag: "finds passages, then answers from them",
  short: "the exact words",
  full: "sentences, a list or steps, each with its source",
};

const STYLES = { "": "as set", short: "short", full: "full" };

/** One line about a recipe: its parts, joined by +; names of adapters are the user's own. */
export function describe(name) {
  return name.split("+").map((part) => PARTS[part.trim()] ?? `trained: ${part.trim()}`).join(" · ");
}

/** A labelled picker of recipes with the description below it. */
export function picker(label, names, chosen, onchange) {
  const select = h("select", { "aria-label": label, title: describe(chosen), onchange: () => {
    select.title = describe(select.value);
    onchange(select.value);
  } });
  for (const name of names) select.append(h("option", { value: name, selected: name === chosen, title: describe(name) }, name));
  return select;
}

/** A picker of how long answers are; "" leaves it to the recipe and acclimate.toml. */
export function stylePicker(chosen, onchange) {
  const title = (value) => PARTS[value] ?? "as the recipe or acclimate.toml says";
  const select = h("select", { "aria-label": "Style", title: title(chosen), onchange: () => {
    select.title = title(select.value);
    onchange(select.value);
  } });
  for (const [value, name] of Object.entries(STYLES)) select.append(h("option", { value, selected: value === chosen, title: title(value) }, name));
  return select;
}
