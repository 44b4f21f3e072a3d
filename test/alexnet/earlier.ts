/**
 * Files as the format before parts had them, made from what a checkpoint holds today.
 */
import { createHash } from 'node:crypto';
import type { RunCheckpoint } from '../../src/alexnet/checkpoint.js';
import { encodeSealed } from '../../src/data/sealed.js';
import { encodeSafetensors, type SafetensorsFile } from '../../src/formats/safetensors.js';

/** Tensors and text of such a file. The tables weren't in it. */
export function earlierFile({ run, parts, pca }: RunCheckpoint): SafetensorsFile {
  const json = (name: string): Record<string, unknown> => Object(parts.get(name)!.json);
  const { epoch, batch, count, sums } = json('fit');
  const { loss = 0, error = 0 }: Record<string, unknown> = Object(sums);
  const { tables: _, ...bare } = run;
  const state = {
    epoch,
    batch,
    totals: { images: count, loss, wrong: error },
    stream: json('random').stream,
    schedule: json('schedule'),
  };
  return {
    tensors: new Map(['model', 'optimizer', 'data'].flatMap((name) => [...parts.get(name)!.tensors!])),
    metadata: {
      format: 'tandem-checkpoint-1',
      run: JSON.stringify(bare),
      state: JSON.stringify(state),
      pca: JSON.stringify(pca),
    },
  };
}

/** The file's bytes, sealed. */
export function sealedEarlier(file: SafetensorsFile): Uint8Array {
  return Buffer.concat(encodeSealed(file));
}

/** The oldest files' bytes, with a checksum of names, texts and numbers alone. */
export function oldestEarlier({ tensors, metadata }: SafetensorsFile): Uint8Array {
  const hash = createHash('sha256');
  for (const name of Object.keys(metadata).sort()) hash.update(`${name}=${metadata[name]}\n`);
  for (const name of [...tensors.keys()].sort()) {
    const { buffer, byteOffset, byteLength } = tensors.get(name)!.data;
    hash.update(`${name}\n`).update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  const checksum = hash.digest('hex');
  return Buffer.concat(encodeSafetensors({ tensors, metadata: { ...metadata, checksum } }));
}
