// A document's text with the cited span marked. Offsets count code points, as the server does; JavaScript does not.

import { api } from "./api.js";
import { fill, h } from "./dom.js";
import { t } from "./words.js";

const BEFORE = 30_000; // characters shown around the place, where the document is longer
const WINDOW = 90_000;
const TAGS = { title: "h3", heading: "h3", code: "pre", table: "div", list_item: "p", quote: "blockquote" };
const HEADINGS = ["title", "heading", "message"]; // the outline leads to them
const SYNTAX = { title: /^#{1,6}[ \t]+/, heading: /^#{1,6}[ \t]+/, list_item: /^[-*+][ \t]+/ };

/** A stretch of a document, cut by the server's offsets. */
export class Stretch {
  constructor({ text, start, end }) {
    this.text = text;
    this.start = start;
    this.end = end;
    this.letters = /[\uD800-\uDFFF]/.test(text) ? Array.from(text) : null;
  }

  cut(from, to) {
    const [first, last] = [Math.max(from, this.start) - this.start, Math.min(to, this.end) - this.start];
    if (last <= first) return "";
    return this.letters ? this.letters.slice(first, last).join("") : this.text.slice(first, last);
  }
}

/** A document's text in `body`: what `at` cites is marked, and so is what `mark` is given. */
export function textView(facts, at, body) {
  const page = h("div", { class: "text-page" });
  const cited = at.end > at.start ? [{ start: at.start, end: at.end, kind: "" }] : [];
  let held = [], marks = cited; // the stretches that were loaded, in their order
  let loads = 0; // what was asked for last wins

  const [from, to] = [() => held[0].stretch.start, () => held.at(-1).stretch.end];

  function put(got, before) {
    const one = { stretch: new Stretch(got), elements: got.elements };
    const height = body.scrollHeight;
    held = before ? [one, ...held] : [...held, one];
    page[before ? "prepend" : "append"](...render(one, marks));
    if (before) body.scrollTop += body.scrollHeight - height;
    earlier.hidden = from() === 0;
    later.hidden = to() >= got.total;
  }

  async function add(offset, length, before) {
    const mine = loads;
    const got = await api.text(facts.id, offset, length);
    if (mine === loads && (before ? got.end === from() : got.start === to())) put(got, before);
  }

  const button = (words, onclick) => h("button", { type: "button", class: "quiet", hidden: true, onclick }, words);
  const earlier = button(t("Earlier text"), () => add(Math.max(0, from() - WINDOW), Math.min(from(), WINDOW), true));
  const later = button(t("Later text"), () => add(to(), WINDOW, false));

  /** Load what is around a place, in place of what is there. */
  async function load(start) {
    const mine = ++loads;
    const got = await api.text(facts.id, facts.characters > WINDOW ? Math.max(0, start - BEFORE) : 0, WINDOW);
    if (mine !== loads) return;
    held = [];
    fill(page);
    put(got, false);
  }

  async function show() {
    await load(at.start ?? 0);
    fill(body, earlier, page, later);
    const mark = page.querySelector("mark");
    if (mark) mark.scrollIntoView({ block: "center" });
    else body.scrollTop = 0;
  }

  async function go(place) {
    await ready;
    if (place.start < from() || place.start >= to()) await load(place.start);
    const block = [...page.querySelectorAll("[data-start]")].findLast((one) => Number(one.dataset.start) <= place.start);
    const found = marks.some((one) => one.kind === "current" && one.start === place.start);
    const mark = found && page.querySelector("mark.current");
    if (mark) mark.scrollIntoView({ block: "center" });
    else block?.scrollIntoView({ block: "start" });
    return block;
  }

  /** Mark places that were looked for, one of them as the current one. */
  function mark(places, current) {
    marks = [...cited, ...places.map((one) => ({ ...one, kind: one === current ? "current" : "found" }))];
    fill(page, held.flatMap((one) => render(one, marks)));
  }

  const ready = show();
  return { ready, go, mark };
}

/** The blocks of a stretch: each element in its form, and whatever stands between them. */
function render({ stretch, elements }, every) {
  const at = every.filter((one) => one.start < stretch.end && one.end > stretch.start);
  const blocks = [];
  let place = stretch.start;
  const between = (end) => {
    if (end > place && stretch.cut(place, end).trim()) blocks.push(block({ kind: "paragraph", start: place, end }, stretch, at));
  };
  for (const element of elements) {
    between(Math.min(element.start, stretch.end));
    blocks.push(block(element, stretch, at));
    place = Math.max(place, element.end);
  }
  between(stretch.end);
  return blocks;
}

function block(element, stretch, at) {
  const [start, end] = [Math.max(element.start, stretch.start), Math.min(element.end, stretch.end)];
  const text = stretch.cut(start, end);
  if (element.kind === "table" && text.startsWith("|")) return h("div", { class: "table", tabindex: 0, role: "region", "aria-label": t("Table"), dataset: { start } }, table(text, start, stretch, at));
  const made = h(TAGS[element.kind] ?? "p", { class: `block ${element.kind}`, dir: "auto", tabindex: HEADINGS.includes(element.kind) ? -1 : null, dataset: { level: element.level ?? 0, start } });
  const signs = SYNTAX[element.kind]?.exec(text)?.[0].length ?? 0; // of Markdown: kept, but not shown
  if (signs) made.append(h("span", { class: "syntax" }, stretch.cut(start, start + signs)));
  if (signs && element.kind === "list_item") made.classList.add("bullet");
  made.append(...marked(stretch, start + signs, end, at));
  return made;
}

/** The text from `start` to `end`, the parts of it that are cited or were looked for as <mark>. */
function marked(stretch, start, end, at) {
  const inside = at.filter((one) => one.start < end && one.end > start);
  if (!inside.length) return [stretch.cut(start, end)];
  const within = (place) => Math.min(Math.max(place, start), end);
  const edges = [...new Set([start, end, ...inside.flatMap((one) => [within(one.start), within(one.end)])])].sort((one, two) => one - two);
  return edges.slice(1).map((to, number) => {
    const from = edges[number];
    const over = inside.filter((one) => one.start <= from && one.end >= to).map((one) => one.kind);
    const kind = over.find((one) => one) ?? ""; // what was looked for shows within what is cited
    return over.length ? h("mark", { class: kind || null }, stretch.cut(from, to)) : stretch.cut(from, to);
  });
}

/** Rows written with bars as a table; the cells keep their offsets. */
function table(text, start, stretch, at) {
  const made = h("table");
  let offset = start;
  for (const [number, line] of text.split("\n").entries()) {
    if (!/^[|\s:-]+$/.test(line)) made.append(row(line, offset, number === 0 ? "th" : "td", stretch, at));
    offset += Array.from(line).length + 1;
  }
  return made;
}

function row(line, start, tag, stretch, at) {
  const made = h("tr");
  const letters = Array.from(line);
  let from = letters[0] === "|" ? 1 : 0;
  for (let to = from; to <= letters.length; to += 1) {
    if (to < letters.length && (letters[to] !== "|" || letters[to - 1] === "\\")) continue;
    if (to === letters.length && from >= to) break;
    let [first, last] = [from, to];
    while (first < last && letters[first] === " ") first += 1;
    while (last > first && letters[last - 1] === " ") last -= 1;
    made.append(h(tag, { dir: "auto" }, ...marked(stretch, start + first, start + last, at)));
    from = to + 1;
  }
  return made;
}
