/* Small helpers of the interface: theme button, dialogs, copy buttons, messages that can be closed. */

const THEMES = ["system", "light", "dark"];
const root = document.documentElement;

function currentTheme() {
  return root.dataset.theme ?? "system";
}

function setTheme(theme) {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem("mapgan-theme");
    else localStorage.setItem("mapgan-theme", theme);
  } catch {
    /* storage is off: it holds for this page */
  }
}

function labelThemeButton(button) {
  const theme = currentTheme();
  const label = `Theme: ${theme}`;
  button.setAttribute("aria-label", label);
  button.title = label;
  for (const icon of button.querySelectorAll("[data-theme-icon]")) {
    icon.toggleAttribute("hidden", icon.dataset.themeIcon !== theme);
  }
}

for (const button of document.querySelectorAll("[data-theme-button]")) {
  labelThemeButton(button);
  button.addEventListener("click", () => {
    setTheme(THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length]);
    labelThemeButton(button);
  });
}

/** Puts a text where a screen reader reads it out: once, as long as it stays the same, or `again`. */
export function announce(text, { again = false } = {}) {
  const region = document.getElementById("announcer");
  if (!region || !text) return;
  if (region.textContent !== text) {
    region.textContent = text;
  } else if (again) {
    region.textContent = ""; // only what changes is read out
    setTimeout(() => announce(text), 100);
  }
}

async function copy(button) {
  const field = document.getElementById(button.dataset.copy);
  const text = field.value ?? field.textContent.trim();
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch {
    // No clipboard outside https: select it, so that the person's own keys copy it.
    if (field.select) field.select();
    else getSelection().selectAllChildren(field);
  }
  const label = button.querySelector("[data-label]") ?? button;
  const before = button.dataset.before ?? label.textContent;
  button.dataset.before = before;
  label.textContent = done ? "Copied" : "Press Ctrl+C";
  announce(label.textContent, { again: true });
  setTimeout(() => {
    label.textContent = before;
  }, 2500);
}

/* One listener for all, because htmx brings in new buttons. */
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialog);
    if (dialog?.showModal) {
      event.preventDefault(); // the link leads to a page that asks the same
      dialog.showModal();
    }
    return;
  }
  const closer = event.target.closest("[data-close]");
  if (closer) {
    event.preventDefault();
    closer.closest("dialog")?.close();
    return;
  }
  const dismiss = event.target.closest("[data-dismiss]");
  if (dismiss) {
    dismiss.closest(".notice")?.remove();
    document.getElementById("main")?.focus({ preventScroll: true });
    return;
  }
  const copier = event.target.closest("[data-copy]");
  if (copier) copy(copier);
});
