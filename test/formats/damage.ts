/** Files damaged at random: what every reader must survive. */
import * as assert from 'uvu/assert';
import { DataError } from '../../src/core/errors.js';
import { seededRandom } from '../backends/cpu/numbers.js';

/**
 * Reads a file with bytes changed, left out or put in, cut short or repeated, many times over, each time in another way.
 * Fails unless each reading ends in a `DataError` that begins with the file's name, or in a result that passes `right`.
 */
export async function damageAll<T>(
  name: string,
  whole: Uint8Array,
  count: number,
  read: (bytes: Uint8Array, file: string) => T | Promise<T>,
  right: (result: T) => void = () => {},
): Promise<void> {
  const random = seededRandom(name);
  const below = (n: number): number => random.integer(n);
  for (let i = 0; i < count; i++) {
    let bytes = [...whole];
    for (let changes = 1 + below(3); changes > 0; changes--) {
      const at = below(bytes.length);
      const kind = below(8);
      if (kind === 0) bytes = bytes.slice(0, at);
      else if (kind === 1) bytes.splice(at, 1 + below(8));
      else if (kind === 2) bytes.splice(at, 0, ...bytes.slice(at, at + 1 + below(40)));
      else if (kind === 3) bytes[at] = [0, 1, 127, 128, 255][below(5)]!;
      else bytes[at] = below(256);
    }
    try {
      right(await read(Uint8Array.from(bytes), name));
    } catch (error) {
      if (error instanceof DataError && error.message.startsWith(name)) continue;
      console.log(`${name}, damage ${i}: ${Buffer.from(bytes).toString('base64')}`);
      throw error;
    }
  }
}

/** Bytes of pieces that follow one another. */
export function joined(...pieces: readonly (Uint8Array | string)[]): Uint8Array {
  const parts = pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece));
  return new Uint8Array(Buffer.concat(parts));
}

/** Fails unless reading ends in a `DataError` that begins with the file's name and matches. */
export async function refused(name: string, read: () => unknown, message: RegExp): Promise<void> {
  let error: unknown;
  try {
    await read();
  } catch (thrown) {
    error = thrown;
  }
  assert.instance(error, DataError, `expected ${message}`);
  if (!(error instanceof DataError)) return;
  assert.ok(error.message.startsWith(name), error.message);
  assert.match(error.message, message);
}
