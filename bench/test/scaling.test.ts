/**
 * The model of scaling over machines: its bytes are those of AlexNet's tables, its limits are what they must be, and the
 * plan in docs/clusters.md is what it gives.
 */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { root } from '../../support/root.js';
import {
  conv,
  crossing,
  full,
  measured,
  preparation,
  type SchemeName,
  scaled,
  schemeNames,
} from '../scalingModel.js';

/** Some machine, for what holds of any. */
const machine = { rate: 33.8, batch: 128 };

test('gradients are all parameters; towers send conv3, fc6, fc7 and fc8 their inputs', () => {
  assert.is(conv + full, 4 * 60_965_224);
  assert.is(crossing, 4 * (128 * 13 * 13 + 128 * 6 * 6 + 2048 + 2048));
});

test('one machine loses nothing, endless bandwidth next to nothing, and less bandwidth never helps', () => {
  for (const scheme of schemeNames) {
    assert.is(scaled({ ...machine, scheme, machines: 1, gigabits: 1 }).efficiency, 1);
    for (const machines of [2, 64]) {
      const at = (gigabits: number): number => scaled({ ...machine, scheme, machines, gigabits }).efficiency;
      assert.ok(at(1e9) > 0.99 && at(1e9) <= 1, `${scheme}: ${at(1e9)}`);
      assert.ok(at(1) <= at(10) && at(10) <= at(100), scheme);
    }
  }
});

test('data parallel by hand: two machines send 9.3 MB of convolutions unhidden, and what conv steps do not hide', () => {
  const { efficiency } = scaled({ ...machine, scheme: 'data parallel', machines: 2, gigabits: 1 });
  const compute = machine.batch / machine.rate;
  // 234.5 MB take 1.88 s, less than convolutions take backward; 9.3 MB take 75 ms; ten calls.
  const expected = compute / (compute + conv / 125e6 + 10 * 50e-6);
  assert.ok(Math.abs(efficiency - expected) < 1e-9, `${efficiency} instead of ${expected}`);
});

test('the table of docs/clusters.md is what the model gives', () => {
  const named: Readonly<Record<string, SchemeName>> = {
    'data parallel': 'data parallel',
    'towers in pairs': 'towers',
    hybrid: 'hybrid',
  };
  const text = readFileSync(`${root}docs/clusters.md`, 'utf8');
  const { rate, batch } = measured;
  assert.ok(text.includes(`| ${rate} images/s a machine |`), 'the rate in the head of the table');
  const rows = [...text.matchAll(/^\| (\d+) Gbit\/s, ([a-z ]+) \|(.*)\|$/gm)];
  assert.is(rows.length, 9);
  for (const [, gigabits, called = '', cells = ''] of rows) {
    for (const [i, cell] of cells.split('|').entries()) {
      const cluster = {
        rate,
        batch,
        scheme: named[called]!,
        machines: 2 ** (i + 1),
        gigabits: Number(gigabits),
      };
      const { days, efficiency } = scaled(cluster);
      const expected = `${days.toPrecision(3)} d (${(100 * efficiency).toFixed(0)} %)`;
      assert.is(cell.trim(), expected, `${gigabits} Gbit/s, ${called}, ${cluster.machines} machines`);
    }
  }
});

test('the real run on paper in docs/results.md is what the model gives', () => {
  const text = readFileSync(`${root}docs/results.md`, 'utf8');
  const cellsOf = (row: string): string[] => row.split('|').map((cell) => cell.trim());
  const prepared = [...text.matchAll(/^\| `prepare`, ([a-z-]+) \|(.*)\|$/gm)];
  assert.is(prepared.length, 2);
  for (const [, decoder = '', cells = ''] of prepared) {
    const rate = measured.prepares[decoder === 'jpeg-js' ? decoder : 'libjpeg-turbo'];
    const expected = [2, 16, 64].map((cores) => `${preparation(cores, rate).toPrecision(3)} h`);
    assert.equal(cellsOf(cells), expected, decoder);
  }
  const trained = [...text.matchAll(/^\| (\d+) Gbit\/s, 128 images (a rank|in all) \|(.*)\|$/gm)];
  assert.is(trained.length, 6);
  for (const [, gigabits, share, cells = ''] of trained) {
    const expected = [1, 8, 32].map((machines) => {
      const batch = share === 'in all' ? measured.batch / machines : measured.batch;
      const { days } = scaled({
        scheme: 'data parallel',
        machines,
        rate: measured.rate,
        batch,
        gigabits: Number(gigabits),
      });
      return `${days.toPrecision(3)} d`;
    });
    assert.equal(cellsOf(cells), expected, `${gigabits} Gbit/s, 128 images ${share}`);
  }
});

test.run();
