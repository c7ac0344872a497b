/* The script of the html report: it filters causes and invocations, and shows the invocations of a cause. */
"use strict";
const form = document.getElementById("filters");
const output = form.querySelector("output");
const number = new Intl.NumberFormat("en");

/* The invocations that are not compatible, split into the parts that they share; see details.rs. */
const details = JSON.parse(document.getElementById("details").textContent);
const page = (at) => details.pages[at]
  .flatMap((block) => details.blocks[block])
  .flatMap((line) => details.lines[line])
  .map((piece) => details.pieces[piece])
  .join("");

const rows = [...document.querySelectorAll("#list tbody tr")].map((element) => ({
  element,
  verdict: element.cells[0].textContent,
  id: element.cells[2].textContent,
  text: element.textContent.toLowerCase(),
  handler: element.dataset.handler,
  rules: (element.dataset.rules || "").split(" "),
  page: element.dataset.page,
  cause: element.querySelector("a")?.hash.slice(1),
}));
const causes = [...document.querySelectorAll("article.cause")].map((element) => ({
  element,
  verdict: element.dataset.verdict,
  handler: element.dataset.handler,
  rules: element.dataset.rules.split(" "),
  count: Number(element.dataset.count),
  invocations: [],
  at: 0,
}));
const causeOf = new Map(causes.map((cause) => [cause.element.id, cause]));
const rowOf = new Map(rows.map((row) => [row.id, row]));
for (const row of rows) {
  if (row.page) causeOf.get(row.cause)?.invocations.push(row);
}
for (const cause of causes) {
  cause.invocations.sort((one, other) => one.page - other.page);
}

/* Shows one of a cause's invocations in the cause's article. */
function show(cause, at) {
  const row = cause.invocations[at];
  if (!row) return;
  cause.at = at;
  const place = cause.element.querySelector(".invocation");
  if (place.dataset.page !== row.page) {
    place.dataset.page = row.page;
    place.innerHTML = page(row.page);
  }
  steps(cause);
}

function steps(cause) {
  const { length } = cause.invocations;
  const bar = cause.element.querySelector(".steps");
  bar.hidden = length < 2;
  const of = length < cause.count ? `${number.format(length)} kept on this page` : number.format(length);
  bar.querySelector(".place").textContent = `invocation ${number.format(cause.at + 1)} of ${of}`;
  bar.querySelector(".previous").disabled = cause.at === 0;
  bar.querySelector(".next").disabled = cause.at === length - 1;
}

function go(cause) {
  cause.element.hidden = false;
  cause.element.focus({ preventScroll: true });
  cause.element.scrollIntoView({ block: "start" });
}

/* Goes to the cause of an invocation, and shows this invocation there. */
function open(row) {
  const cause = causeOf.get(row?.cause);
  if (!cause) return;
  show(cause, cause.invocations.indexOf(row));
  go(cause);
}

function openNamed() {
  const name = decodeURIComponent(location.hash.slice(1));
  if (rowOf.has(name)) open(rowOf.get(name));
}

const fits = (one, wanted) =>
  (!wanted.verdict || one.verdict === wanted.verdict)
  && (!wanted.handler || one.handler === wanted.handler)
  && (!wanted.rule || one.rules.includes(wanted.rule));

function filter() {
  const wanted = Object.fromEntries(new FormData(form));
  const text = wanted.text.trim().toLowerCase();
  const found = new Map();
  let shown = 0;
  for (const row of rows) {
    const fit = fits(row, wanted) && (!text || row.text.includes(text));
    row.element.hidden = !fit;
    shown += fit;
    if (fit && row.cause && !found.has(row.cause)) found.set(row.cause, row);
  }
  for (const cause of causes) {
    const row = found.get(cause.element.id);
    cause.element.hidden = !fits(cause, wanted) || (text !== "" && !row);
    if (text && row && !cause.invocations[cause.at]?.text.includes(text)) show(cause, cause.invocations.indexOf(row));
  }
  output.textContent = shown === rows.length ? everything : `${number.format(shown)} of ${everything}`;
}

const everything = output.textContent;
let pending;
form.addEventListener("input", () => { clearTimeout(pending); pending = setTimeout(filter, 80); });
form.addEventListener("reset", () => setTimeout(filter));
form.addEventListener("submit", (event) => event.preventDefault());

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const cause = causeOf.get(event.target.closest("article.cause")?.id);
  if (event.target.matches(".previous")) return show(cause, cause.at - 1);
  if (event.target.matches(".next")) return show(cause, cause.at + 1);
  const row = event.target.closest("a") && rows.find((row) => row.element === event.target.closest("tr"));
  if (row) {
    event.preventDefault();
    history.pushState(null, "", "#" + encodeURIComponent(row.id));
    open(row);
  }
});
addEventListener("popstate", openNamed);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape" && typing) return event.target.blur();
  if (typing) return;
  const here = causeOf.get(document.activeElement.closest("article.cause")?.id);
  const visible = causes.filter((cause) => !cause.element.hidden);
  const at = visible.indexOf(here);
  switch (event.key) {
    case "/":
      event.preventDefault();
      return form.elements.text.focus();
    case "j":
      return visible.length && go(visible[Math.min(at + 1, visible.length - 1)]);
    case "k":
      return visible.length && go(visible[Math.max(at - 1, 0)]);
    case "ArrowLeft":
    case "ArrowRight":
      if (here) show(here, here.at + (event.key === "ArrowRight" ? 1 : -1));
  }
});

for (const cause of causes) {
  if (cause.element.querySelector(".brief")) show(cause, 0);
  else if (cause.invocations.length) steps(cause);
}
form.hidden = false;
openNamed();
