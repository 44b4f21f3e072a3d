/**
 * CRC-32 as PNG and zip have it: the polynomial 0xedb88320 on bits from the lowest on, from -1, inverted at the end.
 */

const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  return crc;
});

/** The CRC-32 of pieces that follow one another, from 0 to 2^32 - 1. */
export function crc32(...pieces: readonly Uint8Array[]): number {
  let crc = -1;
  for (const bytes of pieces) {
    for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}
