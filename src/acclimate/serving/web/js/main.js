// The page: which room is shown, who asks, and the keys that work everywhere.

import { api, onKeyWanted } from "./api.js";
import { askRoom } from "./chat.js";
import { comparisonsRoom } from "./reports.js";
import { documentsRoom } from "./documents.js";
import { announce, failed, fill, loading } from "./dom.js";
import { historyRoom } from "./history.js";
import { keyButton, showKeyboard } from "./keys.js";
import { askWho, personButton, readProblem } from "./login.js";
import { closeReader } from "./reader.js";
import { questionsRoom } from "./review.js";
import { sharedRoom } from "./shared.js";
import { themeButton } from "./theme.js";
import { keepBy } from "./thread.js";
import { t, translatePage } from "./words.js";

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

function keys(event) {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    if (wanted().name !== "ask") location.hash = "#/ask";
    else kept?.focus();
  } else if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]")) {
    if (!closeReader({ restore: true })) shown?.escape?.();
  }
}

translatePage(document.getElementById("language"));
onKeyWanted(askWho);
readProblem();
themeButton(document.getElementById("theme"));
document.getElementById("help").addEventListener("click", showKeyboard);
document.addEventListener("keydown", keys);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names the room
  main.focus();
});
addEventListener("hashchange", () => me && show({ moveFocus: true }));
start();
