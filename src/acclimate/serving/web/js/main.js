// The page: which room is shown, who asks, and the keys that work everywhere.

import { api, onKeyWanted } from "./api.js";
import { askRoom } from "./chat.js";
import { comparisonsRoom } from "./reports.js";
import { documentsRoom } from "./documents.js";
import { announce, failed, fill, loading } from "./dom.js";
import { historyRoom } from "./history.js";
import { keyButton, showKeyboard } from "./keys.js";
import { askWho, personButton, readProblem } from "./login.js";
import { openPalette } from "./palette.js";
import { closeReader } from "./reader.js";
import { styles } from "./recipes.js";
import { questionsRoom } from "./review.js";
import { sharedRoom } from "./shared.js";
import { themeButton, themes } from "./theme.js";
import { keepBy } from "./thread.js";
import { languages, t, translatePage } from "./words.js";

const ROOMS = {
  ask: { title: t("Ask"), make: askRoom },
  history: { title: t("History"), make: historyRoom },
  shared: { title: t("Shared"), make: sharedRoom },
  documents: { title: t("Documents"), make: documentsRoom },
  questions: { title: t("Questions"), make: questionsRoom },
  comparisons: { title: t("Comparisons"), make: comparisonsRoom },
};

const main = document.getElementById("main");
let me = null;
let shown = null; // the room on the page: { name, element, focus(), left() }
let kept = null; // the room "ask" stays as it is while others are shown

/** The room that the address names, and what in it. */
function wanted() {
  const [name, what = ""] = location.hash.replace(/^#\//, "").split("/");
  return name in ROOMS ? { name, what } : { name: "ask", what: "" };
}

function show({ moveFocus }) {
  const { name, what } = wanted();
  shown?.left?.();
  closeReader({ restore: false });
  const room = name === "ask" && kept ? kept : { name, ...ROOMS[name].make(me, what) };
  if (name === "ask") kept = room;
  shown = room;
  document.title = `${ROOMS[name].title}${me.project && ` · ${me.project}`} · Acclimate`;
  for (const link of document.querySelectorAll("nav [data-room]")) {
    if (link.dataset.room === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  fill(main, room.element);
  main.dataset.room = name;
  room.shown?.();
  room.open?.(what);
  if (moveFocus) {
    announce(ROOMS[name].title);
    room.focus();
  }
}

async function start() {
  fill(main, loading());
  try {
    me = await api.me();
  } catch (error) {
    fill(main, failed(error, start));
    return;
  }
  for (const link of document.querySelectorAll("[data-scope]")) link.hidden = !me.scopes.includes(link.dataset.scope);
  for (const link of document.querySelectorAll("[data-kept]")) link.hidden = me.conversations !== "kept";
  document.getElementById("project").textContent = me.project;
  keepBy(me.conversations);
  (me.login === "none" ? keyButton : personButton)(document.getElementById("key"), me);
  kept = null;
  show({ moveFocus: false });
  if (matchMedia("(min-width: 801px)").matches) shown.focus();
}

/** What the palette offers, as far as whoever asks may do it. */
function commands() {
  const inAsk = (what) => {
    if (wanted().name === "ask") return what(kept);
    addEventListener("hashchange", () => what(kept), { once: true }); // after the room was shown
    location.hash = "#/ask";
  };
  const rooms = [...document.querySelectorAll("nav [data-room]")].filter((link) => !link.hidden && link.dataset.room !== "ask");
  const theme = document.getElementById("theme");
  const within = (group, rows) => rows.map((row) => ({ group, ...row }));
  return [
    ...within(t("Ask"), [
      { name: t("Ask a question"), icon: "ask", run: () => inAsk((room) => room.focus()) },
      { name: t("New conversation"), icon: "plus", run: () => inAsk((room) => room.clear()) },
    ]),
    ...within(t("Go to"), rooms.map((link) => ({ name: ROOMS[link.dataset.room].title, icon: link.dataset.room, run: () => (location.hash = `#/${link.dataset.room}`) }))),
    ...within(t("Style of answers"), styles((value) => inAsk((room) => room.style(value)))),
    ...within(t("Colours"), themes(theme)),
    ...within(t("Language"), languages()),
    ...within(t("Help"), [{ name: t("Keyboard"), icon: "help", run: showKeyboard }]),
  ];
}

function keys(event) {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    if (me && !document.querySelector("dialog[open]:not(.palette)")) openPalette(commands());
  } else if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]")) {
    if (!closeReader({ restore: true })) shown?.escape?.();
  }
}

translatePage(document.getElementById("language"));
onKeyWanted(askWho);
readProblem();
themeButton(document.getElementById("theme"));
document.getElementById("help").addEventListener("click", showKeyboard);
document.getElementById("commands").addEventListener("click", () => me && openPalette(commands()));
document.addEventListener("keydown", keys);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the room
  main.focus();
});
addEventListener("hashchange", () => me && show({ moveFocus: true }));
start();
