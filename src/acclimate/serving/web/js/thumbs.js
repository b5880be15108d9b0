// Whether an answer is right, and what is: two thumbs, and a form behind the second.

import { api } from "./api.js";
import { fill, h, iconButton, toast } from "./dom.js";
import { keepAnswer } from "./thread.js";
import { t } from "./words.js";

/** The thumbs of an answer, and the place of the form that asks what is right. What was said goes with the answer. */
export function thumbs(answer) {
  const form = h("div", { class: "correction", hidden: true });
  const good = iconButton("good", t("This is right"), () => say({ right: true }), { silent: true, class: "plain thumb" });
  const bad = iconButton("bad", t("This is wrong"), ask, { silent: true, class: "plain thumb" });
  const buttons = h("span", { class: "thumbs", role: "group", "aria-label": t("Is this right?") }, good, bad);
  if (!answer.id) return { buttons: null, form: null };
  show();

  function show() {
    good.setAttribute("aria-pressed", String(answer.said === "right"));
    bad.setAttribute("aria-pressed", String(answer.said === "wrong"));
  }

  async function say(words) {
    try {
      await api.thumb({ id: answer.id, ...words });
    } catch (error) {
      toast(error.message, "error");
      return false;
    }
    answer.said = words.right ? "right" : "wrong";
    keepAnswer(answer);
    show();
    form.hidden = true;
    toast(words.right ? t("Thank you.") : t("Thank you. It waits for a review in Questions."));
    (words.right ? good : bad).focus();
    return true;
  }

  function ask() {
    if (!form.hidden) return close();
    const field = h("textarea", { rows: 2, dir: "auto", "aria-label": t("What is right?"), placeholder: t("What is right? (may stay empty)"), maxlength: 10000 });
    const none = h("input", { type: "checkbox", onchange: () => { field.disabled = none.checked; } });
    const keys = (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      close();
    };
    const send = (event) => {
      event.preventDefault();
      say({ right: false, correction: none.checked ? "" : field.value.trim(), unanswerable: none.checked });
    };
    fill(form, h("form", { class: "fields", onsubmit: send, onkeydown: keys }, field, h("label", { class: "check" }, none, t("The documents do not say")), h("div", { class: "card-end" }, h("button", { type: "submit", class: "primary" }, t("Send")), h("button", { type: "button", onclick: close }, t("Cancel")))));
    form.hidden = false;
    field.focus();
    form.scrollIntoView({ block: "center" });
    return undefined;
  }

  function close() {
    form.hidden = true;
    bad.focus();
  }

  return { buttons, form };
}
