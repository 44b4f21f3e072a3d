/** What figures show: errors where they are, whole epochs, names that cover nothing, the class of every picture. */
import { parseHTML } from 'linkedom';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { drawAnswers } from '../../src/alexnet/figures/answers.js';
import { plotCurves } from '../../src/alexnet/figures/curves.js';
import { drawGallery } from '../../src/alexnet/figures/gallery.js';
import { drawKernels, kernelsOf } from '../../src/alexnet/figures/kernels.js';
import { openPlotter } from '../../src/alexnet/figures/plot.js';
import { plotRace } from '../../src/alexnet/figures/race.js';
import { plotTimeline } from '../../src/alexnet/figures/timeline.js';
import type { LogLine } from '../../src/alexnet/log.js';
import { publishedTraining } from '../../src/alexnet/published.js';
import type { RaceLine } from '../../src/alexnet/race.js';
import type { KernelTime } from '../../src/core/backend.js';
import type { Picture } from '../../src/data/images/resize.js';

const test = suite('pictures');
const plotter = await openPlotter();

const documentOf = (svg: string): Document => parseHTML(svg).document;
const textsOf = (svg: string): string[] =>
  [...documentOf(svg).querySelectorAll('text')].map((text) => text.textContent ?? '');
/** The labels of ticks that are numbers of epochs. */
const ticksOf = (svg: string): string[] =>
  [...documentOf(svg).querySelectorAll('[aria-label="x-axis tick label"] text')].map(
    (text) => text.textContent ?? '',
  );

/** A race of these errors, one an epoch. */
function race(activation: RaceLine['activation'], errors: readonly number[]): RaceLine[] {
  return errors.map((trainError, i) => ({
    activation,
    seed: 0,
    rate: 0.01,
    images: 10,
    epoch: i + 1,
    trainError,
    seconds: 1,
    ...(i === errors.length - 1 && {
      ended: trainError <= 0.25 ? ('reached' as const) : ('gave up' as const),
    }),
  }));
}

test('a race shows errors above 75 % where they are, and whole epochs', () => {
  const lines = [...race('relu', [0.9, 0.6, 0.2]), ...race('tanh', [0.95, 0.85, 0.8, 0.78])];
  const svg = plotRace(plotter, lines, 0.25);
  const [relu, tanh] = [...documentOf(svg).querySelectorAll('[aria-label="line"] path')].map((path) =>
    [...(path.getAttribute('d') ?? '').matchAll(/[ML]([\d.]+),([\d.]+)/g)].map(([, , y]) => Number(y)),
  );
  // Lower errors lie lower, one below the other.
  for (const ys of [relu, tanh]) {
    assert.ok(ys && ys.length >= 3 && ys.every((y, i) => i === 0 || y > ys[i - 1]!), JSON.stringify(ys));
  }
  assert.ok(tanh![0]! < relu![0]!);
  assert.equal(ticksOf(svg), ['0', '1', '2', '3', '4']);
  // Errors that stay below leave the paper's axis as it is.
  assert.not.match(plotRace(plotter, race('relu', [0.7, 0.2]), 0.25), />80</);
});

const line: Omit<LogLine, 'epoch'> = {
  trainLoss: 1,
  trainError: 0.5,
  valLoss: 1,
  valError: 0.5,
  valTop5Error: null,
  learningRate: 0.1,
  imagesPerSecond: 1,
  seconds: 1,
};

test("a race's picture names rates, epochs and ratios, spans the seeds' spread, and leaves out what diverged", () => {
  const seed = (lines: RaceLine[], n: number): RaceLine[] => lines.map((line) => ({ ...line, seed: n }));
  const lines = [
    ...seed(race('relu', [0.75, 0.25]), 0),
    ...seed(race('relu', [0.75, 0.5, 0.25]), 1),
    ...seed(race('tanh', [0.9, 0.8, 0.7, 0.6, 0.25]), 0),
    ...seed(race('tanh', [0.9, 0.8, 0.7, 0.6, 0.25]), 1),
    ...race('abs-tanh', [0.9, 0.6]).map((line) => ({
      ...line,
      ...(line.ended && { ended: 'diverged' as const }),
    })),
  ];
  const svg = plotRace(plotter, lines, 0.25);
  const texts = textsOf(svg);
  for (const text of [
    'ReLU at 0.01: 2.5 epochs (2.0, 3.0)',
    'tanh at 0.01: 5.0 epochs (5.0, 5.0), 2.0 x ReLU',
    '|tanh| at 0.01: never there',
  ])
    assert.ok(texts.includes(text), `${text} isn't in ${texts.join('; ')}`);
  const bars = [...documentOf(svg).querySelectorAll('[aria-label="rule"] [stroke]')];
  assert.is(bars.length, 2);
  const lengths = bars.map((bar) => Number(bar.getAttribute('x2')) - Number(bar.getAttribute('x1')));
  assert.ok(lengths[0]! > 50 && Math.abs(lengths[1]!) < 1e-6, lengths.join());
});

test('runs of any length have ticks at whole epochs, at most ten or so', () => {
  for (const epochs of [1, 2, 3, 7, 12, 90, 1000]) {
    const lines = Array.from({ length: epochs }, (_, i) => ({ ...line, epoch: i + 1 }));
    for (const svg of plotCurves(plotter, lines).values()) {
      const ticks = ticksOf(svg);
      assert.ok(ticks.length >= 1 && ticks.length <= 11, `${epochs} epochs: ${ticks}`);
      assert.ok(
        ticks.every((tick) => /^\d+$/.test(tick) && Number(tick) <= epochs),
        `${epochs}: ${ticks}`,
      );
      assert.not.match(svg, /\u26a0/, 'a warning of the library');
    }
  }
});

test("AlexNet's curves stand before the rates of 2012, at their epochs, and beside CaffeNet's; others alone", () => {
  const beside = publishedTraining(
    'alexnet',
    Array.from({ length: 1000 }, (_, i) => `n${i}`),
  );
  // Two epochs: what was published reaches further than the run.
  const lines = [1, 2].map((epoch) => ({ ...line, epoch }));
  const drawn = plotCurves(plotter, lines, beside);
  const placesOf = (svg: string, what: string): number[] =>
    [...documentOf(svg).querySelectorAll(`[aria-label="${what}"] line`)].map((rule) =>
      Number(rule.getAttribute('x1')),
    );
  for (const [name, svg] of drawn) {
    const texts = textsOf(svg);
    for (const rate of ['0.001', '0.0001', 'conv1 0.00001', '0.00001', 'end'])
      assert.ok(texts.includes(rate), `${name}: ${rate}`);
    assert.equal(ticksOf(svg).at(-1), '90');
    assert.is(
      texts.some((text) => /CaffeNet/.test(text)),
      name === 'errors.svg',
    );
    const [at23, at51, at68, at78, at93] = placesOf(svg, 'rule');
    // The axis is linear: 28 epochs lie between the first two, 25 between the third and the last.
    const epoch = (at51! - at23!) / 28;
    assert.ok(epoch > 4 && Math.abs((at93! - at68!) / 25 / epoch - 1) < 1e-6, `${name}: ${epoch}`);
    assert.ok(Math.abs(at78! - at68! - 10 * epoch) < 1e-6, name);
  }
  for (const svg of plotCurves(plotter, lines).values()) {
    assert.equal(placesOf(svg, 'rule'), []);
    assert.not.ok(textsOf(svg).some((text) => /2012|CaffeNet/.test(text)));
  }
});

test('a timeline names every crossing it has room for, and no name covers another', () => {
  const kernel = (
    device: string,
    layer: string,
    start: number,
    milliseconds: number,
  ): KernelTime & { device: string } => ({
    device,
    kernel: 'conv2d',
    layer,
    phase: 'forward',
    start,
    milliseconds,
    flops: 1,
    bytes: 1,
  });
  const crossing = (from: string, to: string, layer: string, start: number) => ({
    step: 0,
    phase: 'forward' as const,
    layer,
    from,
    to,
    bytes: 98_304,
    start,
    milliseconds: 0.2,
  });
  const devices = ['cpu:0', 'cpu:1'];
  const kernels = devices.flatMap((device) => [
    kernel(device, 'conv1', 0, 40),
    kernel(device, 'x', 40, 0.1),
    kernel(device, 'conv2', 41, 59),
  ]);
  const crossings = [0, 1, 2, 3, 50].flatMap((start) => [
    crossing('cpu:0', 'cpu:1', `conv${start}`, start),
    crossing('cpu:1', 'cpu:0', `conv${start}`, start),
  ]);
  const profile = {
    steps: 1,
    batchSize: 1,
    devices,
    descriptions: devices,
    milliseconds: 100,
    kernels,
    crossings,
  };
  const svg = plotTimeline(plotter, profile);
  const texts = [...documentOf(svg).querySelectorAll('text')].flatMap((text) => {
    const at = /translate\(([\d.]+),([\d.]+)\)/.exec(text.getAttribute('transform') ?? '');
    return at && / kB$/.test(text.textContent ?? '')
      ? [{ text: text.textContent ?? '', x: Number(at[1]), y: Number(at[2]) }]
      : [];
  });
  assert.ok(
    texts.length >= 6 && texts.filter(({ text }) => text.startsWith('conv50 ')).length === 2,
    `${texts.length}`,
  );
  for (const [i, a] of texts.entries()) {
    for (const b of texts.slice(i + 1)) {
      const apart = Math.abs(a.y - b.y) >= 10 || Math.abs(a.x - b.x) >= 5.5 * a.text.length;
      assert.ok(apart, `${a.text} at ${a.x},${a.y} and ${b.text} at ${b.x},${b.y}`);
    }
  }
  const words = textsOf(svg);
  assert.ok(words.includes('conv2') && !words.includes('x'), 'names of layers stand where they fit');
  for (const name of ['cpu:0', 'cpu:1', '\u2192 cpu:0', '\u2192 cpu:1'])
    assert.ok(words.includes(name), name);
});

const picture: Picture = { width: 4, height: 4, planes: new Uint8Array(48) };

test('the true class is green, whatever is likeliest', () => {
  const svg = drawAnswers([
    {
      picture,
      caption: 'bee',
      likeliest: [
        { name: 'ant', probability: 0.7, isTrue: false },
        { name: 'bee', probability: 0.3, isTrue: true },
      ],
    },
  ]);
  const colours = [...svg.matchAll(/fill="#(..)(..)(..)"><title>(\w+)/g)].map(([, r, g, b, name]) => {
    const [red = 0, green = 0, blue = 0] = [r, g, b].map((hex) => Number.parseInt(hex ?? '', 16));
    return [name, green > red + 30 && green > blue + 30];
  });
  assert.equal(colours, [
    ['ant', false],
    ['bee', true],
  ]);
});

test('captions of any number of lines have room, and text can not break out of the picture', () => {
  const captioned = (...caption: string[]) => ({ picture, caption });
  const svg = drawGallery([
    { query: captioned('(query)'), found: [captioned('bee', 'a<b>\u001b[31m&\n', '0.5')] },
    { query: captioned('(query)'), found: [captioned('ant')] },
  ]);
  assert.match(svg, />a&lt;b&gt;\\u001b\[31m/);
  const ys = [...svg.matchAll(/<(?:text|image) x="[\d.]+" y="([\d.]+)"/g)].map(([, y]) => Number(y));
  const secondRow = ys.at(-2)!;
  assert.ok(Math.max(...ys.slice(0, 6)) < secondRow, `${ys}`);
});

test('kernels stand below the name of their tower', () => {
  const weights = { shape: [5, 3, 2, 2], data: Float32Array.from({ length: 60 }, (_, i) => i) };
  const svg = drawKernels(kernelsOf(weights, [3, 2]));
  assert.equal(textsOf(svg), ['tower 0: 3 kernels of 2 x 2', 'tower 1: 2 kernels of 2 x 2']);
  assert.is(svg.match(/<image /g)?.length, 2);
});

test.run();
