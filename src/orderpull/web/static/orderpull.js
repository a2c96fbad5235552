// What pages do beyond htmx. Everything works without it.
"use strict";

// The theme changes at once, and is remembered.
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
    // Then it lasts until the page is left.
  }
});

// The list of countries shows those that hold what is typed. Typing there asks nothing.
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

// A screen reader hears what changed, and where one goes to another page focus begins there.
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
