// The room of documents: what is there, what is being read, what could not be, and what comes and goes.

import { api } from "./api.js";
import { askAbout } from "./chat.js";
import { bytes, count, dialog, empty, failed, fill, h, icon, iconButton, loading, toast } from "./dom.js";
import { watchJobs } from "./jobs.js";
import { allDocuments } from "./library.js";
import { openDocument } from "./reader.js";
import { dropZone, uploads } from "./uploads.js";
import { listed, numbered, t, tn } from "./words.js";

const STATES = { ready: t("Ready"), pending: t("Reading"), failed: t("Not read") };
const SHOWN = 200;

export function documentsRoom(me) {
  const manages = me.scopes.includes("manage");
  const heading = h("h1", { tabindex: -1 }, t("Documents"));
  const summary = h("p", { class: "muted" });
  const search = h("input", { type: "search", dir: "auto", placeholder: t("Search by name, folder or label"), "aria-label": t("Search documents"), oninput: draw });
  const states = h("div", { class: "segments", role: "group", "aria-label": t("State") });
  const list = h("div", { class: "rows" }, loading(6));
  const jobs = h("div", { class: "job", hidden: true });
  const sent = manages ? uploads(() => watch.look()) : null;
  const watch = watchJobs(jobs, () => load(false));
  let rows = [], state = "", most = SHOWN;

  const element = h(
    "div",
    { class: "room documents" },
    h("header", { class: "room-head" }, h("div", {}, heading, summary)),
    manages && dropZone(sent),
    sent?.element,
    jobs,
    h("div", { class: "filters" }, h("div", { class: "search" }, icon("search"), search), states),
    list,
  );
  const release = manages ? sent.catchDrops(element) : () => {};

  async function load(first = true) {
    try {
      rows = await allDocuments((some) => first && ((rows = some), draw()));
      draw();
    } catch (error) {
      fill(list, failed(error, load));
    }
  }

  function draw() {
    const tally = { "": rows.length, ready: 0, pending: 0, failed: 0 };
    for (const row of rows) tally[row.status] += 1;
    if (state && !tally[state]) state = "";
    summary.textContent = rows.length ? listed([count(tally.ready, "document"), tally.failed && tn(tally.failed, "{n} could not be read", "{n} could not be read")].filter(Boolean)) : "";
    const kinds = ["", ...Object.keys(STATES)].filter((kind) => !kind || tally[kind]);
    fill(states, kinds.length > 2 && kinds.map((kind) => h("button", { type: "button", "aria-pressed": String(kind === state), onclick: () => { state = kind; draw(); } }, `${STATES[kind] ?? t("All")} ${tally[kind]}`)));
    const words = search.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const found = rows.filter((row) => (!state || row.status === state) && words.every((word) => `${row.path} ${(row.labels ?? []).join(" ")}`.toLocaleLowerCase().includes(word)));
    if (!rows.length) return fill(list, nothing());
    if (!found.length) return fill(list, empty("search", t("Nothing fits"), t("No document has these words in its name, folder or labels.")));
    const more = found.length > most && h("button", { type: "button", class: "quiet", onclick: () => { most += SHOWN; draw(); } }, t("Show more of {n}", { n: numbered(found.length) }));
    return fill(list, h("ul", { "aria-label": t("Documents") }, found.slice(0, most).map(row)), more);
  }

  const nothing = () => empty("documents", t("There are no documents yet"), manages ? t("Drop files anywhere on this page, or choose them. PDF, Word, PowerPoint, Excel, HTML, Markdown, mail and more.") : t("Nobody has added documents that this key may see."), manages && iconButton("upload", t("Choose files"), () => sent.choose(), { class: "primary" }));

  function row(one) {
    const name = one.path.split("/").pop();
    const folder = one.path.slice(0, -name.length).replace(/\/$/, "");
    const kind = name.includes(".") ? name.split(".").pop().slice(0, 4).toUpperCase() : t("FILE");
    const ready = one.status === "ready";
    const title = ready ? h("button", { type: "button", class: "name", dir: "auto", onclick: () => openDocument({ ...one, start: 0, end: 0 }) }, name) : h("span", { class: "name", dir: "auto" }, name);
    const facts = [folder, one.bytes ? bytes(one.bytes) : ""].filter(Boolean).join(" · ");
    return h(
      "li",
      { class: `document ${one.status}`, dataset: { id: one.id } },
      h("span", { class: "kind", "aria-hidden": "true" }, kind),
      h("div", { class: "what" }, title, h("p", { class: "muted", dir: "auto" }, facts), one.reason && h("p", { class: "error-text", dir: "auto" }, one.reason.replace(`${one.path} `, ""))),
      (one.labels ?? []).map((label) => h("span", { class: "tag", dir: "auto", title: t("Access label") }, label)),
      ready ? null : h("span", { class: `state ${one.status}` }, STATES[one.status]),
      h("div", { class: "row-end" },
        ready && iconButton("ask", t("Ask about {name}", { name }), () => askAbout(one.path), { silent: true, class: "plain" }),
        manages && iconButton("trash", t("Delete {name}", { name }), () => remove(one, name), { silent: true, class: "plain" })),
    );
  }

  async function remove(one, name) {
    const text = h("p", {}, t("It will no longer be found or cited. The server keeps the file aside, so that it can be put back by hand."));
    const sure = await dialog(t("Delete {name}?", { name }), text, [{ value: "", words: t("Cancel") }, { value: "delete", words: t("Delete"), kind: "danger" }]);
    if (sure !== "delete") return;
    const place = [...list.querySelectorAll("li.document")].findIndex((item) => item.dataset.id === one.id);
    try {
      await api.remove(one.id);
      rows = rows.filter((row) => row.id !== one.id);
      draw();
      toast(t("{name} was deleted.", { name }));
      const left = list.querySelectorAll("li.document");
      (left[Math.min(place, left.length - 1)]?.querySelector("button") ?? heading).focus();
      watch.look();
    } catch (error) {
      toast(error.message, "error");
    }
  }

  load();
  watch.look();
  return {
    element,
    focus: () => heading.focus(),
    left() {
      release();
      watch.stop();
    },
  };
}
