// Logging in and out: where there is a login, the page asks for that before it asks for a key.

import { address, api } from "./api.js";
import { dialog, h } from "./dom.js";
import { askForKey } from "./keys.js";
import { forgetThread } from "./thread.js";

const WORDS = {
  title: "Log in",
  oidc: "This server is for people of your organisation. You log in at its provider, and come back here.",
  header: "This server is reached through your organisation's proxy, which logs you in. Open the page there.",
  login: "Log in",
  again: "Try again",
  key: "Use an API key",
  you: "You are logged in",
  may: (me) => `You are ${me.name}, and may: ${me.scopes.join(", ")}.`,
  out: "Log out",
  outHint: "Your session at the provider goes on: log out there too where others use this browser.",
  close: "Close",
  label: (name) => `Logged in: ${name}`,
};

// Why nobody was logged in; the codes are the server's.
const PROBLEMS = {
  state: "That login was not begun in this browser, or is over. Please try again.",
  refused: "The provider did not let you in.",
  unreachable: "The provider cannot be reached, or does not answer as it should. Please try again later.",
  token: "The provider's answer could not be trusted, so nobody was logged in. Tell whoever runs this server.",
  no_group: "You are logged in at the provider, but none of your groups is let in here.",
  bad_login: "The provider gives a name or groups that cannot be used here. Tell whoever runs this server.",
};

let problem = "";

/** Take a problem out of the address, where a failed login has left it. */
export function readProblem() {
  const [room, code] = location.hash.replace(/^#\//, "").split("/");
  if (room !== "login") return;
  problem = PROBLEMS[code] ?? PROBLEMS.token;
  history.replaceState(null, "", "#/ask");
}

/** Ask whoever sits there to log in or to give a key; many requests that need it at once ask once. */
export function askWho(why, code) {
  if (!code.startsWith("login_")) return askForKey(why);
  asking ??= ask(why, code.slice("login_".length)).finally(() => (asking = null));
  return asking;
}

let asking = null;

async function ask(why, engine) {
  for (;;) {
    const told = problem || why;
    const body = h("div", { class: "fields" }, h("p", { class: "muted" }, WORDS[engine]), told && h("p", { class: "error-text", role: "alert" }, told));
    const first = { value: "login", words: engine === "oidc" ? WORDS.login : WORDS.again, kind: "primary" };
    const shown = dialog(WORDS.title, body, [{ value: "key", words: WORDS.key }, first]);
    document.querySelector("dialog[open] .primary").focus();
    const chosen = await shown;
    problem = "";
    if (chosen === "key") return askForKey("");
    if (chosen !== "login") continue;
    if (engine === "oidc") location.assign(address(`login?then=${encodeURIComponent(location.pathname + location.hash)}`));
    else location.reload();
    return new Promise(() => {}); // the page goes
  }
}

/** Say who is logged in, and let them leave. */
export function personButton(button, me) {
  button.hidden = false;
  button.querySelector("span").textContent = me.name;
  button.querySelector("use").setAttribute("href", "#i-person");
  button.setAttribute("aria-label", WORDS.label(me.name));
  button.onclick = async () => {
    const leaves = me.login === "oidc";
    const body = h("div", { class: "fields" }, h("p", {}, WORDS.may(me)), leaves && h("p", { class: "muted" }, WORDS.outHint));
    const buttons = [{ value: "", words: WORDS.close }, leaves && { value: "out", words: WORDS.out, kind: "danger" }];
    if ((await dialog(WORDS.you, body, buttons.filter(Boolean))) !== "out") return;
    await api.logOut();
    forgetThread();
    location.hash = "#/ask";
    location.reload();
  };
}
