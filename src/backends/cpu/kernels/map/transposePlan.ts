/**
 * The plan of copies that turn the axes: recognizes them among the maps.
 */
import type { Kernels } from '../../../../core/backend.js';
import { addressOf, type KernelModule, type Planner } from '../../plan.js';
import type { Walk } from '../axes.js';
import { emitTranspose, transposeTile, transposeWords } from './transposeCode.js';

const module: KernelModule = { key: 'transpose', emit: emitTranspose };

/** Axes shorter than this leave too little of a tile. */
const shortAxis = 4;

/**
 * Enqueues a map if it is a copy between views of one 4-byte dtype, dense along different axes.
 * @param walk its axes, of input and output (in this order)
 */
export function planTranspose(args: Kernels['map'], walk: Walk, planner: Planner): boolean {
  const [input, output] = [args.inputs[0], args.outputs[0]!];
  if (args.exprs.length !== 1 || args.inputs.length !== 1 || input === undefined) return false;
  if (args.exprs[0]!.kind !== 'input' || input.dtype !== output.dtype) return false;
  // Without conversion on the way: floats as floats, integers as integers.
  if (input.dtype !== (args.integers ? 'int32' : 'float32')) return false;
  const [from, to] = [walk.strides[0]!, walk.strides[1]!];
  const last = walk.shape.length - 1;
  const dense = from.indexOf(1);
  if (to[last] !== 1 || dense < 0 || dense === last || walk.shape.length > 5) return false;
  const [rows, columns] = [walk.shape[dense]!, walk.shape[last]!];
  if (rows < shortAxis || columns < shortAxis) return false;

  const outer = walk.shape.map((_, axis) => axis).filter((axis) => axis !== dense && axis !== last);
  const around = (values: readonly number[], missing: number): [number, number, number] => {
    const [a, b, c] = [missing, missing, missing, ...outer.map((axis) => values[axis]!)].slice(-3);
    return [a!, b!, c!];
  };
  const [outer0, outer1, outer2] = around(walk.shape, 1);
  const [fromOuter0, fromOuter1, fromOuter2] = around(from, 0);
  const [toOuter0, toOuter1, toOuter2] = around(to, 0);
  const rowTiles = Math.ceil(rows / transposeTile);
  const columnTiles = Math.ceil(columns / transposeTile);
  const words = transposeWords.encode({
    from: addressOf(input),
    to: addressOf(output),
    units: outer0 * outer1 * outer2 * rowTiles * columnTiles,
    rows,
    columns,
    rowTiles,
    columnTiles,
    fromStep: 4 * from[last]!,
    toStep: 4 * to[dense]!,
    outer1,
    outer2,
    fromOuter0: 4 * fromOuter0,
    fromOuter1: 4 * fromOuter1,
    fromOuter2: 4 * fromOuter2,
    toOuter0: 4 * toOuter0,
    toOuter1: 4 * toOuter1,
    toOuter2: 4 * toOuter2,
  });
  planner.run(module, 'transpose', words);
  return true;
}
