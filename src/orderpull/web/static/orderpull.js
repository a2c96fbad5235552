// Additions to htmx. The pages work without this script.
"use strict";

// Switch the theme without a request, and store it.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-theme-switch]");
  if (!link) return;
  event.preventDefault();
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = root.dataset.theme || (dark ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("orderpull-theme", root.dataset.theme);
  } catch {
    // Without storage, the theme lasts until the page is closed.
  }
});

// Filter the list of countries by the typed text, without a request.
const find = (box) => {
  const text = box.value.trim().toLocaleLowerCase();
  for (const item of document.getElementById(box.dataset.finds).children) {
    item.hidden = !item.textContent.toLocaleLowerCase().includes(text);
  }
};
document.addEventListener("input", (event) => {
  if (event.target.dataset.finds) find(event.target);
});
for (const name of ["change", "keydown"]) {
  document.addEventListener(
    name,
    (event) => {
      if (!event.target.dataset?.finds) return;
      if (name === "change") event.stopPropagation();
      else if (event.key === "Enter") event.preventDefault();
    },
    true,
  );
}

// Announce changes to screen readers; on a new page, move the focus to its content.
let path = location.pathname;
document.addEventListener("htmx:after:swap", () => {
  const box = document.querySelector("[data-finds]");
  if (box) find(box);
  const orders = document.querySelector("#tile-1 .value");
  document.getElementById("said").textContent = orders
    ? `Updated: ${orders.textContent} orders.`
    : document.querySelector("h1").textContent;
  if (location.pathname !== path) {
    path = location.pathname;
    document.getElementById("content").focus({ preventScroll: true });
    scrollTo(0, 0);
  }
});
