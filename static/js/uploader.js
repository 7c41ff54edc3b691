/*
 * The archive of a dataset on its way: FilePond shows it, `chunks.js` sends it, the form waits for it. Without this
 * script the form sends the file itself.
 */
import { discard, sendFile } from "./chunks.js";
import { announce } from "./interface.js";

const field = document.querySelector("[data-uploader]");
if (field && window.FilePond) start(field, field.closest("form"));

/** An upload that came with an earlier try of the form: shown as one that is here. */
function keptBy(field) {
  const kept = field.querySelector("[data-kept]");
  if (!kept) return [];
  const { id, name, size } = kept.dataset;
  kept.remove();
  return [{ source: id, options: { type: "limbo", file: { name, size: Number(size) } } }];
}

function start(field, form) {
  const { begin, chunkBytes, maxBytes } = field.dataset;
  const problem = field.querySelector("[data-problem]");
  const send = form.querySelector("button[type=submit]");
  const words = send.textContent;

  const show = (message) => {
    problem.textContent = message;
    problem.hidden = !message;
    if (message) announce(message, { again: true });
  };
  const wait = (waiting) => {
    send.disabled = waiting;
    send.textContent = waiting ? "Waiting for the upload…" : words;
  };
  const gigabytes = (bytes) => `${Number((bytes / 1e9).toFixed(2))} GB`;

  const process = (_name, file, _metadata, load, error, progress, abort) => {
    const stopper = new AbortController();
    const onProgress = (sent) => progress(true, sent, file.size);
    const onResume = (offset) => announce(`${file.name} goes on at ${Math.floor((100 * offset) / file.size)} per cent.`);
    sendFile(file, { begin, chunkBytes: Number(chunkBytes), signal: stopper.signal, onProgress, onResume }).then(load, (reason) => {
      if (reason.name !== "AbortError") error(reason.message);
    });
    return {
      abort: () => {
        stopper.abort();
        abort();
      },
    };
  };

  window.FilePond.create(field.querySelector("input[type=file]"), {
    credits: false,
    files: keptBy(field),
    oninit: () => requestAnimationFrame(() => requestAnimationFrame(() => field.toggleAttribute("data-ready", true))),
    labelIdle: 'Drop an archive here or <span class="filepond--label-action" tabindex="0">choose a file</span>',
    labelFileProcessing: "Sending",
    labelFileProcessingComplete: "Sent",
    labelFileProcessingError: (error) => error.body || "It could not be sent",
    server: { process, revert: (id, load, error) => discard(begin, id).then(load, () => error("It could not be removed.")) },
    beforeAddFile: ({ file }) => {
      const tooLarge = file.size > Number(maxBytes);
      show(tooLarge ? `This file has ${gigabytes(file.size)}; at most ${gigabytes(maxBytes)} are accepted.` : "");
      return !tooLarge;
    },
    onaddfilestart: (item) => {
      if (item.origin === window.FilePond.FileOrigin.INPUT) wait(true);
    },
    onprocessfile: (error, item) => {
      wait(false);
      const why = error && (error.body || "no answer from the server");
      show(error ? `${item.filename} could not be sent: ${why} Press the arrow to go on where it stopped.` : "");
      if (!error) announce(`${item.filename} is here.`);
    },
    onprocessfileabort: () => wait(false),
    onremovefile: () => wait(false),
  });
}
