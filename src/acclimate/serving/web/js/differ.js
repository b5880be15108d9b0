// Where two recipes of a comparison differ: question by question, side by side, with what they cite marked.

import { api } from "./api.js";
import { count, empty, failed, fill, h, iconButton, loading } from "./dom.js";

export function differView(row, when, hide) {
  const best = row.recommended && row.recipes.includes(row.recommended) ? row.recommended : row.recipes[0];
  let first = best, second = row.recipes.find((name) => name !== best);
  const list = h("div", { class: "differ-list" });
  const said = h("p", { class: "muted differ-said", role: "status" });
  const pickers = h("div", { class: "pickers" });
  const tools = h("div", { class: "report-tools" }, iconButton("back", "All comparisons", hide, { class: "quiet" }), h("p", { class: "muted" }, when));
  const view = h("div", { class: "room differ" }, tools, h("h1", {}, "Where they differ"), pickers, said, list);

  function choose() {
    const pick = (label, chosen, other, take) => {
      const made = h("select", { "aria-label": label, onchange: () => { take(made.value); choose(); } });
      for (const name of row.recipes.filter((one) => one !== other)) made.append(h("option", { value: name, selected: name === chosen }, name));
      return made;
    };
    fill(pickers, pick("First", first, second, (name) => (first = name)), h("span", { class: "against" }, "and"), pick("Second", second, first, (name) => (second = name)));
    load();
  }

  async function load() {
    fill(list, loading(3));
    try {
      const found = await api.disagreements(row.id, first, second);
      said.textContent = `${found.total} of ${count(found.questions, "question")} scored differently (${found.metric}).`;
      fill(list, found.data.length ? found.data.map(item) : empty("check", "They never differ", "Both score alike on every question."));
    } catch (error) {
      fill(list, failed(error, load));
    }
  }

  choose();
  return view;
}

function item(one) {
  const right = one.answerable ? one.answers.join(" / ") : "the documents do not say";
  return h("article", { class: "differ-item" },
    one.turns.length > 0 && h("p", { class: "note turns" }, one.turns.map((turn) => h("span", {}, `${turn.question} – ${turn.answer}`))),
    h("h2", {}, one.question),
    h("p", { class: "muted" }, `Right: ${right}`, one.document && ` · ${one.document}`),
    h("div", { class: "differ-sides" }, one.sides.map(side)));
}

function side(one) {
  const points = one.points === null ? "–" : Math.round(100 * one.points);
  const kind = one.points >= 0.8 ? "good" : one.points >= 0.4 ? "half" : "bad";
  return h("div", { class: "differ-side" },
    h("p", { class: "differ-head" }, h("strong", {}, one.recipe), h("span", { class: `points ${kind}` }, points)),
    one.error ? h("p", { class: "error-text" }, one.error) : h("p", { class: "differ-text" }, one.text),
    one.passages.map(passage));
}

function passage(one) {
  const where = [one.path, one.page && `page ${one.page}`].filter(Boolean).join(", ");
  const text = one.parts.map(([words, mark]) => (mark ? h("mark", { class: mark, title: mark === "both" ? "evidence, and cited" : mark }, words) : words));
  return h("details", { class: "differ-passage", open: one.parts.some(([, mark]) => mark) }, h("summary", {}, where), h("p", { class: "passage-text", tabindex: 0, role: "group", "aria-label": where }, text));
}
