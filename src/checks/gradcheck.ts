/**
 * Gradients against central finite differences in double precision.
 *
 * The scalar is `s = sum of weights[i] * y[i]` over all elements y of what the function gives, with random weights, so
 * that mistakes don't cancel; the derivative by element j of an input is `(s(x + h) - s(x - h)) / 2h`, each s added up on
 * the host.
 */

import { HostRandom } from '../backends/threefry.js';
import { readOptions, requireArray, requireFunction, requireNumber, requireText } from '../core/arguments.js';
import { ArgumentError, GradcheckError } from '../core/errors.js';
import { tensor } from '../core/ops/create.js';
import { add, mul } from '../core/ops/elementwise.js';
import { requireTensor, requireTensors } from '../core/ops/launch.js';
import { sum } from '../core/ops/reduce.js';
import { drawOf } from '../core/random.js';
import { scope } from '../core/scope.js';
import { formatShape, type Shape } from '../core/shape.js';
import { noGrad } from '../core/tape.js';
import { Tensor } from '../core/tensor.js';

/** Options of `gradcheck`. */
export interface GradcheckOptions {
  /** What messages call the function. Default: its own name. */
  readonly name?: string | undefined;
  /** Half the distance h of a finite difference, whose error is of the order of the square. Default 1e-6. */
  readonly step?: number | undefined;
  /** Largest error of a derivative, relative to the derivative where that is above 1. Default 1e-6. */
  readonly tolerance?: number | undefined;
  /** Of the random weights. Default 0. */
  readonly seed?: number | undefined;
}

/**
 * Checks the gradients of a function by every element of every float64 input, away from kinks and jumps.
 *
 *     await gradcheck(cube, [tensor([0.5, -2], { device, dtype: 'float64' })]);
 *
 * @param fn gives a tensor or several, of which the float64 ones count; the same ones each time it is called
 * @param inputs on CPU devices, which alone have float64; those of integers are handed on as they are. They stay unchanged
 * @throws {GradcheckError} naming input, element, the gradient and the finite difference
 * @throws {ArgumentError} when no input or no result is float64, or an input is float32
 */
export async function gradcheck(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): Promise<void> {
  const op = 'gradcheck';
  requireFunction(op, 'fn', fn);
  requireTensors(op, 'inputs', inputs);
  const { name, step, tolerance, seed } = readOptions(op, options, {
    name: fn.name || 'the function',
    step: 1e-6,
    tolerance: 1e-6,
    seed: 0,
  });
  requireText(op, 'name', name);
  for (const [option, value] of Object.entries({ step, tolerance, seed })) requireNumber(op, option, value);
  const run = (leaves: readonly Tensor[]): Tensor[] => {
    const given = fn(...leaves);
    const results = given instanceof Tensor ? [given] : given;
    requireArray(op, `what ${name} gave`, results, 'a Tensor or an array of Tensors');
    for (const [i, y] of results.entries()) requireTensor(op, `result ${i} of ${name}`, y);
    const counted = results.filter((y) => y.dtype === 'float64');
    if (counted.length > 0) return counted;
    const dtypes = results.map((y) => y.dtype).join(', ');
    throw new ArgumentError(`gradcheck: ${name} gave ${dtypes || 'nothing'}, expected float64`);
  };
  const checked = inputs.filter((x) => x.dtype === 'float64');
  if (checked.length === 0 || inputs.some((x) => x.dtype === 'float32')) {
    const dtypes = inputs.map((x) => x.dtype).join(', ');
    throw new ArgumentError(
      `gradcheck: the inputs are ${dtypes || 'none'}, expected float64; make them on a cpu device with dtype: 'float64'`,
    );
  }

  const leaves = inputs.map((x) => x.detach());
  try {
    for (const x of leaves) x.requiresGrad = x.dtype === 'float64';
    const random = new HostRandom(drawOf(seed, 0));
    const weights = scope(() => backwardWeighted(run(leaves), random));
    for (const [k, leaf] of leaves.entries()) {
      if (!leaf.requiresGrad) continue;
      const differences = await finiteDifferences(run, leaves, k, weights, step);
      const actual = leaf.grad ? await leaf.grad.data() : new Float64Array(leaf.size);
      for (const [j, expected] of differences.entries()) {
        if (Math.abs(actual[j]! - expected) <= tolerance * Math.max(1, Math.abs(expected))) continue;
        const element = `element [${placeOf(j, leaf.shape).join(', ')}] of input ${k}, ${formatShape(leaf.shape)}`;
        const none = leaf.grad ? '' : ' (none came back)';
        throw new GradcheckError(
          `gradcheck: the gradient of ${name} by ${element}, is ${actual[j]}${none}, by finite differences ${expected}`,
        );
      }
    }
  } finally {
    for (const leaf of leaves) leaf.dispose();
  }
}

/** Walks back from the weighted sum of all results; gives the weights of each. */
function backwardWeighted(results: readonly Tensor[], random: HostRandom): Float64Array[] {
  const weights = results.map((y) => Float64Array.from({ length: y.size }, () => random.normal()));
  const sums = results.flatMap((y, i) =>
    y.requiresGrad ? [sum(mul(y, tensor(weights[i]!, { shape: y.shape, device: y.device })))] : [],
  );
  if (sums.length > 0) sums.reduce((total, each) => add(total, each)).backward();
  return weights;
}

/** Differences by each element of input k. Everything is enqueued before anything is waited for. */
async function finiteDifferences(
  run: (inputs: readonly Tensor[]) => Tensor[],
  inputs: readonly Tensor[],
  k: number,
  weights: readonly Float64Array[],
  step: number,
): Promise<number[]> {
  const { shape, device } = inputs[k]!;
  const data = await inputs[k]!.data();
  const valueAt = (j: number, change: number): Promise<number> => {
    const moved = Float64Array.from(data, (value, i) => (i === j ? value + change : value));
    const reads = noGrad(() =>
      scope(() => {
        const replaced = tensor(moved, { shape, device });
        return run(inputs.map((x, i) => (i === k ? replaced : x))).map((y) => y.data('float64'));
      }),
    );
    return Promise.all(reads).then((results) =>
      results.reduce((all, y, i) => y.reduce((total, value, e) => total + value * weights[i]![e]!, all), 0),
    );
  };
  const pairs = Array.from(data, (_, j) => Promise.all([valueAt(j, step), valueAt(j, -step)]));
  return (await Promise.all(pairs)).map(([above, below]) => (above - below) / (2 * step));
}

function placeOf(index: number, shape: Shape): number[] {
  const place: number[] = [];
  let rest = index;
  for (const n of shape.toReversed()) {
    place.unshift(rest % n);
    rest = Math.floor(rest / n);
  }
  return place;
}
