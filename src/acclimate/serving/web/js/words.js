// The page's own words in the language of whoever looks at it. English is what stands in the code; the others are
// tables below words/, by the English. What documents, models and the server say stays as it is.

const KEY = "acclimate.language";
const NAMES = { en: "English", de: "Deutsch", es: "Español", fr: "Français", zh: "中文" };
const RIGHT_TO_LEFT = ["ar", "fa", "he", "ur"];

function chosen() {
  const kept = localStorage.getItem(KEY);
  if (kept in NAMES) return kept;
  const wanted = navigator.languages.map((one) => one.toLowerCase().split("-")[0]);
  return wanted.find((one) => one in NAMES) ?? "en";
}

/** The language that the page speaks. */
export const language = chosen();
const table = language === "en" ? {} : (await import(`./words/${language}.js`)).default;
const plurals = new Intl.PluralRules(language);

/** An English text in the page's language; {name} in it is `values.name`. */
export function t(text, values = {}) {
  return filled(table[text] ?? text, values);
}

/** "{n} file" or "{n} files", as the number wants it. */
export function tn(number, one, many, values = {}) {
  const kind = plurals.select(number) === "one" ? 0 : 1;
  const forms = table[many] ?? [one, many];
  return filled(typeof forms === "string" ? forms : forms[kind], { n: numbered(number), ...values });
}

/** A number with the marks of the page's language. */
export function numbered(number) {
  return number.toLocaleString(language);
}

/** Items one after another, the last two joined by nothing but a comma. */
export function listed(items) {
  return items.join(language === "zh" ? "，" : ", ");
}

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (mark, name) => (name in values ? String(values[name]) : mark));
}

/** Put the words of index.html into the page's language, and the choice of languages into `place`. */
export function translatePage(place) {
  document.documentElement.lang = language;
  document.documentElement.dir = RIGHT_TO_LEFT.includes(language) ? "rtl" : "ltr";
  for (const made of document.querySelectorAll("[data-t]")) made.textContent = t(made.dataset.t);
  for (const made of document.querySelectorAll("[data-t-label]")) made.setAttribute("aria-label", t(made.dataset.tLabel));
  for (const [value, name] of Object.entries(NAMES)) {
    const option = new Option(name, value, false, value === language);
    option.lang = value;
    place.append(option);
  }
  place.addEventListener("change", () => speak(place.value));
}

/** Change the page's language. */
function speak(wanted) {
  localStorage.setItem(KEY, wanted);
  location.reload();
}

/** What the palette offers: each language by its own name. */
export function languages() {
  return Object.entries(NAMES).map(([value, name]) => ({ name, icon: "language", run: () => speak(value) }));
}
