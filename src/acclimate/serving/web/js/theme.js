// Light, dark, or as the system has it. The choice is kept on this device.

import { announce } from "./dom.js";
import { t } from "./words.js";

const KEY = "acclimate.theme";
const NEXT = { auto: "light", light: "dark", dark: "auto" };
const WORDS = { auto: t("System"), light: t("Light"), dark: t("Dark") };

function chosen() {
  const kept = localStorage.getItem(KEY);
  return kept in NEXT ? kept : "auto";
}

function apply(button) {
  const theme = chosen();
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  button.querySelector("use").setAttribute("href", `#i-${theme}`);
  button.querySelector("span").textContent = WORDS[theme];
  button.title = t("Colours: {theme}", { theme: WORDS[theme] });
  button.setAttribute("aria-label", button.title);
}

/** What the palette offers: each theme by its name. */
export function themes(button) {
  return Object.entries(WORDS).map(([theme, name]) => ({ name, icon: theme, run: () => choose(button, theme) }));
}

function choose(button, theme) {
  localStorage.setItem(KEY, theme);
  apply(button);
  announce(button.title);
}

/** Make `button` go through the themes. */
export function themeButton(button) {
  apply(button);
  button.addEventListener("click", () => choose(button, NEXT[chosen()]));
}
