/* What a file says of itself in its first bytes: enough to refuse it kindly before it is sent. */

/** The leading bytes that `readHeader` wants; a JPEG's size may come after long metadata. */
export const HEADER_BYTES = 256 * 1024;

const text = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, to));

function png(view) {
  return { format: "PNG", width: view.getUint32(16), height: view.getUint32(20) };
}

function jpeg(view) {
  let at = 2;
  while (at + 9 < view.byteLength && view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { format: "JPEG", width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return { format: "JPEG" };
}

function webp(view, bytes) {
  const kind = text(bytes, 12, 16);
  if (kind === "VP8X") {
    const three = (at) => 1 + view.getUint16(at, true) + (view.getUint8(at + 2) << 16);
    return { format: "WebP", width: three(24), height: three(27) };
  }
  if (kind === "VP8L") {
    const bits = view.getUint32(21, true);
    return { format: "WebP", width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
  }
  return {
    format: "WebP",
    width: view.getUint16(26, true) & 0x3fff,
    height: view.getUint16(28, true) & 0x3fff,
  };
}

/**
 * @param {ArrayBuffer} buffer the beginning of a file
 * @returns {{format: string, width?: number, height?: number} | null} null: none of the formats we take
 */
export function readHeader(buffer) {
  const bytes = new Uint8Array(buffer);
  const view = new DataView(buffer);
  const isPng = bytes.length >= 24 && text(bytes, 0, 8) === "\x89PNG\r\n\x1a\n" && text(bytes, 12, 16) === "IHDR";
  if (isPng) return png(view);
  if (bytes.length >= 4 && view.getUint16(0) === 0xffd8) return jpeg(view);
  if (bytes.length >= 30 && text(bytes, 0, 4) === "RIFF" && text(bytes, 8, 12) === "WEBP") return webp(view, bytes);
  if (bytes.length >= 4 && ["II*\0", "MM\0*", "II+\0", "MM\0+"].includes(text(bytes, 0, 4))) return { format: "TIFF" };
  return null;
}
