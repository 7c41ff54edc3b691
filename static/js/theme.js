/* Runs before the first paint (a plain script in the head, no module), so that a chosen theme never flashes. */
(() => {
  const root = document.documentElement;
  root.classList.add("has-js");
  try {
    const theme = localStorage.getItem("mapgan-theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    /* storage is off: the system's theme it is */
  }
})();
