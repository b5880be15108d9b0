// The API key, kept for this tab only, and the list of keyboard shortcuts.

import { key } from "./api.js";
import { dialog, h } from "./dom.js";
import { forgetThread } from "./thread.js";
import { listed, t } from "./words.js";

let asking = null;

/** Ask the user for a key; many requests that need one at once ask once. */
export function askForKey(why) {
  asking ??= ask(why).finally(() => (asking = null));
  return asking;
}

async function ask(why) {
  const field = h("input", { id: "key-field", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  const body = h(
    "div",
    { class: "fields" },
    h("p", { class: "muted" }, t("This server is open to holders of a key. It is kept in this tab only, until you close it.")),
    why && h("p", { class: "error-text", role: "alert" }, why),
    h("label", { for: "key-field" }, t("API key")),
    field,
  );
  let given = "";
  while (!given) {
    await dialog(t("Enter your key"), body, [{ value: "ok", words: t("Continue"), kind: "primary" }]);
    given = field.value.trim();
  }
  field.value = "";
  key.set(given);
}

/** Say who asks, and let them leave. */
export function keyButton(button, me) {
  button.hidden = !key.get();
  button.querySelector("span").textContent = me.name;
  button.setAttribute("aria-label", t("Key: {name}", me));
  button.onclick = async () => {
    const body = h("p", {}, t("You are here with the key “{name}”, which may: {scopes}.", { name: me.name, scopes: listed(me.scopes) }));
    const done = await dialog(t("Your key"), body, [{ value: "", words: t("Close") }, { value: "forget", words: t("Forget this key"), kind: "danger" }]);
    if (done !== "forget") return;
    key.forget();
    forgetThread();
    location.reload();
  };
}

const SHORTCUTS = [
  [t("Anywhere"), [["Ctrl K", t("Find a command or a document")], ["Esc", t("Close the document, or stop the answer")], ["Tab", t("Go on to the next thing")]]],
  [t("Asking"), [["Enter", t("Send")], ["Shift Enter", t("New line")], ["↑", t("Bring the last question back (in an empty field)")]]],
  [t("A document"), [["Ctrl F", t("Find in the document")], ["← →", t("Page before, page after")], ["+ −", t("Larger, smaller")]]],
  [t("Reviewing"), [["J K", t("Next, previous question")], ["A", t("Accept")], ["R", t("Reject")], ["E", t("Edit")], ["O", t("Open the evidence")]]],
];

/** What the keyboard does. */
export function showKeyboard() {
  const groups = SHORTCUTS.map(([title, rows]) =>
    h("section", {}, h("h3", {}, title), h("dl", { class: "shortcuts" }, rows.map(([keys, what]) =>
      h("div", {}, h("dt", {}, keys.split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, what))))),
  );
  return dialog(t("Keyboard"), h("div", { class: "columns" }, groups), [{ value: "", words: t("Close"), kind: "primary" }]);
}
