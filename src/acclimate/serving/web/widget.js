// A button in a page of another site, and a panel to ask this server's documents in: docs/serving.md.
// All that comes from outside is put in as text; no markup, no style attribute, no eval.
(() => {
"use strict";

const script = document.currentScript;
const { key, lang, title, side = "", theme = "" } = script.dataset;
const ADDRESS = new URL("v1/widget", script.src); // whatever its path
const TOLD = 3; // earlier answers that go with a question
const LONG = 2000; // characters that are sent of each

const NAMES = "open|title|hint|question|send|stop|close|answering|sources|page|stopped|cut|unheld|nothing|unsourced|doubted|near|asked|busy|refused|lost".split("|");
const WORDS = {
en: "Ask|Ask the documents|Every answer shows the place that it comes from.|Question|Send|Stop|Close|Answering|Sources|page #|Stopped.|Cut off at the limit of length.|The documents do not hold the answer.|No passage was found with these words. Ask in other words.|No source was named: do not rely on this.|no source|The closest passage: it does not hold the answer's own words.|Understood as: #|The server is busy. Try again in # s.|This page may not ask here. Tell whoever runs it.|The server cannot be reached, or could not answer.",
de: "Fragen|Die Dokumente fragen|Jede Antwort zeigt die Stelle, von der sie stammt.|Frage|Senden|Anhalten|Schließen|Antwort kommt|Quellen|Seite #|Angehalten.|An der Längengrenze abgeschnitten.|Die Antwort steht nicht in den Dokumenten.|Keine Textstelle mit diesen Wörtern gefunden. Fragen Sie mit anderen.|Ohne Quelle: Verlassen Sie sich nicht darauf.|ohne Quelle|Die ähnlichste Textstelle: Der Wortlaut der Antwort steht dort nicht.|Verstanden als: #|Der Server ist ausgelastet. Versuchen Sie es in # s noch einmal.|Diese Seite darf hier nicht fragen. Sagen Sie es denen, die sie betreiben.|Der Server ist nicht erreichbar oder konnte nicht antworten.",
es: "Preguntar|Pregunte a los documentos|Cada respuesta muestra el lugar del que procede.|Pregunta|Enviar|Detener|Cerrar|Respondiendo|Fuentes|página #|Detenido.|Cortado en el límite de longitud.|Los documentos no contienen la respuesta.|No se encontró ningún pasaje con estas palabras. Pregunte con otras.|No se citó ninguna fuente: no se fíe de esto.|sin fuente|El pasaje más cercano: no contiene las palabras de la respuesta.|Entendido como: #|El servidor está ocupado. Vuelva a intentarlo en # s.|Esta página no puede preguntar aquí. Avise a quien la administra.|No se puede alcanzar el servidor, o no pudo responder.",
fr: "Demander|Interroger les documents|Chaque réponse montre l'endroit d'où elle vient.|Question|Envoyer|Arrêter|Fermer|Réponse en cours|Sources|page #|Arrêté.|Coupé à la limite de longueur.|Les documents ne contiennent pas la réponse.|Aucun passage trouvé avec ces mots. Posez la question autrement.|Aucune source citée : ne vous y fiez pas.|sans source|Le passage le plus proche : les mots de la réponse n'y sont pas.|Compris comme : #|Le serveur est occupé. Réessayez dans # s.|Cette page n'a pas le droit de demander ici. Prévenez qui la gère.|Le serveur est injoignable ou n'a pas pu répondre.",
zh: "提问|向文档提问|每个答案都会显示其出处。|问题|发送|停止|关闭|正在回答|来源|第 # 页|已停止。|因达到长度上限而被截断。|文档中没有答案。|没有找到含有这些词的段落。请换一种说法。|没有给出来源：请勿轻信。|无来源|最接近的段落：答案的原文并未逐字出现在其中。|理解为：#|服务器正忙。请在 # 秒后重试。|此页面无权在这里提问。请告知其管理员。|无法连接服务器，或服务器无法回答。",
};
const chosen = (lang || document.documentElement.lang).toLowerCase().split("-")[0];
const language = Object.hasOwn(WORDS, chosen) ? chosen : "en";
const words = WORDS[language].split("|");
const t = (name, value) => words[NAMES.indexOf(name)].replace("#", () => value);

const CSS = `
:host{all:initial !important}
.root{color-scheme:light dark;
--paper:light-dark(#fff,#1b1e1f);--sunken:light-dark(#f5f3ef,#131516);--line:light-dark(#dcd8d0,#3a4043);--edge:light-dark(#8b8880,#7d8487);--ink:light-dark(#1b1e1f,#e9e7e2);
--soft:light-dark(#595e60,#a3a9ab);--accent:light-dark(#0e5c54,#74c9bc);--on:light-dark(#fff,#07201d);--bad:light-dark(#a3261d,#ff9d93);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
.light{color-scheme:light} .dark{color-scheme:dark}
*{box-sizing:border-box;margin:0;padding:0;font:inherit;color:inherit}
[hidden]{display:none !important}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
button{cursor:pointer;border:1px solid transparent;border-radius:10px;background:none;display:grid;place-items:center;width:44px;height:44px;flex:none}
svg{width:20px;fill:none;stroke:currentColor;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}
.open,.panel{position:fixed;z-index:2147483000;inset:auto 20px 20px auto}
.left > *{inset:auto auto 20px 20px}
.open,.send{background:var(--accent);color:var(--on)}
.open{display:flex;gap:8px;width:auto;height:48px;padding:0 20px 0 16px;border-radius:24px;font-weight:600;align-items:center;box-shadow:0 4px 16px #0004}
.panel{display:flex;flex-direction:column;width:400px;height:min(620px,100dvh - 40px);overflow:hidden;border:1px solid var(--line);border-radius:14px;background:var(--paper);box-shadow:0 10px 40px #0004}
.head,form{display:flex;gap:8px;padding:10px;align-items:center}
.head{padding:6px 10px 6px 18px;border-bottom:1px solid var(--line)}
h2{flex:1;font-size:16px}
h2,h3,.number,.name{font-weight:650}
.close,.place,.note,.doubt,.abstained .text{color:var(--soft)}
button:hover{border-color:var(--edge)}
.thread{flex:1;overflow-y:auto;padding:16px 18px;overscroll-behavior:contain;overflow-wrap:anywhere;outline-offset:-2px}
.root > .panel:not(:has(.turn)){height:auto}
.turn + .turn{margin-top:20px;padding-top:20px;border-top:1px solid var(--line)}
.turn:last-child{min-height:100%}
h3,.note{margin-bottom:6px}
.text{white-space:pre-wrap;margin-bottom:6px}
.text:empty::before{content:"…"}
.note,blockquote,.name,.place,a{font-size:14px}
.place{font-weight:400}
.error{color:var(--bad)}
.number{display:inline-grid;place-items:center;width:auto;min-width:24px;height:24px;padding:0 5px;margin-inline:4px;border:1px solid var(--edge);border-radius:7px;background:var(--paper);color:var(--accent);font-size:12px}
ol{display:grid;gap:10px;margin-top:10px;list-style:none}
li{padding:10px 12px;border:1px solid var(--line);border-radius:10px;background:var(--sunken)}
li:focus{border-color:var(--accent)}
.name .number{margin-inline:0 8px}
blockquote{margin-block:6px;padding-inline-start:10px;border-inline-start:3px solid var(--accent);white-space:pre-line}
a{color:var(--accent)}
form{align-items:end;border-top:1px solid var(--line)}
textarea{flex:1;min-width:0;min-height:44px;max-height:140px;padding:10px 12px;border:1px solid var(--edge);border-radius:10px;background:var(--paper);font-size:16px;line-height:22px;resize:none;field-sizing:content}
::placeholder{color:var(--soft);opacity:1}
.said{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
@media (max-width:480px){.root > .panel{inset:auto 0 0;width:100%;height:min(640px,88dvh);border-radius:14px 14px 0 0}}
@media (prefers-reduced-motion:no-preference){.panel{animation:rise 160ms ease-out} @keyframes rise{from{opacity:0;translate:0 12px}}}
@media print{.root{display:none}}`;

const ICONS = {
  ask: "M4 5h16v11h-8l-5 4v-4H4z",
  close: "M6 6l12 12M18 6L6 18",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
};

function h(tag, given = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith("on")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...inside.flat().filter(Boolean));
  return made;
}

function icon(name) {
  const [made, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  made.setAttribute("viewBox", "0 0 24 24");
  made.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  made.append(path);
  return made;
}

const push = (kind, onclick, name) => h("button", { type: name === "send" ? "submit" : "button", class: kind, "aria-label": t(name), onclick }, icon(name));

const told = [];
let running = null;
const status = h("p", { class: "said", role: "status" });
const hint = h("p", { class: "note" }, t("hint"));
const thread = h("div", { class: "thread", tabindex: 0, role: "region", "aria-label": t("title") }, hint);
const field = h("textarea", { rows: 1, maxlength: LONG, dir: "auto", "aria-label": t("question"), placeholder: t("question"), onkeydown: typed });
const send = push("send", null, "send");
const stop = push("send", () => running.abort(), "stop");
const head = h("div", { class: "head" }, h("h2", { id: "title", dir: "auto" }, title || t("title")), push("close", () => show(false), "close"));
const panel = h("div", { class: "panel", role: "dialog", "aria-labelledby": "title", onkeydown: pressed }, head, thread, h("form", { onsubmit: submit }, field, send, stop), status);
const button = h("button", { type: "button", class: "open", "aria-haspopup": "dialog", onclick: () => show(true) }, icon("ask"), t("open"));
const root = h("div", { class: `root ${side} ${theme}`, lang: language, dir: "ltr" }, button, panel);
panel.hidden = stop.hidden = true;

function show(is) {
  panel.hidden = !is;
  button.hidden = is;
  (is ? field : button).focus();
}

function pressed(event) {
  event.stopPropagation(); // the page's own keys are not meant here
  if (event.key === "Escape" && !event.isComposing) show(false);
}

function typed(event) {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
}

function submit(event) {
  event.preventDefault();
  const question = field.value.trim();
  if (!question || running) return;
  field.value = "";
  ask(question);
}

function busy(control) {
  const held = root.getRootNode().activeElement;
  running = control;
  send.hidden = Boolean(control);
  stop.hidden = !control;
  if (held?.className === "send") field.focus(); // as that button is gone
}

async function ask(question) {
  const text = h("div", { class: "text", dir: "auto" });
  const turn = h("article", { class: "turn" }, h("h3", { dir: "auto" }, question), text);
  hint.remove();
  thread.append(turn);
  thread.scrollTop = turn.offsetTop - thread.offsetTop;
  busy(new AbortController());
  status.textContent = t("answering");
  try {
    const answer = await answered(question, text);
    complete(turn, text, answer);
    told.push({ question, answer: answer.text.slice(0, LONG) });
  } catch (error) {
    const stopped = error.name === "AbortError";
    if (!text.textContent) text.remove();
    turn.append(h("p", { class: stopped ? "note" : "note error" }, stopped ? t("stopped") : (error.told ?? t("lost"))));
  }
  status.textContent = [...turn.querySelectorAll(".text, .note")].map((one) => one.textContent).join(" ");
  busy(null);
}

/** The answer to a question; its text is shown as it comes. */
async function answered(question, text) {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const body = JSON.stringify({ question, before: told.slice(-TOLD) });
  const response = await fetch(ADDRESS, { method: "POST", headers, body, signal: running.signal, credentials: "omit", referrerPolicy: "no-referrer" });
  if (!response.ok) throw { told: refusal(response.status, response.headers.get("Retry-After")) };
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) throw {};
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines.filter((one) => one.startsWith("data: "))) {
      const event = JSON.parse(line.slice(6));
      if (event.answer) return event.answer;
      if (event.error) throw {};
      text.append(event.text);
    }
  }
}

function refusal(status, wait) {
  const said = { 401: "refused", 403: "refused", 429: "busy", 503: "busy" };
  return t(said[status] ?? "lost", wait ?? 5);
}

function complete(turn, text, answer) {
  const items = answer.citations.map(source);
  turn.classList.toggle("abstained", answer.abstained);
  text.replaceChildren(...marked(answer, items));
  turn.append(...notes(answer).map((one) => h("p", { class: "note", dir: "auto" }, one)));
  if (items.length) turn.append(h("ol", { "aria-label": t("sources") }, items));
}

/** The text, with the numbers of its sources. */
function marked(answer, items) {
  const points = [...answer.text]; // places come in code points
  const marks = answer.citations.flatMap((one, at) => one.ends.map((end) => [end, number(one, items[at])]));
  for (const end of answer.unsupported) marks.push([end, h("i", { class: "doubt" }, ` (${t("doubted")})`)]);
  let from = 0;
  const parts = marks.sort((one, other) => one[0] - other[0]).flatMap(([end, mark]) => [points.slice(from, (from = end)).join(""), mark]);
  return [...parts, points.slice(from).join("")];
}

function number(citation, item) {
  const label = `${t("sources")} ${citation.number}: ${citation.title}`;
  return h("button", { type: "button", class: "number", "aria-label": label, onclick: () => item.focus() }, String(citation.number));
}

function source({ number, title, page, heading, quote, url, verbatim }) {
  const place = page ? t("page", page) : heading !== title && heading;
  const name = h("p", { class: "name" }, h("span", { class: "number" }, String(number)), h("bdi", {}, title), place && h("span", { class: "place" }, " · ", h("bdi", {}, place)));
  const read = quote.replace(/^(\s*\||#+ )\s*|\s*\|\s*$/gm, "").replace(/\s*\|\s*/g, " · ").replace(/\n\s*/g, "\n"); // without marks
  const link = /^https?:\/\//i.test(url) && h("a", { href: url, target: "_blank", rel: "noopener noreferrer", dir: "ltr" }, url);
  return h("li", { tabindex: -1 }, name, h("blockquote", { dir: "auto" }, read), !verbatim && h("p", { class: "note" }, t("near")), link);
}

function notes(answer) {
  const said = [answer.asked && t("asked", answer.asked), answer.working, answer.cut && t("cut")];
  if (answer.abstained) said.push(t(answer.abstention === "nothing_found" ? "nothing" : "unheld"));
  else if (!answer.citations.length) said.push(t("unsourced"));
  return said.filter(Boolean);
}

function start() {
  if (document.querySelector("acclimate-widget")) return;
  const host = h("acclimate-widget");
  const shadow = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(CSS);
  shadow.adoptedStyleSheets = [sheet];
  shadow.append(root);
  document.body.append(host);
}

if (document.body) start();
else addEventListener("DOMContentLoaded", start);
})();
