// Elements made from plain values. Text is only ever set as text: nothing here, or anywhere, takes markup.

import { t, tn } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

/** An element: `props` are attributes, except on… (listeners), `class`, `dataset` and true/false/null values. */
export function h(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(made.dataset, value);
    else if (name === "value") made.value = value;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** A link to where a document was mirrored from; null where it has no address. */
export function origin(url) {
  if (!/^https?:\/\//.test(url ?? "")) return null;
  return h("a", { class: "origin", href: url, target: "_blank", rel: "noopener noreferrer" }, url);
}

/** An SVG element. */
export function s(tag, props = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/** One of the icons in index.html; it says nothing to screen readers. */
export function icon(name) {
  return s("svg", { "aria-hidden": "true", class: "icon" }, s("use", { href: `#i-${name}` }));
}

/** A button with an icon and words; `quiet: true` keeps the words for screen readers and the tooltip. */
export function iconButton(name, words, onclick, props = {}) {
  const { silent, ...rest } = props;
  const label = silent ? { "aria-label": words, title: words } : {};
  return h("button", { type: "button", onclick, ...label, ...rest }, icon(name), silent ? null : h("span", {}, words));
}

/** Put `children` in place of what `parent` holds. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return parent;
}

/** Tell screen readers, without moving the focus. */
export function announce(text) {
  const place = document.getElementById("said");
  place.textContent = "";
  setTimeout(() => (place.textContent = text), 60); // an unchanged region is not read again
}

/** A message that goes away by itself, except errors. */
export function toast(text, kind = "done") {
  const made = h("div", { class: `toast ${kind}`, role: kind === "error" ? "alert" : null }, icon(kind === "error" ? "warn" : "check"), h("p", { dir: "auto" }, text));
  made.append(iconButton("close", t("Dismiss"), () => made.remove(), { silent: true, class: "plain" }));
  document.getElementById("toasts").append(made);
  if (kind === "error") return;
  announce(text);
  setTimeout(() => made.remove(), 5000);
}

/** A modal dialog; resolves with the button's value, or "" where it was closed. The focus goes back afterwards. */
export function dialog(title, body, buttons, props = {}) {
  return new Promise((resolve) => {
    const head = h("h2", { id: "dialog-title", dir: "auto" }, title);
    const foot = buttons.map(({ value, words, kind }) => h("button", { class: kind ?? "", value, type: "submit" }, words));
    const form = h("form", { method: "dialog" }, head, body, h("div", { class: "dialog-end" }, foot));
    const made = h("dialog", { "aria-labelledby": "dialog-title", ...props }, form);
    made.addEventListener("close", () => {
      made.remove();
      resolve(made.returnValue);
    });
    document.body.append(made);
    made.showModal();
  });
}

/** What stands in a room that has nothing to show (yet). */
export function empty(name, title, text, ...actions) {
  return h("div", { class: "empty" }, icon(name), h("h2", {}, title), text && h("p", {}, text), ...actions);
}

/** Grey bars in place of what is being loaded. */
export function loading(rows = 4) {
  const bars = Array.from({ length: rows }, () => h("div", { class: "bar" }));
  return h("div", { class: "loading", role: "status" }, h("span", { class: "hidden" }, t("Loading")), bars);
}

/** What stands where something could not be loaded, with a way to try again. */
export function failed(error, again) {
  return h("div", { class: "notice error", role: "alert" }, icon("warn"), h("p", { dir: "auto" }, error.message), again && h("button", { type: "button", onclick: again }, t("Try again")));
}

/** 1234567 → "1.2 MB". */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  const power = Math.min(Math.floor(Math.log10(count) / 3), 3);
  return `${(count / 1000 ** power).toFixed(power > 1 ? 1 : 0)} ${["B", "kB", "MB", "GB"][power]}`;
}

/** "1 file", "3 files". */
export function count(number, one, many = `${one}s`) {
  return tn(number, `{n} ${one}`, `{n} ${many}`);
}
