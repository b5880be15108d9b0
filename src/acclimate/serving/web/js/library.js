// The list of documents, as the rooms share it.

import { api } from "./api.js";

const PAGE = 1000;

/** Every document that the caller may see; `onPage` hears of them as they come. */
export async function allDocuments(onPage = () => {}) {
  const rows = [];
  for (let after = ""; ; after = rows.at(-1).id) {
    const page = await api.documents(after, PAGE);
    rows.push(...page.data);
    onPage(rows, page.total);
    if (!page.has_more || !page.data.length) return rows;
  }
}

/** The document at `path`, or undefined. */
export async function documentAt(path) {
  return (await allDocuments()).find((row) => row.path === path);
}
