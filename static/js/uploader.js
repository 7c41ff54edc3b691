/*
 * The archive of a dataset on its way: FilePond sends it in chunks, and after an interruption goes on where the server
 * says. The form waits for it. Without this script the form sends the file itself, up to the site's ordinary limit.
 */
import { announce } from "./interface.js";

const RETRY_AFTER = [500, 1000, 3000, 5000, 10000, 20000, 30000]; // milliseconds

const field = document.querySelector("[data-uploader]");
if (field && window.FilePond) start(field, field.closest("form"));

function token() {
  return document.cookie.match(/(?:^|;\s*)csrftoken=([^;]+)/)?.[1] ?? "";
}

function start(field, form) {
  const { begin, chunkBytes, maxBytes } = field.dataset;
  const problem = field.querySelector("[data-problem]");
  const send = form.querySelector("button[type=submit]");
  const words = send.textContent;

  const show = (message) => {
    problem.textContent = message;
    problem.hidden = !message;
    if (message) announce(message);
  };
  const wait = (waiting) => {
    send.disabled = waiting;
    send.textContent = waiting ? "Waiting for the upload…" : words;
  };
  const secret = () => ({ "X-CSRFToken": token() });

  window.FilePond.create(field.querySelector("input[type=file]"), {
    credits: false,
    chunkUploads: true,
    chunkForce: true,
    chunkSize: Number(chunkBytes),
    chunkRetryDelays: RETRY_AFTER,
    labelIdle: 'Drop an archive here or <span class="filepond--label-action" tabindex="0">choose a file</span>',
    labelFileProcessing: "Sending",
    labelFileProcessingComplete: "Sent",
    labelFileProcessingError: (error) => error.body || "It could not be sent",
    server: {
      process: {
        url: begin,
        method: "POST",
        headers: (file) => ({
          ...secret(),
          ...(file?.name ? { "Upload-Name": encodeURIComponent(file.name), "Upload-Length": file.size } : {}),
        }),
        onerror: (text) => text,
      },
      patch: {
        url: begin,
        headers: (chunk) => ({
          ...secret(),
          "Content-Type": "application/offset+octet-stream",
          "Upload-Offset": chunk.offset,
          "Upload-Length": chunk.file.size,
        }),
        onerror: (text) => text,
      },
      revert: (id, load, error) => {
        fetch(`${begin}${id}/`, { method: "DELETE", headers: secret() }).then(load, () => error("It could not be removed."));
      },
    },
    beforeAddFile: ({ file }) => {
      const tooLarge = file.size > Number(maxBytes);
      show(tooLarge ? `This file has ${(file.size / 1e9).toFixed(2)} GB; at most ${maxBytes / 1e9} GB are accepted.` : "");
      return !tooLarge;
    },
    onaddfilestart: () => wait(true),
    onprocessfile: (error, item) => {
      wait(false);
      show(error ? `${item.filename} could not be sent: ${error.body || "no answer from the server"}. Press the arrow to go on where it stopped.` : "");
      if (!error) announce(`${item.filename} is here.`);
    },
    onprocessfileabort: () => wait(false),
    onremovefile: () => wait(false),
  });
}
