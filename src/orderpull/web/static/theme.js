// Before anything is drawn: the theme that was chosen here, if the address names none.
"use strict";
{
  const root = document.documentElement;
  root.classList.add("scripted");
  try {
    const kept = localStorage.getItem("orderpull-theme");
    if (!root.dataset.theme && (kept === "light" || kept === "dark")) root.dataset.theme = kept;
  } catch {
    // Without storage the theme is the system's.
  }
}
