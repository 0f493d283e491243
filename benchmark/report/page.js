"use strict";

/* A grid that an earlier section also shows is in the file only once. */
for (const image of document.querySelectorAll("img[data-same]")) {
  image.src = document.getElementById(image.dataset.same).src;
}

/* Tables: a click on a heading sorts by it, numbers before words, missing values last. */
function keyOf(cell) {
  const text = cell.textContent.trim();
  if (text === "" || text === "—") return null;
  const leading = text.match(/^\[?(-?\d+(\.\d+)?(e[+-]?\d+)?)/i);
  return leading ? Number(leading[1]) : text;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function sortBy(heading) {
  const table = heading.closest("table");
  const column = [...heading.parentNode.children].indexOf(heading);
  const down = heading.getAttribute("aria-sort") === "ascending";
  for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, key: keyOf(row.cells[column]) }));
  rows.sort((a, b) => {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
    return down ? compare(b.key, a.key) : compare(a.key, b.key);
  });
  for (const { row } of rows) body.append(row);
}

for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => sortBy(button.parentNode));
}

/* Pictures: a click enlarges; the wheel or + and - zoom; dragging or arrows move; Escape closes. */
const dialog = document.querySelector("dialog");
const big = dialog.querySelector("img");
let view = { scale: 1, left: 0, top: 0 };

function place() {
  big.style.imageRendering = view.scale > 1 ? "pixelated" : "auto";
  big.style.transform = `translate(${view.left}px, ${view.top}px) scale(${view.scale})`;
}

function zoom(factor, x, y) {
  const scale = Math.min(64, Math.max(0.1, view.scale * factor));
  const by = scale / view.scale;
  view = { scale, left: x - (x - view.left) * by, top: y - (y - view.top) * by };
  place();
}

function open(small) {
  big.src = small.src;
  big.alt = small.alt;
  dialog.querySelector("p").textContent = small.alt;
  dialog.showModal();
  const [width, height] = [small.naturalWidth, small.naturalHeight];
  const fit = Math.min((innerWidth - 40) / width, (innerHeight - 100) / height);
  const scale = fit > 1 ? Math.floor(fit) : fit;
  view = { scale, left: (innerWidth - width * scale) / 2, top: 60 };
  place();
}

for (const button of document.querySelectorAll("button.zoom")) {
  button.addEventListener("click", () => open(button.querySelector("img")));
}
dialog.querySelector("button").addEventListener("click", () => dialog.close());
dialog.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(event.deltaY < 0 ? 1.25 : 0.8, event.clientX, event.clientY);
}, { passive: false });
dialog.addEventListener("keydown", (event) => {
  const factor = { "+": 1.25, "=": 1.25, "-": 0.8 }[event.key];
  if (factor) zoom(factor, innerWidth / 2, innerHeight / 2);
  const move = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  if (!(event.key in move)) return;
  event.preventDefault();
  view.left += move[event.key][0];
  view.top += move[event.key][1];
  place();
});
big.addEventListener("pointerdown", (event) => {
  event.preventDefault();
  big.setPointerCapture(event.pointerId);
});
big.addEventListener("pointermove", (event) => {
  if (!big.hasPointerCapture(event.pointerId)) return;
  view.left += event.movementX;
  view.top += event.movementY;
  place();
});
