// The form in which a question is edited.

import { h } from "./dom.js";
import { t } from "./words.js";

/** `save` gets { question, answers, answerable }. */
export function editForm(row, save, cancel) {
  const question = h("textarea", { id: "edit-question", dir: "auto", rows: 3, required: true, value: row.question });
  const answerable = h("input", { id: "edit-answerable", type: "checkbox", checked: row.answerable, onchange: follow });
  const answers = h("textarea", { id: "edit-answers", dir: "auto", rows: 4, value: row.answers.join("\n"), "aria-describedby": "edit-answers-hint" });
  const part = h("div", { class: "field" }, h("label", { for: "edit-answers" }, t("Answers that count as right")), answers, h("p", { class: "muted", id: "edit-answers-hint" }, t("One a line; each by itself is a right answer.")));

  function follow() {
    part.hidden = !answerable.checked;
    answers.required = answerable.checked;
  }

  function submit(event) {
    event.preventDefault();
    const lines = answers.value.split("\n").map((line) => line.trim()).filter(Boolean);
    answers.setCustomValidity(answerable.checked && !lines.length ? t("Write at least one answer.") : "");
    if (!form.reportValidity()) return;
    save({ question: question.value.trim(), answers: answerable.checked ? lines : [], answerable: answerable.checked });
  }

  const form = h(
    "form",
    { class: "fields edit", novalidate: true, onsubmit: submit, onkeydown: (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      cancel();
    } },
    h("h2", {}, t("Edit the question")),
    h("div", { class: "field" }, h("label", { for: "edit-question" }, t("Question")), question),
    h("label", { class: "check", for: "edit-answerable" }, answerable, t("The documents hold the answer")),
    part,
    h("div", { class: "card-end" }, h("button", { type: "submit", class: "primary" }, t("Keep and accept")), h("button", { type: "button", onclick: cancel }, t("Cancel"))),
  );
  answers.addEventListener("input", () => answers.setCustomValidity(""));
  follow();
  return form;
}
