// Where two recipes of a comparison differ: question by question, side by side, with what they cite marked.

import { api } from "./api.js";
import { empty, failed, fill, h, iconButton, loading } from "./dom.js";
import { listed, t, tn } from "./words.js";

export function differView(row, when, hide) {
  const best = row.recommended && row.recipes.includes(row.recommended) ? row.recommended : row.recipes[0];
  let first = best, second = row.recipes.find((name) => name !== best);
  const list = h("div", { class: "differ-list" });
  const said = h("p", { class: "muted differ-said", role: "status" });
  const pickers = h("div", { class: "pickers" });
  const tools = h("div", { class: "report-tools" }, iconButton("back", t("All comparisons"), hide, { class: "quiet" }), h("p", { class: "muted" }, when));
  const view = h("div", { class: "room differ" }, tools, h("h1", {}, t("Where they differ")), pickers, said, list);

  function choose() {
    const pick = (label, chosen, other, take) => {
      const made = h("select", { "aria-label": label, onchange: () => { take(made.value); choose(); } });
      for (const name of row.recipes.filter((one) => one !== other)) made.append(h("option", { value: name, selected: name === chosen }, name));
      return made;
    };
    fill(pickers, pick(t("First"), first, second, (name) => (first = name)), h("span", { class: "against" }, t("and")), pick(t("Second"), second, first, (name) => (second = name)));
    load();
  }

  async function load() {
    fill(list, loading(3));
    try {
      const found = await api.disagreements(row.id, first, second);
      said.textContent = tn(found.questions, "{total} of {n} question scored differently ({metric}).", "{total} of {n} questions scored differently ({metric}).", found);
      fill(list, found.data.length ? found.data.map(item) : empty("check", t("They never differ"), t("Both score alike on every question.")));
    } catch (error) {
      fill(list, failed(error, load));
    }
  }

  choose();
  return view;
}

function item(one) {
  const right = one.answerable ? one.answers.join(" / ") : t("the documents do not say");
  return h("article", { class: "differ-item" },
    one.turns.length > 0 && h("p", { class: "note turns" }, one.turns.map((turn) => h("span", { dir: "auto" }, `${turn.question} – ${turn.answer}`))),
    h("h2", { dir: "auto" }, one.question),
    h("p", { class: "muted" }, t("Right: {answer}", { answer: right }), one.document && [" · ", h("bdi", {}, one.document)]),
    h("div", { class: "differ-sides" }, one.sides.map(side)));
}

function side(one) {
  const points = one.points === null ? "–" : Math.round(100 * one.points);
  const kind = one.points >= 0.8 ? "good" : one.points >= 0.4 ? "half" : "bad";
  return h("div", { class: "differ-side" },
    h("p", { class: "differ-head" }, h("strong", {}, one.recipe), h("span", { class: `points ${kind}` }, points)),
    one.error ? h("p", { class: "error-text" }, one.error) : h("p", { class: "differ-text", dir: "auto" }, one.text),
    one.passages.map(passage));
}

const MARKS = { both: t("evidence, and cited"), evidence: t("evidence"), cited: t("cited") };

function passage(one) {
  const where = listed([one.path, one.page && t("page {page}", { page: one.page })].filter(Boolean));
  const text = one.parts.map(([words, mark]) => (mark ? h("mark", { class: mark, title: MARKS[mark] }, words) : words));
  return h("details", { class: "differ-passage", open: one.parts.some(([, mark]) => mark) }, h("summary", { dir: "auto" }, where), h("p", { class: "passage-text", dir: "auto", tabindex: 0, role: "group", "aria-label": where }, text));
}
