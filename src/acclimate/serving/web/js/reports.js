// The room of comparisons: what was measured, and each report, cut off from this page.

import { api } from "./api.js";
import { compareRun } from "./compare.js";
import { differView } from "./differ.js";
import { empty, failed, fill, h, icon, iconButton, loading, toast } from "./dom.js";

export function comparisonsRoom() {
  const heading = h("h1", { tabindex: -1 }, "Comparisons");
  const body = h("div", { class: "rows" }, loading(3));
  const runs = compareRun(load);
  let hideNow = () => {};
  const element = h("div", { class: "room comparisons" }, h("header", { class: "room-head" }, h("div", {}, heading, h("p", { class: "muted" }, "Recipes, measured side by side on your own questions.")), runs.opener), runs.element, body);

  async function load() {
    try {
      const rows = await api.comparisons();
      fill(body, rows.length ? h("ul", { class: "reports", "aria-label": "Comparisons" }, rows.map(card)) : nothing());
    } catch (error) {
      fill(body, failed(error, load));
    }
  }

  const nothing = () => empty("comparisons", "Nothing has been compared yet", "A comparison asks every recipe the same questions and tells which is right more often. Start one here, or in the project's folder:", h("pre", { class: "command", tabindex: 0, role: "group", "aria-label": "Command" }, "acclimate compare zero-shot few-shot rag"));

  function card(row) {
    const made = new Date(row.created);
    const when = Number.isNaN(made.valueOf()) ? row.id : made.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    return h(
      "li",
      {},
      h("button", { type: "button", class: "report", onclick: (event) => show(row, when, event.currentTarget) },
        h("span", { class: "muted" }, when), h("span", { class: "sentence" }, row.sentence),
        h("span", { class: "tags" }, row.recipes.map((one) => h("span", { class: "tag" }, one)))),
      h("div", { class: "report-acts" },
        row.recipes.length > 1 && h("button", { type: "button", class: "quiet", onclick: (event) => inPlace(differView(row, when, hide), event.currentTarget) }, icon("columns"), "Where they differ"),
        row.recipes.length > 0 && h("button", { type: "button", class: "quiet", onclick: () => gate(row) }, icon("check"), "Save as gate")),
    );
  }

  async function show(row, when, opener) {
    let link;
    try {
      link = await api.reportLink(row.id);
    } catch (error) {
      toast(error.message, "error");
      return;
    }
    const back = iconButton("back", "All comparisons", hide, { class: "quiet" });
    const apart = iconButton("open", "New tab", () => inNewTab(row), { class: "quiet" });
    const frame = h("iframe", { src: link, title: `Report of ${when}`, sandbox: "allow-scripts", referrerpolicy: "no-referrer" });
    inPlace(h("div", { class: "report-view" }, h("div", { class: "report-tools" }, back, h("h1", { class: "muted" }, `Report of ${when}`), apart), frame), opener);
  }

  /** Show a view in the place of the room, until `hide`. */
  function inPlace(view, opener) {
    hideNow = () => {
      view.remove();
      element.hidden = false;
      opener.focus();
    };
    element.hidden = true;
    element.after(view);
    view.querySelector("button")?.focus();
  }

  function hide() {
    hideNow();
  }

  async function gate(row) {
    try {
      const made = await api.saveGate(row.id, row.recommended || row.recipes[0]);
      toast(`${made.gates.join(", ")} stands in ${made.file}. In CI: ${made.command}`);
    } catch (error) {
      toast(error.message, "error");
    }
  }

  async function inNewTab(row) {
    const tab = open("about:blank", "_blank"); // at the click: a tab opened later is blocked
    try {
      tab.opener = null;
      tab.location.replace(await api.reportLink(row.id)); // a link opens a report for a minute only
    } catch (error) {
      tab?.close();
      toast(error.message, "error");
    }
  }

  load();
  return { element, focus: () => heading.focus(), left: runs.left };
}
