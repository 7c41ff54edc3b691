/*
 * A large file sent in chunks (see training_jobs/views/uploads.py). The server knows how far it is; this browser
 * remembers which upload belongs to which file, so that a file chosen again, also after the page was closed, goes on
 * where it stopped.
 */

const RETRY_AFTER = [500, 1000, 3000, 5000, 10000, 20000, 30000]; // milliseconds
const PREFIX = "mapgan-upload:";

/** The server will not have it, whatever is tried; `message` is for the person. */
export class Refused extends Error {}

class Interrupted extends Error {}

/* A name, size and date are as much as a browser tells of a file before it is read. */
const keyOf = (file) => `${PREFIX}${file.name}:${file.size}:${file.lastModified}`;

function remember(file, id) {
  try {
    if (id) localStorage.setItem(keyOf(file), id);
    else localStorage.removeItem(keyOf(file));
  } catch {
    /* storage is off: it cannot go on after a reload, and that is all */
  }
}

function remembered(file) {
  try {
    return localStorage.getItem(keyOf(file));
  } catch {
    return null;
  }
}

/** Forget which upload a file belongs to: it was given up. */
export function forget(id) {
  try {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(PREFIX) && localStorage.getItem(key) === id) localStorage.removeItem(key);
    }
  } catch {
    /* nothing was remembered */
  }
}

function csrf() {
  return document.cookie.match(/(?:^|;\s*)csrftoken=([^;]+)/)?.[1] ?? "";
}

function request(method, url, { headers = {}, body = null, signal, onSent = () => {} } = {}) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const stop = () => xhr.abort();
    xhr.open(method, url);
    for (const [name, value] of Object.entries({ "X-CSRFToken": csrf(), ...headers })) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (event) => onSent(event.loaded);
    xhr.onload = () => resolve(xhr);
    xhr.onerror = xhr.ontimeout = () => reject(new Interrupted());
    xhr.onabort = () => reject(new DOMException("stopped", "AbortError"));
    xhr.onloadend = () => signal?.removeEventListener("abort", stop);
    if (signal?.aborted) return xhr.onabort();
    signal?.addEventListener("abort", stop);
    xhr.send(body);
  });
}

const offsetOf = (xhr) => Number(xhr.getResponseHeader("Upload-Offset"));

function wordsOf(xhr) {
  if (xhr.status === 403 || xhr.status === 404) return "You are no longer signed in, or it was removed. Load the page again.";
  const plain = xhr.getResponseHeader("Content-Type")?.startsWith("text/plain");
  return (plain && xhr.responseText) || `The server answered ${xhr.status}.`;
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    });
  });
}

/** Where an earlier upload of this file stands; null when there is none that could go on. */
async function standing(begin, file, signal) {
  const id = remembered(file);
  if (!id) return null;
  const xhr = await request("HEAD", `${begin}${id}/`, { signal });
  const fits = xhr.status === 200 && Number(xhr.getResponseHeader("Upload-Length")) === file.size;
  if (fits && !xhr.getResponseHeader("Upload-Taken")) return { id, offset: offsetOf(xhr) };
  remember(file, null);
  return null;
}

async function announced(begin, file, signal) {
  const headers = { "Upload-Name": encodeURIComponent(file.name), "Upload-Length": file.size };
  const xhr = await request("POST", begin, { headers, signal });
  if (xhr.status !== 201) throw new Refused(wordsOf(xhr));
  remember(file, xhr.responseText);
  return { id: xhr.responseText, offset: 0 };
}

async function sendChunk(begin, file, at, chunkBytes, signal, onSent) {
  const body = file.slice(at.offset, at.offset + chunkBytes);
  const headers = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": at.offset };
  const xhr = await request("PATCH", `${begin}${at.id}/`, { headers, body, signal, onSent });
  if (xhr.status === 204 || xhr.status === 409) return offsetOf(xhr); // 409: it says where to go on
  if (xhr.status === 503 || xhr.status === 502 || xhr.status === 504) throw new Interrupted();
  throw new Refused(wordsOf(xhr));
}

/**
 * Sends a file, or the rest of it; resolves to the upload's id.
 *
 * `onProgress` gets the bytes that are there, `onResume` where an earlier upload goes on. An interruption is waited out,
 * longer each time; after the last time it is thrown, and the same call goes on where it stopped.
 */
export async function sendFile(file, { begin, chunkBytes, signal, onProgress, onResume }) {
  let failures = 0;
  const patiently = async (work) => {
    for (;;) {
      try {
        const result = await work();
        failures = 0;
        return result;
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error;
        if (failures >= RETRY_AFTER.length) throw new Error("no answer from the server");
        await pause(RETRY_AFTER[failures++], signal);
      }
    }
  };
  let at = await patiently(() => standing(begin, file, signal));
  if (at) onResume(at.offset);
  else at = await patiently(() => announced(begin, file, signal));
  while (at.offset < file.size) {
    const start = at.offset;
    onProgress(start);
    at.offset = await patiently(() => sendChunk(begin, file, at, chunkBytes, signal, (sent) => onProgress(start + sent)));
  }
  onProgress(file.size);
  return at.id;
}

/** Gives an upload up, on the server and here. */
export async function discard(begin, id) {
  forget(id);
  await request("DELETE", `${begin}${id}/`);
}
