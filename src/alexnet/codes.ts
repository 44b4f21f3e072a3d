/**
 * Short binary codes of feature vectors, for fast retrieval: what the paper's section 6.1 suggests an auto-encoder
 * should give.
 *
 *     z = (x - mean) / deviation;  h = relu(A z + a);  p = sigmoid(B h + b);  code = p > 1/2
 *     z' = D relu(C code + c) + d;  loss = mean (z - z')^2
 *
 * The decoder sees the code rounded to 0 and 1, while the gradient passes as if it hadn't been (Krizhevsky and Hinton,
 * "Using very deep autoencoders for content-based image retrieval", 2011). Codes are compared by the number of bits
 * that differ (Hamming distance).
 */

import { HostRandom } from '../backends/threefry.js';
import type { Device } from '../core/device.js';
import { ArgumentError, DataError } from '../core/errors.js';
import { tensor } from '../core/ops/create.js';
import { add, floor, mul, sigmoid, sub } from '../core/ops/elementwise.js';
import { mean } from '../core/ops/reduce.js';
import { drawOf } from '../core/random.js';
import { formatShape, type Shape, sameShape, type TypedArray } from '../core/shape.js';
import type { Tensor } from '../core/tensor.js';
import { batchesOf } from '../data/batchSource.js';
import { encodeSealed, isSealed, unseal } from '../data/sealed.js';
import { list, number, object, parseJson, type Schema, text, where, whole } from '../formats/json.js';
import { decodeSafetensors } from '../formats/safetensors.js';
import { Linear } from '../nn/index.js';
import { type HostTensor, Module } from '../nn/module.js';
import { SGD } from '../nn/sgd.js';
import { fit } from '../train/fit.js';
import { inferences } from '../train/inference.js';
import type { StepResult } from '../train/step.js';
import { type FeatureTable, nearest } from './features.js';

const format = 'tandem-codes-2';

/** The same without a seal. */
const unsealedFormat = 'tandem-codes-1';

/** What a file says of an auto-encoder. */
const sizesSchema = object<CoderSizes>({
  width: whole(1),
  hidden: whole(1),
  bits: where(whole(8), 'a multiple of 8', (bits) => bits % 8 === 0),
});

const deviationSchema = where(number(), 'a number above 0', (deviation) => deviation > 0);

/** Sizes of an auto-encoder. */
interface CoderSizes {
  /** Of the vectors. */
  readonly width: number;
  /** Of the layers between vectors and code. */
  readonly hidden: number;
  /** A multiple of 8. */
  readonly bits: number;
}

/** How it is trained. */
interface CoderTraining {
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Of the order of the vectors. */
  readonly seed: number;
  readonly onEpoch?: (epoch: number, loss: number) => void;
}

/** Codes of named images: `[N, bits / 8]` bytes. */
interface CodeTable {
  readonly names: readonly string[];
  readonly bytes: Uint8Array;
}

/** The auto-encoder. */
export class Coder extends Module {
  private readonly encoder: Linear;
  private readonly coder: Linear;
  private readonly decoder: Linear;
  private readonly output: Linear;
  /** `[width]` and a scalar: vectors are shifted by the first and divided by the second. */
  private shift: Float32Array;
  private deviation = 1;

  /** @throws {ArgumentError} unless `bits` is a multiple of 8. */
  constructor(
    readonly sizes: CoderSizes,
    readonly device: Device,
  ) {
    super();
    const { width, hidden, bits } = sizes;
    if (!Number.isInteger(bits / 8) || bits < 8)
      throw new ArgumentError(`codes: ${bits} bits aren't whole bytes`);
    this.encoder = new Linear(width, hidden, { device, relu: true });
    this.coder = new Linear(hidden, bits, { device });
    this.decoder = new Linear(bits, hidden, { device, relu: true });
    this.output = new Linear(hidden, width, { device });
    this.shift = new Float32Array(width);
  }

  /**
   * Fits to the vectors; returns the last epoch's loss, the share of the variance that isn't reproduced.
   * @throws {DivergedError} when the rate is too high for them
   */
  async fit(
    table: FeatureTable,
    { epochs, batchSize, learningRate, seed, onEpoch }: CoderTraining,
  ): Promise<number> {
    this.normalizeBy(table);
    const count = table.names.length;
    const shuffle = (epoch: number): Uint32Array => new HostRandom(drawOf(seed, epoch)).permutation(count);
    const optimizer = new SGD([{ params: this.parameters(), learningRate, momentum: 0.9, weightDecay: 0 }]);
    try {
      const { history } = await fit({
        model: this,
        optimizer,
        epochs,
        data: batchesOf('vectors', count, { batchSize, shuffle }, (rows) => this.rows(table, rows)),
        step: (vectors) => this.step(vectors),
        on: (event) => {
          if (event.kind === 'epoch') onEpoch?.(event.record.epoch, event.record.train.loss ?? Number.NaN);
        },
      });
      return history.at(-1)?.train.loss ?? Number.NaN;
    } finally {
      optimizer.dispose();
    }
  }

  /** The share of the variance of some vectors, normalized, that isn't reproduced. */
  private step(vectors: Float32Array): StepResult {
    const { width } = this.sizes;
    const count = vectors.length / width;
    const z = tensor(vectors, { shape: [count, width], device: this.device });
    const p = this.probabilities(z);
    const code = add(p, sub(bitsOf(p), p).detach());
    const difference = sub(this.output.forward(this.decoder.forward(code)), z);
    return { loss: mean(mul(difference, difference)), count };
  }

  private probabilities(z: Tensor): Tensor {
    return sigmoid(this.coder.forward(this.encoder.forward(z)));
  }

  /** The codes of vectors. @throws {ArgumentError} when they're of another width */
  async encode(table: FeatureTable, batchSize = 256): Promise<CodeTable> {
    const { width, bits } = this.sizes;
    if (table.width !== width) {
      throw new ArgumentError(`codes: made for vectors of ${width} numbers, these have ${table.width}`);
    }
    const count = table.names.length;
    const bytes = new Uint8Array((count * bits) / 8);
    const batches = batchesOf('vectors', count, { batchSize }, (rows) => this.rows(table, rows));
    const results = inferences(this, batches.epoch(0, 0), ([, vectors]) => {
      const shape = [vectors.length / width, width];
      return bitsOf(this.probabilities(tensor(vectors, { shape, device: this.device })));
    });
    for await (const {
      batch: [place],
      numbers,
    } of results) {
      for (const [i, bit] of numbers.entries()) {
        if (bit === 1) bytes[(place * batchSize * bits + i) >> 3]! |= 1 << (i & 7);
      }
    }
    return { names: table.names, bytes };
  }

  /** Some vectors, normalized. */
  private rows({ vectors, width }: FeatureTable, rows: Uint32Array): Float32Array {
    const out = new Float32Array(rows.length * width);
    for (const [i, row] of rows.entries()) {
      for (let j = 0; j < width; j++) {
        out[i * width + j] = (vectors[row * width + j]! - this.shift[j]!) / this.deviation;
      }
    }
    return out;
  }

  private normalizeBy({ vectors, width, names }: FeatureTable): void {
    const count = names.length;
    if (count < 2) throw new DataError(`codes: ${count} vectors, at least 2 are needed`);
    const sums = new Float64Array(width);
    for (let i = 0; i < vectors.length; i++) sums[i % width]! += vectors[i]!;
    this.shift = Float32Array.from(sums, (sum) => sum / count);
    const squares = vectors.reduce((sum, x, i) => sum + (x - this.shift[i % width]!) ** 2, 0);
    this.deviation = Math.sqrt(squares / vectors.length) || 1;
  }

  /** A file's pieces: the auto-encoder and, under `codes`, what it made of images. */
  async save(codes: CodeTable): Promise<Uint8Array[]> {
    const { bits } = this.sizes;
    const tensors = new Map<string, HostTensor>(await this.stateDict());
    tensors.set('shift', { shape: [this.shift.length], data: this.shift });
    tensors.set('codes', { shape: [codes.names.length, bits / 8], data: codes.bytes });
    const metadata = {
      format,
      sizes: JSON.stringify(this.sizes),
      deviation: String(this.deviation),
      names: JSON.stringify(codes.names),
    };
    return encodeSealed({ tensors, metadata });
  }

  /** Reads what `save` wrote. @param file its name, for messages @throws {DataError} for any other file */
  static load(bytes: Uint8Array, file: string, device: Device): { coder: Coder; codes: CodeTable } {
    const decoded = decodeSafetensors(bytes, file);
    const found = decoded.metadata.format;
    if (found !== format && found !== unsealedFormat) {
      throw new DataError(`${file}: no file of codes, as 'codes train' writes it (${format})`);
    }
    const isEarlier = found === unsealedFormat && !isSealed(decoded);
    const { tensors, metadata } = isEarlier ? decoded : unseal(decoded, file);
    const read = <T>(what: string, schema: Schema<T>): T =>
      parseJson(metadata[what] ?? 'null', `${file}: ${what}`, schema);
    const sizes = read('sizes', sizesSchema);
    const names = read('names', list(text));
    const deviation = read('deviation', deviationSchema);
    const { width, hidden, bits } = sizes;
    /** A tensor of the shape that the sizes give: what is claimed must be there before memory is taken for it. */
    const find = (name: string, shape: Shape): TypedArray => {
      const found = tensors.get(name);
      if (found && sameShape(found.shape, shape)) return found.data;
      const given = found ? `is ${formatShape(found.shape)}` : 'is missing';
      throw new DataError(`${file}: ${name} ${given}, expected ${formatShape(shape)}`);
    };
    const shift = find('shift', [width]);
    const codes = find('codes', [names.length, bits / 8]);
    find('encoder.weight', [hidden, width]);
    if (!(shift instanceof Float32Array) || !(codes instanceof Uint8Array)) {
      throw new DataError(`${file}: expected shift as float32 and codes as bytes`);
    }
    const coder = new Coder(sizes, device);
    try {
      coder.loadStateDict(new Map([...tensors].filter(([name]) => name !== 'shift' && name !== 'codes')));
    } catch (error) {
      coder.dispose();
      throw error instanceof ArgumentError
        ? new DataError(`${file}: ${error.message}`, { cause: error })
        : error;
    }
    coder.shift = shift;
    coder.deviation = deviation;
    return { coder, codes: { names, bytes: codes } };
  }
}

/** 1 where p > 1/2, else 0. */
function bitsOf(p: Tensor): Tensor {
  return floor(add(p, 0.5));
}

const ones = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest > 0; rest &= rest - 1) count++;
  return count;
});

/** The rows whose codes differ least from a code, nearest first; of equals the earlier row. */
export function nearestCodes(
  { names, bytes }: CodeTable,
  query: Uint8Array,
  count: number,
): { row: number; distance: number }[] {
  const width = query.length;
  const distances = names.map((_, row) => {
    let distance = 0;
    for (let i = 0; i < width; i++) distance += ones[bytes[row * width + i]! ^ query[i]!]!;
    return { row, distance };
  });
  return distances.sort((a, b) => a.distance - b.distance || a.row - b.row).slice(0, count);
}

/**
 * How well codes find what L2 finds: of the `exact` nearest neighbours of a row (itself left out), the share that is
 * among the `candidates` rows nearest by code; the mean over rows.
 */
export function recallOf(
  table: FeatureTable,
  codes: CodeTable,
  { exact, candidates, queries }: { exact: number; candidates: number; queries: readonly number[] },
): number {
  const bytes = codes.bytes.length / codes.names.length;
  const shares = queries.map((row) => {
    const others = <T extends { row: number }>(found: T[], count: number): number[] =>
      found.flatMap((item) => (item.row === row ? [] : [item.row])).slice(0, count);
    const vector = table.vectors.subarray(row * table.width, (row + 1) * table.width);
    const wanted = others(nearest(table, vector, exact + 1), exact);
    const code = codes.bytes.subarray(row * bytes, (row + 1) * bytes);
    const found = new Set(others(nearestCodes(codes, code, candidates + 1), candidates));
    return wanted.filter((neighbour) => found.has(neighbour)).length / wanted.length;
  });
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}
