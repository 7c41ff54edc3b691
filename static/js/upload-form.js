/*
 * The translate form: drop, paste, preview, checks before sending, progress while sending.
 * The form is an ordinary one and works without all this; the server checks everything again.
 */
import { announce } from "./interface.js";
import { HEADER_BYTES, readHeader } from "./picture-header.js";

const WORDS = {
  413: "This file is larger than this site accepts. Save it as JPEG or WebP, or scale it down.",
  429: "That was a lot in a short time. Wait a minute, then try again.",
};

const form = document.getElementById("translate-form");
if (form) start(form);

function start(form) {
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  const preview = form.querySelector("[data-preview]");
  const sample = form.querySelector("[data-sample]");
  const limits = { bytes: Number(form.dataset.maxBytes), pixels: Number(form.dataset.maxPixels) };
  let turn = 0; // of the latest choice: a slow preview must not overwrite a later one

  const size = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
  const renewKey = () => {
    form.elements.key.value = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  };

  function say(message) {
    const problem = document.getElementById("error-image"); // htmx puts in a new one with the server's answer
    problem.textContent = "";
    if (message) {
      const list = document.createElement("ul");
      list.className = "errorlist";
      list.append(Object.assign(document.createElement("li"), { textContent: message }));
      problem.append(list);
      announce(message, { again: true });
    }
    drop.classList.toggle("is-bad", Boolean(message));
    input.setAttribute("aria-invalid", String(Boolean(message)));
    input.setCustomValidity(message);
  }

  /* The server's answer puts its own words in; the field itself stays, with the file that was chosen. */
  document.addEventListener("htmx:afterSwap", () => {
    const bad = document.querySelector("#error-image li") !== null;
    drop.classList.toggle("is-bad", bad);
    input.setAttribute("aria-invalid", String(bad));
  });

  function complaint(file, header) {
    if (file.size === 0) return "This file is empty.";
    if (file.size > limits.bytes) {
      return `This file has ${size(file.size)}; at most ${size(limits.bytes)} are accepted. Save it as JPEG or WebP, or scale it down.`;
    }
    if (!header) return "This is not a PNG, JPEG, WebP or TIFF image.";
    if (header.width * header.height > limits.pixels) {
      return `This image has ${header.width} × ${header.height} pixels; at most ${limits.pixels / 1e6} megapixels are accepted. Scale it down or cut out a part.`;
    }
    return "";
  }

  async function draw(file, mine) {
    const canvas = preview.querySelector("canvas");
    canvas.hidden = true;
    let picture;
    try {
      picture = await createImageBitmap(file);
    } catch {
      return null; // TIFF, or damaged: the server decides
    }
    if (mine !== turn) return null;
    const scale = Math.min(1, 320 / Math.max(picture.width, picture.height));
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    canvas.hidden = false;
    const { width, height } = picture; // upright, as the camera's orientation says
    picture.close();
    return { width, height };
  }

  async function show() {
    const mine = ++turn;
    const file = input.files[0];
    preview.hidden = !file;
    if (sample && file) sample.remove(); // an own picture takes the sample's place
    if (!file) return say("");
    renewKey();
    const header = readHeader(await file.slice(0, HEADER_BYTES).arrayBuffer());
    if (mine !== turn) return undefined;
    const message = complaint(file, header);
    say(message);
    preview.querySelector("[data-name]").textContent = file.name;
    const facts = preview.querySelector("[data-facts]");
    facts.textContent = [header?.format, size(file.size)].filter(Boolean).join(" · ");
    preview.querySelector("canvas").hidden = true;
    if (message) return undefined;
    const drawn = await draw(file, mine);
    if (mine !== turn) return undefined;
    const { width, height } = drawn ?? header;
    const parts = [header.format, width && `${width} × ${height} pixels`, size(file.size)];
    if (!drawn) parts.push("no preview of this file here; it can be sent all the same");
    facts.textContent = parts.filter(Boolean).join(" · ");
    if (!message) announce(`${file.name} is ready to send.`);
    return undefined;
  }

  function take(files) {
    const file = [...files].find((each) => each.size > 0) ?? files[0];
    if (!file) return;
    const transfer = new DataTransfer();
    transfer.items.add(file);
    input.files = transfer.files;
    show();
  }

  input.addEventListener("change", show);
  form.addEventListener("change", renewKey);
  form.querySelector("[data-clear]").addEventListener("click", () => {
    input.value = "";
    show();
    input.focus();
  });

  for (const type of ["dragenter", "dragover"]) {
    document.addEventListener(type, (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault(); // a picture dropped beside the field must not replace the page
      drop.classList.toggle("is-over", drop.contains(event.target));
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("is-over");
  });
  document.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    drop.classList.remove("is-over");
    take(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) {
      event.preventDefault();
      take(event.clipboardData.files);
    }
  });

  /* Sending */
  const bar = form.querySelector("[data-upload-progress]");
  const button = form.querySelector("[data-send]");
  const status = form.querySelector("[data-upload-status]");

  function sending(text, share) {
    bar.hidden = text === "";
    status.textContent = text;
    button.setAttribute("aria-disabled", String(text !== ""));
    if (share === undefined) bar.removeAttribute("value");
    else bar.value = share;
  }

  form.addEventListener("htmx:configRequest", (event) => {
    // Signing in again in another tab changes the token; the cookie has the new one.
    const token = document.cookie.match(/(?:^|;\s*)csrftoken=([^;]+)/)?.[1];
    if (token) event.detail.parameters.set("csrfmiddlewaretoken", token);
  });
  form.addEventListener("htmx:beforeRequest", (event) => {
    if (input.validity.customError) {
      event.preventDefault();
      announce(input.validationMessage, { again: true });
      input.focus();
    } else {
      sending("Sending the picture…", 0);
    }
  });
  form.addEventListener("htmx:xhr:progress", ({ detail }) => {
    if (!detail.lengthComputable || bar.hidden) return;
    if (detail.loaded < detail.total) sending(`Sending the picture: ${Math.round((100 * detail.loaded) / detail.total)} %`, detail.loaded / detail.total);
    else sending("Checking the picture…");
  });
  form.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.xhr.getResponseHeader("HX-Redirect")) sending("");
  });
  function fail(message) {
    const notice = Object.assign(document.createElement("p"), { className: "notice notice--error", textContent: message });
    document.getElementById("form-feedback").replaceChildren(notice);
    announce(message, { again: true });
  }

  form.addEventListener("htmx:sendError", () => {
    fail("The picture could not be sent: no answer from the server. Everything is kept here; try again.");
  });
  form.addEventListener("htmx:responseError", ({ detail }) => {
    const { status } = detail.xhr;
    fail(`${WORDS[status] ?? `The server could not take it (error ${status}). Try again in a moment.`} Everything is kept here.`);
  });

  /* Back from the result: the browser shows this page as it was, and a new press means a new translation. */
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      renewKey();
      sending("");
    }
  });
  if (input.files.length) show(); // the browser may keep the choice over a reload
}
