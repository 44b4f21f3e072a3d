/**
 * The processor time of `tandem prepare`, start included: every sample is a process of its own, running
 * prepareProgram.ts, and the decoders take turns.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type JpegDecoderName, jpegDecoders, resolveDecoder } from '../src/data/images/jpeg/turbo.js';
import { openShards } from '../src/data/shards/shards.js';

const program = fileURLToPath(new URL('./prepareProgram.js', import.meta.url));

/** How a decoder did. */
export interface Preparing {
  readonly decoder: JpegDecoderName;
  /** Images that were converted. */
  readonly images: number;
  /** Processor time of each run, of all threads together, in seconds, in the order of the runs. */
  readonly seconds: readonly number[];
}

/**
 * Prepares images anew, `rounds` times with each decoder that is installed.
 * @param data folder or archive, as `tandem prepare` takes it
 * @throws {Error} with what the command said, when it failed
 */
export async function measurePreparing(data: string, rounds: number): Promise<Preparing[]> {
  const { name: fastest } = resolveDecoder('auto');
  const decoders = jpegDecoders.filter((decoder) => decoder === 'jpeg-js' || decoder === fastest);
  const results = decoders.map((decoder) => {
    const seconds: number[] = [];
    return { decoder, images: 0, seconds };
  });
  for (let round = 0; round < rounds; round++) {
    for (const result of results) {
      const out = await mkdtemp(join(tmpdir(), 'tandem-prepare-'));
      try {
        result.seconds.push(run(data, out, result.decoder));
        const { index } = await openShards(out);
        result.images = index.train.images + (index.validation?.images ?? 0);
      } finally {
        await rm(out, { recursive: true });
      }
    }
  }
  return results;
}

function run(data: string, out: string, decoder: JpegDecoderName): number {
  const words = ['prepare', '--data', data, '--out', out, '--decoder', decoder];
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], { encoding: 'utf8' });
  const said = /^processor time (\d+) ms$/m.exec(stdout)?.[1];
  if (status !== 0 || said === undefined) throw new Error(`prepare failed (${status}): ${stderr || stdout}`);
  return Number(said) / 1000;
}
