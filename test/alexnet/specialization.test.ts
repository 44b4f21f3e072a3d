/** The measure of Figure 3 on kernels with known answers, its chance against an enumeration, and other first layers. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { placeLayers } from '../../src/alexnet/architecture.js';
import { withFirstLayer } from '../../src/alexnet/firstLayer.js';
import { nets } from '../../src/alexnet/recipes.js';
import { chanceOfDifference, combinedChance, specializationOf } from '../../src/alexnet/specialization.js';
import { HostRandom } from '../../src/backends/threefry.js';

const test = suite('specialization');

/** Kernels `[n, 3, 1, 1]`. */
const kernels = (...rows: [number, number, number][]) => ({
  shape: [rows.length, 3, 1, 1],
  data: Float32Array.from(rows.flat()),
});
const grey: [number, number, number] = [1, 1, 1];
const coloured: [number, number, number] = [1, -1, 0];

test('a grey tower and a colourful one are as far apart as can be', () => {
  const rows = [...Array(6).fill(grey), ...Array(6).fill(coloured)];
  const found = specializationOf(kernels(...rows), [6, 6]);
  assert.equal(
    found.towers.map(({ mean, dead }) => [mean, dead]),
    [
      [0, 0],
      [1, 0],
    ],
  );
  assert.is(found.difference, -1);
  assert.is(found.separation, 1);
  // Of 924 ways to choose six of twelve, two keep them apart.
  assert.is(found.chance, 2 / 924);
  assert.ok(found.specialized);
  const turned = specializationOf(kernels(...rows.reverse()), [6, 6]);
  assert.equal([turned.difference, turned.chance, turned.specialized], [1, 2 / 924, true]);
});

test('towers with the same kernels have not parted, and few kernels prove nothing', () => {
  const same = specializationOf(kernels(grey, coloured, grey, coloured), [2, 2]);
  assert.equal([same.difference, same.separation, same.chance, same.specialized], [0, 0, 1, false]);
  const few = specializationOf(kernels(grey, grey, coloured, coloured), [2, 2]);
  assert.equal([few.separation, few.chance, few.specialized], [1, 2 / 6, false]);
});

test('dead kernels are told, and their pattern is not counted', () => {
  const found = specializationOf(kernels(grey, [1e-3, -1e-3, 0], [0, 0, 0], coloured), [3, 1]);
  assert.equal(
    found.towers.map(({ kernels, mean, dead }) => [kernels.length, mean, dead]),
    [
      [3, 0, 2],
      [1, 1, 0],
    ],
  );
  assert.is(found.towers[0].kernels[1]?.dead, true);
});

test('what is not of two towers is refused', () => {
  assert.throws(() => specializationOf(kernels(grey), [1]), /two towers; there are 1/);
  assert.throws(
    () => specializationOf(kernels(grey, grey), [2, 1]),
    /\[2, 3, 1, 1\], expected \[3, 3, k, k\]/,
  );
  assert.throws(() => specializationOf(kernels(grey, [0, 0, 0]), [1, 1]), /no live kernel/);
});

/** All subsets, by the bits of a number. */
function enumerated(a: readonly number[], b: readonly number[]): number {
  const all = [...a, ...b];
  const mean = (numbers: readonly number[]): number => numbers.reduce((x, y) => x + y, 0) / numbers.length;
  const given = Math.abs(mean(a) - mean(b));
  let [ways, asLarge] = [0, 0];
  for (let bits = 0; bits < 2 ** all.length; bits++) {
    const own = all.filter((_, i) => (bits >> i) & 1);
    if (own.length !== a.length) continue;
    const others = all.filter((_, i) => !((bits >> i) & 1));
    ways++;
    if (Math.abs(mean(own) - mean(others)) >= given - 1e-9) asLarge++;
  }
  return asLarge / ways;
}

test('the chance of a difference is that of an enumeration; of more ways, nearly', () => {
  const random = new HostRandom({ seed: [17, 3], stream: 0 });
  const draw = (n: number, more = 0): number[] => Array.from({ length: n }, () => random.uniform() + more);
  for (const [a, b] of [
    [draw(1), draw(1)],
    [draw(3), draw(5)],
    [draw(6, 0.2), draw(4)],
    [draw(7), draw(7, 0.4)],
  ] as const)
    assert.ok(Math.abs(chanceOfDifference(a, b) - enumerated(a, b)) < 1e-12, `${a.length} and ${b.length}`);
  // 48,620 ways are drawn from: five standard errors of 20,000 draws.
  const [a, b] = [draw(9, 0.2), draw(9)];
  const exact = enumerated(a, b);
  const found = chanceOfDifference(a, b);
  assert.ok(
    Math.abs(found - exact) < 5 * Math.sqrt((exact * (1 - exact)) / 20_000),
    `${found}, not ${exact}`,
  );
  assert.is(chanceOfDifference(a, b), found, 'the same numbers have the same chance');
  const apart = chanceOfDifference(draw(24), draw(24, 5));
  assert.ok(apart > 0 && apart < 0.001, `${apart} is never 0`);
});

test('random towers are called more than chance as often as the chance says', () => {
  const random = new HostRandom({ seed: [17, 4], stream: 0 });
  const chances = Array.from({ length: 400 }, () => {
    const [a, b] = [0, 1].map(() => Array.from({ length: 6 }, () => random.normal()));
    return chanceOfDifference(a!, b!);
  });
  const low = chances.filter((chance) => chance <= 0.1).length;
  assert.ok(low > 20 && low < 60, `${low} of 400 at 0.1`);
});

test('chances of several runs together, by hand', () => {
  assert.ok(Math.abs(combinedChance([0.03]) - 0.03) < 1e-12);
  // 0.05^2 (1 - ln 0.05^2)
  assert.ok(Math.abs(combinedChance([0.05, 0.05]) - 0.0174787) < 1e-6);
  assert.is(combinedChance([1, 1, 1]), 1);
});

test('another first layer: size, number, start and decay; the rest follows', () => {
  const net = withFirstLayer(nets.small, {
    kernel: 11,
    stride: 2,
    kernels: 20,
    std: 0.02,
    weightDecay: 0.01,
  });
  const [first, second] = placeLayers(net.architecture, net.placement(10));
  assert.equal(
    first!.towers.map(({ weight, positions }) => [weight, positions]),
    [
      [
        [20, 3, 11, 11],
        [16, 16],
      ],
      [
        [20, 3, 11, 11],
        [16, 16],
      ],
    ],
  );
  assert.is(second!.towers[0]!.input[0], 20);
  assert.equal([first!.spec.std, first!.spec.weightDecay], [0.02, 0.01]);
  assert.equal(withFirstLayer(nets.small, {}).architecture, nets.small.architecture);
  assert.throws(() => withFirstLayer(nets.small, { kernel: 6 }), /6x6 have no middle pixel/);
});

test.run();
