// The room of kept conversations: each person's own, to go on with, rename, share, export and delete.

import { address, api } from "./api.js";
import { dialog, empty, failed, fill, h, iconButton, loading, toast } from "./dom.js";
import { language, t } from "./words.js";

const WORDS = {
  heading: t("History"),
  summary: t("Your own conversations, kept at the server until you delete them. Nobody else sees them, unless you share one."),
  list: t("Conversations"),
  none: t("Nothing is kept yet"),
  noneHint: t("Ask a question, and it stands here."),
  untitled: t("Without a question"),
  shared: t("Shared"),
  rename: (title) => t("Rename {title}", { title }),
  renameTitle: t("Rename the conversation"),
  name: t("Title"),
  share: (title) => t("Share {title}", { title }),
  shareTitle: t("Share the conversation"),
  shareHint: t("Whoever may ask here and has the link can read what was answered until now, as far as they may see its documents. Later answers are not shown, unless you share again."),
  link: t("Link"),
  copy: t("Copy the link"),
  copied: t("The link was copied."),
  noCopy: t("The browser does not let this page copy: select the link yourself."),
  unshare: t("Stop sharing"),
  unshared: t("The link opens nothing any more."),
  save: (title) => t("Export {title}", { title }),
  saveTitle: t("Export the conversation"),
  saveHint: t("As a file, with the sources of each answer."),
  markdown: "Markdown",
  json: "JSON",
  remove: (title) => t("Delete {name}", { name: title }),
  removeTitle: t("Delete the conversation?"),
  removeHint: t("It is gone for good, and so is its link."),
  removed: t("The conversation was deleted."),
  removeAll: t("Delete all"),
  removeAllTitle: t("Delete all your conversations?"),
  removeAllHint: t("They are gone for good, and so are their links."),
  removedAll: t("All your conversations were deleted."),
  cancel: t("Cancel"),
  close: t("Close"),
  keep: t("Save"),
  delete: t("Delete"),
};

/** Heard by the room that asks: `detail` is the id of a conversation that is gone, or "" for all. */
export const GONE = "acclimate:gone";

export function historyRoom() {
  const heading = h("h1", { tabindex: -1 }, WORDS.heading);
  const list = h("div", { class: "rows" }, loading(4));
  const all = iconButton("trash", WORDS.removeAll, removeAll, { class: "quiet", hidden: true });
  const element = h("div", { class: "room history" }, h("header", { class: "room-head" }, h("div", {}, heading, h("p", { class: "muted" }, WORDS.summary)), all), list);
  let rows = [];

  async function load() {
    try {
      rows = await api.conversations();
      draw();
    } catch (error) {
      fill(list, failed(error, load));
    }
  }

  function draw() {
    all.hidden = !rows.length;
    fill(list, rows.length ? h("ul", { "aria-label": WORDS.list }, rows.map(row)) : empty("history", WORDS.none, WORDS.noneHint));
  }

  const named = (one) => one.title || WORDS.untitled;

  function row(one) {
    const title = named(one);
    const act = (name, words, onclick) => iconButton(name, words(title), () => onclick(one), { silent: true, class: "plain" });
    return h(
      "li",
      { class: "conversation", dataset: { id: one.id } },
      h("div", { class: "what" }, h("a", { class: "name", dir: "auto", href: `#/ask/${one.id}` }, title), h("p", { class: "muted" }, when(one.changed))),
      one.link && h("span", { class: "tag" }, WORDS.shared),
      h("div", { class: "row-end" }, act("edit", WORDS.rename, rename), act("link", WORDS.share, share), act("download", WORDS.save, save), act("trash", WORDS.remove, remove)),
    );
  }

  /** Run what may be refused; the rows are drawn anew, and the focus stays in the row. */
  async function tried(one, change) {
    try {
      await change();
    } catch (error) {
      toast(error.message, "error");
      return false;
    }
    draw();
    (list.querySelector(`[data-id="${CSS.escape(one?.id ?? "")}"] a`) ?? heading).focus();
    return true;
  }

  const replace = (made) => (rows = rows.map((row) => (row.id === made.id ? made : row)));

  async function rename(one) {
    const field = h("input", { id: "title-field", dir: "auto", maxlength: 120, required: true, value: one.title });
    const body = h("div", { class: "fields" }, h("label", { for: "title-field" }, WORDS.name), field);
    const done = await dialog(WORDS.renameTitle, body, [{ value: "keep", words: WORDS.keep, kind: "primary" }]);
    const title = field.value.trim();
    if (done === "keep" && title) await tried(one, async () => replace(await api.rename(one.id, title)));
  }

  async function share(one) {
    if (!(await tried(one, async () => replace((one = await api.share(one.id)))))) return;
    const field = h("input", { id: "link-field", readonly: true, value: address(`#/shared/${one.link}`), onfocus: () => field.select() });
    const body = h("div", { class: "fields" }, h("p", { class: "muted" }, WORDS.shareHint), h("label", { for: "link-field" }, WORDS.link), field);
    const done = await dialog(WORDS.shareTitle, body, [{ value: "stop", words: WORDS.unshare }, { value: "", words: WORDS.close }, { value: "copy", words: WORDS.copy, kind: "primary" }]);
    if (done === "copy") await copy(field.value);
    if (done === "stop" && (await tried(one, async () => replace(await api.unshare(one.id))))) toast(WORDS.unshared);
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      toast(WORDS.copied);
    } catch {
      toast(WORDS.noCopy, "error");
    }
  }

  async function save(one) {
    const form = await dialog(WORDS.saveTitle, h("p", { class: "muted" }, WORDS.saveHint), [{ value: "json", words: WORDS.json }, { value: "markdown", words: WORDS.markdown, kind: "primary" }]);
    if (!form) return;
    await tried(one, async () => {
      const blob = await api.exported(one.id, form);
      const link = h("a", { href: URL.createObjectURL(blob), download: `${fileName(named(one))}.${form === "json" ? "json" : "md"}` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
  }

  async function remove(one) {
    const body = h("div", { class: "fields" }, h("p", { dir: "auto" }, named(one)), h("p", { class: "muted" }, WORDS.removeHint));
    if ((await dialog(WORDS.removeTitle, body, [{ value: "", words: WORDS.cancel }, { value: "delete", words: WORDS.delete, kind: "danger" }])) !== "delete") return;
    const done = await tried(null, async () => {
      await api.removeConversation(one.id);
      rows = rows.filter((row) => row.id !== one.id);
    });
    if (done) gone(one.id, WORDS.removed);
  }

  async function removeAll() {
    if ((await dialog(WORDS.removeAllTitle, h("p", { class: "muted" }, WORDS.removeAllHint), [{ value: "", words: WORDS.cancel }, { value: "delete", words: WORDS.delete, kind: "danger" }])) !== "delete") return;
    const done = await tried(null, async () => {
      await api.removeConversations();
      rows = [];
    });
    if (done) gone("", WORDS.removedAll);
  }

  load();
  return { element, focus: () => heading.focus() };
}

function gone(id, words) {
  document.dispatchEvent(new CustomEvent(GONE, { detail: id }));
  toast(words);
}

/** A time as the page's language writes it. */
export function when(iso) {
  return new Date(iso).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
}

function fileName(title) {
  return title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || t("conversation");
}
