/**
 * Operands of convolutions in float16, on a driver that has them: numbers of 11 bits give the very sums, others are
 * rounded once; what comes in as a gradient isn't.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loops } from '../../../src/backends/cpu/kernels/loops.js';
import { DeviceError } from '../../../src/core/errors.js';
import { lavapipe, softwareDriver } from '../../../support/driver.js';
import { nmse, seededRandom } from '../cpu/numbers.js';
import { Bench, type Held, openSoftware } from './harness.js';

const random = seededRandom('operands');
const test = suite('operands in float16');
const swiftShader = await softwareDriver();
const driver = swiftShader === null ? null : await lavapipe();

if (swiftShader !== null && swiftShader !== driver) {
  test('an adapter without float16 says so', async () => {
    const refused = await openSoftware(swiftShader, { operands: 'float16' }).catch((error: unknown) => error);
    assert.instance(refused, DeviceError);
    assert.match(String(refused), /shader-f16/);
  });
}

if (driver !== null) {
  const shapes = { x: [2, 3, 9, 9], weight: [20, 3, 3, 3], y: [2, 20, 9, 9] };

  for (const tiles of ['direct', '32x32'] as const) {
    test(`the three directions of convolution, ${tiles} tiles`, async () => {
      const device = await openSoftware(driver, { operands: 'float16', tiles });
      assert.match(device.description, /operands in float16/);
      const bench = new Bench(device);
      const geometry = { stride: [1, 1], padding: [1, 1, 1, 1], dilation: [1, 1], groups: 1 } as const;
      const errorOf = async (number: () => number): Promise<number[]> => {
        const put = (shape: number[]): Held =>
          bench.put(Float32Array.from({ length: shape.reduce((a, b) => a * b) }, number), shape);
        const [x, weight, grad] = [put(shapes.x), put(shapes.weight), put(shapes.y)];
        const [y, dx, dw] = [bench.result(shapes.y), bench.result(shapes.x), bench.result(shapes.weight)];
        const forward = { ...geometry, x, weight, bias: null, relu: false, out: y };
        const back = { ...geometry, grad, weight, out: dx };
        const byWeight = { ...geometry, x, grad, out: dw };
        for (const kernels of [device.kernels, loops]) {
          kernels.conv2d(forward);
          kernels.conv2dInputGrad(back);
          kernels.conv2dWeightGrad(byWeight);
        }
        const errors: number[] = [];
        for (const out of [y, dx, dw]) {
          errors.push(nmse(await device.read({ ...out, shape: [out.data.length], strides: [1] }), out.data));
        }
        bench.clear();
        return errors;
      };
      assert.equal(await errorOf(() => random.integer(9) - 4), [0, 0, 0]);
      for (const error of await errorOf(() => random.normal())) {
        assert.ok(error > 1e-10 && error < 1e-6, `${error}`);
      }
      await device.close();
    });
  }
}

test.run();
