/* What htmx leaves to us while a page follows a job: when to ask, what to read out, where the focus goes. */
import { announce } from "./interface.js";

const isPoll = (element) => element.hasAttribute?.("data-poll");

/* Nobody looks at a hidden tab: ask again when it is shown. */
document.addEventListener("htmx:beforeRequest", (event) => {
  if (isPoll(event.target) && document.hidden) event.preventDefault();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const element of document.querySelectorAll("[data-poll]")) {
    window.htmx?.trigger(element, "wake");
  }
});

function setOffline(offline) {
  for (const note of document.querySelectorAll("[data-offline]")) note.hidden = !offline;
  if (offline) announce("The connection is interrupted. Trying again.");
}

document.addEventListener("htmx:sendError", (event) => {
  if (isPoll(event.target)) setOffline(true);
});

/* Swapping removes what had the focus; give it to what stands for it now. */
let hadFocus = false;

document.addEventListener("htmx:beforeSwap", (event) => {
  const { status } = event.detail.xhr;
  if (status >= 400 && isPoll(event.detail.requestConfig.elt)) {
    event.detail.shouldSwap = false; // an error page is no progress
    if (status === 404) location.reload(); // deleted or signed out elsewhere: the page says so
    else setOffline(true);
    return;
  }
  hadFocus = event.detail.target?.contains(document.activeElement) ?? false;
});

document.addEventListener("htmx:afterSwap", () => {
  setOffline(false);
  const news = [...document.querySelectorAll("[data-announce]")].map((element) => element.dataset.announce);
  announce(news.join(" "));
  const lost = document.activeElement === document.body || document.activeElement === null;
  const alert = document.querySelector("[data-focus=always]");
  if (alert) alert.focus();
  else if (hadFocus && lost) document.querySelector("[data-focus]")?.focus({ preventScroll: true });
  hadFocus = false;
});
