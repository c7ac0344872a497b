"use strict";
const form = document.getElementById("filters");
const rows = [...document.querySelectorAll("#list tbody tr")];
const causes = [...document.querySelectorAll("article.cause")];
const output = form.querySelector("output");
const number = new Intl.NumberFormat("en");

function fits(element, wanted) {
  const data = element.dataset;
  return (!wanted.verdict || data.verdict === wanted.verdict)
    && (!wanted.handler || data.handler === wanted.handler)
    && (!wanted.rule || (data.rules || "").split(" ").includes(wanted.rule));
}

function filter() {
  const wanted = Object.fromEntries(new FormData(form));
  const text = wanted.text.trim().toLowerCase();
  let shown = 0;
  for (const row of rows) {
    const show = fits(row, wanted) && (!text || row.textContent.toLowerCase().includes(text));
    row.hidden = !show;
    shown += show;
  }
  for (const cause of causes) cause.hidden = !fits(cause, wanted);
  output.textContent = shown === rows.length
    ? number.format(shown) + " invocations"
    : number.format(shown) + " of " + number.format(rows.length) + " invocations";
}

let pending;
form.addEventListener("input", () => { clearTimeout(pending); pending = setTimeout(filter, 80); });
form.addEventListener("reset", () => setTimeout(filter));
form.addEventListener("submit", (event) => event.preventDefault());

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape" && typing) return event.target.blur();
  if (typing) return;
  if (event.key === "/") {
    event.preventDefault();
    form.elements.text.focus();
  }
  if (event.key === "j" || event.key === "k") {
    const visible = causes.filter((cause) => !cause.hidden);
    const at = visible.indexOf(document.activeElement);
    const next = event.key === "j" ? Math.min(at + 1, visible.length - 1) : Math.max(at - 1, 0);
    if (visible[next]) {
      visible[next].focus();
      visible[next].scrollIntoView({ block: "start" });
    }
  }
});

form.hidden = false;
