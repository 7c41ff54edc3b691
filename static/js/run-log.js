/* The end of a run's log, asked for again while the run goes on. It stays at its end unless somebody scrolled up. */

const EVERY = 3000; // milliseconds

export function startLog(log) {
  if (!log) return;
  const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 24;
  log.scrollTop = log.scrollHeight;

  async function load() {
    let text;
    try {
      const answer = await fetch(log.dataset.address);
      if (!answer.ok) return;
      text = await answer.text();
    } catch {
      return; // the line is down: the next turn asks again
    }
    if (!text || text === log.textContent) return;
    const follow = atEnd();
    log.textContent = text;
    if (follow) log.scrollTop = log.scrollHeight;
  }

  let live = isLive();
  setInterval(() => {
    if (document.hidden) return;
    const was = live;
    live = isLive();
    if (live || was) load(); // once more when it has ended
  }, EVERY);
}

/** Whether the run on this page goes on. */
export function isLive() {
  return document.querySelector("#run-live[data-poll]") !== null;
}
