/**
 * CRC-32 as PNG and zip have it: the polynomial 0xedb88320 on bits from the lowest on, from -1, inverted at the end.
 * Eight bytes are taken at once: `table[256 k + b]` is what a byte `b` leaves after `k` bytes of 0 more.
 */

const table = new Int32Array(8 * 256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  table[byte] = crc;
}
for (let i = 256; i < table.length; i++) {
  const crc = table[i - 256]!;
  table[i] = (crc >>> 8) ^ table[crc & 255]!;
}

/** The CRC-32 of pieces that follow one another, from 0 to 2^32 - 1. */
export function crc32(...pieces: readonly Uint8Array[]): number {
  let crc = -1;
  for (const bytes of pieces) {
    let i = 0;
    for (; i + 8 <= bytes.length; i += 8) {
      crc ^= bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
      crc =
        table[1792 + (crc & 255)]! ^
        table[1536 + ((crc >>> 8) & 255)]! ^
        table[1280 + ((crc >>> 16) & 255)]! ^
        table[1024 + (crc >>> 24)]! ^
        table[768 + bytes[i + 4]!]! ^
        table[512 + bytes[i + 5]!]! ^
        table[256 + bytes[i + 6]!]! ^
        table[bytes[i + 7]!]!;
    }
    for (; i < bytes.length; i++) crc = (crc >>> 8) ^ table[(crc ^ bytes[i]!) & 255]!;
  }
  return ~crc >>> 0;
}
