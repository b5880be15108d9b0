// The server's HTTP API: the only file that makes requests, all to the server that the page came from.

import { t } from "./words.js";

/** The path of this page: a tab keeps what belongs to one project of a server apart from the others. */
export const BASE = new URL(".", document.baseURI).pathname;
const KEY = ownName("acclimate.key");

/** A refusal of the server: `status` (0: not reached) and `code` as in its OpenAPI. */
export class ApiError extends Error {
  constructor(status, code, message, retryAfter = 0) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

let askForKey = null;

/** `ask` gets a key from the user, or lets them log in (a promise), when the server wants to know who it is: by what it says. */
export function onKeyWanted(ask) {
  askForKey = ask;
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/** The name of what the tab keeps for this project. */
export function ownName(name) {
  return BASE === "/" ? name : name + BASE;
}

export function address(path) {
  return new URL(path.replace(/^\//, ""), document.baseURI).href;
}

function headers(more = {}) {
  return key.get() ? { Authorization: `Bearer ${key.get()}`, ...more } : more;
}

function refusal(status, text, retryAfter) {
  let told = {};
  try {
    told = JSON.parse(text).error ?? {};
  } catch {
    // a proxy's page, say: the status has to do
  }
  const wait = Number.parseInt(retryAfter ?? "", 10) || 0;
  const message = told.message ?? t("The server answered with status {status}.", { status });
  return new ApiError(status, told.code ?? "", wait && status === 429 ? `${message} ${t("Try again in {seconds} s.", { seconds: wait })}` : message, wait);
}

async function request(method, path, { body, signal } = {}) {
  const init = { method, signal, headers: headers(body ? { "Content-Type": "application/json" } : {}), cache: "no-store" };
  if (body) init.body = JSON.stringify(body);
  let response;
  try {
    response = await fetch(address(path), init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", t("The server cannot be reached. Is it still running?"));
  }
  if (response.ok) return response;
  const error = refusal(response.status, await response.text(), response.headers.get("Retry-After"));
  if (error.status === 401 && askForKey) {
    await askForKey(key.get() ? t("That key is not valid (any more).") : "", key.get() ? "" : error.code);
    return request(method, path, { body, signal });
  }
  throw error;
}

const json = async (method, path, options) => (await request(method, path, options)).json();
const report = (url) => address(url.slice(url.lastIndexOf("reports/"))); // below this page, wherever a proxy puts it
const own = (id) => `v1/conversations/${encodeURIComponent(id)}`;
const at = (id) => `v1/documents/${encodeURIComponent(id)}`;

export const api = {
  me: () => json("GET", "v1/me"),
  projects: async () => (await json("GET", "v1/projects")).data,
  logOut: () => json("POST", "v1/logout"),
  conversations: async () => (await json("GET", "v1/conversations")).data,
  conversation: (id) => json("GET", own(id)),
  beginConversation: () => json("POST", "v1/conversations"),
  rename: (id, title) => json("PUT", own(id), { body: { title } }),
  share: (id) => json("POST", `${own(id)}/link`),
  unshare: (id) => json("DELETE", `${own(id)}/link`),
  shared: (link) => json("GET", `v1/shared/${encodeURIComponent(link)}`),
  exported: async (id, form) => (await request("GET", `${own(id)}/export?format=${form}`)).blob(),
  removeConversation: (id) => json("DELETE", own(id)),
  removeConversations: () => json("DELETE", "v1/conversations"),
  models: async () => (await json("GET", "v1/models")).data.map((row) => row.id),
  documents: (after = "", limit = 1000) => json("GET", `v1/documents?limit=${limit}&after=${encodeURIComponent(after)}`),
  document: (id) => json("GET", at(id)),
  text: (id, start, length) => json("GET", `${at(id)}/text?start=${start}&length=${length}`),
  outline: async (id) => (await json("GET", `${at(id)}/outline`)).data,
  find: (id, words) => json("GET", `${at(id)}/find?q=${encodeURIComponent(words)}`),
  followUps: async (body) => (await json("POST", "v1/follow-ups", { body })).data,
  page: (id, page, start, end, pixels) => json("GET", `${at(id)}/pages/${page}?start=${start}&end=${end}&pixels=${pixels}`),
  file: async (id) => (await request("GET", `${at(id)}/file`)).blob(),
  remove: (id) => json("DELETE", at(id)),
  jobs: async () => (await json("GET", "v1/jobs")).data,
  job: (id) => json("GET", `v1/jobs/${encodeURIComponent(id)}`),
  startJob: () => json("POST", "v1/jobs"),
  questions: async () => (await json("GET", "v1/questions")).data,
  putQuestion: (id, body) => json("PUT", `v1/questions/${encodeURIComponent(id)}`, { body }),
  thumb: (body) => json("POST", "v1/feedback", { body }),
  feedback: async () => (await json("GET", "v1/feedback")).data,
  putFeedback: (id, body) => json("PUT", `v1/feedback/${encodeURIComponent(id)}`, { body }),
  comparisons: async () => (await json("GET", "v1/comparisons")).data,
  compareOptions: () => json("GET", "v1/comparisons/options"),
  comparisonRun: async () => (await json("GET", "v1/comparisons/run")).run,
  startComparison: async (body) => (await json("POST", "v1/comparisons", { body })).run,
  stopComparison: async () => (await json("POST", "v1/comparisons/run/stop")).run,
  resumeComparison: async () => (await json("POST", "v1/comparisons/run/resume")).run,
  disagreements: (id, first, second) => json("GET", `v1/comparisons/${encodeURIComponent(id)}/disagreements?first=${encodeURIComponent(first)}&second=${encodeURIComponent(second)}`),
  saveGate: (id, recipe) => json("POST", `v1/comparisons/${encodeURIComponent(id)}/gate`, { body: { recipe } }),
  reportLink: async (id) => report((await json("POST", `v1/comparisons/${encodeURIComponent(id)}/link`)).url),
};

/** Ask a question after `earlier` messages; `onText` hears the pieces. Resolves with { text, finish, ...the acclimate extension }. */
export async function ask({ recipe, question, where = [], earlier = [], style = "", kept = null }, onText, signal) {
  const body = {
    model: recipe,
    messages: [...earlier, { role: "user", content: question }],
    stream: true,
    acclimate: { where, footnotes: false, ...(style && { style }), ...kept },
  };
  const response = await request("POST", "v1/chat/completions", { body, signal });
  let text = "", result = null;
  for await (const event of events(response.body)) {
    if (event.error) throw new ApiError(500, event.error.code ?? "", event.error.message);
    const choice = event.choices?.[0];
    if (choice?.delta?.content) {
      text += choice.delta.content;
      onText(text);
    }
    if (choice?.finish_reason) result = { text, finish: choice.finish_reason, id: event.id, ...event.acclimate };
  }
  if (result) return result;
  throw new ApiError(0, "cut", t("The connection was lost before the answer was complete."));
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new ApiError(0, "cut", t("The connection was lost before the answer was complete."));
    });
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data: ") && line !== "data: [DONE]") yield JSON.parse(line.slice(6));
    }
  }
}

/** Upload one file into a folder of the documents; `onProgress` hears bytes sent and in all. `control.abort()` gives it up. */
export function upload(file, { folder = "", replace = false, onProgress = () => {}, control = {} } = {}) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    form.append("file", file, file.name);
    const sent = new XMLHttpRequest(); // fetch tells no progress of what it sends
    control.abort = () => sent.abort();
    sent.open("POST", address(`v1/documents?replace=${replace}&folder=${encodeURIComponent(folder)}`));
    for (const [name, value] of Object.entries(headers())) sent.setRequestHeader(name, value);
    sent.upload.addEventListener("progress", (event) => onProgress(event.loaded, event.total));
    sent.addEventListener("load", () => {
      if (sent.status < 300) resolve(JSON.parse(sent.responseText));
      else reject(refusal(sent.status, sent.responseText, sent.getResponseHeader("Retry-After")));
    });
    sent.addEventListener("error", () => reject(new ApiError(0, "unreachable", t("The connection was lost."))));
    sent.addEventListener("abort", () => reject(new ApiError(0, "given-up", t("Given up."))));
    sent.send(form);
  });
}
