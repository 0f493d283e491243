"use strict";

const content = JSON.parse(document.getElementById("content").textContent);
const at = (id) => document.getElementById(id);
const answers = [];
let rater = "";
let since = 0;
let saved = true;

function show(id) {
  for (const each of ["start", "ask", "end"]) at(each).hidden = each !== id;
}

function ask() {
  const pair = content.pairs[answers.length];
  if (pair === undefined) return end();
  show("ask");
  at("left").firstElementChild.src = content.images[pair[0]];
  at("right").firstElementChild.src = content.images[pair[1]];
  at("progress").textContent = `${answers.length + 1} of ${content.pairs.length}`;
  at("back").disabled = answers.length === 0;
  since = performance.now();
}

function choose(side) {
  const [left, right] = content.pairs[answers.length];
  const seconds = Math.round(performance.now() - since) / 1000;
  answers.push({ left, right, chosen: side, seconds });
  saved = false;
  ask();
}

function back() {
  if (answers.length === 0) return;
  answers.pop();
  ask();
}

function end() {
  show("end");
  at("count").textContent = `Thank you. You have chosen ${answers.length} of ${content.pairs.length} times.`;
  at("more").hidden = answers.length === content.pairs.length;
  const file = JSON.stringify({ page: content.page, rater, answers }, null, 1) + "\n";
  URL.revokeObjectURL(at("save").href);
  at("save").href = URL.createObjectURL(new Blob([file], { type: "application/json" }));
  const name = rater.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "somebody";
  at("save").download = `${name}-${content.page.digest.slice(0, 8)}.json`;
  at("save").focus();
}

at("start").addEventListener("submit", (event) => {
  event.preventDefault();
  rater = at("rater").value.trim();
  if (rater) ask();
});
at("left").addEventListener("click", () => choose("left"));
at("right").addEventListener("click", () => choose("right"));
at("back").addEventListener("click", back);
at("stop").addEventListener("click", end);
at("more").addEventListener("click", ask);
at("save").addEventListener("click", () => { saved = true; });
document.addEventListener("keydown", (event) => {
  if (at("ask").hidden || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  const act = {
    ArrowLeft: () => choose("left"),
    ArrowRight: () => choose("right"),
    Backspace: back,
  }[event.key];
  if (act === undefined) return;
  event.preventDefault();
  act();
});
window.addEventListener("beforeunload", (event) => {
  if (!saved) event.preventDefault();
});
