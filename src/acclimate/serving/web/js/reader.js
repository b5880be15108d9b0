// The document beside the answer, opened at the place that is cited.

import { outline, search } from "./aids.js";
import { api } from "./api.js";
import { failed, fill, h, icon, iconButton, loading, origin, toast } from "./dom.js";
import { pagesView } from "./pages.js";
import { textView } from "./text.js";
import { t } from "./words.js";

const panel = document.getElementById("reader");
const narrow = matchMedia("(max-width: 800px)");
let opener = null;
let view = null;
let finder = null; // the search inside the document
let turn = 0; // what was asked for last wins

/** Open a document; `at` has id, path, start and end (code points), page (null: no pages). */
export async function openDocument(at) {
  const mine = ++turn;
  if (panel.hidden) opener = document.activeElement;
  panel.hidden = false;
  document.body.classList.add("reading");
  rest(narrow.matches);
  const name = at.path.split("/").pop();
  const title = h("h2", { id: "reader-title", tabindex: -1, dir: "auto" }, name);
  const tools = h("div", { class: "reader-tools" });
  const body = h("div", { class: "reader-body", tabindex: 0, role: "region", "aria-label": t("Text of {name}", { name }) }, loading(8));
  const folder = at.path.slice(0, -name.length).replace(/\/$/, "");
  const from = h("p", { class: "muted" });
  const [aids, panels] = [h("span", { class: "aids" }), h("div")];
  const close = iconButton("close", t("Close the document"), () => closeReader({ restore: true }), { silent: true, class: "plain" });
  const save = iconButton("download", t("Save the file"), () => download(at), { silent: true, class: "plain" });
  fill(panel, h("header", {}, h("div", { class: "reader-name" }, title, folder && h("p", { class: "muted", dir: "auto" }, folder), from), aids, save, close), tools, panels, body);
  title.focus();
  finder = null;
  await load(at, { tools, body, from, aids, panels, mine });
}

async function load(at, parts) {
  const { tools, body, from, mine } = parts;
  try {
    const facts = await api.document(at.id);
    if (mine !== turn) return;
    fill(from, origin(facts.url));
    if (facts.status !== "ready") {
      const why = facts.status === "failed" ? t("It could not be read: {reason}", facts) : t("It is still being read. Open it again in a moment.");
      fill(body, h("p", { class: "note" }, why));
      return;
    }
    const both = facts.pages && facts.media_type === "application/pdf";
    const show = async (kind) => {
      view?.close?.();
      view = kind === "pages" ? pagesView(facts, at, body, place) : textView(facts, at, body);
      fill(tools, both && tabs(kind, show), kind === "pages" && place, kind === "pages" && view.zoom);
      await view.ready;
      finder.again();
    };
    const place = h("span", { class: "page-place" });
    help(facts, parts);
    await show(both ? "pages" : "text");
  } catch (error) {
    if (mine === turn) fill(body, failed(error, () => load(at, parts)));
  }
}

/** The outline and the search, over whichever view there is then. */
function help(facts, { aids, panels }) {
  const headings = outline(facts, async (place) => (await view.go(place))?.focus({ preventScroll: true }));
  finder = search(facts, { mark: (places, current) => view?.mark(places, current), go: (place) => view.go(place) });
  fill(aids, headings.button, finder.button);
  fill(panels, headings.panel, finder.panel);
}

function tabs(chosen, show) {
  const words = { pages: t("Pages"), text: t("Text") };
  const buttons = Object.keys(words).map((kind) =>
    h("button", { type: "button", "aria-pressed": String(kind === chosen), onclick: () => show(kind).then(() => panel.querySelector(`[data-kind=${kind}]`)?.focus()), dataset: { kind } }, words[kind]),
  );
  return h("div", { class: "segments", role: "group", "aria-label": t("Show as") }, buttons);
}

async function download(at) {
  try {
    const link = h("a", { href: URL.createObjectURL(await api.file(at.id)), download: at.path.split("/").pop() });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch (error) {
    toast(error.message, "error");
  }
}

/** Close the reader; true where it was open. `restore` gives the focus back to what opened it. */
export function closeReader({ restore }) {
  if (panel.hidden) return false;
  turn += 1;
  view?.close?.();
  view = finder = null;
  panel.hidden = true;
  fill(panel);
  rest(false);
  document.body.classList.remove("reading");
  if (restore && opener?.isConnected) opener.focus();
  return true;
}

/** On a phone the document covers the page, so what is below is out of reach. */
function rest(is) {
  document.getElementById("main").inert = is;
  document.getElementById("side").inert = is;
}

narrow.addEventListener("change", () => rest(narrow.matches && !panel.hidden));
panel.addEventListener("keydown", (event) => {
  const finds = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "f";
  if (finds && finder && !finder.focused()) { // a second time, the browser's own search opens
    event.preventDefault();
    finder.open();
  } else if (!event.target.closest("input")) view?.key?.(event);
});
