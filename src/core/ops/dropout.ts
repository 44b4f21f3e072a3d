/**
 * Dropout in the paper's form and in the inverted one.
 *
 * The mask is never stored: the random numbers are counted, so the gradient asks for the same ones again. Where several
 * programs share a batch, those of a row are those of its sample, however the batch is shared out.
 */
import { readOptions, requireChoice, requireNumber } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { e } from '../expr.js';
import { defaultGenerator } from '../random.js';
import { contiguousStrides, type Shape } from '../shape.js';
import { synchronously } from '../synchronous.js';
import type { Tensor } from '../tensor.js';
import { mul } from './elementwise.js';
import { type DrawPlacement, map, recordOne, requireTensor } from './launch.js';
import { reshape } from './views.js';

/** Options of `dropout`. */
export interface DropoutOptions {
  /** Whether to drop at all. Default true. */
  readonly training?: boolean | undefined;
  /**
   * 'paper' (Krizhevsky 2012, section 4.2): kept outputs pass as they are, and at test time all are multiplied by
   * 1 - p; 'inverted': kept outputs are divided by 1 - p, and nothing happens at test time. Default 'inverted'.
   */
  readonly form?: 'paper' | 'inverted' | undefined;
  /** Which random numbers: the default generator's next draw unless given. */
  readonly draw?: DrawPlacement | undefined;
}

const masked = e.where(e.ge(e.random(), e.param(0)), e.mul(e.input(0), e.param(1)), 0);

/** The options of `dropout`, for whoever takes them over. @throws {ArgumentError} as `dropout` does */
export function readDropout(op: string, p: number, options: DropoutOptions) {
  const spelled = readOptions(op, options, { training: true, form: 'inverted', draw: undefined });
  requireNumber(op, 'p', p);
  if (!(p >= 0 && p <= 1)) throw new ArgumentError(`${op}: p=${p} isn't in [0, 1]`);
  requireChoice(op, 'form', spelled.form, ['paper', 'inverted']);
  return spelled;
}

/**
 * Sets each element to 0 with probability p: at 1 all of them, and at test time the paper's form makes zeros as well.
 * @throws {ArgumentError} unless p is in [0, 1]
 */
export function dropout(x: Tensor, p: number, options: DropoutOptions = {}): Tensor {
  const op = 'dropout';
  requireTensor(op, 'x', x);
  const { training, form, draw } = readDropout(op, p, options);
  if (!training) return form === 'paper' ? mul(x, 1 - p) : reshape(x, x.shape);
  const settings = {
    params: [p, form === 'paper' || p === 1 ? 1 : 1 / (1 - p)],
    draw: drawOfRows(draw ?? defaultGenerator().next(), x.shape),
  };
  const out = map(op, masked, [x], settings);
  recordOne(op, x, out, (grad) => map(op, masked, [grad], settings));
  return out;
}

/** The samples that rows are: row i is sample `first + i * step`. */
interface Rows {
  readonly first: number;
  readonly step: number;
}

let current: Rows = { first: 0, step: 1 };

/** Runs `fn` on tensors whose first axis is these samples. @throws {TandemError} when `fn` returns a promise */
export function inRows<T>(rows: Rows, fn: () => T): T {
  const outer = current;
  current = rows;
  try {
    return synchronously('inRows', fn);
  } finally {
    current = outer;
  }
}

/** A tensor's random numbers, for the samples that its rows are. */
function drawOfRows(draw: DrawPlacement, shape: Shape): DrawPlacement {
  const { first, step } = current;
  const [row = 0, ...inner] = draw.strides ?? contiguousStrides(shape);
  if (step === 1 || shape.length === 0) return draw;
  return { ...draw, offset: (draw.offset ?? 0) + first * row, strides: [row * step, ...inner] };
}
