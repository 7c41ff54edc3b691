/* The list of runs: how many are ticked, and no comparison of fewer than two. */

const form = document.getElementById("choose-runs");
const button = form?.querySelector("button[type=submit]");

function tell() {
  const count = form.querySelectorAll("input[name=run]:checked").length;
  button.disabled = count < 2;
  button.textContent = count < 2 ? "Tick two runs to compare" : `Compare ${count} runs`;
}

if (form) {
  form.addEventListener("change", tell);
  window.addEventListener("pageshow", tell); // the browser keeps ticks when one comes back
  tell();
}
