/**
 * A program that ends in the way its argument says, with a device open: run by process.test.ts.
 */
import { openWebGpu } from '../../../src/backends/webgpu/runtime/device.js';
import { e } from '../../../src/core/expr.js';

const [, , how, driver] = process.argv;
const device = await openWebGpu('webgpu:0', { driver: driver! });
const length = 1 << 20;
const x = {
  buffer: device.alloc(4 * length, 'x'),
  dtype: 'float32',
  shape: [length],
  strides: [1],
  offset: 0,
} as const;
const work = () =>
  device.kernels.map({
    exprs: [e.sin(e.input(0))],
    shape: [length],
    inputs: [x],
    outputs: [x],
    params: [],
    draw: null,
  });
for (let i = 0; i < 20; i++) work();

switch (how) {
  case 'close':
    await device.close();
    break;
  case 'leave': // without closing, all work done
    await device.sync();
    break;
  case 'leave pending':
    await device.compile();
    work();
    void device.sync();
    break;
  case 'leave compiling':
    void device.read(x);
    break;
  case 'exit':
    void device.sync();
    process.exit(0);
    break;
  case 'throw':
    await device.compile();
    void device.sync();
    throw new Error('on purpose');
}
console.log('end of the program');
