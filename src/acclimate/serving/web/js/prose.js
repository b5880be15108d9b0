// The little Markdown that models write, as elements: paragraphs, lists, bold, code. Links and pictures stay text.

import { h } from "./dom.js";

const ITEM = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/;
const HEADING = /^#{1,6}\s+(.*)$/;
const INLINE = /\*\*(?=\S)(.+?)\*\*|`([^`]+)`/g;

/** The blocks of a text. Unfinished marks, as while an answer comes, are text. */
export function prose(text) {
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

function inline(text) {
  const parts = [];
  let place = 0;
  for (const match of text.matchAll(INLINE)) {
    parts.push(text.slice(place, match.index), match[1] ? h("strong", {}, match[1]) : h("code", {}, match[2]));
    place = match.index + match[0].length;
  }
  return [...parts, text.slice(place)];
}
