// The pages of a PDF as pictures, each loaded when it comes near, with the cited words marked.

import { api } from "./api.js";
import { fill, h, iconButton, s } from "./dom.js";
import { t } from "./words.js";

const PIXELS = 1400;
const AT_ONCE = 2;
const KEPT = 12; // pictures in memory; those farthest away are let go
const ZOOMS = [1, 1.25, 1.5, 2, 3];

/** Show `facts.pages` pages in `body`, beginning at `at.page`; `place` is told which page is in view. */
export function pagesView(facts, at, body, place) {
  const first = Math.min(Math.max(at.page ?? 1, 1), facts.pages);
  const list = h("div", { class: "pages" });
  const pages = Array.from({ length: facts.pages }, (_, index) => makePage(index + 1));
  const near = new Set();
  let wanted = at.end > at.start ? { ...at, page: first, label: t("The cited words") } : null; // what is marked
  let loading = 0, open = true, zoom = 0, current = first, settled = false;
  let ready, readyOr;
  const done = new Promise((resolve, reject) => ([ready, readyOr] = [resolve, reject]));

  function makePage(number) {
    return h("figure", { class: "page", dataset: { page: number } }, h("span", { class: "page-number", "aria-hidden": "true" }, String(number)));
  }

  async function load(page) {
    const number = Number(page.dataset.page);
    page.dataset.state = "loading";
    loading += 1;
    try {
      const marked = wanted?.page === number ? wanted : null;
      const shown = await api.page(facts.id, number, marked?.start ?? 0, marked?.end ?? 0, PIXELS);
      if (open) await put(page, shown, marked);
      if (number === first) ready();
    } catch (error) {
      page.dataset.state = "failed";
      page.append(h("p", { class: "note" }, error.message));
      if (number === first) readyOr(error);
    } finally {
      loading -= 1;
      next();
    }
  }

  async function put(page, shown, marked) {
    const number = page.dataset.page;
    const bytes = Uint8Array.from(atob(shown.png), (letter) => letter.charCodeAt(0));
    const picture = h("img", { alt: t("Page {page} of {pages}", { page: number, pages: facts.pages }), src: URL.createObjectURL(new Blob([bytes], { type: "image/png" })) });
    await picture.decode();
    page.style.aspectRatio = `${shown.width} / ${shown.height}`;
    if (Number(number) === first) list.style.setProperty("--ratio", `${shown.width} / ${shown.height}`);
    fill(page, picture, marked && marks(shown, marked.label));
    page.dataset.state = "shown";
    if (wanted?.page === Number(number) && marked !== wanted) again(page);
    else if (marked && !settled) toMark(page);
  }

  function toMark(page) {
    settled = true;
    const mark = page.querySelector("rect") ?? page;
    const box = mark.getBoundingClientRect();
    const frame = body.getBoundingClientRect();
    body.scrollTop += box.top - frame.top - (mark === page ? 12 : frame.height * 0.35);
    body.scrollLeft += box.left - frame.left - frame.width * 0.3;
  }

  function next() {
    if (!open) return;
    const waiting = [...near].filter((page) => !page.dataset.state).sort((one, two) => away(one) - away(two));
    for (const page of waiting.slice(0, AT_ONCE - loading)) load(page);
    const shown = pages.filter((page) => page.dataset.state === "shown");
    for (const page of shown.sort((one, two) => away(two) - away(one)).slice(0, Math.max(0, shown.length - KEPT))) drop(page);
  }

  /** Load a page once more, with other marks on it. */
  function again(page) {
    if (page.dataset.state !== "shown") return; // it looks by itself, once it is loaded
    URL.revokeObjectURL(page.querySelector("img").src);
    page.querySelector(".marks")?.remove();
    load(page);
  }

  /** Go to a place and mark it. */
  function mark(place) {
    for (const old of list.querySelectorAll(".marks")) old.remove();
    wanted = { ...place, label: t("The words that were looked for") };
    settled = false;
    const page = pages[place.page - 1];
    if (!page.dataset.state) load(page);
    else again(page);
    go(place.page);
  }

  const away = (page) => Math.abs(Number(page.dataset.page) - current);

  function drop(page) {
    if (near.has(page)) return;
    URL.revokeObjectURL(page.querySelector("img").src);
    fill(page, h("span", { class: "page-number", "aria-hidden": "true" }, page.dataset.page));
    delete page.dataset.state;
  }

  function tell() {
    const middle = body.getBoundingClientRect().top + body.clientHeight / 2;
    const seen = pages.find((page) => page.getBoundingClientRect().bottom > middle) ?? pages.at(-1);
    current = Number(seen.dataset.page);
    place.textContent = t("Page {page} of {pages}", { page: current, pages: facts.pages });
  }

  function go(number) {
    pages[number - 1]?.scrollIntoView({ block: "start" });
  }

  function size(step) {
    zoom = Math.min(Math.max(zoom + step, 0), ZOOMS.length - 1);
    list.style.setProperty("--zoom", ZOOMS[zoom]);
  }

  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) near[entry.isIntersecting ? "add" : "delete"](entry.target);
    next();
  }, { root: body, rootMargin: "400px 0px" });

  fill(body, fill(list, pages));
  go(first);
  tell();
  body.addEventListener("scroll", tell, { passive: true });
  load(pages[first - 1]);
  pages.forEach((page) => watch.observe(page));

  return {
    ready: done,
    go: (place) => mark(place),
    mark: () => {}, // the page that one goes to shows its words
    zoom: h("div", { class: "zoom" }, iconButton("minus", t("Smaller"), () => size(-1), { silent: true, class: "plain" }), iconButton("plus", t("Larger"), () => size(1), { silent: true, class: "plain" })),
    key(event) {
      const moves = { ArrowLeft: () => go(current - 1), ArrowRight: () => go(current + 1), "+": () => size(1), "-": () => size(-1) };
      if (event.ctrlKey || event.metaKey || event.altKey || !moves[event.key]) return;
      event.preventDefault();
      moves[event.key]();
    },
    close() {
      open = false;
      watch.disconnect();
      body.removeEventListener("scroll", tell);
      for (const picture of list.querySelectorAll("img")) URL.revokeObjectURL(picture.src);
    },
  };
}

/** The marked words: rectangles in PDF points over the picture. */
function marks({ width, height, boxes }, label) {
  const over = s("svg", { class: "marks", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  for (const [left, top, right, bottom] of boxes) {
    over.append(s("rect", { x: left - 1, y: top - 1, width: Math.max(right - left, 1) + 2, height: Math.max(bottom - top, 1) + 2, rx: 1.5 }));
  }
  return over;
}
