// The questions and answers of this tab, kept over a reload where the server says so: never beyond the tab, and never sent anywhere.

import { ownName } from "./api.js";

const KEY = ownName("acclimate.thread");
const MOST = 40;

let kept = true;

/** What is kept by `[serve] conversations`: here only "tab" is. */
export function keepBy(mode) {
  kept = mode === "tab";
  if (!kept) forgetThread();
}

/** The turns that were kept: [{ question, where, answers: [{ recipe, … }] }]. */
export function keptThread() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
  } catch {
    return [];
  }
}

export function keepThread(turns) {
  if (!kept) return;
  try {
    sessionStorage.setItem(KEY, JSON.stringify(turns.slice(-MOST)));
  } catch {
    sessionStorage.removeItem(KEY); // the tab's storage is full: better none than half
  }
}

export function forgetThread() {
  sessionStorage.removeItem(KEY);
}

/** Keep what was said of an answer that is kept already. */
export function keepAnswer(answer) {
  const turns = keptThread();
  for (const held of turns.flatMap((turn) => turn.answers)) if (held.id === answer.id) held.said = answer.said;
  keepThread(turns);
}
