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
};

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
