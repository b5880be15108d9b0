// Recipes in words, and the picker.

import { h } from "./dom.js";
import { t } from "./words.js";

const PARTS = {
  "zero-shot": t("the model by itself, without your documents"),
  "few-shot": t("a few solved questions in the prompt"),
  cot: t("reasons in steps, shown how"),
  "zero-shot-cot": t("reasons in steps"),
  "self-consistency": t("asks itself several times, takes the majority"),
  stuffing: t("reads whole documents"),
  rag: t("finds passages, then answers from them"),
  short: t("the exact words"),
  full: t("sentences, a list or steps, each with its source"),
};

const STYLES = { "": t("as set"), short: t("short"), full: t("full") };

/** One line about a recipe: its parts, joined by +; names of adapters are the user's own. */
export function describe(name) {
  return name.split("+").map((part) => PARTS[part.trim()] ?? t("trained: {name}", { name: part.trim() })).join(" · ");
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

/** What the palette offers: each style by its name. `set` gets its value. */
export function styles(set) {
  return Object.entries(STYLES).map(([value, name]) => ({ name: PARTS[value] ? `${name}: ${PARTS[value]}` : name, icon: "answer", run: () => set(value) }));
}

/** A picker of how long answers are; "" leaves it to the recipe and acclimate.toml. */
export function stylePicker(chosen, onchange) {
  const title = (value) => PARTS[value] ?? t("as the recipe or acclimate.toml says");
  const select = h("select", { "aria-label": t("Style"), title: title(chosen), onchange: () => {
    select.title = title(select.value);
    onchange(select.value);
  } });
  for (const [value, name] of Object.entries(STYLES)) select.append(h("option", { value, selected: value === chosen, title: title(value) }, name));
  return select;
}
