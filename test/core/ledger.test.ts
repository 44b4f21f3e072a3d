/**
 * The ledger: a row for each crossing of `to` and `exchange`, in both directions, and none for what stays.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ArgumentError,
  add,
  type Crossing,
  type Device,
  exchange,
  inLayer,
  ledger,
  mul,
  ones,
  openDevice,
  permute,
  sum,
  type Tensor,
  tensor,
  to,
  trace,
} from '../../src/index.js';
import { thrown } from '../support/errors.js';
import { inScope } from '../support/scope.js';

const test = suite('ledger');
let a: Device;
let b: Device;
let c: Device;

test.before(async () => {
  [a, b, c] = await Promise.all([
    openDevice('cpu:0', { threads: 1 }),
    openDevice('cpu:1', { threads: 1 }),
    openDevice('cpu:2', { threads: 1 }),
  ]);
});
test.after(async () => {
  await Promise.all([a, b, c].map((device) => device.close()));
});
test.before.each(() => {
  ledger.clear();
  trace.step = 0;
});

/** What happened, without the times: 'forward conv3 cpu:0 > cpu:1 96'. */
const told = ({ phase, layer, from, to: end, bytes }: Crossing): string =>
  `${phase} ${layer} ${from} > ${end} ${bytes}`;

/** The rows, in alphabetical order where they ran at the same time. */
const rows = (): string[] => ledger.rows.map(told).sort();

/** A leaf of ones. */
const part = (device: Device, ...shape: number[]): Tensor => ones(shape, { device, requiresGrad: true });

test('to: bytes, places, step, phase and layer, forward and backward', () =>
  inScope(async () => {
    const x = part(a, 2, 3);
    trace.step = 7;
    const y = inLayer('there', () => to(x, b));
    assert.is(y.device, b);
    assert.equal(rows(), ['forward there cpu:0 > cpu:1 24']);
    sum(mul(y, 3)).backward();
    assert.equal(rows(), ['backward there cpu:1 > cpu:0 24', 'forward there cpu:0 > cpu:1 24']);
    assert.equal([...(await x.grad!.data())], [3, 3, 3, 3, 3, 3]);
    await Promise.all([a.sync(), b.sync()]);
    const [there, back] = ledger.rows;
    assert.ok(ledger.rows.every((row) => row.step === 7 && row.milliseconds >= 0 && row.start > 0));
    // Each is measured by the clock of its own thread.
    assert.ok(back!.start + 1 >= there!.start + there!.milliseconds);
  }));

test('to the device where it is: the same elements, no row', () =>
  inScope(async () => {
    const x = part(a, 4);
    const held = a.memory().live;
    const y = to(x, a);
    assert.is(a.memory().live, held);
    sum(y).backward();
    assert.equal([...(await x.grad!.data())], [1, 1, 1, 1]);
    assert.equal(rows(), []);
  }));

test('a view crosses as its own elements, each dtype at its width', () =>
  inScope(async () => {
    const matrix = [
      [1, 2, 3],
      [4, 5, 6],
    ];
    const widths = [
      ['uint8', 1],
      ['int32', 4],
      ['float32', 4],
      ['float64', 8],
    ] as const;
    for (const [dtype, width] of widths) {
      const x = permute(tensor(matrix, { device: a, dtype }), [1, 0]);
      const y = to(x, b);
      assert.is(y.dtype, dtype);
      assert.equal([...(await y.data())], [1, 4, 2, 5, 3, 6]);
      assert.equal(rows(), [`forward  cpu:0 > cpu:1 ${6 * width}`]);
      ledger.clear();
    }
  }));

test('the layer and step of a crossing are those in which it was asked for', () =>
  inScope(async () => {
    const x = part(a, 1);
    const crossing = inLayer('early', () => to(x, b));
    trace.step = 1;
    await crossing;
    assert.equal(
      ledger.rows.map((row) => [row.layer, row.step]),
      [['early', 0]],
    );
  }));

test('exchange: each part crosses once to each other device, and its gradient once back', () =>
  inScope(async () => {
    // Channels 1, 2 and 4 of two images of 3 pixels: 24, 48 and 96 bytes.
    const parts = [part(a, 2, 1, 3), part(b, 2, 2, 3), part(a, 2, 4, 3)];
    const joined = inLayer('conv3', () => exchange(parts));
    assert.equal(
      joined.map((x) => `${x.device.name} ${x.shape.join('x')}`),
      ['cpu:0 2x7x3', 'cpu:1 2x7x3', 'cpu:0 2x7x3'],
    );
    assert.equal(rows(), [
      'forward conv3 cpu:0 > cpu:1 24',
      'forward conv3 cpu:0 > cpu:1 96',
      'forward conv3 cpu:1 > cpu:0 48',
    ]);
    ledger.clear();
    const [first, second, third] = joined;
    const home = inLayer('loss', () => to(sum(mul(second!, 10)), a));
    add(add(sum(first!), home), sum(mul(third!, 100))).backward();
    // Two of the results lie on cpu:0: what they send to cpu:1 is added up before it crosses.
    assert.equal(rows(), [
      'backward conv3 cpu:0 > cpu:1 48',
      'backward conv3 cpu:1 > cpu:0 24',
      'backward conv3 cpu:1 > cpu:0 96',
      'backward loss cpu:0 > cpu:1 4',
      'forward loss cpu:1 > cpu:0 4',
    ]);
    for (const x of parts) assert.ok([...(await x.grad!.data())].every((g) => g === 111));
  }));

test('exchange: only the devices that read get a copy, and only what is used sends a gradient', () =>
  inScope(async () => {
    const parts = [part(a, 1, 2), part(b, 1, 3)];
    const held = a.memory().live;
    const [whole, ...none] = exchange(parts, { devices: [c] });
    assert.equal(none, []);
    assert.is(whole!.device, c);
    assert.is(a.memory().live, held);
    assert.equal(rows(), ['forward  cpu:0 > cpu:2 8', 'forward  cpu:1 > cpu:2 12']);
    ledger.clear();

    const [unused, used] = exchange(parts, { devices: [a, b] });
    assert.equal(unused!.shape, used!.shape);
    ledger.clear();
    sum(used!).backward();
    assert.equal(rows(), ['backward  cpu:1 > cpu:0 8']);
  }));

test('exchange: a part that needs no gradient is sent none', () =>
  inScope(async () => {
    const parts = [ones([1, 2], { device: a }), part(b, 1, 3)];
    const [left] = exchange(parts);
    ledger.clear();
    sum(left!).backward();
    assert.equal(rows(), ['backward  cpu:0 > cpu:1 12']);
    assert.is(parts[0]!.grad, null);
  }));

test('exchange on one device is a join: no row', () =>
  inScope(async () => {
    const parts = [part(a, 1, 2), part(a, 1, 1)];
    const [whole, again] = exchange(parts);
    sum(add(whole!, again!)).backward();
    assert.equal(rows(), []);
    assert.equal([...(await parts[0]!.grad!.data())], [2, 2]);
  }));

test('exchange joins the values in the order of the parts, along any axis', () =>
  inScope(async () => {
    const parts = [
      tensor([[1, 2]], { device: a }),
      tensor(
        [
          [3, 4],
          [5, 6],
        ],
        { device: b },
      ),
    ];
    for (const whole of exchange(parts, { axis: 0 })) {
      assert.equal([...(await whole.data())], [1, 2, 3, 4, 5, 6]);
    }
    const error = thrown(() => exchange(parts, { axis: 1 }));
    assert.instance(error, ArgumentError);
    assert.match(error.message, /exchange: 1x2, 2x2 can't be joined along axis 1: other sizes must agree/);
    assert.match(thrown(() => exchange([])).message, /exchange: got no parts/);
  }));

test('bytes sums the rows that a filter takes', () =>
  inScope(async () => {
    const x = part(a, 3);
    trace.step = 1;
    to(x, b);
    trace.step = 2;
    to(x, c);
    assert.is(ledger.bytes(), 24);
    assert.is(
      ledger.bytes((row) => row.step === 2 && row.to === 'cpu:2'),
      12,
    );
  }));

test('the oldest rows go when there are more than it holds', async () => {
  const { capacity } = ledger;
  const x = part(a, 1);
  try {
    ledger.capacity = 4;
    for (let step = 0; step < 9; step++) {
      trace.step = step;
      to(x, b).dispose();
      assert.ok(ledger.rows.length <= 4);
    }
    assert.is(ledger.rows.at(-1)!.step, 8);
  } finally {
    ledger.capacity = capacity;
    x.dispose();
  }
});

test('nothing stays behind on any device', async () => {
  for (const device of [a, b, c]) assert.is(device.memory().buffers, 0, device.name);
});

test.run();
