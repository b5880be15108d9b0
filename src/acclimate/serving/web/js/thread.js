// The questions and answers of this tab, kept over a reload: never beyond the tab, and never sent anywhere.

const KEY = "acclimate.thread";
const MOST = 40;

/** The turns that were kept: [{ question, where, answers: [{ recipe, … }] }]. */
export function keptThread() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
  } catch {
    return [];
  }
}

export function keepThread(turns) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(turns.slice(-MOST)));
  } catch {
    sessionStorage.removeItem(KEY); // the tab's storage is full: better none than half
  }
}

export function forgetThread() {
  sessionStorage.removeItem(KEY);
}
