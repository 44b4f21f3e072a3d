/**
 * Variants as transformations of tables: what each changes, by the sizes, stages and published parameter counts that
 * follow; and the presets, row by row against the differences between the paper's text and the code that was run.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crossings, type PlacedLayer, parameterCount, placeLayers } from '../../src/alexnet/architecture.js';
import { halfSize } from '../../src/alexnet/networks.js';
import { withPreset } from '../../src/alexnet/presets.js';
import { type Net, nets } from '../../src/alexnet/recipes.js';
import { applyVariant, type Variant } from '../../src/alexnet/variants.js';

const test = suite('variants');
const alexnet: Net = nets.alexnet;
const varied = (variant: Variant, net = alexnet): Net => applyVariant(net, variant);
const placed = (net: Net, classes = 1000): PlacedLayer[] =>
  placeLayers(net.architecture, net.placement(classes));
const kinds = (net: Net, layer: string): string[] =>
  net.architecture.layers.find(({ name }) => name === layer)!.stages.map(({ kind }) => kind);

test('no variant is the network itself', () => {
  const same = varied({});
  assert.equal(same.architecture, alexnet.architecture);
  assert.equal(same.placement(1000), alexnet.placement(1000));
});

test("one tower is the paper's half-size net of 59,798,312 parameters", () => {
  const one = varied({ towers: 1 });
  assert.is(one.towers, 1);
  assert.equal(one.placement(1000), halfSize(1000));
  assert.is(parameterCount(placed(one)), 59_798_312);
});

test('without communication nothing crosses before the last layer', () => {
  const alone = placed(varied({ communication: 'none' }));
  assert.equal(
    crossings(alone).map(({ layer, floats }) => [layer, floats]),
    [['fc8', 2048]],
  );
});

test('plain pooling keeps the sizes of overlapping pooling', () => {
  for (const net of [alexnet, nets.small]) {
    const [plain, usual] = [placed(varied({ pooling: 'plain' }, net)), placed(net)];
    for (const [i, layer] of plain.entries()) {
      assert.equal(layer.towers[0]!.output, usual[i]!.towers[0]!.output, layer.spec.name);
      for (const stage of layer.spec.stages) if (stage.kind === 'pool') assert.is(stage.kernel, 2);
    }
  }
});

test('activations change everywhere, and normalization goes', () => {
  assert.equal(kinds(varied({ activation: 'tanh' }), 'conv1'), ['tanh', 'norm', 'pool']);
  assert.equal(kinds(varied({ activation: 'abs-tanh' }), 'fc7'), ['absTanh', 'dropout']);
  assert.equal(kinds(varied({ lrn: 'off' }), 'conv2'), ['relu', 'pool']);
  assert.equal(kinds(varied({ lrn: 'off' }, nets['18pct']), 'conv1'), ['pool', 'relu']);
});

test('dropout goes, and so does the middle layer: its neighbours meet', () => {
  for (const layer of ['fc6', 'fc7']) assert.equal(kinds(varied({ dropout: 'off' }), layer), ['relu']);
  const usual = placed(alexnet);
  const less = placed(varied({ without: 'conv4' }));
  assert.equal(
    less.map(({ spec }) => spec.name),
    ['conv1', 'conv2', 'conv3', 'conv5', 'fc6', 'fc7', 'fc8'],
  );
  // conv4 is 192 maps of 192 x 3 x 3 weights and a bias in each tower; conv5 reads as many maps as before.
  assert.is(parameterCount(usual) - parameterCount(less), 2 * 192 * (192 * 9 + 1));
  assert.equal(crossings(less), crossings(usual));
  const both = varied({ without: 'conv4', towers: 1 }, nets.small);
  assert.equal(Object.keys(both.placement(10)).includes('conv4'), false);
});

test('what a network lacks cannot be varied', () => {
  assert.throws(() => varied({ lrn: 'off' }, nets['80sec']), /no response normalization/);
  assert.throws(() => varied({ lrnAlpha: 1 }, nets['18pct']), /no normalization across maps/);
  assert.throws(() => varied({ communication: 'none' }, nets['80sec']), /one tower/);
  assert.throws(() => varied({ communication: 'none', towers: 1 }), /one tower/);
  assert.throws(() => varied({ middleStd: 0.1 }, nets['80sec']), /conv5/);
  assert.throws(() => varied({ dropout: 'off' }, nets['80sec']), /no dropout/);
  assert.throws(() => varied({ without: 'conv4' }, nets['80sec']), /no conv4 to leave out/);
  assert.throws(() => withPreset(nets['80sec'], 'paper'), /eight layers/);
});

test('as-run differs from the paper where the code did', () => {
  const { net, variant } = withPreset(alexnet, 'as-run');
  const run = varied(variant, net);
  const layerOf = (name: string) => run.architecture.layers.find((layer) => layer.name === name)!;
  assert.equal(kinds(run, 'conv1'), ['norm', 'pool', 'relu']);
  assert.equal(kinds(run, 'conv2'), ['relu', 'norm', 'norm', 'pool']);
  const [across, within] = layerOf('conv2').stages.flatMap((stage) => (stage.kind === 'norm' ? [stage] : []));
  assert.equal([across!.across, across!.options.alpha], ['tower', 2e-5]);
  assert.equal(within, {
    kind: 'norm',
    across: 'pixels',
    options: { size: 5, alpha: 0.001, beta: 0.75, k: 1, scaling: 'mean' },
  });
  assert.equal(
    run.architecture.layers.map(({ std }) => std),
    [0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01],
  );
  const { recipe } = run;
  assert.equal(
    [recipe.learningRate, recipe.biasRate, recipe.biasDecay, recipe.lowered],
    [0.01, 0.02, 0, 'weights'],
  );
  assert.equal(recipe.schedule, { kind: 'step', milestones: [23, 51, 78], factor: 0.1 });
  assert.equal(
    recipe.slowed.map(({ layer, epoch, factor }) => [layer, epoch, factor]),
    [
      ['conv1', 68, 0.1],
      ['conv1', 72, 0],
    ],
  );
  assert.is(recipe.epochs, 93);
  assert.equal(recipe.colourNoise, { form: 'sqrt', deviation: 0.1, divisor: 1.1, until: 68 });
  assert.equal([recipe.cropPlaces, recipe.cropSharedBy, recipe.mean], ['all', 32, 'centre']);
  // The same tables otherwise.
  assert.is(parameterCount(placed(run)), 60_965_224);
});

test('the paper by its text', () => {
  const { net, variant } = withPreset(alexnet, 'paper');
  assert.equal(variant, {});
  const { recipe } = net;
  assert.equal(
    [recipe.learningRate, recipe.biasRate, recipe.lowered, recipe.slowed],
    [0.01, 0.01, 'all', []],
  );
  assert.equal(recipe.schedule, { kind: 'plateau', patience: 5, maxDrops: 3, factor: 0.1 });
  assert.equal(
    [recipe.cropPlaces, recipe.cropSharedBy, recipe.mean, recipe.epochs],
    ['below-margin', 1, 'crop', 90],
  );
});

test.run();
