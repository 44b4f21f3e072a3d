/**
 * Safetensors files with a seal: a SHA-256 in their text that covers everything a reader goes by, so that no change is
 * taken for the file's own word.
 *
 *     seal = SHA-256 of a line [name, text] for each text, and [name, dtype, shape] and the numbers of each tensor,
 *            both in the order of the names; lines are JSON
 */
import { createHash } from 'node:crypto';
import { DataError } from '../core/errors.js';
import { dtypeOf } from '../core/shape.js';
import type { StateDict } from '../core/state.js';
import { decodeSafetensors, encodeSafetensors, type SafetensorsFile } from '../formats/safetensors.js';

/** The name of the text that holds the seal. */
const sealName = 'sha256';

/** The pieces of a sealed file, as `encodeSafetensors` gives them. @throws as it does */
export function encodeSealed({ tensors, metadata }: SafetensorsFile): Uint8Array[] {
  return encodeSafetensors({
    tensors,
    metadata: { ...metadata, [sealName]: sealOf(tensors, Object.entries(metadata)) },
  });
}

/** Whether a file says that it's sealed. */
export function isSealed({ metadata }: SafetensorsFile): boolean {
  return Object.hasOwn(metadata, sealName);
}

/**
 * Reads a sealed file's bytes; the seal is left out of its text.
 * @param file its name, for messages
 * @throws {DataError} when it isn't whole, isn't sealed, or its seal is of something else.
 */
export function decodeSealed(bytes: Uint8Array, file: string): SafetensorsFile {
  return unseal(decodeSafetensors(bytes, file), file);
}

/** As `decodeSealed`, of a file that is decoded already. */
export function unseal({ tensors, metadata }: SafetensorsFile, file: string): SafetensorsFile {
  const { [sealName]: seal, ...text } = metadata;
  if (seal === undefined) throw new DataError(`${file}: no checksum in it: damaged, or no file of this kind`);
  if (seal !== sealOf(tensors, Object.entries(text))) {
    throw new DataError(`${file}: damaged: its contents don't match their checksum`);
  }
  return { tensors, metadata: text };
}

function sealOf(tensors: StateDict, text: [string, string][]): string {
  const hash = createHash('sha256');
  const line = (...fields: readonly unknown[]): void => void hash.update(`${JSON.stringify(fields)}\n`);
  const byName = <T>([a]: readonly [string, T], [b]: readonly [string, T]): number => (a < b ? -1 : 1);
  for (const [name, value] of text.sort(byName)) line(name, value);
  for (const [name, { shape, data }] of [...tensors].sort(byName)) {
    line(name, dtypeOf(data), shape);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}
