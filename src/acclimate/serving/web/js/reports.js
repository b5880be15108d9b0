// The room of comparisons: what was measured, and each report, cut off from this page.

import { api } from "./api.js";
import { empty, failed, fill, h, iconButton, loading, toast } from "./dom.js";

export function comparisonsRoom() {
  const heading = h("h1", { tabindex: -1 }, "Comparisons");
  const body = h("div", { class: "rows" }, loading(3));
  const element = h("div", { class: "room comparisons" }, h("header", { class: "room-head" }, h("div", {}, heading, h("p", { class: "muted" }, "Recipes, measured side by side on your own questions."))), body);

  async function load() {
    try {
      const rows = await api.comparisons();
      fill(body, rows.length ? h("ul", { class: "reports", "aria-label": "Comparisons" }, rows.map(card)) : nothing());
    } catch (error) {
      fill(body, failed(error, load));
    }
  }

  const nothing = () => empty("comparisons", "Nothing has been compared yet", "A comparison asks every recipe the same questions and tells which is right more often. Run this in the project's folder:", h("pre", { class: "command" }, "acclimate compare zero-shot few-shot rag"));

  function card(row) {
    const made = new Date(row.created);
    const when = Number.isNaN(made.valueOf()) ? row.id : made.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    return h(
      "li",
      {},
      h("button", { type: "button", class: "report", onclick: (event) => show(row, when, event.currentTarget) },
        h("span", { class: "muted" }, when), h("span", { class: "sentence" }, row.sentence),
        h("span", { class: "tags" }, row.recipes.map((one) => h("span", { class: "tag" }, one)))),
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
    const view = h("div", { class: "report-view" }, h("div", { class: "report-tools" }, back, h("p", { class: "muted" }, when), apart), frame);
    element.hidden = true;
    element.after(view);
    back.focus();

    function hide() {
      view.remove();
      element.hidden = false;
      opener.focus();
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
  return { element, focus: () => heading.focus() };
}
