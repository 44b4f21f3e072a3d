/**
 * 256-bit vectors, which WebAssembly doesn't have: V8 makes one instruction of two equal ones on neighbouring vectors
 * ("revectorizing") if a flag is set before modules are compiled, in Node from version 24 on and on processors with AVX2.
 *
 * Knowing the flag isn't doing it, so the product's micro-kernel is put to the test, a few milliseconds in all: as it
 * was compiled before the flag was set, and again afterwards, with tiles of 8 and of 16 columns (the wider one spills its
 * registers where nothing is fused). All results must have the same bits, and the quickest tile is taken; where the flag
 * doesn't pay it is taken back. Flags are of the whole process: what else it compiles is fused as well.
 */
import { ArgumentError } from '../../../core/errors.js';
import { isNode, nodeModule } from '../../nodeModule.js';
import { ModuleBuilder } from '../asm/assembler.js';
import { emitTile, tileRows } from '../kernels/matmul/tile.js';
import type { Features } from '../plan.js';

/** How products use vectors: whether pairs are fused, and the tile that goes with it. */
type Vectors = Pick<Features, 'wide' | 'tileColumns'>;

/** 128 bits, as WebAssembly has them. */
export const narrow: Vectors = { wide: false, tileColumns: 8 };

/** What can be set to 'off' to leave the flag alone. */
const variable = 'TANDEM_WIDE';

const flag = 'experimental-wasm-revectorize';

/** V8's version from which on WebAssembly code with the flag is fused. Node 22 has 12.4, Node 24 13.6. */
const firstVersion = 13;

/** How much faster the best fused tile must be. */
const worthIt = 1.15;

let outcome: Promise<Vectors> | null = null;

/**
 * Sets the flag where that pays, and tells how to use vectors: the same throughout the process.
 * @param relaxed whether there is relaxed SIMD to find it out with
 * @throws {ArgumentError} when the variable `TANDEM_WIDE` is neither 'on' nor 'off'
 */
export async function enableWideSimd(relaxed: boolean): Promise<Vectors> {
  if (!isNode()) return narrow;
  const wanted = process.env[variable] ?? 'on';
  if (wanted !== 'on' && wanted !== 'off')
    throw new ArgumentError(`openDevice: the variable ${variable} is '${wanted}', expected 'on' or 'off'`);
  const version = Number.parseInt(process.versions.v8 ?? '', 10);
  if (wanted === 'off' || process.arch !== 'x64' || !(version >= firstVersion)) return narrow;
  outcome ??= race(relaxed);
  return outcome;
}

async function race(relaxed: boolean): Promise<Vectors> {
  const { setFlagsFromString } = await nodeModule('node:v8');
  const plain = new Runner({ shared: true, relaxed, wide: false, tileColumns: 8 });
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  plain.run(memory);
  setFlagsFromString(`--${flag}`);
  const runners = ([8, 16] as const).map(
    (tileColumns) => new Runner({ shared: true, relaxed, wide: true, tileColumns }),
  );
  for (const runner of runners) runner.run(memory);
  const [best] = runners
    .filter((runner) => runner.agreesWith(plain) && runner.rate > worthIt * plain.rate)
    .sort((a, b) => b.rate - a.rate);
  if (best) return { wide: true, tileColumns: best.features.tileColumns };
  setFlagsFromString(`--no-${flag}`);
  return narrow;
}

/** Steps of a tile's sums: enough that loading and storing it doesn't count. */
const steps = 256;

/** Calls that are timed together. */
const calls = 16;

/** Turns once a function is compiled well. */
const enough = 20;

/**
 * Milliseconds without it, of the processor and at the very most of the clock: on a busy machine little of either
 * comes to the thread that compiles, and a process that gave up would compute by half as much for the rest of its life.
 */
const patience = { processor: 150, clock: 3000 };

/** Numbers of memory that the results have, before the operands. */
const room = 6 * 16;

/** How many times the rate of the code that engines begin with shows that a function was compiled well. */
const compiledWell = 2.5;

/** A tile at work. */
class Runner {
  /** The best, in results times steps a millisecond. */
  rate = 0;
  private results: readonly number[] = [];

  constructor(readonly features: Features) {}

  run(memory: WebAssembly.Memory): void {
    const { features } = this;
    const { tileColumns } = features;
    const rows = tileRows(features);
    const numbers = new Float32Array(memory.buffer);
    const [a, b] = [room, room + steps * rows];
    for (let i = 0; i < steps * rows; i++) numbers[a + i] = Math.sin(i);
    for (let i = 0; i < steps * tileColumns; i++)
      numbers[b + i] = Math.cos(16 * Math.floor(i / tileColumns) + (i % tileColumns));
    const module = new ModuleBuilder();
    // Of modules with the same bytes engines compile the first alone.
    const { name } = emitTile(module, features, rows, `race${features.wide ? 'Wide' : ''}${tileColumns}`);
    const tile = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), { env: { memory } })
      .exports[name];
    if (typeof tile !== 'function') return;
    const rates: number[] = [];
    let slowest = Number.POSITIVE_INFINITY;
    let quick = 0;
    const start = performance.now();
    const before = process.cpuUsage();
    const tired = () => {
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000 > patience.processor || performance.now() - start > patience.clock;
    };
    while (quick < enough && !tired()) {
      const begin = performance.now();
      for (let i = 0; i < calls; i++)
        tile(4 * a, 4 * b, 4 * (b + steps * tileColumns), 0, 4 * tileColumns, 0);
      rates.push((calls * steps * rows * tileColumns) / (performance.now() - begin));
      // Of a few in a row one may have been interrupted, but not all of them.
      const level = Math.max(...rates.slice(-3));
      if (rates.length >= 3) slowest = Math.min(slowest, level);
      if (level > compiledWell * slowest) quick++;
    }
    this.rate = Math.max(...rates);
    this.results = [...numbers.subarray(0, rows * tileColumns)];
  }

  /** Whether the results that both have are the same to the bit. */
  agreesWith(other: Runner): boolean {
    const [own, others] = [this.features.tileColumns, other.features.tileColumns];
    const { results } = this;
    return other.results.every((x, i) => Object.is(x, results[Math.floor(i / others) * own + (i % others)]));
  }
}
