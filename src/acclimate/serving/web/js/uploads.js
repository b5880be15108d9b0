// Files on their way to the server: chosen or dropped, a few at a time, each with its progress and its refusal.

import { upload } from "./api.js";
import { announce, bytes, fill, h, icon, iconButton } from "./dom.js";
import { t, tn } from "./words.js";

const AT_ONCE = 2;

/** The list of uploads; `onArrived` hears whenever a file has arrived. */
export function uploads(onArrived) {
  const picker = h("input", { type: "file", multiple: true, hidden: true, onchange: () => { take([...picker.files]); picker.value = ""; } });
  const list = h("ul", { class: "uploads", "aria-label": t("Uploads"), hidden: true });
  const waiting = [];
  let running = 0;

  function take(files) {
    if (!files.length) return;
    list.hidden = false;
    announce(tn(files.length, "Uploading {n} file.", "Uploading {n} files."));
    for (const file of files) {
      const line = makeLine(file);
      list.append(line.element);
      waiting.push({ file, line });
    }
    next();
  }

  function next() {
    while (running < AT_ONCE && waiting.length) send(waiting.shift());
  }

  async function send({ file, line, replace = false }) {
    running += 1;
    const control = {};
    line.sending(() => control.abort());
    try {
      await upload(file, { replace, control, onProgress: line.progress });
      line.element.remove();
      onArrived();
    } catch (error) {
      const again = () => { waiting.push({ file, line, replace: error.code === "document_exists" }); next(); };
      line.refused(error, again);
    } finally {
      running -= 1;
      list.hidden = !list.children.length;
      next();
    }
  }

  function catchDrops() {
    const over = (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      document.body.classList.toggle("dropping", event.type === "dragover");
      if (event.type === "drop") take([...event.dataTransfer.files]);
    };
    const away = (event) => event.relatedTarget === null && document.body.classList.remove("dropping");
    const heard = { dragover: over, drop: over, dragleave: away };
    for (const [name, listener] of Object.entries(heard)) addEventListener(name, listener);
    return () => {
      for (const [name, listener] of Object.entries(heard)) removeEventListener(name, listener);
    };
  }

  return { element: h("div", {}, picker, list), take, choose: () => picker.click(), catchDrops };
}

function makeLine(file) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": t("Uploading {name}", file) });
  const state = h("span", { class: "muted" }, t("Waiting"));
  const tools = h("div", { class: "row-end" });
  const element = h("li", {}, h("div", { class: "what" }, h("span", { class: "name" }, file.name), state), bar, tools);
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

/** The strip that invites to drop files. */
export function dropZone(sent) {
  return h("button", { type: "button", class: "drop", onclick: () => sent.choose() }, icon("upload"), h("span", {}, h("b", {}, t("Drop files here")), ` ${t("or choose them")}`));
}
