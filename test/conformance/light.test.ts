/**
 * Nets of ONNX's zoo without their weights ("light": one number stands for each tensor of them) give the outputs that are
 * stored with them for an input that rises from 0 to 1. They are in Debian's libonnx-testdata from 1.13 on.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tensor } from '../../src/core/ops/create.js';
import { scope } from '../../src/core/scope.js';
import { sizeOf } from '../../src/core/shape.js';
import { noGrad } from '../../src/core/tape.js';
import { importOnnx } from '../../src/formats/onnx/import.js';
import { withDevices } from '../support/devices.js';
import { difference, folder, readValue } from './cases.js';

const light = join(folder, 'light');

/** Nets and how many parameters each has. */
const nets: readonly (readonly [name: string, parameters: number])[] = [
  ['bvlc_alexnet', 16],
  ['squeezenet', 52],
  ['resnet50', 162],
  ['inception_v2', 347],
  ['shufflenet', 150],
  ['densenet121', 606],
];

if (!existsSync(light)) {
  console.warn(
    "\nONNX'S LIGHT MODELS SKIPPED: they are in libonnx-testdata from 1.13 on (Debian 13); TANDEM_ONNX_DATA names the " +
      'folder of an unpacked package.\n',
  );
} else {
  for (const [name, parameters] of nets) {
    test(`${name} gives its stored output`, async () => {
      await withDevices([{ threads: 2 }], async (device) => {
        const model = await importOnnx(readFileSync(join(light, `light_${name}.onnx`)), name, { device });
        assert.is(model.parameters().length, parameters);
        const shape = (model.inputs[0]?.shape ?? []).map((n) => (typeof n === 'number' ? n : 1));
        const pixels = Float32Array.from({ length: sizeOf(shape) }, (_, i) => i / sizeOf(shape));
        await scope(async () => {
          const x = tensor(pixels, { shape, device });
          const actual = noGrad(() => model.eval().forward(x));
          const expected = readValue(join(light, `light_${name}_output_0.pb`));
          assert.is(await difference(name, actual, expected!), null);
        });
        model.dispose();
        assert.is(device.memory().buffers, 0);
      });
    });
  }
}

test.run();
