// Starting a comparison, watching it, stopping it, and going on with it.

import { api } from "./api.js";
import { announce, count, fill, h, icon, iconButton, toast } from "./dom.js";
import { describe } from "./recipes.js";
import { listed, t, tn } from "./words.js";

const EVERY_MS = 1000;
const GOES = ["running", "stopping"];

/** The button that opens the form, and the place of form and progress; `onDone` hears when a comparison is kept. */
export function compareRun(onDone) {
  const form = h("div", { class: "compare-form", hidden: true });
  const progress = h("section", { class: "compare-run", "aria-label": t("Running comparison"), hidden: true });
  const opener = iconButton("plus", t("New comparison"), open, { class: "primary" });
  const element = h("div", {}, form, progress);
  let timer = 0, gone = false, going = false, dismissed = "";

  async function look() {
    clearTimeout(timer);
    let run;
    try {
      run = await api.comparisonRun();
    } catch (error) {
      opener.hidden = error.status === 403; // a key that sees some documents only
      if (!gone && error.status !== 403) timer = setTimeout(look, 5 * EVERY_MS);
      return;
    }
    if (!gone) show(run);
  }

  function show(run) {
    const goes = Boolean(run) && GOES.includes(run.state);
    opener.disabled = goes;
    if (going && !goes && run?.state === "done") {
      announce(t("The comparison is done."));
      onDone();
    }
    going = goes;
    progress.hidden = !run || run.state === "done" || dismissed === run.created;
    if (!progress.hidden) draw(progress, run, { act, dismiss: () => { dismissed = run.created; progress.hidden = true; } });
    if (goes) timer = setTimeout(look, EVERY_MS);
  }

  async function act(call) {
    clearTimeout(timer);
    try {
      show(await call());
    } catch (error) {
      toast(error.message, "error");
      look();
    }
  }

  async function open() {
    if (!form.hidden) return close();
    try {
      fill(form, compareForm(await api.compareOptions(), start, close));
    } catch (error) {
      toast(error.message, "error");
      return undefined;
    }
    form.hidden = false;
    form.querySelector("input").focus();
    return undefined;
  }

  function close() {
    form.hidden = true;
    opener.focus();
  }

  async function start(order) {
    try {
      const run = await api.startComparison(order);
      form.hidden = true;
      dismissed = "";
      announce(t("The comparison has begun."));
      show(run);
      progress.querySelector("button")?.focus();
    } catch (error) {
      toast(error.message, "error");
    }
  }

  look();
  return {
    element,
    opener,
    left() {
      gone = true;
      clearTimeout(timer);
    },
  };
}

const STATES = { running: t("Comparing"), stopping: t("Stopping after this answer"), stopped: t("Stopped. Every answer so far is kept."), failed: t("The comparison failed") };

function draw(place, run, { act, dismiss }) {
  const names = Object.entries(run.answers);
  const bars = names.map(([name, { done, total }]) => h("li", {}, h("span", { class: "name" }, name), h("progress", { "aria-label": t("Answers of {name}", { name }), max: Math.max(total, 1), value: done }), h("span", { class: "muted" }, t("{done} of {total}", { done, total }))));
  const left = run.state === "running" ? timeLeft(run.seconds_left) : "";
  const acts = GOES.includes(run.state)
    ? [iconButton("stop", t("Stop"), () => act(api.stopComparison), { disabled: run.state === "stopping" })]
    : [iconButton("again", t("Go on"), () => act(api.resumeComparison), { class: "primary" }), iconButton("close", t("Dismiss"), dismiss, { class: "quiet" })];
  const held = place.contains(document.activeElement) ? document.activeElement.textContent : "";
  fill(place,
    h("h2", {}, STATES[run.state] ?? run.state),
    h("p", { class: "muted" }, run.error ? "" : [left, run.state === "running" ? run.doing : ""].filter(Boolean).join(" · ") || (names.length ? "" : listed(run.order.recipes))),
    run.error && h("p", { class: "error-text", role: "alert" }, run.error),
    h("ul", { class: "compare-bars" }, bars),
    h("div", { class: "card-end" }, acts));
  if (held) [...place.querySelectorAll("button")].find((one) => one.textContent === held)?.focus();
}

function timeLeft(seconds) {
  if (seconds === null) return t("Two questions first, to see how long it takes");
  if (seconds < 60) return t("less than a minute left");
  return tn(Math.round(seconds / 60), "about {n} minute left", "about {n} minutes left");
}

/** The form; `start` gets what is to be compared. */
function compareForm(options, start, cancel) {
  const recipes = boxes(t("Recipes"), options.recipes, (name) => name === "rag" || name === "zero-shot", describe);
  const models = boxes(t("Models"), options.models, (name) => name === "default", () => "");
  const more = h("input", { type: "text", id: "compare-more", placeholder: "rag[k=8], rag[rerank=minilm-extractor]", "aria-describedby": "compare-more-hint" });
  const split = select("compare-split", Object.keys(options.splits), options.splits.test ? "test" : Object.keys(options.splits)[0], (name) => `${name || t("none")} (${count(options.splits[name], "question")})`);
  const tells = h("p", { class: "muted", id: "compare-tells" });
  const tell = () => (tells.textContent = options.tells[split.value] ?? "");
  split.addEventListener("change", tell);
  split.setAttribute("aria-describedby", "compare-tells");
  tell();
  const metric = select("compare-metric", options.metrics, "f1", (name) => name);
  const limit = h("input", { type: "number", id: "compare-limit", min: 1, placeholder: t("all") });
  const early = h("input", { type: "checkbox" });

  function submit(event) {
    event.preventDefault();
    const chosen = [...recipes.chosen(), ...extra(more.value)];
    more.setCustomValidity(chosen.length ? "" : t("Choose at least one recipe."));
    if (!form.reportValidity()) return;
    const named = models.chosen();
    const order = { recipes: chosen, models: named.length === 1 && named[0] === "default" ? [] : named, split: split.value, metric: metric.value, stop_early: early.checked };
    if (limit.value) order.limit = Number(limit.value);
    start(order);
  }

  const field = (words, control) => h("div", { class: "field" }, h("label", { for: control.id }, words), control);
  const form = h("form", { class: "fields", novalidate: true, onsubmit: submit, oninput: () => more.setCustomValidity(""), onkeydown: (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    cancel();
  } },
    h("h2", {}, t("New comparison")),
    recipes.element,
    h("div", { class: "field" }, h("label", { for: "compare-more" }, t("With other settings")), more, h("p", { class: "muted", id: "compare-more-hint" }, t("Recipes as acclimate compare writes them, separated by commas."))),
    options.models.length > 1 && models.element,
    h("div", { class: "compare-row" }, field(t("Questions"), split), field(t("Decides"), metric), field(t("At most"), limit)),
    tells,
    h("label", { class: "check" }, early, t("Stop once a winner is certain")),
    h("div", { class: "card-end" }, h("button", { type: "submit", class: "primary" }, icon("comparisons"), t("Start")), h("button", { type: "button", onclick: cancel }, t("Cancel"))));
  return form;
}

/** "rag[k=8,neighbours=1], cot" → two: a comma inside brackets separates nothing. */
function extra(text) {
  return (text.match(/(?:\[[^\]]*\]|[^,[])+/g) ?? []).map((one) => one.trim()).filter(Boolean);
}

function boxes(legend, names, isChosen, tell) {
  const inputs = names.map((name) => h("input", { type: "checkbox", value: name, checked: isChosen(name) }));
  const rows = inputs.map((input, at) => h("label", { class: "check", title: tell(names[at]) }, input, h("span", {}, names[at])));
  return { element: h("fieldset", { class: "boxes" }, h("legend", {}, legend), rows), chosen: () => inputs.filter((one) => one.checked).map((one) => one.value) };
}

function select(id, values, chosen, words) {
  const made = h("select", { id });
  for (const value of values) made.append(h("option", { value, selected: value === chosen }, words(value)));
  return made;
}
