// Files on their way to the server: chosen or dropped, a few at a time, each with its progress and its refusal.

import { upload } from "./api.js";
import { announce, bytes, fill, h, icon, iconButton, toast } from "./dom.js";
import { chosen, dropped } from "./folders.js";
import { numbered, t, tn } from "./words.js";

const AT_ONCE = 2;
const LINES = 50; // of files that were refused; further ones are only counted
const WAIT_S = 5; // where the server is asked too much and does not say for how long

/** The list of uploads; `onArrived` hears whenever a file has arrived. */
export function uploads(onArrived) {
  const pick = (props) => h("input", { type: "file", multiple: true, hidden: true, onchange: (event) => { take(chosen(event.target)); event.target.value = ""; }, ...props });
  const [files, folder] = [pick({}), pick({ webkitdirectory: true, class: "folder" })];
  const list = h("ul", { class: "uploads", "aria-label": t("Uploads"), hidden: true });
  const total = makeTotal(() => { forget(); next(); });
  const waiting = [];
  const tally = {};
  let running = 0, paused = 0;
  forget();

  /** Upload { files: [{ file, folder }], more }. */
  function take({ files: some, more }) {
    if (more) toast(t("Only the first {n} files are taken: add the rest in parts.", { n: numbered(some.length) }), "error");
    if (!some.length) return more || toast(t("There is no file in that folder."), "error");
    if (!running && !waiting.length) forget();
    announce(tn(some.length, "Uploading {n} file.", "Uploading {n} files."));
    tally.all += some.length;
    waiting.push(...some);
    next();
    return undefined;
  }

  function next() {
    while (running < AT_ONCE && waiting.length && !paused) send(waiting.shift());
    total.show(tally, running + waiting.length);
    list.hidden = !list.children.length && total.element.hidden;
  }

  async function send({ file, folder: into, replace = false, line = makeLine(file, into) }) {
    running += 1;
    const control = {};
    list.append(line.element);
    line.sending(() => control.abort());
    try {
      await upload(file, { folder: into, replace, control, onProgress: line.progress });
      line.element.remove();
      tally.sent += 1;
      onArrived();
    } catch (error) {
      refused(error, { file, folder: into, replace, line });
    } finally {
      running -= 1;
      next();
    }
  }

  function refused(error, { line, ...asked }) {
    line.element.remove();
    if (error.status === 429 && tally.all > 1) { // of many files: they go on by themselves
      waiting.unshift(asked);
      clearTimeout(paused);
      paused = setTimeout(() => { paused = 0; next(); }, 1000 * (error.retryAfter || WAIT_S));
    } else if (error.code === "not_included" && asked.folder) tally.unread += 1; // pictures and the like, beside the documents
    else if (list.querySelectorAll(".refused").length >= LINES) tally.refused += 1;
    else {
      list.append(line.element);
      line.refused(error, () => { waiting.push({ ...asked, line, replace: error.code === "document_exists" }); next(); });
    }
  }

  /** Give up what waits, and what was told of earlier ones. */
  function forget() {
    waiting.length = 0;
    Object.assign(tally, { all: running, sent: 0, unread: 0, refused: 0 });
  }

  function catchDrops() {
    const over = async (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      document.body.classList.toggle("dropping", event.type === "dragover");
      if (event.type !== "drop") return;
      try {
        take(await dropped(event.dataTransfer));
      } catch {
        toast(t("The browser cannot read that folder. Is it still there?"), "error");
      }
    };
    const away = (event) => event.relatedTarget === null && document.body.classList.remove("dropping");
    const heard = { dragover: over, drop: over, dragleave: away };
    for (const [name, listener] of Object.entries(heard)) addEventListener(name, listener);
    return () => {
      for (const [name, listener] of Object.entries(heard)) removeEventListener(name, listener);
    };
  }

  return { element: h("div", {}, files, folder, total.element, list), choose: () => files.click(), chooseFolder: () => folder.click(), catchDrops };
}

/** How far many files are, and what became of those that have no line; `forget` gives up the rest. */
function makeTotal(forget) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": t("Uploads") });
  const state = h("p", {});
  const left = h("p", { class: "muted", role: "status" });
  const stop = iconButton("close", t("Give up the rest"), forget, { silent: true, class: "plain" });
  const element = h("div", { class: "job upload-total", hidden: true }, h("div", { class: "upload-total-head" }, state, stop), bar, left);
  return {
    element,
    show({ all, sent, unread, refused }, ahead) {
      const told = [
        unread && tn(unread, "{n} file was left out: this project does not read its kind.", "{n} files were left out: this project does not read their kinds."),
        refused && tn(refused, "{n} more file was refused.", "{n} more files were refused."),
      ].filter(Boolean).join(" ");
      element.hidden = !(ahead && all > 3) && !told;
      bar.hidden = !ahead;
      stop.ariaLabel = stop.title = ahead ? t("Give up the rest") : t("Dismiss");
      bar.value = all ? (all - ahead) / all : 1;
      state.textContent = tn(all, "{done} of {n} file uploaded", "{done} of {n} files uploaded", { done: numbered(sent) });
      left.textContent = told;
    },
  };
}

function makeLine(file, folder) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": t("Uploading {name}", file) });
  const state = h("span", { class: "muted" }, t("Waiting"));
  const tools = h("div", { class: "row-end" });
  const where = folder && h("span", { class: "muted", dir: "auto" }, folder);
  const element = h("li", {}, h("div", { class: "what" }, h("span", { class: "name", dir: "auto" }, file.name), where, state), bar, tools);
  const dismiss = () => element.remove();
  return {
    element,
    sending(giveUp) {
      element.classList.remove("refused");
      bar.hidden = false;
      fill(tools, iconButton("close", t("Give up {name}", file), giveUp, { silent: true, class: "plain" }));
    },
    progress(sent, total) {
      bar.value = total ? sent / total : 0;
      state.textContent = sent < total ? t("{done} of {total}", { done: bytes(sent), total: bytes(total) }) : t("Being kept …");
    },
    refused(error, again) {
      element.classList.add("refused");
      bar.hidden = true;
      state.textContent = error.message;
      state.setAttribute("role", "alert");
      const exists = error.code === "document_exists";
      const mendable = exists || error.status === 0 || error.status === 429 || error.status >= 500;
      fill(tools, mendable && h("button", { type: "button", onclick: again }, exists ? t("Replace it") : t("Try again")), iconButton("close", t("Dismiss {name}", file), dismiss, { silent: true, class: "plain" }));
    },
  };
}

/** The strip that invites to drop files and folders. */
export function dropZone(sent) {
  const files = h("button", { type: "button", class: "drop", onclick: () => sent.choose() }, icon("upload"), h("span", {}, h("b", {}, t("Drop files or a folder here")), ` ${t("or choose files")}`));
  return h("div", { class: "drop-zone" }, files, iconButton("folder", t("Choose a folder"), () => sent.chooseFolder(), { class: "drop-folder" }));
}
