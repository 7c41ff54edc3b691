/* The fixed tiles of a run at the step under a slider. New ones join while the run goes on. */

export function startTiles(section) {
  const slider = document.getElementById("sample-step");
  if (!section || !slider) return null;
  const follow = document.getElementById("sample-follow");
  const told = section.querySelector("[data-step]");
  let steps = [];

  function show(index) {
    slider.value = index;
    told.textContent = steps[index].toLocaleString("en");
    for (const image of section.querySelectorAll("[data-made]")) {
      const address = `${section.dataset.address}${steps[index]}-${image.dataset.made}/`;
      if (image.getAttribute("src") !== address) image.src = address;
    }
  }

  /* What the page says has been drawn by now. */
  function grow() {
    const live = document.getElementById("run-live")?.dataset ?? {};
    const drawn = JSON.parse(live.drawn ?? "[]");
    if (!drawn.length || drawn.join() === steps.join()) return;
    const shown = steps[Number(slider.value)];
    steps = drawn;
    slider.max = steps.length - 1;
    section.querySelector("[data-before]").hidden = true;
    section.querySelector("[data-after]").hidden = false;
    const there = (live.fixed ?? "").split(" "); // pictures that are no pairs have no targets
    for (const figure of section.querySelectorAll("[data-fixed][hidden]")) {
      if (!there.includes(figure.dataset.fixed)) continue;
      figure.querySelector("img").src = `${section.dataset.address}${figure.dataset.fixed}/`;
      figure.hidden = false;
    }
    const kept = steps.indexOf(shown); // retention may have let it go
    show(follow.checked || kept < 0 ? steps.length - 1 : kept);
  }

  slider.addEventListener("input", () => {
    follow.checked = Number(slider.value) === steps.length - 1;
    show(Number(slider.value));
  });
  follow.addEventListener("change", () => follow.checked && steps.length && show(steps.length - 1));
  grow();

  return {
    grow,
    nearest(step) {
      if (!steps.length) return;
      let best = 0;
      steps.forEach((each, index) => {
        if (Math.abs(each - step) < Math.abs(steps[best] - step)) best = index;
      });
      if (best !== Number(slider.value)) show(best);
    },
  };
}
