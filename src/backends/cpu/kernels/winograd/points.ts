/**
 * Patches of images and kernels to the points of Winograd's convolution (backends/winograd.ts) and back, 16 lanes at a time
 * (strips.ts): from scratch memory along the rows of the patch, then along its columns. To points four steps of k go
 * together, so that what is written to a point lies side by side.
 *
 *     points = matrix patch matrixT      G of kernels, BT of pixels, A of gradients
 *     patch = matrix points matrixT      AT to results, GT to the gradients of kernels
 *
 * Threads share the strips or rows. Where patches overlap, as the last tiles of results do with those before them, one
 * thread writes both in the same order.
 */

import { type Matrix, type Method, matricesOf, transposed } from '../../../winograd.js';
import { choose, forRange } from '../../asm/flow.js';
import { type Code, f32x4, i32, type Local, type V128, v128 } from '../../asm/instructions.js';
import { type Lanes, smaller } from '../../asm/lanes.js';
import { emitUnits } from '../../asm/units.js';
import { WordLayout } from '../../asm/words.js';
import type { Features } from '../../plan.js';
import { ceilDiv } from '../matmul/panels.js';
import { multiplied } from './matrices.js';
import { gather, lineBytes, type Patch, range, scatter, stripLanes } from './strips.js';

/** Steps of k in a unit. */
const unitSteps = 16;

/** Units of so many strips, of `steps` steps each. */
export function toPointsUnits(strips: number, steps: number): number {
  return strips * Math.ceil(steps / unitSteps);
}

/** Steps whose points are written side by side. */
const stepsAtOnce = 4;

/** Bytes of a line for each point, at most. */
const halfBytes = 7 ** 2 * lineBytes;

/** Bytes of scratch memory for each thread: patches of a step, and of those that are written side by side. */
export const scratchBytes = (1 + stepsAtOnce) * halfBytes;

/**
 * Words of `toPoints`: the patch of lane x and step k of group g begins at `source + g * sourceGroup + lanes[x] +
 * depth[k]`, `lanes` and `depth` being tables of offsets in bytes; its lines are `rowBytes` apart. The result's points
 * and groups are `toPoint` and `toGroup` bytes apart.
 */
export const toPointsWords = new WordLayout(
  'source',
  'sourceGroup',
  'lanes',
  'depth',
  'rowBytes',
  'to',
  'toPoint',
  'toGroup',
  'strips',
  'steps',
  'units',
  'scratch',
);

/** What goes to points: pixels that kernels see, gradients of results, kernels, kernels turned around. */
export type Side = 'pixels' | 'gradients' | 'kernels' | 'turned';

function sideOf(method: Method, side: Side): { patch: Patch; matrix: Matrix } {
  const { G, BT, AT } = matricesOf(method);
  if (side === 'pixels') return { patch: { runs: BT.length, length: BT.length }, matrix: BT };
  if (side === 'gradients') return { patch: { runs: AT.length, length: AT.length }, matrix: transposed(AT) };
  return { patch: { runs: 1, length: method.taps ** 2, turned: side === 'turned' }, matrix: G };
}

/** Vectors of a line that are worked on together: two become one of 256 bits. */
const vectorsOf = ({ wide }: Features): number => (wide ? 2 : 1);

/** Vectors at `count` places of a line, `step` bytes apart: for each of the neighbours that go together. */
function loadLines(l: Lanes, address: Local<'i32'>, count: number, step: number, vectors: number): V128[][] {
  return range(vectors).map((v) => range(count).map((i) => l.let(v128.load(address, step * i + 16 * v))));
}

/** Stores what `loadLines` has loaded: pairs of neighbours one after the other. */
function storeLines(l: Lanes, address: Local<'i32'>, values: readonly V128[][], step: number): void {
  for (const i of range(values[0]!.length))
    l.do(values.map((vectors, v) => v128.store(address, vectors[i]!, step * i + 16 * v)));
}

/** Points along one side of which all are kept in variables at a time; more would be spilled. */
const fewPoints = 4;

/** `matrix x matrixT`, row by row. */
function bothSides(l: Lanes, matrix: Matrix, x: readonly V128[]): V128[] {
  const size = matrix[0]!.length;
  const along = range(size).map((y) => multiplied(l, matrix, x.slice(size * y, size * (y + 1))));
  const columns = matrix.map((_, j) =>
    multiplied(
      l,
      matrix,
      along.map((row) => row[j]!),
    ),
  );
  return matrix.flatMap((_, i) => columns.map((column) => column[i]!));
}

/** Loads from, or stores to, so many points, moving `address` on. */
function eachPoint(
  l: Lanes,
  address: Local<'i32'>,
  pointBytes: Local<'i32'>,
  count: number,
  code: (point: number) => Code,
): void {
  for (const point of range(count)) l.do(code(point), address.set(i32.add(address, pointBytes)));
}

/** Emits `toPoints(address of words, thread, threads)`. */
export function emitToPoints(method: Method, side: Side, features: Features): Uint8Array<ArrayBuffer> {
  const { patch, matrix } = sideOf(method, side);
  const points = matrix.length;
  const size = matrix[0]!.length;
  const vectors = vectorsOf(features);
  return emitUnits('toPoints', toPointsWords, features, ({ l, w, thread }) => {
    const scratch = l.let(i32.add(w.scratch, i32.mul(thread, scratchBytes)));
    /** What has gone along the rows: of each step, and of one. */
    const halves = l.let(i32.add(scratch, halfBytes));
    const half = l.variable('i32');
    const blocks = l.let(ceilDiv(w.steps, unitSteps));
    const rowStep = l.let(i32.mul(w.toPoint, points));
    const [k, lane, line] = [l.variable('i32'), l.variable('i32'), l.variable('i32')];
    const [source, target] = [l.variable('i32'), l.variable('i32')];
    const [first, column] = [l.variable('i32'), l.variable('i32')];
    const [four, last] = [l.variable('i32'), l.variable('i32')];
    return (unit) => {
      const strips = l.let(i32.divU(unit, blocks));
      const group = l.let(i32.divU(strips, w.strips));
      const strip = l.let(i32.remU(strips, w.strips));
      const begin = l.let(i32.mul(i32.remU(unit, blocks), unitSteps));
      const end = l.let(smaller(l.let(i32.add(begin, unitSteps)), w.steps));
      const from = l.let(i32.add(w.source, i32.mul(group, w.sourceGroup)));
      const lanes = l.let(i32.add(w.lanes, i32.mul(strip, lineBytes)));
      const matrices = i32.add(w.to, i32.mul(group, w.toGroup));
      const to = l.let(i32.add(matrices, i32.mul(i32.mul(strip, w.steps), lineBytes)));
      const eachLane = (code: Code) => forRange(lane, 0, lineBytes, 16 * vectors, code);
      const store = (outs: readonly V128[][]) => (i: number) =>
        outs.map((values, v) => v128.store(target, values[i]!, 16 * v));
      const gathered = l.block(() => {
        const base = l.let(i32.add(from, i32.load(i32.add(w.depth, i32.shl(k, 2)))));
        gather(l, { lanes, base, rowBytes: w.rowBytes, scratch }, patch);
      });
      if (points <= fewPoints) {
        const patches = l.turn(() => {
          const inputs = loadLines(l, source, size * size, lineBytes, vectors);
          const outs = inputs.map((values) => bothSides(l, matrix, values));
          eachPoint(l, target, w.toPoint, points * points, store(outs));
        });
        const perStep = [
          gathered,
          first.set(i32.add(to, i32.mul(k, lineBytes))),
          eachLane([source.set(i32.add(scratch, lane)), target.set(i32.add(first, lane)), patches]),
        ];
        l.do(forRange(k, begin, end, 1, perStep));
        return;
      }
      const alongRows = l.turn(() => {
        const inputs = loadLines(l, source, size, lineBytes, vectors);
        const outs = inputs.map((values) => multiplied(l, matrix, values));
        storeLines(l, target, outs, lineBytes);
      });
      const alongColumns = l.turn(() => {
        const inputs = loadLines(l, source, size, lineBytes * points, vectors);
        const outs = inputs.map((values) => multiplied(l, matrix, values));
        eachPoint(l, target, rowStep, points, store(outs));
      });
      const perFour = [
        last.set(i32.add(four, stepsAtOnce)),
        last.set(smaller(last, end)),
        half.set(halves),
        forRange(k, four, last, 1, [
          gathered,
          eachLane([
            source.set(i32.add(scratch, lane)),
            target.set(i32.add(half, lane)),
            forRange(line, 0, size, 1, [
              alongRows,
              source.set(i32.add(source, lineBytes * size)),
              target.set(i32.add(target, lineBytes * points)),
            ]),
          ]),
          half.set(i32.add(half, halfBytes)),
        ]),
        eachLane([
          column.set(i32.add(i32.add(to, i32.mul(four, lineBytes)), lane)),
          forRange(line, 0, points, 1, [
            first.set(column),
            half.set(i32.add(i32.add(halves, lane), i32.mul(line, lineBytes))),
            forRange(k, four, last, 1, [
              source.set(half),
              target.set(first),
              alongColumns,
              half.set(i32.add(half, halfBytes)),
              first.set(i32.add(first, lineBytes)),
            ]),
            column.set(i32.add(column, w.toPoint)),
          ]),
        ]),
      ];
      l.do(forRange(four, begin, end, stepsAtOnce, perFour));
    };
  });
}

/**
 * Words of `fromPoints`: matrices `[strips, rows, 16]` at `from`, `fromPoint` and `fromGroup` bytes apart. The patch of row
 * i and lane x < `count` of group g goes to `to + g * toGroup + i * toRow + lanes[x]`, its lines `rowBytes` apart. `bias`
 * is the address of `[groups, rows]` numbers to add, 0 for none, when `zero` is added, which is 0; `floor` the bits of what
 * results are at least.
 */
export const fromPointsWords = new WordLayout(
  'from',
  'fromPoint',
  'fromGroup',
  'to',
  'toGroup',
  'toRow',
  'lanes',
  'rowBytes',
  'count',
  'rows',
  'units',
  'bias',
  'zero',
  'floor',
  'scratch',
);

/** What comes back from points: results of convolutions, or gradients of kernels. */
export type Result = 'results' | 'kernelGrads';

/** Emits `fromPoints(address of words, thread, threads)`: a unit is a row. */
export function emitFromPoints(method: Method, result: Result, features: Features): Uint8Array<ArrayBuffer> {
  const { G, AT } = matricesOf(method);
  const matrix = result === 'results' ? AT : transposed(G);
  const size = matrix.length;
  const points = matrix[0]!.length;
  const patch: Patch = result === 'results' ? { runs: size, length: size } : { runs: 1, length: size ** 2 };
  const vectors = vectorsOf(features);
  return emitUnits('fromPoints', fromPointsWords, features, ({ l, w, words, thread }) => {
    const scratch = l.let(i32.add(w.scratch, i32.mul(thread, scratchBytes)));
    const half = l.let(i32.add(scratch, halfBytes));
    const stripBytes = l.let(i32.mul(w.rows, lineBytes));
    const zero = l.let(i32.add(words, 4 * fromPointsWords.names.indexOf('zero')));
    const floor = l.let(fromPointsWords.splat(words, 'floor'));
    const [tile, lane, line] = [l.variable('i32'), l.variable('i32'), l.variable('i32')];
    const [source, target, first] = [l.variable('i32'), l.variable('i32'), l.variable('i32')];
    /** Code that loads so many points, and moves `source` on. */
    const loadPoints = (count: number): V128[][] => {
      const values = range(vectors).map((): V128[] => []);
      eachPoint(l, source, w.fromPoint, count, () =>
        values.map((row, v) => {
          const value = l.variable('v128');
          row.push(value);
          return value.set(v128.load(source, 16 * v));
        }),
      );
      return values;
    };
    const fromPoints = (bias: V128): Code => {
      const finish = (value: V128): V128 =>
        result === 'results' ? l.let(f32x4.max(floor, f32x4.add(value, bias))) : value;
      const eachLane = (code: Code) => forRange(lane, 0, lineBytes, 16 * vectors, code);
      if (points <= fewPoints) {
        const atOnce = l.turn(() => {
          const outs = loadPoints(points * points).map((values) => bothSides(l, matrix, values).map(finish));
          storeLines(l, target, outs, lineBytes);
        });
        return eachLane([source.set(i32.add(first, lane)), target.set(i32.add(scratch, lane)), atOnce]);
      }
      const alongRows = l.turn(() => {
        const outs = loadPoints(points).map((values) => multiplied(l, matrix, values));
        storeLines(l, target, outs, lineBytes);
      });
      const alongColumns = l.turn(() => {
        const inputs = loadLines(l, source, points, lineBytes * size, vectors);
        const outs = inputs.map((values) => multiplied(l, matrix, values).map(finish));
        storeLines(l, target, outs, lineBytes * size);
      });
      return eachLane([
        source.set(i32.add(first, lane)),
        target.set(i32.add(half, lane)),
        forRange(line, 0, points, 1, [alongRows, target.set(i32.add(target, lineBytes * size))]),
        source.set(i32.add(half, lane)),
        target.set(i32.add(scratch, lane)),
        forRange(line, 0, size, 1, [
          alongColumns,
          source.set(i32.add(source, lineBytes)),
          target.set(i32.add(target, lineBytes)),
        ]),
      ]);
    };
    return (unit) => {
      const perRow = l.turn(() => {
        const group = l.let(i32.divU(unit, w.rows));
        const row = l.let(i32.remU(unit, w.rows));
        const matrices = i32.add(w.from, i32.mul(group, w.fromGroup));
        const base = l.let(i32.add(i32.add(w.to, i32.mul(group, w.toGroup)), i32.mul(row, w.toRow)));
        const biasAt = choose(w.bias, i32.add(w.bias, i32.shl(unit, 2)), zero);
        const bias = l.let(v128.load32Splat(biasAt));
        l.do(first.set(i32.add(matrices, i32.mul(row, lineBytes))));
        const perStrip = l.block(() => {
          l.do(fromPoints(bias));
          const lanes = l.let(i32.add(w.lanes, i32.shl(tile, 2)));
          const left = l.let(i32.shl(i32.sub(w.count, tile), 2));
          const taken = l.let(smaller(left, lineBytes));
          scatter(l, { lanes, base, rowBytes: w.rowBytes, scratch }, patch, taken);
          l.do(first.set(i32.add(first, stripBytes)));
        });
        l.do(forRange(tile, 0, w.count, stripLanes, perStrip));
      });
      l.do(perRow);
    };
  });
}
