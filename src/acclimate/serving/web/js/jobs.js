// How far the server is with reading documents.

import { api } from "./api.js";
import { announce, fill, h } from "./dom.js";
import { t, tn } from "./words.js";

const EVERY_MS = 700;

/** Show the running job in `place`; `onChange` hears when one has ended. `look()` again after an upload or a deletion. */
export function watchJobs(place, onChange) {
  let timer = 0, busy = false, stopped = false;

  async function look() {
    clearTimeout(timer);
    let job;
    try {
      job = (await api.jobs())[0];
    } catch (error) {
      if (error.status === 403) return; // a key that may only ask
      timer = stopped ? 0 : setTimeout(look, 5 * EVERY_MS);
      return;
    }
    if (stopped) return;
    const running = job && (job.state === "queued" || job.state === "running");
    if (running) {
      show(place, job);
      if (!busy) onChange();
      timer = setTimeout(look, EVERY_MS);
    } else if (busy) {
      end(place, job);
      onChange();
    }
    busy = Boolean(running);
  }

  return {
    look: () => {
      busy = true; // whatever has ended since is told too
      look();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

function show(place, job) {
  const pages = Object.values(job.pages)[0];
  const page = pages ? ` · ${t("{name}, page {done} of {total}", { ...pages, name: pages.path.split("/").pop() })}` : "";
  const text = job.state === "queued" || !job.files_total ? t("Looking for what is new …") : `${tn(job.files_total, "Reading {done} of {n} file", "Reading {done} of {n} files", { done: job.files_done })}${page}`;
  place.hidden = false;
  const bar = h("progress", { "aria-label": t("Reading documents"), max: Math.max(job.files_total, 1) });
  if (job.files_total) bar.value = job.files_done;
  fill(place, h("p", { dir: "auto" }, text), bar);
}

function end(place, job) {
  if (job?.state === "failed") {
    place.hidden = false;
    fill(place, h("p", { class: "error-text", role: "alert" }, job.error));
    return;
  }
  place.hidden = true;
  const failed = job?.failures.length ? ` ${tn(job.failures.length, "{n} file could not be read.", "{n} files could not be read.")}` : "";
  if (job?.report) announce(`${tn(job.report.documents, "The library is up to date: {n} document.", "The library is up to date: {n} documents.")}${failed}`);
}
