/** Options of the recipe: what each changes, what doesn't go together, which a resumed run may have, and the sentence. */
import { Command } from 'commander';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Recipe } from '../../src/alexnet/recipes.js';
import { addNetOptions, chosenTraining } from '../../src/cli/recipe.js';
import { addRecipeOptions, mayResume, recipeSentence } from '../../src/cli/recipeFields.js';

const test = suite('recipe');

function recipeOf(line: string): Recipe {
  const command = addRecipeOptions(addNetOptions(new Command()))
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  command.parse(line === '' ? [] : line.split(' '), { from: 'user' });
  return chosenTraining(command.opts()).recipe;
}

test('each option changes its fields and no others', () => {
  const noise = { form: 'sqrt', deviation: 0.1, divisor: 1, until: null } as const;
  const cases: [line: string, base: string, changes: Partial<Recipe>][] = [
    ['--epochs 20 --batch 8', '', { epochs: 20, batchSize: 8 }],
    // The biases' rate of this network is twice the weights'.
    ['--net 80sec --learning-rate 0.5', '--net 80sec', { learningRate: 0.5, biasRate: 1 }],
    ['--bias-rate 3 --learning-rate 0.5', '', { learningRate: 0.5, biasRate: 3 }],
    [
      '--momentum 0.5 --weight-decay 0.1 --bias-decay 0',
      '',
      { momentum: 0.5, weightDecay: 0.1, biasDecay: 0 },
    ],
    ['--drop 0.5', '', { schedule: { kind: 'step', milestones: [8, 10], factor: 0.5 } }],
    ['--patience 3', '', { schedule: { kind: 'plateau', factor: 0.1, patience: 3, maxDrops: 3 } }],
    [
      '--net alexnet --milestones 2,3',
      '--net alexnet',
      { schedule: { kind: 'step', factor: 0.1, milestones: [2, 3] } },
    ],
    [
      '--lowered weights --mean centre --test-crops 10',
      '',
      { lowered: 'weights', mean: 'centre', testCrops: 10 },
    ],
    ['--slowed conv1:2:0', '', { slowed: [{ layer: 'conv1', epoch: 2, factor: 0 }] }],
    ['--no-augment --crop-places all', '', { augment: false, cropPlaces: 'all' }],
    ['--colour-noise sqrt', '', { colourNoise: noise }],
    [
      '--net alexnet --colour-until 3 --colour-divisor 2',
      '--net alexnet',
      { colourNoise: { ...noise, until: 3, divisor: 2 } },
    ],
  ];
  for (const [line, base, changes] of cases)
    assert.equal(recipeOf(line), { ...recipeOf(base), ...changes }, line);
});

test("what doesn't go together is refused", () => {
  for (const [line, message] of [
    ['--schedule plateau --milestones 2', /--milestones goes with --schedule step/],
    ['--milestones 2 --patience 2', /--patience goes with --schedule plateau/],
    ['--epochs 3 --milestones 3', /--milestones 3: no epoch comes after 3/],
    ['--drop 1', /--drop 1: expected a number between 0 and 1/],
    ['--slowed conv9:1:1', /--slowed: .* has no layer conv9/],
    ['--colour-until 3', /go with --colour-noise/],
    ['--crop-places some', /Allowed choices are all, below-margin/],
  ] as const) {
    assert.throws(() => recipeOf(line), message);
  }
});

test('a resumed run may have other epochs and rates', () => {
  assert.ok(['epochs', 'learningRate', 'biasRate'].every(mayResume));
  assert.not.ok(['batch', 'momentum', 'augment', 'net', 'seed'].some(mayResume));
});

test('a recipe in a sentence', () => {
  assert.is(
    recipeSentence(recipeOf('--epochs 9 --slowed conv1:2:0')),
    '9 epochs, batches of 64, rate 0.015 (biases 0.015), momentum 0.9, decay 0.0005 (biases 0.0005), ' +
      'rate x 0.1 after epochs 8 (milestones 10 come too late), conv1 frozen from epoch 2, ' +
      'random crops (below-margin) and mirroring, no colour noise, mean of the crop, validation by the centre',
  );
});

test.run();
