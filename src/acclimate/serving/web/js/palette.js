// The palette: whatever can be done or opened, by typing a part of its name.

import { fill, h, icon } from "./dom.js";
import { allDocuments } from "./library.js";
import { openDocument } from "./reader.js";
import { t, tn } from "./words.js";

const MOST = 40; // rows at once
let open = null; // the dialog

/** Open the palette with `commands`, [{ group, name, icon, run, also }]; documents are found by their paths too. `also`: other words for it. */
export function openPalette(commands) {
  if (open) return open.close();
  const opener = document.activeElement;
  const list = h("ul", { id: "palette-list", role: "listbox", "aria-label": t("What can be done") });
  const field = h("input", {
    type: "text", role: "combobox", dir: "auto", autocomplete: "off", spellcheck: "false", maxlength: 200, "aria-autocomplete": "list", "aria-expanded": "true",
    "aria-controls": "palette-list", "aria-label": t("Go to, open or change"), placeholder: t("Go to, open or change"), oninput: () => draw(0), onkeydown: keys,
  });
  const said = h("p", { class: "hidden", role: "status" });
  const made = h("dialog", { class: "palette", "aria-label": t("Commands") }, h("div", { class: "search" }, icon("search"), field), list, said);
  let documents = [], rows = [], at = 0, done = null;

  function draw(place) {
    const words = field.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const all = words.length ? [...commands, ...documents] : commands;
    rows = ranked(all, words).slice(0, MOST);
    at = Math.max(0, Math.min(place, rows.length - 1));
    let group = "";
    const items = rows.flatMap((row, number) => {
      const head = row.group === group ? [] : [h("li", { class: "palette-group", role: "presentation" }, (group = row.group))];
      return [...head, option(row, number)];
    });
    fill(list, rows.length ? items : h("li", { class: "note", role: "presentation" }, t("Nothing fits")));
    said.textContent = words.length ? tn(rows.length, "{n} entry", "{n} entries") : "";
    point();
  }

  function option(row, number) {
    const path = row.path && h("span", { class: "muted", dir: "auto" }, row.path);
    return h("li", { id: `palette-${number}`, role: "option", "aria-selected": "false", onclick: () => choose(row), onpointermove: () => number !== at && ((at = number), point()) }, icon(row.icon), h("span", { class: "palette-name", dir: "auto" }, row.name), path);
  }

  function point() {
    list.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
    const row = document.getElementById(`palette-${at}`);
    row?.setAttribute("aria-selected", "true");
    row?.scrollIntoView({ block: "nearest" });
    if (row) field.setAttribute("aria-activedescendant", row.id);
    else field.removeAttribute("aria-activedescendant");
  }

  function choose(row) {
    done = row;
    made.close();
  }

  function keys(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    if (event.key in moves && rows.length) {
      event.preventDefault();
      const step = moves[event.key];
      at = Math.abs(step) === 1 ? (at + step + rows.length) % rows.length : Math.min(Math.max(at + step, 0), rows.length - 1);
      point();
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      if (rows[at]) choose(rows[at]);
    }
  }

  made.addEventListener("click", (event) => event.target === made && made.close()); // beside it
  made.addEventListener("close", () => {
    made.remove();
    open = null;
    if (opener?.isConnected) opener.focus();
    done?.run();
  });
  open = made;
  document.body.append(made);
  made.showModal();
  draw(0);
  field.focus();
  allDocuments((some) => {
    documents = some.filter((one) => one.status === "ready").map(entry);
    if (field.value && made.isConnected) draw(at);
  }).catch(() => {}); // the commands are there without them
  return made;
}

function entry(one) {
  const name = one.path.split("/").pop();
  const folder = one.path.slice(0, -name.length).replace(/\/$/, "");
  return { group: t("Documents"), name, path: folder, icon: "documents", run: () => openDocument({ ...one, start: 0, end: 0 }) };
}

/** Those that hold every word, in their order, groups together: first the groups with a name that begins as was typed. */
function ranked(all, words) {
  const found = all.filter((row) => {
    const text = `${row.group} ${row.name} ${row.path ?? ""} ${row.also ?? ""}`.toLocaleLowerCase();
    return words.every((word) => text.includes(word));
  });
  const begins = (row) => words.length && row.name.toLocaleLowerCase().startsWith(words[0]);
  const first = new Set(found.filter(begins).map((row) => row.group));
  const sorted = [...found].sort((one, two) => begins(two) - begins(one));
  const groups = [...new Set([...first, ...found.map((row) => row.group)])];
  return groups.flatMap((group) => sorted.filter((row) => row.group === group));
}
