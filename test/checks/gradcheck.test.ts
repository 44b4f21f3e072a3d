/**
 * `gradcheck` itself: it passes right gradients, several results and integers among the inputs, and says of a wrong one
 * which element it is; what it can't check is refused.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ArgumentError,
  add,
  argmax,
  customOp,
  type Device,
  exp,
  GradcheckError,
  gather,
  gradcheck,
  mul,
  openDevice,
  sum,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.js';
import { rejection } from '../support/errors.js';

const test = suite('gradcheck');
let device: Device;
test.before(async () => {
  device = await openDevice('cpu:0', { threads: 1 });
});
test.after(() => device.close());

const doubles = (...numbers: number[]): Tensor => tensor(numbers, { device, dtype: 'float64' });

/** x to the third, whose gradient is right up to a factor by some elements. */
const cubeWith = (factors: readonly number[]) =>
  customOp({
    op: 'cube',
    forward: (x: Tensor) => ({ result: mul(x, mul(x, x)), saved: { x } }),
    gradient: (g, { x }) => [
      mul(mul(g, tensor([...factors], { device, dtype: 'float64' })), mul(3, mul(x, x))),
    ],
  });

test('right gradients pass: of one input and several, of several results, with integers among both', async () => {
  const [x, y] = [doubles(1, 2, -0.5), doubles(3, 4, 0.25)];
  const index = tensor([2, 0], { device, dtype: 'int32' });
  await gradcheck(cubeWith([1, 1, 1]), [x]);
  await gradcheck((a, b, i) => [mul(a, b), gather(exp(a), 0, i), argmax(a)], [x, y, index]);
  await gradcheck((a) => sum(a), [x], { name: 'sum', step: 1e-3, tolerance: 1e-9, seed: 3 });
  assert.not.ok(x.requiresGrad);
  assert.is(x.grad, null);
  for (const each of [x, y, index]) each.dispose();
  assert.is(device.memory().buffers, 0);
});

test('a wrong one is named by input and element, with both numbers; nothing is left behind', async () => {
  const matrix = tensor([[1, 2], [3, 4]], { device, dtype: 'float64' }); // biome-ignore format: a matrix
  const error = await rejection(
    gradcheck((a, b) => add(a, cubeWith([1, 1.5])(b)), [doubles(1, 2), matrix], { name: 'odd' }),
  );
  assert.instance(error, GradcheckError);
  const pattern =
    /^gradcheck: the gradient of odd by element \[0, 1\] of input 1, 2x2, is (\S+), by finite differences (\S+)$/;
  const [, analytic, numeric] = pattern.exec(error.message) ?? [];
  assert.ok(Math.abs(Number(analytic) / Number(numeric) - 1.5) < 1e-6, error.message);
  const missing = await rejection(gradcheck((a) => mul(a.detach(), 2), [doubles(1)]));
  assert.match(
    missing.message,
    /by element \[0\] of input 0, \[1\], is 0 \(none came back\), by finite differences/,
  );
});

test('what it cannot check is one error', async () => {
  const refused = async (message: RegExp, ...args: unknown[]): Promise<void> => {
    const error = await rejection(Reflect.apply(gradcheck, undefined, args));
    assert.instance(error, ArgumentError);
    assert.match(error.message, message);
  };
  const single = zeros([1], { device });
  await refused(/^gradcheck: the inputs are float32, expected float64; make them on a cpu device/, exp, [
    single,
  ]);
  await refused(/^gradcheck: the inputs are none/, exp, []);
  await refused(/^gradcheck: inputs is a Tensor, expected an array of Tensors/, exp, doubles(1));
  await refused(/^gradcheck: inputs\[0\] is a Promise, expected a Tensor: await it/, exp, [
    Promise.resolve(single),
  ]);
  await refused(/^gradcheck: fn is null, expected a function/, null, [doubles(1)]);
  await refused(
    /^gradcheck: what odd gave is 3, expected a Tensor or an array of Tensors/,
    () => 3,
    [doubles(1)],
    {
      name: 'odd',
    },
  );
  await refused(/^gradcheck: what odd gave is a Promise/, async () => single, [doubles(1)], { name: 'odd' });
  await refused(/^gradcheck: odd gave int32, expected float64$/, (x: Tensor) => argmax(x), [doubles(1)], {
    name: 'odd',
  });
  await refused(/^gradcheck: there is no option eps, only name, step, tolerance, seed/, exp, [doubles(1)], {
    eps: 1,
  });
});

test.run();
