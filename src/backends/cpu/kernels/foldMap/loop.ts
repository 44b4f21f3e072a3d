/**
 * Numbers of each row, one walk along it for each, then the row's elements; folds in doubles.
 */
import { contiguousStrides } from '../../../../core/shape.js';
import { compile, type Leaves } from '../map/loop.js';
import { folds } from '../reduce/loop.js';
import { type LoopArgs, walk } from '../view.js';

/** See `Kernels.foldMap`. */
export function foldMap(args: LoopArgs<'foldMap'>): void {
  const { numbers, shape, kept, inputs, outputs, keeps, params } = args;
  const wide = [...inputs, ...outputs].some((view) => view.data instanceof Float64Array);
  const round = wide ? (x: number): number => x : Math.fround;
  const leaves: Leaves = {
    inputs: new Float64Array(inputs.length + numbers.length),
    params,
    random: [0, 0],
  };
  const values = numbers.map(({ expr }) => compile(expr, leaves, round));
  const results = args.exprs.map((expr) => compile(expr, leaves, round));
  const views = [...inputs, ...outputs];
  const rows = shape.slice(0, kept);
  walk(rows, [...views, { offset: 0, strides: contiguousStrides(rows) }], (row) => {
    const starts = views.map(({ strides }, v) => ({ offset: row[v]!, strides: strides.slice(kept) }));
    const place = row[views.length]!;
    const read = (at: readonly number[]): void => {
      for (let v = 0; v < inputs.length; v++) leaves.inputs[v] = inputs[v]!.data[at[v]!]!;
    };
    numbers.forEach(({ op }, k) => {
      const value = values[k]!;
      let number = 0;
      if (op === null) {
        read(row);
        number = value();
      } else {
        const { start, step } = folds[op];
        number = start;
        walk(shape.slice(kept), starts, (at) => {
          read(at);
          number = step(number, value());
        });
      }
      leaves.inputs[inputs.length + k] = round(number);
      const keep = keeps[k];
      if (keep) keep.data[keep.offset + place] = round(number);
    });
    walk(shape.slice(kept), starts, (at) => {
      read(at);
      const computed = results.map((result) => result());
      for (const [j, value] of computed.entries()) outputs[j]!.data[at[inputs.length + j]!] = value;
    });
  });
}
