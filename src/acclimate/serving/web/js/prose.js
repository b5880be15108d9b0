// The little Markdown that models write, as elements: paragraphs, lists, bold, code. Links and pictures stay text.

import { h } from "./dom.js";

const ITEM = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/;
const HEADING = /^#{1,6}\s+(.*)$/;
const INLINE = /\*\*(?=\S)(.+?)\*\*|`([^`]+)`|\uE000(\d+)\uE001/g;
let noted = null; // makes the element of a note while a text is read

/** A text with notes at places of it: [[place, number]]; `prose` puts in what its `note` makes of each number. */
export function withNotes(text, notes) {
  const clean = text.replace(/[\uE000\uE001]/g, " "); // as long as the text, so that places hold
  const places = [...notes].sort((one, other) => other[0] - one[0]);
  return places.reduce((held, [place, number]) => `${held.slice(0, place)}\uE000${number}\uE001${held.slice(place)}`, clean);
}

/** The blocks of a text. Unfinished marks, as while an answer comes, are text. */
export function prose(text, note = null) {
  noted = note;
  const blocks = [];
  const lines = text.split("\n");
  while (lines.length) {
    if (!lines[0].trim()) lines.shift();
    else if (lines[0].startsWith("```")) blocks.push(code(lines));
    else if (ITEM.test(lines[0])) blocks.push(list(lines));
    else if (HEADING.test(lines[0])) blocks.push(h("p", {}, h("strong", {}, HEADING.exec(lines.shift())[1])));
    else blocks.push(paragraph(lines));
  }
  return blocks;
}

function code(lines) {
  lines.shift();
  const end = lines.findIndex((line) => line.startsWith("```"));
  const held = lines.splice(0, end < 0 ? lines.length : end);
  lines.shift();
  return h("pre", { tabindex: 0 }, held.join("\n"));
}

function list(lines) {
  const first = ITEM.exec(lines[0])[1];
  const made = first ? h("ol", { start: first }) : h("ul");
  while (lines.length && ITEM.test(lines[0])) made.append(h("li", {}, inline(ITEM.exec(lines.shift())[2])));
  return made;
}

function paragraph(lines) {
  const held = [];
  while (lines.length && lines[0].trim() && !ITEM.test(lines[0]) && !HEADING.test(lines[0]) && !lines[0].startsWith("```")) held.push(lines.shift());
  return h("p", {}, inline(held.join("\n")));
}

function part([, strong, code, number]) {
  if (strong) return h("strong", {}, inline(strong));
  if (code) return h("code", {}, code.replace(/\uE000\d+\uE001/g, ""));
  return noted?.(Number(number)) ?? "";
}

function inline(text) {
  const parts = [];
  let place = 0;
  for (const match of text.matchAll(INLINE)) {
    parts.push(text.slice(place, match.index), part(match));
    place = match.index + match[0].length;
  }
  return [...parts, text.slice(place)];
}
