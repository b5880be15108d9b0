// A document's text with the cited span marked. Offsets count code points, as the server does; JavaScript does not.

import { api } from "./api.js";
import { fill, h } from "./dom.js";
import { t } from "./words.js";

const BEFORE = 30_000; // characters shown around the place, where the document is longer
const WINDOW = 90_000;
const TAGS = { title: "h3", heading: "h3", code: "pre", table: "div", list_item: "p", quote: "blockquote" };
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

export function textView(facts, at, body) {
  const start = facts.characters > WINDOW ? Math.max(0, (at.start ?? 0) - BEFORE) : 0;
  const page = h("div", { class: "text-page" });
  let from = start, to = start;

  async function add(offset, length, before) {
    const got = await api.text(facts.id, offset, length);
    const blocks = render(new Stretch(got), got.elements, at);
    const height = body.scrollHeight;
    page[before ? "prepend" : "append"](...blocks);
    if (before) body.scrollTop += body.scrollHeight - height;
    [from, to] = [Math.min(from, got.start), Math.max(to, got.end)];
    earlier.hidden = from === 0;
    later.hidden = to >= got.total;
  }

  const button = (words, onclick) => h("button", { type: "button", class: "quiet", hidden: true, onclick }, words);
  const earlier = button(t("Earlier text"), () => add(Math.max(0, from - WINDOW), Math.min(from, WINDOW), true));
  const later = button(t("Later text"), () => add(to, WINDOW, false));

  async function show() {
    await add(start, WINDOW, false);
    fill(body, earlier, page, later);
    const mark = page.querySelector("mark");
    if (mark) mark.scrollIntoView({ block: "center" });
    else body.scrollTop = 0;
  }
  return { ready: show() };
}

/** The blocks of a stretch: each element in its form, and whatever stands between them. */
function render(stretch, elements, at) {
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
  if (element.kind === "table" && text.startsWith("|")) return h("div", { class: "table", tabindex: 0, role: "region", "aria-label": t("Table") }, table(text, start, stretch, at));
  const made = h(TAGS[element.kind] ?? "p", { class: `block ${element.kind}`, dir: "auto", dataset: { level: element.level ?? 0 } });
  const signs = SYNTAX[element.kind]?.exec(text)?.[0].length ?? 0; // of Markdown: kept, but not shown
  if (signs) made.append(h("span", { class: "syntax" }, stretch.cut(start, start + signs)));
  if (signs && element.kind === "list_item") made.classList.add("bullet");
  made.append(...marked(stretch, start + signs, end, at));
  return made;
}

/** The text from `start` to `end`, the part of it that is cited as <mark>. */
function marked(stretch, start, end, at) {
  const [from, to] = [Math.max(start, at.start ?? 0), Math.min(end, at.end ?? 0)];
  if (to <= from) return [stretch.cut(start, end)];
  return [stretch.cut(start, from), h("mark", {}, stretch.cut(from, to)), stretch.cut(to, end)];
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
    made.append(h(tag, {}, ...marked(stretch, start + first, start + last, at)));
    from = to + 1;
  }
  return made;
}
