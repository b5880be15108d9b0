// What helps to find one's way in the open document: its outline, and a search inside it.

import { api } from "./api.js";
import { fill, h, icon, iconButton } from "./dom.js";
import { numbered, t, tn } from "./words.js";

const TYPED_MS = 250; // after which what was typed is looked for

/** A button for the reader's head, and the outline that it opens; `go` gets the heading that was chosen. */
export function outline(facts, go) {
  const list = h("ol");
  const panel = h("nav", { class: "outline", id: "reader-outline", "aria-label": t("Outline"), hidden: true }, list);
  const button = iconButton("outline", t("Outline"), toggle, { silent: true, class: "plain", "aria-expanded": "false", "aria-controls": "reader-outline" });
  let rows = null;

  async function toggle() {
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
    if (panel.hidden || rows) return;
    fill(list, h("li", { class: "note" }, t("Loading")));
    try {
      rows = await api.outline(facts.id);
      draw();
    } catch (error) {
      fill(list, h("li", { class: "note", role: "alert" }, error.message));
    }
  }

  function draw() {
    const highest = Math.min(...rows.map((one) => one.level));
    const items = rows.map((one) => {
      const depth = Math.min(one.level - highest, 4);
      const page = one.page && h("span", { class: "page-of" }, numbered(one.page));
      const made = h("button", { type: "button", onclick: () => choose(one, made) }, h("span", { dir: "auto" }, one.text), page);
      return h("li", { class: `depth-${depth}` }, made);
    });
    fill(list, rows.length ? items : h("li", { class: "note" }, t("This document has no headings.")));
  }

  function choose(heading, made) {
    list.querySelector("[aria-current]")?.removeAttribute("aria-current");
    made.setAttribute("aria-current", "location");
    if (matchMedia("(max-width: 800px)").matches) toggle(); // there it would hide what it leads to
    go(heading);
  }

  return { button, panel, close: () => !panel.hidden && (toggle(), true) };
}

/** A button for the reader's head, and the search that it opens: `mark` gets all places and the current one, `go` that one. */
export function search(facts, { mark, go }) {
  const field = h("input", { type: "search", id: "reader-find", dir: "auto", maxlength: 200, placeholder: t("Find in the document"), "aria-label": t("Find in the document"), oninput: typed, onkeydown: keys });
  const said = h("span", { class: "muted", role: "status" });
  const before = iconButton("up", t("Previous place"), () => step(-1), { silent: true, class: "plain", disabled: true });
  const after = iconButton("down", t("Next place"), () => step(1), { silent: true, class: "plain", disabled: true });
  const panel = h("div", { class: "find", id: "reader-find-bar", role: "search", hidden: true }, h("div", { class: "search" }, icon("search"), field), said, before, after);
  const button = iconButton("search", t("Find in the document"), () => (panel.hidden ? open() : close()), { silent: true, class: "plain", "aria-expanded": "false", "aria-controls": "reader-find-bar" });
  let places = [], more = false, at = -1, timer = 0, looked = 0;

  function open() {
    panel.hidden = false;
    button.setAttribute("aria-expanded", "true");
    field.focus();
    field.select();
    if (field.value) look();
  }

  function close() {
    if (panel.hidden) return false;
    clearTimeout(timer);
    looked += 1;
    panel.hidden = true;
    button.setAttribute("aria-expanded", "false");
    show([], false);
    button.focus();
    return true;
  }

  function typed() {
    clearTimeout(timer);
    timer = setTimeout(look, TYPED_MS);
  }

  async function look() {
    clearTimeout(timer);
    const mine = ++looked;
    const words = field.value.trim();
    try {
      const found = words ? await api.find(facts.id, words) : { data: [], more: false };
      if (mine === looked) show(found.data, found.more);
    } catch (error) {
      if (mine === looked) said.textContent = error.message;
    }
  }

  function show(found, others) {
    [places, more, at] = [found, others, -1];
    before.disabled = after.disabled = !places.length;
    if (places.length) step(1);
    else {
      mark([], null);
      said.textContent = field.value.trim() && !panel.hidden ? t("Not found") : "";
    }
  }

  function step(by) {
    at = (at + by + places.length) % places.length;
    const many = { place: numbered(at + 1) };
    said.textContent = more ? t("{place} of more than {n}", { ...many, n: numbered(places.length) }) : tn(places.length, "{place} of {n}", "{place} of {n}", many);
    mark(places, places[at]);
    go(places[at]);
  }

  function keys(event) {
    if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      if (places.length) step(event.shiftKey ? -1 : 1);
      else look();
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  }

  return { button, panel, open, again: () => !panel.hidden && look(), focused: () => document.activeElement === field };
}
