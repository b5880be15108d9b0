// The API key, kept for this tab only, and the list of keyboard shortcuts.

import { key } from "./api.js";
import { dialog, h } from "./dom.js";
import { forgetThread } from "./thread.js";

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
    h("p", { class: "muted" }, "This server is open to holders of a key. It is kept in this tab only, until you close it."),
    why && h("p", { class: "error-text", role: "alert" }, why),
    h("label", { for: "key-field" }, "API key"),
    field,
  );
  let given = "";
  while (!given) {
    await dialog("Enter your key", body, [{ value: "ok", words: "Continue", kind: "primary" }]);
    given = field.value.trim();
  }
  field.value = "";
  key.set(given);
}

/** Say who asks, and let them leave. */
export function keyButton(button, me) {
  button.hidden = !key.get();
  button.querySelector("span").textContent = me.name;
  button.setAttribute("aria-label", `Key: ${me.name}`);
  button.onclick = async () => {
    const body = h("p", {}, `You are here with the key “${me.name}”, which may: ${me.scopes.join(", ")}.`);
    const done = await dialog("Your key", body, [{ value: "", words: "Close" }, { value: "forget", words: "Forget this key", kind: "danger" }]);
    if (done !== "forget") return;
    key.forget();
    forgetThread();
    location.reload();
  };
}

const SHORTCUTS = [
  ["Anywhere", [["Ctrl K", "Ask a question"], ["Esc", "Close the document, or stop the answer"], ["Tab", "Go on to the next thing"]]],
  ["Asking", [["Enter", "Send"], ["Shift Enter", "New line"], ["↑", "Bring the last question back (in an empty field)"]]],
  ["A document", [["← →", "Page before, page after"], ["+ −", "Larger, smaller"]]],
  ["Reviewing", [["J K", "Next, previous question"], ["A", "Accept"], ["R", "Reject"], ["E", "Edit"], ["O", "Open the evidence"]]],
];

/** What the keyboard does. */
export function showKeyboard() {
  const groups = SHORTCUTS.map(([title, rows]) =>
    h("section", {}, h("h3", {}, title), h("dl", { class: "shortcuts" }, rows.map(([keys, what]) =>
      h("div", {}, h("dt", {}, keys.split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, what))))),
  );
  return dialog("Keyboard", h("div", { class: "columns" }, groups), [{ value: "", words: "Close", kind: "primary" }]);
}
