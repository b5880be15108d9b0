// What somebody else shares: their questions with the answers, as far as the reader may see them.

import { api } from "./api.js";
import { shownTurn } from "./chat.js";
import { failed, fill, h, loading } from "./dom.js";
import { when } from "./history.js";
import { t } from "./words.js";

const WORDS = {
  untitled: t("A shared conversation"),
  by: (name, date) => t("Shared by {name} · {date} · read only", { name, date }),
  thread: t("Questions and answers"),
  nothing: t("There is nothing in it yet."),
};

export function sharedRoom(_me, link) {
  const heading = h("h1", { tabindex: -1, dir: "auto" }, WORDS.untitled);
  const facts = h("p", { class: "muted" });
  const thread = h("section", { class: "thread", "aria-label": WORDS.thread }, loading(4));
  const element = h("div", { class: "room shared" }, h("header", { class: "room-head" }, h("div", {}, heading, facts)), thread);

  async function load() {
    try {
      const held = await api.shared(link);
      heading.textContent = held.title || WORDS.untitled;
      facts.textContent = WORDS.by(held.by, when(held.changed));
      const first = held.turns.findIndex((turn) => turn.withheld); // all after it are withheld, too
      const turns = (first < 0 ? held.turns : held.turns.slice(0, first + 1)).map((turn) => ({ ...turn, answers: turn.answers.map(withoutId) }));
      fill(thread, turns.length ? turns.map((turn) => shownTurn(turn).element) : h("p", { class: "note" }, WORDS.nothing));
    } catch (error) {
      fill(thread, failed(error, error.status === 404 ? null : load));
    }
  }

  load();
  return { element, focus: () => heading.focus() };
}

/** Only who asked says whether an answer is right. */
function withoutId(answer) {
  return { ...answer, id: "" };
}
