/** Logs of runs and races: what was written is read; a line that can't be is told by its number and its field. */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readLog } from '../../src/alexnet/log.js';
import { readRace } from '../../src/alexnet/race.js';
import { DataError } from '../../src/core/errors.js';
import { withFolder } from '../data/files.js';
import { rejection } from '../support/errors.js';

const test = suite('logs');

async function refused(work: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await rejection(work);
  assert.instance(error, DataError);
  assert.match(error.message, message);
}

const line = {
  epoch: 1,
  trainLoss: 1.5,
  trainError: 0.5,
  valLoss: 1.25,
  valError: 0.25,
  valTop5Error: null,
  learningRate: 0.01,
  imagesPerSecond: 100,
  seconds: 3,
};

/** Calls `body` with the lines as a file's text. */
const withLog = (
  name: string,
  lines: readonly string[],
  body: (folder: string) => Promise<void>,
): Promise<void> => withFolder({ [name]: lines.map((text) => `${text}\n`).join('') }, body);

test('a log is read', async () => {
  const lines = [1, 2, 3].map((epoch) => ({ ...line, epoch }));
  await withLog(
    'log.jsonl',
    lines.map((each) => JSON.stringify(each)),
    async (folder) => {
      assert.equal(await readLog(folder), lines);
    },
  );
  await withFolder({}, async (folder) => assert.equal(await readLog(folder), []));
});

test('a line of a log that can not be is refused', async () => {
  const cases: [unknown, RegExp][] = [
    [5, /log\.jsonl, line 2: it is 5, expected an object/],
    [{ ...line, epoch: 1 }, /log\.jsonl: epoch 1 comes after epoch 1/],
    [{ ...line, epoch: 2, valError: 'x' }, /line 2: valError is "x", expected a number from 0 to 1/],
    [{ ...line, epoch: 2, valError: 1.5 }, /line 2: valError is 1\.5/],
    [{ ...line, epoch: 2, trainLoss: undefined }, /line 2: trainLoss is missing/],
    [{ ...line, epoch: 0 }, /line 2: epoch is 0/],
  ];
  for (const [second, message] of cases) {
    await withLog('log.jsonl', [JSON.stringify(line), JSON.stringify(second)], (folder) =>
      refused(readLog(folder), message),
    );
  }
  await withLog('log.jsonl', [JSON.stringify(line), '{"epoch":2'], (folder) =>
    refused(readLog(folder), /log\.jsonl, line 2: not JSON: damaged, or cut short/),
  );
});

test('a race that can not be is refused', async () => {
  const race = {
    activation: 'relu',
    seed: 0,
    rate: 0.02,
    images: 100,
    epoch: 1,
    trainError: 0.8,
    seconds: 1,
    ended: 'gave up',
  };
  const read = (folder: string): ReturnType<typeof readRace> => readRace(join(folder, 'figure1.jsonl'));
  await withLog('figure1.jsonl', [JSON.stringify(race)], async (folder) =>
    assert.equal(await read(folder), [race]),
  );
  await withFolder({}, async (folder) => assert.equal(await read(folder), []));
  for (const [text, message] of [
    ['{"activation":"relu"', /figure1\.jsonl, line 1: not JSON/],
    [
      JSON.stringify({ ...race, activation: 'elu' }),
      /line 1: activation is "elu", expected one of "relu", "tanh"/,
    ],
    [JSON.stringify({ ...race, trainError: -1 }), /line 1: trainError is -1/],
    [JSON.stringify({ ...race, ended: 'won' }), /line 1: ended is "won"/],
  ] as const) {
    await withLog('figure1.jsonl', [text], (folder) => refused(read(folder), message));
  }
});

test.run();
