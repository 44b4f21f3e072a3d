/**
 * Element-wise ops whose operands are tensors at one call and numbers at another, on each kind of device: values and
 * gradients stay those of the formula, whichever pattern of operands a device met first. (Patterns of an op share
 * gradient expressions, and with them compiled programs, but are given different numbers.)
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { binary, type Device, e, minimum, type Operand, pow, sum, tensor, where } from '../../src/index.js';
import { inScope } from '../support/scope.js';
import { openEachKind } from './devices.js';

const test = suite('operands');
const devices = await openEachKind();
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});

/** A constant that programs can't hold, beside the numbers that they are given. */
const guarded = binary(
  'guarded',
  (a, b) => e.add(a, b),
  (g, _y, a) => e.where(e.gt(a, e.constant(-Infinity)), g, 0),
  (g) => g,
);

type Values = readonly number[];

/** An op of two operands, and its gradients by them at a, b. */
interface Case {
  readonly name: string;
  readonly op: (device: Device) => (a: Operand, b: Operand) => ReturnType<typeof minimum>;
  readonly gradients: (a: number, b: number, i: number) => readonly [number, number];
}

const choice = [1, 0, 1];
const cases: readonly Case[] = [
  {
    name: 'where',
    op: (device) => {
      const condition = tensor(choice, { device });
      return (a, b) => where(condition, a, b);
    },
    gradients: (_a, _b, i) => [choice[i]!, 1 - choice[i]!],
  },
  { name: 'guarded', op: () => guarded, gradients: () => [1, 1] },
  { name: 'minimum', op: () => minimum, gradients: (a, b) => [Number(a < b), Number(b < a)] },
  {
    name: 'pow',
    op: () => pow,
    gradients: (a, b) => [b * a ** (b - 1), a ** b * Math.log(a)],
  },
];

/** Which of both operands are numbers, in the order of the calls. */
const orders: readonly (readonly (readonly [boolean, boolean])[])[] = [
  [
    [false, true],
    [false, false],
    [true, false],
  ],
  [
    [false, false],
    [true, false],
    [false, true],
  ],
];

async function gradientsOf(
  device: Device,
  op: (a: Operand, b: Operand) => ReturnType<typeof minimum>,
  [a, b]: readonly [Values | number, Values | number],
): Promise<(number[] | null)[]> {
  const leaves = [a, b].map((values) =>
    typeof values === 'number' ? values : tensor([...values], { device, requiresGrad: true }),
  );
  sum(op(leaves[0]!, leaves[1]!)).backward();
  return Promise.all(
    leaves.map(async (leaf) => (typeof leaf === 'number' ? null : [...(await leaf.grad!.data())])),
  );
}

for (const device of devices) {
  for (const { name, op, gradients } of cases) {
    test(`${name}: tensors and numbers by turns (${device.kind})`, async () => {
      const [a, b] = [
        [1, 2, 3],
        [2.5, 1.5, 0.5],
      ];
      for (const order of orders) {
        for (const [aIsNumber, bIsNumber] of order) {
          await inScope(async () => {
            const operands = [aIsNumber ? 2 : a, bIsNumber ? 2.25 : b] as const;
            const at = (values: Values | number, i: number): number =>
              typeof values === 'number' ? values : values[i]!;
            const expected = [0, 1, 2].map((i) => gradients(at(operands[0], i), at(operands[1], i), i));
            const actual = await gradientsOf(device, op(device), operands);
            for (const [side, grad] of actual.entries()) {
              grad?.forEach((value, i) => {
                const want = expected[i]![side]!;
                assert.ok(
                  Math.abs(value - want) <= 1e-5 * Math.max(1, Math.abs(want)),
                  `gradient ${side} of ${name}(${operands.join(' | ')}): element ${i} is ${value}, expected ${want}`,
                );
              });
            }
          });
        }
      }
    });
  }
}

test.run();
