// The files of a folder that was dropped or chosen, each with the folder that it lies in.

const MOST = 5000; // files at once
const DEEPEST = 20; // folders inside one another, as the server takes them
const LEFT_OUT = /^(?:\.|~\$|Thumbs\.db$|desktop\.ini$|__MACOSX$)/i; // what systems put beside documents

/** What was dropped: { files: [{ file, folder }], more } — `more` says that there were too many. To be called while the drop is handled. */
export function dropped(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.()); // gone once the handler has ended
  if (!entries.some((one) => one?.isDirectory)) return Promise.resolve({ files: [...transfer.files].map((file) => ({ file, folder: "" })), more: false });
  return gathered(entries.filter(Boolean));
}

/** What was chosen in a field for files, or for a folder. */
export function chosen(field) {
  const files = [...field.files].map((file) => ({ file, folder: file.webkitRelativePath.split("/").slice(0, -1).join("/") }));
  const kept = files.filter(({ file, folder }) => !folder || ![...folder.split("/"), file.name].some((name) => LEFT_OUT.test(name)));
  const path = ({ file, folder }) => `${folder}/${file.name}`;
  kept.sort((one, two) => (path(one) < path(two) ? -1 : 1)); // browsers give them in any order
  return { files: kept.slice(0, MOST), more: kept.length > MOST };
}

async function gathered(entries) {
  const found = { files: [], more: false };
  for (const entry of entries) await walk(entry, "", 0, found, !entry.isDirectory);
  return found;
}

/** Add what is in `entry`; what systems put there is left out, unless it was dropped by itself. */
async function walk(entry, folder, depth, found, named = false) {
  if (found.more || (!named && LEFT_OUT.test(entry.name))) return;
  if (entry.isFile) {
    if (found.files.length === MOST) found.more = true;
    else found.files.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), folder });
    return;
  }
  if (depth === DEEPEST) {
    found.more = true;
    return;
  }
  const inside = folder ? `${folder}/${entry.name}` : entry.name;
  for (const one of await all(entry.createReader())) await walk(one, inside, depth + 1, found);
}

/** A folder's entries, which come a hundred at a time, by their names. */
async function all(reader) {
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found.sort((one, two) => (one.name < two.name ? -1 : 1));
    found.push(...some);
  }
}
