// One answer: its text as it comes, its sources, what the model was shown, and what to think of it.

import { fill, h, icon, iconButton, origin, toast } from "./dom.js";
import { prose, withNotes } from "./prose.js";
import { openDocument } from "./reader.js";
import { thumbs } from "./thumbs.js";
import { listed, t, tn } from "./words.js";

const SHORT = 90; // characters; such an answer is set larger

/** A card that is written to while the answer comes: `write(text so far)`, then `finish(answer)` once. */
export function answerCard(recipe, { named }) {
  const text = h("div", { class: "answer-text", dir: "auto", "aria-busy": "true" }, h("span", { class: "thinking" }, h("span", { class: "hidden" }, t("Answering"))));
  const rest = h("div", { class: "answer-rest" });
  const element = h("div", { class: "answer writing", dataset: { recipe } }, named && h("h3", { class: "recipe" }, recipe), text, rest);

  return {
    element,
    write(soFar) {
      fill(text, prose(soFar));
    },
    finish(answer) {
      element.classList.remove("writing");
      element.classList.toggle("abstained", Boolean(answer.abstained));
      text.removeAttribute("aria-busy");
      fill(text, noted(answer));
      text.classList.toggle("short", answer.text.length <= SHORT && !answer.abstained);
      text.hidden = !answer.text;
      fill(rest, notices(answer), sources(answer), more(answer, named));
    },
  };
}

/** The answer's text; a full one with the number of its source after each sentence, and a mark after those without. */
function noted(answer) {
  const ends = (answer.citations ?? []).map((one, at) => one.claim && [place(answer.text, one.claim[1]), at]).filter(Boolean);
  const alone = (answer.unsupported ?? []).map(([, end]) => [place(answer.text, end), -1]);
  if (!ends.length && !alone.length) return prose(answer.text);
  const minus = answer.citations.length; // notes are numbers: this one stands for none
  const notes = [...ends, ...alone].map(([end, at]) => [end, at < 0 ? minus : at]);
  return prose(withNotes(answer.text, notes), (at) => (at === minus ? doubted() : source(answer.citations[at])));
}

/** Places come in code points, as Python counts; JavaScript counts in halves of some. */
function place(text, points) {
  return [...text].slice(0, points).join("").length;
}

function source(citation) {
  const label = t("Source {number}: {path}", { number: citation.number, path: citation.path });
  return h("button", { type: "button", class: "source", title: `${citation.path}\n${plain(citation.quote)}`, "aria-label": label, onclick: () => openDocument({ ...citation, id: citation.document }) }, String(citation.number));
}

function doubted() {
  return h("span", { class: "unsourced", title: t("No passage was found that says this.") }, t("no source"));
}

/** What the reader has to know about the answer, plainly. */
function notices(answer) {
  if (answer.error) return h("div", { class: "notice error", role: "alert" }, icon("warn"), h("p", { dir: "auto" }, answer.error));
  if (answer.stopped) return h("p", { class: "note" }, t("Stopped."));
  const shown = answer.passages?.length ?? 0;
  const told = answer.asked ? [t("Understood as: {question}", { question: answer.asked })] : [];
  if (answer.abstained) told.push(abstention(answer, shown));
  else if (!shown) told.push(t("Written from the model's memory: it was not shown your documents."));
  else if (!answer.citations.length) told.push(t("The model named no source. Read the passages below before you rely on this."));
  if (answer.working) told.push(t("Worked out: {working}", { working: answer.working }));
  if (answer.finish === "length") told.push(t("Cut off at the limit of tokens."));
  return told.map((one) => h("p", { class: "note" }, one));
}

/** Why there is no answer: each reason has another remedy. */
function abstention(answer, shown) {
  switch (answer.abstention) {
    case "empty_library":
      return t("There is nothing to search yet. Add documents in the room Documents.");
    case "no_document_left":
      return t("Loosen the filter, or ask with a key that sees more documents.");
    case "nothing_found":
      return t("The search found no passage with these words. Ask in other words.");
    default:
      return shown ? tn(shown, "The answer is not in the {n} passage that the model was shown.", "The answer is not in the {n} passages that the model was shown.") : t("The model has no answer.");
  }
}

function sources(answer) {
  if (!answer.citations?.length) return null;
  const places = new Map(answer.citations.map((one) => [`${one.document} ${one.start} ${one.end}`, one]));
  const chips = [...places.values()].map((citation) => h("li", {}, chip(citation, answer), origin(citation.url)));
  return h("ul", { class: "chips", "aria-label": t("Sources") }, chips);
}

/** A source: opens the document at the exact place. */
function chip(citation, answer) {
  const name = citation.path.split("/").pop();
  const place = citation.page ? t("page {page}", { page: citation.page }) : (citation.headings.at(-1) ?? "");
  const doubt = citation.verbatim || answer.working ? null : h("span", { class: "doubt" }, t("The closest passage: the answer's words do not stand there literally."));
  return h(
    "button",
    { type: "button", class: "chip", title: citation.path, onclick: () => openDocument({ ...citation, id: citation.document }) },
    h("span", { class: "number" }, String(citation.number)),
    h("span", { class: "chip-head" }, h("span", { class: "name", dir: "auto" }, name), place && h("span", { class: "place", dir: "auto" }, place)),
    h("span", { class: "quote", dir: "auto" }, held(plain(citation.quote), answer.text)),
    doubt,
    alsoIn(citation),
  );
}

/** The other documents that hold the same passage. */
function alsoIn(held) {
  const paths = (held.also_in ?? []).map((other) => other.path);
  const some = { paths: listed(paths.slice(0, 5)), more: paths.length - 5 };
  const words = paths.length > 5 ? t("also in {paths} and {more} more", some) : t("also in {paths}", some);
  return paths.length ? h("span", { class: "also" }, words) : null;
}

/** The answer's words marked in what it cites, where they stand there. */
function held(quote, answer) {
  const words = plain(answer).replace(/[.\s]+$/, "");
  const at = words ? quote.toLowerCase().indexOf(words.toLowerCase()) : -1;
  if (at < 0 || words.length > 0.9 * quote.length) return quote;
  return [quote.slice(0, at), h("mark", {}, quote.slice(at, at + words.length)), quote.slice(at + words.length)];
}

/** Rows of a table read better without their bars. */
function plain(quote) {
  return quote.replace(/^\s*\|\s*|\s*\|\s*$/gm, "").replace(/\s*\|\s*/g, " · ").replace(/\s+/g, " ").trim();
}

function more(answer, named) {
  if (!answer.timings) return null;
  const { first_token_s: first, total_s: total, queue_s: waited } = answer.timings;
  const times = { total: total.toFixed(1), first: first.toFixed(1), waited: (waited ?? 0).toFixed(1) };
  const took = waited >= 0.5 ? t("{total} s, first word after {first} s, {waited} s in the queue before", times) : t("{total} s, first word after {first} s", times);
  const facts = `${took}${named ? "" : ` · ${answer.recipe}`}`;
  const copy = iconButton("copy", t("Copy the answer"), () => copied(answer), { silent: true, class: "plain" });
  const said = thumbs(answer);
  const line = h("div", { class: "facts" }, h("span", {}, facts, h("span", { class: "engine" }, ` · ${answer.engine}`)), copy, said.buttons);
  const reasons = answer.reasoning ? h("details", {}, h("summary", {}, t("How it got there")), h("p", { class: "reasoning", dir: "auto" }, answer.reasoning)) : null;
  return [reasons, passages(answer), line, said.form];
}

function passages(answer) {
  if (!answer.passages?.length) return null;
  const cited = new Set(answer.citations.map((citation) => citation.number));
  const rows = answer.passages.map((hit, at) => {
    const open = () => openDocument({ ...hit, id: hit.document, quote: hit.text });
    const where = [hit.path, hit.page && t("page {page}", { page: hit.page }), hit.headings.at(-1)].filter(Boolean).join(" · ");
    return h(
      "li",
      { class: cited.has(at + 1) ? "cited" : null },
      h("div", { class: "passage-head" }, h("span", { class: "number" }, String(at + 1)), h("span", { class: "where", dir: "auto" }, where), iconButton("open", t("Open passage {number}", { number: at + 1 }), open, { silent: true, class: "plain" })),
      h("p", { class: "passage-text", dir: "auto", tabindex: 0, role: "group", "aria-label": t("Passage {number}", { number: at + 1 }) }, hit.text),
      alsoIn(hit),
    );
  });
  return h("details", { class: "passages", open: answer.abstained }, h("summary", {}, tn(rows.length, "{n} passage read", "{n} passages read")), h("ol", {}, rows));
}

async function copied(answer) {
  const notes = (answer.citations ?? []).map((one) => `[${one.number}] ${one.path}${one.page ? `, ${t("page {page}", { page: one.page })}` : ""}: “${one.quote}”`);
  try {
    await navigator.clipboard.writeText([answer.text, ...notes].join("\n"));
    toast(t("Copied, with its sources."));
  } catch {
    toast(t("The browser does not let this page copy."), "error");
  }
}
