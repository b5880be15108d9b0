// The room in which questions are asked: the thread, and the field below it.

import { answerCard } from "./answer.js";
import { api, ask } from "./api.js";
import { announce, count, empty, failed, fill, h, icon, iconButton } from "./dom.js";
import { forgetNext, suggestNext } from "./follow.js";
import { describe, picker, stylePicker } from "./recipes.js";
import { GONE } from "./history.js";
import { forgetThread, keepThread, keptThread } from "./thread.js";
import { listed, t } from "./words.js";

const TOLD = 6; // earlier turns that go with a question
const WITHHELD = t("Not shown: it draws on documents that you may not see (any more).");
let wantedPath = "";
let narrowTo = (path) => (wantedPath = path); // until the room is there

/** Ask about one document only: called from other rooms before they go to this one. */
export function askAbout(path) {
  narrowTo(path);
  location.hash = "#/ask";
}

export function askRoom(me) {
  const turns = keptThread();
  const thread = h("section", { class: "thread", "aria-label": t("Questions and answers") });
  const welcome = h("div", { class: "welcome" });
  const fresh = iconButton("plus", t("New"), clear, { class: "quiet", hidden: turns.length === 0, title: t("Start anew"), "aria-label": t("New") });
  const composer = makeComposer({ send, stop, fresh, last: () => turns.at(-1)?.question ?? "" });
  const element = h("div", { class: "ask" }, h("h1", { class: "hidden" }, t("Ask")), h("div", { class: "scroll" }, welcome, thread), composer.element);
  const keeping = me.conversations === "kept";
  let running = null, conversation = "";
  composer.narrow(wantedPath);
  narrowTo = composer.narrow;

  for (const turn of turns) thread.append(shownTurn(turn).element);
  if (turns.length === 0) greet(welcome, me, send);
  let ready = loadRecipes();

  async function loadRecipes() {
    try {
      composer.recipes(await api.models(), me.recipe);
    } catch (error) {
      fill(welcome, failed(error, () => (ready = loadRecipes())));
    }
  }

  async function send(question, ownStyle = "") {
    await ready; // a question may come before the recipes have
    const { recipes, where, style: chosen } = composer.choice();
    if (running || !recipes.length) return composer.put(question);
    const style = ownStyle || chosen;
    fill(welcome);
    forgetNext(thread);
    const turn = { question, where, answers: [] };
    const { element: made, cards } = shownTurn(turn, recipes);
    thread.append(made);
    fresh.hidden = false;
    running = new AbortController();
    composer.busy(true);
    announce(t("Answering"));
    made.scrollIntoView({ block: "start" });
    const kept = keptIn(); // one conversation for both of two recipes
    turn.answers = await Promise.all(cards.map((card, at) => answerOne(card, { recipe: recipes[at], question, where, style, kept, earlier: spokenBefore(turns, recipes[at]) }, running.signal)));
    running = null;
    composer.busy(false);
    turns.push(turn);
    keepThread(turns);
    announce(turn.answers.map((answer) => spoken(answer, turn.answers.length > 1)).join(" "));
    if (me.follow_ups) suggestNext(made, { turns, where, style: chosen, send });
  }

  /** Where the server keeps the answers to a question; null where it keeps none. */
  async function keptIn() {
    if (!keeping) return null;
    if (!conversation) {
      conversation = (await api.beginConversation()).id;
      history.replaceState(null, "", `#/ask/${conversation}`);
    }
    return { conversation, turn: `${Date.now()}-${turns.length}` };
  }

  /** Go on with a conversation that was kept. */
  async function open(id) {
    if (!keeping || !id || id === conversation) return;
    stop();
    fill(thread);
    fill(welcome);
    try {
      const held = await api.conversation(id);
      turns.splice(0, turns.length, ...held.turns);
      conversation = id;
      fill(thread, turns.map((turn) => shownTurn(turn).element));
      fresh.hidden = false;
      if (!turns.length) greet(welcome, me, send);
      thread.lastElementChild?.scrollIntoView({ block: "start" });
    } catch (error) {
      clear();
      fill(welcome, failed(error));
    }
  }

  document.addEventListener(GONE, ({ detail }) => {
    if (conversation && (!detail || detail === conversation)) clear();
  });

  function stop() {
    running?.abort();
  }

  function clear() {
    stop();
    turns.length = 0;
    forgetThread();
    if (location.hash.startsWith("#/ask/")) history.replaceState(null, "", "#/ask");
    conversation = "";
    fill(thread);
    fresh.hidden = true;
    greet(welcome, me, send);
    composer.focus();
  }

  return { element, open, clear, style: composer.style, focus: composer.focus, escape: stop, shown: () => thread.lastElementChild?.scrollIntoView({ block: "start" }) };
}

/** The last turns as messages, with the answers of this recipe where it gave one: a question may point back to them. */
function spokenBefore(turns, recipe) {
  return turns.slice(-TOLD).flatMap(({ question, answers }) => {
    const answer = answers.find((one) => one.recipe === recipe) ?? answers[0];
    if (!answer?.text || answer.error || answer.stopped) return [];
    return [{ role: "user", content: question }, { role: "assistant", content: answer.text }];
  });
}

async function answerOne(card, asked, signal) {
  const { recipe } = asked;
  let soFar = "";
  try {
    const result = await ask({ ...asked, kept: await asked.kept }, (text) => card.write((soFar = text)), signal);
    card.finish(result);
    return { ...result, recipe };
  } catch (error) {
    const stopped = error.name === "AbortError";
    const answer = { recipe, text: soFar, stopped, error: stopped ? "" : error.message };
    card.finish(answer);
    return answer;
  }
}

function spoken(answer, several) {
  const whose = several ? `${answer.recipe}: ` : "";
  if (answer.error) return `${whose}${answer.error}`;
  if (answer.stopped) return `${whose}${t("Stopped.")}`;
  const sources = answer.citations?.length ? ` ${count(answer.citations.length, "source")}.` : "";
  return `${whose}${answer.text}${sources}`;
}

/** One question with its answers; `recipes` where they are still to come. */
export function shownTurn(turn, recipes = turn.answers.map((answer) => answer.recipe)) {
  const cards = recipes.map((recipe) => answerCard(recipe, { named: recipes.length > 1 }));
  turn.answers.forEach((answer, at) => cards[at].finish(answer));
  const within = turn.where?.length ? h("p", { class: "within" }, t("Only in {paths}", { paths: listed(turn.where.map((one) => one.replace(/^path=/, ""))) })) : null;
  const answers = h("div", { class: recipes.length > 1 ? "answers pair" : "answers" }, cards.map((card) => card.element));
  const withheld = turn.withheld ? h("p", { class: "note" }, WITHHELD) : null;
  return { element: h("article", { class: "turn" }, turn.question && h("h2", { dir: "auto" }, turn.question), within, withheld, answers), cards };
}

/** What stands in an empty thread: the user's own questions as examples, or the way to the first document. */
async function greet(welcome, me, send) {
  fill(welcome, h("div", { class: "greeting" }, h("p", { class: "greeting-title" }, t("Ask your documents")), h("p", { class: "muted" }, t("Every answer shows the place that it comes from."))));
  const listed = await api.documents("", 1).catch(() => null);
  if (listed?.total === 0) {
    const link = me.scopes.includes("manage") ? h("a", { class: "button primary", href: "#/documents" }, t("Add documents")) : null;
    fill(welcome, empty("documents", t("There are no documents yet"), t("Answers come from documents: add some, and ask."), link));
    return;
  }
  const questions = me.scopes.includes("manage") ? await api.questions().catch(() => []) : [];
  const examples = questions.filter((one) => one.answerable && one.status !== "rejected" && one.question.length < 90);
  const few = [0.05, 0.3, 0.55, 0.8].map((part) => examples[Math.floor(part * examples.length)]);
  const buttons = [...new Set(few)].filter(Boolean).map((one) => h("button", { type: "button", dir: "auto", onclick: () => send(one.question) }, one.question));
  if (buttons.length && welcome.querySelector(".greeting")) welcome.append(h("div", { class: "examples", role: "group", "aria-label": t("Examples") }, buttons));
}

function makeComposer({ send, stop, fresh, last }) {
  const field = h("textarea", { id: "question", dir: "auto", rows: 1, placeholder: t("Ask a question"), "aria-label": t("Question"), enterkeyhint: "send" });
  const button = iconButton("send", t("Send"), null, { silent: true, class: "send", type: "submit" });
  const halt = iconButton("stop", t("Stop"), stop, { silent: true, class: "send", hidden: true });
  const side = iconButton("columns", t("Side by side"), () => choose(second ? "" : other()), { class: "quiet toggle", hidden: true, "aria-pressed": "false", "aria-label": t("Side by side") });
  const pickers = h("div", { class: "pickers" });
  const hint = h("span", { class: "hint" });
  const within = h("div", { class: "within-chip", hidden: true });
  const form = h("form", { class: "composer" }, within, field, h("div", { class: "composer-end" }, pickers, side, fresh, hint, button, halt));
  let names = [], first = "", second = "", where = [], style = "";

  const other = () => names.find((name) => name !== first) ?? "";

  function choose(name) {
    second = name;
    side.setAttribute("aria-pressed", String(Boolean(second)));
    side.hidden = names.length < 2;
    hint.textContent = second ? "" : describe(first);
    const pick = [picker(t("Recipe"), names, first, (value) => { first = value; if (second === value) second = other(); choose(second); })];
    if (second) pick.push(h("span", { class: "against" }, t("and")), picker(t("Second recipe"), names.filter((one) => one !== first), second, (value) => choose(value)));
    pick.push(stylePicker(style, (value) => (style = value)));
    fill(pickers, pick);
  }

  function narrow(path) {
    where = path ? [`path=${path.replace(/[[*?|]/g, (mark) => (mark === "|" ? "?" : `[${mark}]`))}`] : [];
    within.hidden = !path;
    fill(within, path && h("span", {}, icon("documents"), h("bdi", {}, path)), path && iconButton("close", t("Ask all documents"), () => { narrow(""); field.focus(); }, { silent: true, class: "plain" }));
  }

  function grow() {
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight, 220)}px`;
  }

  function submit(event) {
    event.preventDefault();
    const question = field.value.trim();
    if (!question || button.hidden) return;
    field.value = "";
    grow();
    send(question);
  }

  form.addEventListener("submit", submit);
  field.addEventListener("input", grow);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
    if (event.key === "ArrowUp" && !field.value && last()) {
      event.preventDefault();
      field.value = last();
      grow();
    }
  });

  return {
    element: form,
    narrow,
    style(value) {
      style = value;
      choose(second);
    },
    focus: () => field.focus(),
    put(text) {
      field.value = text;
      grow();
    },
    choice: () => ({ recipes: [first, second].filter(Boolean), where, style }),
    recipes(all, chosen) {
      names = all;
      first = all.includes(chosen) ? chosen : (all[0] ?? "");
      choose("");
    },
    busy(is) {
      const held = document.activeElement === button || document.activeElement === halt;
      button.hidden = is;
      halt.hidden = !is;
      if (held) (is ? halt : field).focus();
    },
  };
}
