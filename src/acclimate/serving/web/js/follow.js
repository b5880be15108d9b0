// What can be asked next, as the server found it in the documents that an answer cites.

import { api } from "./api.js";
import { h, icon } from "./dom.js";
import { t } from "./words.js";

const CITED = 20;

/** Show below `turn` what can be asked next, once the server has found it; `send` asks it. `turns` are all, the last one included. */
export async function suggestNext(turn, { turns, where, style, send }) {
  const last = turns.at(-1);
  const answer = last?.answers.find((one) => one.citations?.length && !one.abstained);
  if (!answer) return;
  const cited = answer.citations.slice(0, CITED).map(({ path, start, end }) => ({ path, start, end }));
  const asked = turns.slice(-CITED).map((one) => one.question);
  const body = { asked, cited, model: answer.recipe, where, ...(style && { style }) };
  const found = await api.followUps(body).catch(() => []); // an answer is complete without them
  if (!found.length || turns.at(-1) !== last || !turn.isConnected) return;
  const rows = found.map((one) => h("li", {}, h("button", { type: "button", title: one.path, onclick: () => send(one.question, one.style) }, icon("next"), h("span", { dir: "auto" }, one.question))));
  turn.append(h("section", { class: "follow-ups", "aria-label": t("Ask next") }, h("h3", {}, t("Ask next")), h("ul", {}, rows)));
}

/** Take them away: another question was asked. */
export function forgetNext(thread) {
  for (const one of thread.querySelectorAll(".follow-ups")) one.remove();
}
