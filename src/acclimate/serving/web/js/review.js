// The room in which people review the question set: one question at a time, by mouse, touch or keyboard.

import { api } from "./api.js";
import { announce, empty, failed, fill, h, icon, iconButton, loading, toast } from "./dom.js";
import { documentAt } from "./library.js";
import { openDocument } from "./reader.js";
import { editForm } from "./question.js";
import { listed, t, tn } from "./words.js";

const STATES = { proposed: t("Proposed"), open: t("To review"), accepted: t("Accepted"), rejected: t("Rejected"), all: t("All") };
const SIDES = { test: t("test: comparisons ask it"), train: t("train: it may be learnt"), dev: t("dev: choices are made by it") };
const stateOf = (row) => (row.given === undefined ? row.status || "open" : "proposed");

export function questionsRoom() {
  const heading = h("h1", { tabindex: -1 }, t("Questions"));
  const summary = h("p", { class: "muted" });
  const bar = h("progress", { "aria-label": t("Reviewed"), max: 1, value: 0 });
  const filters = h("div", { class: "segments", role: "group", "aria-label": t("State") });
  const list = h("ul", { class: "question-list", "aria-label": t("Questions") });
  const card = h("section", { class: "question-card", "aria-label": t("Question"), tabindex: -1 });
  const body = h("div", { class: "review" }, loading(6));
  const element = h("div", { class: "room questions", onkeydown: keys }, h("header", { class: "room-head" }, h("div", {}, heading, summary), bar), filters, body);
  const sides = new Map();
  let rows = [], state = "", chosen = "", editing = false;

  async function load() {
    try {
      const [proposed, known] = await Promise.all([api.feedback(), api.questions()]);
      rows = [...proposed, ...known];
    } catch (error) {
      fill(body, failed(error, load));
      return;
    }
    if (!rows.length) {
      filters.hidden = bar.hidden = true;
      fill(body, empty("questions", t("There are no questions yet"), t("A question set measures how often answers are right. Write questions.jsonl in the project's folder, one question a line.")));
      return;
    }
    fill(body, list, card);
    if (!state) state = rows.some((row) => stateOf(row) === "proposed") ? "proposed" : "open";
    if (!rows.some((row) => stateOf(row) === state)) state = "all";
    draw();
  }

  const among = () => rows.filter((row) => state === "all" || stateOf(row) === state || row.id === chosen);

  function draw() {
    const tally = { all: rows.length, proposed: 0, open: 0, accepted: 0, rejected: 0 };
    for (const row of rows) tally[stateOf(row)] += 1;
    const questions = rows.length - tally.proposed, reviewed = questions - tally.open;
    const waiting = tally.proposed && tn(tally.proposed, "{n} proposed by readers", "{n} proposed by readers");
    summary.textContent = listed([tn(questions, "{reviewed} of {n} question reviewed", "{reviewed} of {n} questions reviewed", { reviewed }), waiting].filter(Boolean));
    bar.max = Math.max(questions, 1);
    bar.value = reviewed;
    const kinds = Object.entries(STATES).filter(([kind]) => kind !== "proposed" || tally.proposed);
    fill(filters, kinds.map(([kind, words]) => h("button", { type: "button", "aria-pressed": String(kind === state), onclick: () => { state = kind; chosen = ""; draw(); } }, `${words} ${tally[kind]}`)));
    const shown = among();
    if (!shown.some((row) => row.id === chosen)) chosen = shown[0]?.id ?? "";
    fill(list, shown.map((row) => h("li", {}, h("button", { type: "button", class: stateOf(row), "aria-current": row.id === chosen ? "true" : null, onclick: () => pick(row.id) }, h("span", { class: `dot ${stateOf(row)}`, title: STATES[stateOf(row)] }), h("span", { dir: "auto" }, row.question)))));
    list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    const row = shown.find((one) => one.id === chosen);
    fill(card, row ? (editing ? editForm(row, save, stopEditing) : view(row, shown)) : empty("check", t("Nothing left here"), t("Every question of this kind is done.")));
    if (editing) card.querySelector("textarea").focus();
  }

  function view(row, shown) {
    const place = shown.indexOf(row);
    const facts = [row.kind, row.split, STATES[stateOf(row)]].filter(Boolean);
    const open = row.answerable && !row.answers.length;
    return [
      h("div", { class: "card-head" }, h("p", { class: "muted" }, t("{done} of {total}", { done: place + 1, total: shown.length })), facts.map((one) => h("span", { class: "tag" }, one)), h("div", { class: "row-end" }, iconButton("up", t("Previous question (K)"), () => step(-1), { silent: true, class: "plain" }), iconButton("down", t("Next question (J)"), () => step(1), { silent: true, class: "plain" }))),
      (row.turns ?? []).length > 0 && h("p", { class: "note turns" }, row.turns.map((one) => h("span", { dir: "auto" }, `${one.question} – ${one.answer}`))),
      h("h2", { dir: "auto" }, row.question),
      row.given !== undefined && said(row),
      open ? h("p", { class: "note" }, t("Nobody has said yet what is right: edit it.")) : row.answerable ? h("ul", { class: "reference", "aria-label": t("Answers that count as right") }, row.answers.map((one) => h("li", { dir: "auto" }, one))) : h("p", { class: "note" }, t("The documents do not hold the answer: to abstain is right.")),
      row.given !== undefined && row.splits.length > 1 && side(row),
      row.evidence && h("blockquote", { class: "evidence", dir: "auto" }, h("p", {}, row.evidence), h("button", { type: "button", class: "plain source", onclick: () => evidence(row) }, icon("documents"), h("bdi", {}, row.document ?? ""), h("kbd", {}, "O"))),
      h("div", { class: "card-end" },
        h("button", { type: "button", class: "primary", disabled: open, onclick: () => judge("accepted") }, icon("check"), t("Accept"), h("kbd", {}, "A")),
        h("button", { type: "button", onclick: edit }, icon("edit"), t("Edit"), h("kbd", {}, "E")),
        h("button", { type: "button", class: "reject", onclick: () => judge("rejected") }, icon("close"), t("Reject"), h("kbd", {}, "R")),
        row.status && h("button", { type: "button", class: "quiet", onclick: () => judge("") }, t("Undo"))),
    ];
  }

  // A proposal whose document is on no side yet.
  function side(row) {
    const chosenSide = sides.get(row.id) ?? row.splits[0];
    const options = row.splits.map((one) => h("option", { value: one, selected: one === chosenSide }, SIDES[one]));
    return h("label", { class: "side" }, `${t("Split")} `, h("select", { onchange: (event) => sides.set(row.id, event.target.value) }, options));
  }

  function pick(id) {
    chosen = id;
    editing = false;
    draw();
    card.focus();
  }

  function step(by) {
    const shown = among();
    const next = shown[shown.findIndex((row) => row.id === chosen) + by];
    if (!next) return;
    pick(next.id);
    announce(next.question);
  }

  async function judge(status) {
    const row = rows.find((one) => one.id === chosen);
    if (!row || (status === "accepted" && row.answerable && !row.answers.length)) return;
    const shown = among();
    const next = shown[shown.indexOf(row) + 1] ?? shown[shown.indexOf(row) - 1];
    if (!(await put(row, { question: row.question, answers: row.answers, answerable: row.answerable, status }))) return;
    announce(status ? STATES[status] : t("Undone"));
    if (status && next) chosen = next.id;
    draw();
    card.focus();
  }

  async function save(changes) {
    const row = rows.find((one) => one.id === chosen);
    if (!(await put(row, { ...changes, status: "accepted" }))) return;
    toast(t("Kept, and accepted."));
    stopEditing();
  }

  async function put(row, changes) {
    try {
      if (row.given === undefined) Object.assign(row, await api.putQuestion(row.id, { version: row.version, ...changes }));
      else await decide(row, changes);
      return true;
    } catch (error) {
      toast(error.message, "error");
      if (error.code === "changed") load();
      return false;
    }
  }

  /** A proposal becomes a question, or goes. */
  async function decide(row, changes) {
    const { question } = await api.putFeedback(row.id, { version: row.version, split: sides.get(row.id) ?? null, ...changes });
    rows = [...(await api.feedback()), ...(await api.questions())];
    if (!question) return;
    const told = sides.has(row.id) ? t("It is a question of the split “{split}” now.", question) : t("It is a question of the split “{split}” now, as others about its document are.", question);
    toast(question.split === "test" ? t("It is a test question now: the next comparison asks it.") : told);
  }

  function edit() {
    editing = true;
    draw();
  }

  function stopEditing() {
    editing = false;
    draw();
    card.focus();
  }

  async function evidence(row) {
    try {
      const found = row.document && (await documentAt(row.document));
      if (!found) throw new Error(t("The document is not in the library."));
      await openDocument({ ...found, ...(await placeOf(row.evidence, found)) });
    } catch (error) {
      toast(error.message, "error");
    }
  }

  function keys(event) {
    if (editing || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    const row = rows.find((one) => one.id === chosen);
    const acts = { j: () => step(1), k: () => step(-1), a: () => judge("accepted"), r: () => judge("rejected"), e: edit, o: () => row?.evidence && evidence(row) };
    const act = acts[event.key.toLowerCase()];
    if (!act || !row) return;
    event.preventDefault();
    act();
  }

  load();
  return { element, focus: () => heading.focus() };
}

/** What was answered, and what its reader said of it. */
function said(row) {
  const named = row.by && row.by !== "local";
  const right = named ? t("Called right by {by}. {recipe} answered:", row) : t("Called right. {recipe} answered:", row);
  const wrong = named ? t("Called wrong by {by}. {recipe} answered:", row) : t("Called wrong. {recipe} answered:", row);
  return h("div", { class: "said" },
    h("p", { class: "muted" }, icon(row.right ? "good" : "bad"), row.right ? right : wrong),
    h("p", { class: "said-text", dir: "auto" }, row.given),
    row.known && h("p", { class: "note" }, t("The set asks this already: accepted, the question there gets this answer too.")));
}

/** Where the evidence stands in its document, in code points. */
async function placeOf(evidence, found) {
  const { pages } = await api.document(found.id);
  const { text } = await api.text(found.id, 0, 1_000_000);
  const at = text.indexOf(evidence);
  if (at < 0) return { start: 0, end: 0, page: pages ? 1 : null };
  const start = Array.from(text.slice(0, at)).length;
  return { start, end: start + Array.from(evidence).length, page: null };
}
