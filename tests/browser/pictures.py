"""Small PNG files of pages: 256 colors are plenty for text and panels."""

import base64
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

# The browser decodes its own picture. The most frequent colors stay; others take the nearest.
_TO_PALETTE = """async (picture) => {
  const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], {type: "image/png"}));
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const pixels = new Uint32Array(
    context.getImageData(0, 0, bitmap.width, bitmap.height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const colors = [...counts].sort((a, b) => b[1] - a[1]).map(([color]) => color);
  const palette = colors.slice(0, 256);
  const part = (color, shift) => (color >>> shift) & 255;
  const distance = (a, b) => [0, 8, 16].reduce(
    (sum, shift) => sum + (part(a, shift) - part(b, shift)) ** 2, 0);
  const indexes = new Map(colors.map((color, index) => [color, index < 256 ? index
    : palette.reduce((best, other, at) =>
        distance(color, other) < distance(color, palette[best]) ? at : best, 0)]));
  let text = "";
  for (const pixel of pixels) text += String.fromCharCode(indexes.get(pixel));
  return {width: bitmap.width, height: bitmap.height, pixels: btoa(text),
    palette: palette.flatMap((color) => [part(color, 0), part(color, 8), part(color, 16)])};
}"""


def save(picture: bytes, path: Path, *, browser: Browser) -> None:
    """Write a PNG of the browser's as one with a palette."""
    page = browser.new_page()
    found: dict[str, Any] = page.evaluate(_TO_PALETTE, base64.b64encode(picture).decode())
    page.close()
    width, pixels = found["width"], base64.b64decode(found["pixels"])
    # Each row begins with the number of its filter: none, which suits a palette best.
    rows = b"".join(b"\0" + pixels[at : at + width] for at in range(0, len(pixels), width))
    header = struct.pack(">IIBBBBB", width, found["height"], 8, 3, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(_chunks(header, bytes(found["palette"]), zlib.compress(rows, 9)))
    )


def _chunks(header: bytes, palette: bytes, data: bytes) -> Iterator[bytes]:
    for kind, content in ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", data), (b"IEND", b"")):
        yield struct.pack(">I", len(content)) + kind + content
        yield struct.pack(">I", zlib.crc32(kind + content))
