// The first page of a server with several projects: those that whoever looks may see.

import { address, api } from "./api.js";
import { failed, fill, h, loading } from "./dom.js";
import { t, translatePage } from "./words.js";

const main = document.getElementById("main");

async function show() {
  fill(main, loading());
  try {
    const projects = await api.projects();
    const links = projects.map((one) => h("li", { class: "row" }, h("a", { href: address(one.url) }, one.id)));
    const none = h("p", { class: "note" }, t("Open the address of your project: it is below this one, /p/ and its name."));
    fill(main, h("div", { class: "room" }, h("header", { class: "room-head" }, h("h1", {}, t("Projects"))), links.length ? h("ul", { class: "rows" }, links) : none));
  } catch (error) {
    fill(main, failed(error, show));
  }
}

translatePage(document.getElementById("language"));
show();
