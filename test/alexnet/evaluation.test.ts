/** Errors counted by hand, averages over networks, and the measures of figures. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { placeLayers } from '../../src/alexnet/architecture.js';
import { averageAnswers, likeliest, reportOf } from '../../src/alexnet/evaluation.js';
import { kernelsOf, median } from '../../src/alexnet/figures/kernels.js';
import { enlarge, tile } from '../../src/alexnet/figures/picture.js';
import { neuronsOf } from '../../src/alexnet/figures/placement.js';
import { presets } from '../../src/alexnet/presets.js';
import { publishedFor, publishedTraining } from '../../src/alexnet/published.js';
import { epochsTo, type RaceLine, summarize } from '../../src/alexnet/race.js';
import { nets } from '../../src/alexnet/recipes.js';
import { colourfulness, randomColourfulness } from '../../src/alexnet/specialization.js';
import { HostRandom } from '../../src/backends/threefry.js';

const test = suite('evaluation');
const classes = ['a', 'b', 'c', 'd', 'e', 'f'];
const answers = {
  probabilities: Float32Array.of(
    ...[0.5, 0.1, 0.1, 0.1, 0.1, 0.1], // a: right
    ...[0.05, 0.3, 0.25, 0.2, 0.15, 0.05], // a: last but one of equals, so the fifth
    ...[0.2, 0.3, 0.25, 0.15, 0.08, 0.02], // f: the sixth
    ...[0.2, 0.3, 0.25, 0.15, 0.08, 0.02], // c: the second
  ),
  labels: Int32Array.of(0, 0, 5, 2),
  indices: Uint32Array.of(0, 1, 2, 3),
};

test('top-1 and top-5 errors, class by class', () => {
  const report = reportOf(answers, classes);
  assert.is(report.top1Error, 3 / 4);
  assert.is(report.top5Error, 1 / 4);
  const loss = -[0.5, 0.05, 0.02, 0.25].reduce((sum, p) => sum + Math.log(p), 0) / 4;
  assert.ok(Math.abs(report.loss - loss) < 1e-6);
  const [a, b, c, , , f] = report.perClass;
  assert.equal(a, { name: 'a', images: 2, top1Error: 0.5, top5Error: 0, takenFor: { name: 'b', images: 1 } });
  assert.is(b!.images, 0);
  assert.is(c!.top1Error, 1);
  assert.equal([f!.top1Error, f!.top5Error, f!.takenFor!.name], [1, 1, 'b']);
  assert.equal(likeliest(answers.probabilities.subarray(12, 18), 3), [1, 2, 0]);
});

test('no top-5 error with five classes', () => {
  const five = {
    probabilities: Float32Array.of(1, 0, 0, 0, 0),
    labels: Int32Array.of(1),
    indices: Uint32Array.of(0),
  };
  assert.ok(Number.isNaN(reportOf(five, classes.slice(0, 5)).top5Error));
});

test('averages are of the same images', () => {
  const flipped = { ...answers, probabilities: answers.probabilities.map((p) => 1 / 3 - p) };
  for (const p of averageAnswers([answers, flipped]).probabilities) assert.ok(Math.abs(p - 1 / 6) < 1e-6);
  const others = { ...answers, indices: Uint32Array.of(0, 1, 2, 4) };
  assert.throws(() => averageAnswers([answers, others]), /different images/);
});

test('losses beyond the range of the probabilities: averaged as probabilities, finite in the report', () => {
  const far = { ...answers, losses: Float32Array.of(Math.LN2, 150, 400, 1) };
  const near = { ...answers, losses: Float32Array.of(Math.LN2, 151, 100, 1) };
  const { losses } = averageAnswers([far, near]);
  const wanted = [Math.LN2, 150 - Math.log((1 + Math.exp(-1)) / 2), 100 + Math.LN2, 1];
  wanted.forEach((loss, i) => {
    assert.ok(Math.abs(losses![i]! / loss - 1) < 1e-6, `loss ${losses![i]}, expected ${loss}`);
  });
  const mean = wanted.reduce((sum, loss) => sum + loss, 0) / 4;
  assert.ok(Math.abs(reportOf({ ...far, losses: losses! }, classes).loss / mean - 1) < 1e-6);
  // Without them, a probability of 0 is one below the smallest float32.
  const { loss } = reportOf({ ...answers, probabilities: answers.probabilities.map(() => 0) }, classes);
  assert.ok(Math.abs(loss - 149 * Math.LN2) < 1e-6);
});

test('published results stand beside what they are comparable with', () => {
  const thousand = Array.from({ length: 1000 }, (_, i) => `n${i}`);
  assert.equal(
    publishedFor('alexnet', thousand)
      .filter(({ set, networks }) => set === 'ILSVRC-2010 test' && networks === 1)
      .map(({ crops, top1, top5 }) => [crops, top1, top5]),
    [
      [10, 0.375, 0.17],
      [1, 0.39, 0.183],
    ],
  );
  assert.equal(publishedFor('alexnet', classes), []);
  assert.equal(publishedFor('18pct', classes), []);
  const training = publishedTraining('alexnet', thousand)!;
  const { points } = training.curve;
  assert.ok(points.every(({ epoch }, i) => epoch > (points[i - 1]?.epoch ?? 0)));
  // Its reference says 0.565; 305,000 steps of 256 images are 61 epochs.
  assert.ok(Math.abs(points.at(-1)!.error - 0.435) < 1e-3 && Math.abs(points.at(-1)!.epoch - 61) < 0.1);
  // The preset that runs the code of 2012 lowers all rates where net 145-2010 did.
  const whole = training.noted.rates.filter(({ layer }) => layer === undefined);
  assert.equal(
    whole.map(({ epoch }) => epoch),
    presets['as-run'].recipe.schedule.milestones,
  );
  for (const net of ['alexnet-half', 'small', '18pct'])
    assert.is(publishedTraining(net, thousand), undefined);
  assert.is(publishedTraining('alexnet', classes), undefined);
});

test('colourfulness: 0 of grey, 1 of opposed colours, about 2/3 of noise', () => {
  assert.is(colourfulness([1, 2, 1, 2, 1, 2]), 0);
  assert.ok(Math.abs(colourfulness([1, 1, -1, -1, 0, 0]) - 1) < 1e-12);
  assert.is(colourfulness([0, 0, 0]), 0);
  const weights = { shape: [3, 3, 1, 1], data: Float32Array.of(1, 1, 1, 2, -2, 0, 1, 0, 0) };
  const [first, second] = kernelsOf(weights, [1, 2]);
  assert.equal(first!.colourfulness, [0]);
  assert.equal(
    second!.colourfulness.map((x) => Number(x.toFixed(3))),
    [1, 0.667],
  );
  assert.equal([...second!.pictures[0]!.planes], [255, 0, 128]);
  assert.is(median([3, 1, 2, 10]), 2.5);
});

test('random kernels are as colourful as the formula says', () => {
  const [count, side] = [400, 5];
  const random = new HostRandom({ seed: [20120930, 0], stream: 0 });
  const data = Float32Array.from({ length: count * 3 * side ** 2 }, () => random.normal());
  const [tower] = kernelsOf({ shape: [count, 3, side, side], data }, [count]);
  const shares = tower!.colourfulness;
  const mean = shares.reduce((sum, share) => sum + share, 0) / count;
  const deviation = Math.sqrt(shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / count);
  const expected = randomColourfulness(side);
  assert.ok(Math.abs(mean - expected.mean) < 0.01, `mean ${mean}`);
  assert.ok(Math.abs(deviation / expected.deviation - 1) < 0.15, `deviation ${deviation}`);
});

test('pictures are enlarged and tiled', () => {
  const dot = { width: 1, height: 1, planes: Uint8Array.of(10, 20, 30) };
  assert.equal([...enlarge(dot, 2).planes], [10, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30]);
  const tiles = tile([dot, dot], 2, 1);
  assert.equal([tiles.width, tiles.height], [5, 3]);
  assert.equal([...tiles.planes.subarray(5, 10)], [255, 10, 255, 10, 255]);
});

test("the paper's counts of neurons, but for its slip in layer 1", () => {
  const { architecture, placement } = nets.alexnet;
  const counts = placeLayers(architecture, placement(1000)).map(neuronsOf);
  assert.equal(counts, [290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]);
});

test('races end between epochs', () => {
  const line = (activation: 'relu' | 'tanh', seed: number, epoch: number, trainError: number): RaceLine => ({
    activation,
    seed,
    epoch,
    trainError,
    rate: 0.1,
    images: 10,
    seconds: 1,
  });
  const lines = [
    line('relu', 0, 1, 0.5),
    line('relu', 0, 2, 0.2),
    line('tanh', 0, 1, 0.6),
    line('tanh', 0, 2, 0.4),
  ];
  assert.ok(Math.abs(epochsTo(lines.slice(0, 2), 0.25)! - (1 + 25 / 30)) < 1e-9);
  assert.is(epochsTo(lines.slice(2), 0.25), null);
  const [relu, tanh] = summarize([...lines, line('tanh', 1, 1, 0.25)], 0.25);
  assert.is(relu!.ratio, 1);
  assert.equal([tanh!.epochs, tanh!.mean], [[null, 1], null]);
});

test.run();
