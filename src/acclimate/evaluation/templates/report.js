"use strict";
const items = [...document.querySelectorAll("details.question")];
const [find, kind, wrong, apart, count] = ["find", "kind", "wrong", "apart", "count"].map((id) => document.getElementById(id));
function show() {
  const words = find.value.toLowerCase();
  let shown = 0;
  for (const item of items) {
    item.hidden =
      (words && !item.textContent.toLowerCase().includes(words)) ||
      (apart.checked && Number(item.dataset.spread) < 0.5) ||
      (kind.value && item.dataset.kind !== kind.value) ||
      (wrong.value && !item.dataset.wrong.includes(` ${wrong.value} `));
    shown += item.hidden ? 0 : 1;
  }
  count.textContent = `${shown} of ${items.length}`;
}
for (const control of [find, kind, wrong, apart]) control.addEventListener("input", show);
show();
