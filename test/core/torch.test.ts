/**
 * Losses with all their options and activations: values and gradients are PyTorch's, in double precision on a CPU
 * device, and in single precision on another and on WebGPU.
 */
import { suite } from 'uvu';
import * as core from '../../src/index.js';
import { mul, sum, type Tensor } from '../../src/index.js';
import { assertTorch, fixture, type Held, openWithSingle, place, placeOptions } from '../support/torch.js';
import { leaklessOnEach } from './devices.js';

const test = suite('as PyTorch');
const devices = await openWithSingle();
const onEach = leaklessOnEach(test, devices);
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});

interface Case {
  readonly x: Held;
  readonly value: Held;
  readonly weights: Held;
  readonly gradients: Readonly<Record<string, Held>>;
}

interface LossCase extends Case {
  readonly loss: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly target: Held;
}

interface OpCase extends Case {
  readonly op: string;
  readonly arguments: readonly unknown[];
}

const lossCases = fixture<LossCase>('losses');
const opCases = fixture<OpCase>('activations');

/** Calls what the library exports under a name. */
function call(name: string, args: readonly unknown[]): Tensor {
  const found: unknown = Reflect.get(core, name);
  if (typeof found !== 'function') throw new TypeError(`there is no ${name}`);
  const result: unknown = Reflect.apply(found, undefined, args);
  if (!(result instanceof core.Tensor)) throw new TypeError(`${name} gave no tensor`);
  return result;
}

onEach('losses', async (device) => {
  for (const { loss, options, x, target, ...expected } of lossCases) {
    const { dtype, data } = target;
    const what = `${loss} ${JSON.stringify(options)} of ${x.shape}, ${dtype ?? data.length}`;
    const [input, goal] = [place(device, x, true), place(device, target, dtype === undefined)];
    const value = call(loss, [input, goal, placeOptions(device, options)]);
    await assertTorch(value, expected.value, what);
    sum(mul(value, place(device, expected.weights))).backward();
    await assertTorch(input.grad, expected.gradients.x!, `${what}: gradient by x`);
    if (expected.gradients.target)
      await assertTorch(goal.grad, expected.gradients.target, `${what}: gradient by the target`);
  }
});

onEach('activations', async (device) => {
  for (const { op, arguments: args, x, ...expected } of opCases) {
    const input = place(device, x, true);
    const value = call(op, [input, ...args]);
    await assertTorch(value, expected.value, op);
    sum(mul(value, place(device, expected.weights))).backward();
    await assertTorch(input.grad, expected.gradients.x!, `${op}: gradient`);
  }
});

test.run();
