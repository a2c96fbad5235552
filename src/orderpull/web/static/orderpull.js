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
const isCard = (ctx) => ctx?.sourceElement?.matches(".lazy"); // one card, not the page
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (isCard(ctx)) return;
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

// A request that failed or takes long is said; the form goes back to what the page shows.
const trouble = document.getElementById("trouble");
const SLOW = 8000;
const tell = (sentence, url) => {
  trouble.querySelector("p").textContent = sentence;
  trouble.querySelector("a").href = url;
  trouble.hidden = false;
};
const failed = (sentence, request) => {
  tell(`${sentence} The page shows what was loaded before.`, request.action);
  for (const form of document.querySelectorAll("#page form")) form.reset();
};
document.getElementById("leave").addEventListener("click", () => {
  trouble.hidden = true;
});
const slow = new Map();
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  if (isCard(ctx)) return;
  trouble.hidden = true;
  document.getElementById("said").textContent = "Loading.";
  slow.set(ctx, setTimeout(() => tell("The answer takes long.", ctx.request.action), SLOW));
});
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  clearTimeout(slow.get(ctx));
  slow.delete(ctx);
  if (ctx.response && ctx.response.status <= 400) trouble.hidden = true;
});
document.addEventListener("htmx:before:history:update", (event) => {
  if (event.detail.response?.status > 400) event.preventDefault();
});
document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  if (ctx.response.status === 400 || isCard(ctx)) return;
  const page = new DOMParser().parseFromString(ctx.text, "text/html");
  const why = page.querySelector(".problem p")?.textContent ?? `The server answered ${ctx.response.status}.`;
  failed(why, ctx.request);
});
document.addEventListener("htmx:error", ({ detail: { ctx, error } }) => {
  if (!ctx?.request || isCard(ctx)) return;
  const late = ctx.request.signal?.reason === "timeout";
  if (error?.name !== "AbortError" || late) {
    failed(late ? "There was no answer for a minute." : "The server does not answer.", ctx.request);
  }
});

// Rejects that were dismissed stay away until there are more; the server reads the cookie.
document.addEventListener("click", ({ target }) => {
  if (target.id !== "dismiss") return;
  const year = 365 * 86400;
  document.cookie = `orderpull-rejects=${target.dataset.rejected}; path=/; max-age=${year}; samesite=lax`;
  const banner = target.closest(".warnings");
  target.closest("li").remove();
  if (!banner.querySelector("li")) banner.remove();
});

// Show the numbers of the bar above or below the pointer.
const tip = document.getElementById("tip");
const pointAt = (event) => {
  document.querySelector(".pointed")?.classList.remove("pointed");
  const pick = event.target.closest?.("#picks a");
  tip.hidden = !pick;
  if (!pick) return;
  // The browser's own tooltip would cover ours.
  for (const each of pick.parentElement.children) {
    if (!each.title) continue;
    each.dataset.tip = each.title;
    each.removeAttribute("title");
  }
  const bars = document.querySelectorAll("#bars > rect");
  const bar = bars[[...pick.parentElement.children].indexOf(pick)];
  bar.classList.add("pointed");
  tip.textContent = pick.dataset.tip;
  const middle = bar.getBoundingClientRect();
  const left = middle.left + middle.width / 2 - tip.offsetWidth / 2;
  tip.style.left = `${Math.max(8, Math.min(left, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${Math.max(8, middle.top - tip.offsetHeight - 8)}px`;
};
for (const name of ["pointermove", "pointerdown", "scroll"]) {
  document.addEventListener(name, pointAt, { passive: true });
}
document.documentElement.addEventListener("pointerleave", pointAt);
