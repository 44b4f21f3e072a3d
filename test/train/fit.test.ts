/**
 * Fitting a model to numbers: what is reported, and that a training goes on to the same bits whatever stopped it.
 */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Device } from '../../src/core/device.js';
import { ArgumentError, DataError } from '../../src/core/errors.js';
import { mul } from '../../src/core/ops/elementwise.js';
import { sum } from '../../src/core/ops/reduce.js';
import { LockedError } from '../../src/data/lock.js';
import { PlateauSchedule } from '../../src/nn/schedule.js';
import { readCheckpoint } from '../../src/train/checkpoint.js';
import { DivergedError } from '../../src/train/diverged.js';
import type { FitEvent } from '../../src/train/events.js';
import { type FitOptions, type FitOutcome, fit } from '../../src/train/fit.js';
import { findCheckpoint, RunExistsError } from '../../src/train/runFolder.js';
import type { StepResult } from '../../src/train/step.js';
import { withFolder } from '../data/files.js';
import { withDevices } from '../support/devices.js';
import { rejection } from '../support/errors.js';
import { type Rows, regression, rows } from './regression.js';

const test = suite('fit');
const one = [{ threads: 1 }];

/** Starts the program once: everything is made anew, and gone on with what the folder holds. */
async function started(
  device: Device,
  folder: string | undefined,
  changes: Partial<FitOptions<Rows>> = {},
): Promise<FitOutcome> {
  const training = regression(device);
  try {
    return await fit({ ...training, folder, ...changes });
  } finally {
    training.dispose();
  }
}

/** What must be equal: the checkpoints' bytes, and the log but for its times. */
async function results(folder: string): Promise<unknown[]> {
  const log = (await readFile(join(folder, 'log.jsonl'), 'utf8')).trim().split('\n');
  const lines = log.map((line): object => ({ ...JSON.parse(line), samplesPerSecond: 0, seconds: 0 }));
  const files = ['last.safetensors', 'best.safetensors', 'run.json'];
  return [lines, ...(await Promise.all(files.map((file) => readFile(join(folder, file)))))];
}

test('epochs, steps and validation are told as they happen, and the log says what they came to', () =>
  withDevices(one, (device) =>
    withFolder({}, async (folder) => {
      const seen: string[] = [];
      const losses: number[] = [];
      const outcome = await started(device, join(folder, 'a', 'run'), {
        epochs: 2,
        on: (event) => {
          if (event.kind === 'step') losses.push(event.totals.sums.loss! / event.totals.count);
          const at = event.kind === 'epoch' ? event.record.epoch : `${event.epoch}:${event.done}/${event.of}`;
          seen.push(`${event.kind} ${at}`);
        },
      });
      const epoch = (n: number): string[] => [
        ...[1, 2, 3, 4].map((k) => `step ${n}:${k}/4`),
        ...[1, 2, 3, 4].map((k) => `validation ${n}:${k}/4`),
        `epoch ${n}`,
      ];
      assert.equal(seen, [...epoch(1), ...epoch(2)]);
      const [first, second] = outcome.history;
      assert.is(first!.train.loss, losses[3]);
      assert.equal(Object.keys(first!.validation!), ['loss', 'distance']);
      assert.equal([first!.learningRate, second!.learningRate], [0.02, 0.01]);
      const run = join(folder, 'a', 'run');
      assert.equal((await readdir(run)).sort(), [
        'best.safetensors',
        'last.safetensors',
        'log.jsonl',
        'run.json',
      ]);
      const [line] = (await readFile(join(run, 'log.jsonl'), 'utf8')).split('\n');
      const { seconds, samplesPerSecond, ...rest }: Record<string, number> = JSON.parse(line!);
      assert.ok(seconds! > 0 && samplesPerSecond! > 0);
      assert.equal(rest, {
        epoch: 1,
        trainLoss: first!.train.loss,
        trainDistance: first!.train.distance,
        valLoss: first!.validation!.loss,
        valDistance: first!.validation!.distance,
        learningRate: 0.02,
      });
      assert.equal(JSON.parse(await readFile(join(run, 'run.json'), 'utf8')), { what: 'regression' });
      assert.equal((await readCheckpoint((await findCheckpoint(run)).file)).about, { what: 'regression' });
    }),
  ));

test('stopped by its signal at any event, it goes on to the same bits', () =>
  withDevices(one, (device) =>
    withFolder({}, async (folder) => {
      const whole = join(folder, 'whole');
      let events = 0;
      await started(device, whole, { on: () => void events++ });
      assert.is(events, 27);
      const expected = await results(whole);
      for (let at = 1; at <= events; at += 2) {
        const out = join(folder, `stopped-${at}`);
        const stop = new AbortController();
        let seen = 0;
        const on = (): void => {
          if (++seen === at) stop.abort();
        };
        const { interrupted } = await started(device, out, { signal: stop.signal, on });
        assert.is(interrupted, at < events, `stopped at event ${at}`);
        await started(device, out);
        assert.equal(await results(out), expected, `stopped at event ${at}`);
      }
      // Stopped again and again, after each step.
      const out = join(folder, 'again');
      for (let starts = 1; ; starts++) {
        const stop = new AbortController();
        const on = ({ kind }: FitEvent): void => {
          if (kind === 'step') stop.abort();
        };
        const { interrupted } = await started(device, out, { signal: stop.signal, on });
        if (!interrupted) break;
        assert.ok(starts <= 12, 'it never ends');
      }
      assert.equal(await results(out), expected);
    }),
  ));

test('broken off by an error at any event, it goes on from the last epoch to the same bits', () =>
  withDevices(one, (device) =>
    withFolder({}, async (folder) => {
      const whole = join(folder, 'whole');
      await started(device, whole);
      const expected = await results(whole);
      for (let at = 1; at <= 27; at += 4) {
        const out = join(folder, `broken-${at}`);
        let seen = 0;
        const on = (): void => {
          if (++seen === at) throw new Error('the power went');
        };
        assert.is((await rejection(started(device, out, { on }))).message, 'the power went');
        await started(device, out);
        assert.equal(await results(out), expected, `broken at event ${at}`);
      }
    }),
  ));

test('the log is only an output: lost, cut or damaged, it is written anew, and the best stays the best', () =>
  withDevices(one, (device) =>
    withFolder({}, async (folder) => {
      const whole = join(folder, 'whole');
      await started(device, whole);
      const [lines, ...files] = await results(whole);
      for (const damage of ['', 'gone', '{"epoch":1\n5\n[]\n']) {
        const out = join(folder, `log${damage.length}`);
        await started(device, out, { epochs: 2 });
        if (damage === 'gone') await rm(join(out, 'log.jsonl'));
        else await writeFile(join(out, 'log.jsonl'), damage);
        await started(device, out);
        const [again, ...same] = await results(out);
        assert.equal(again, lines);
        assert.equal(same, files);
      }
    }),
  ));

test('killed between its first two checkpoints, a training goes on from the one there is', () =>
  withDevices(one, (device) =>
    withFolder({}, async (folder) => {
      const [whole, out] = [join(folder, 'whole'), join(folder, 'out')];
      await started(device, whole);
      await started(device, out, { epochs: 1 });
      await rm(join(out, 'last.safetensors'));
      await started(device, out);
      assert.equal(await results(out), await results(whole));
    }),
  ));

test('more epochs go on from the end; none left is nothing to do', () =>
  withDevices(one, (device) =>
    withFolder({}, async (folder) => {
      const [whole, longer] = [join(folder, 'whole'), join(folder, 'longer')];
      await started(device, whole);
      await started(device, longer, { epochs: 1 });
      await started(device, longer);
      assert.equal(await results(longer), await results(whole));
      const { history, interrupted } = await started(device, longer, { on: () => assert.unreachable() });
      assert.equal([history.length, interrupted], [3, false]);
    }),
  ));

test('a checkpoint of something else is refused, and nothing has changed', () =>
  withDevices(one, (device) =>
    withFolder({}, async (folder) => {
      const out = join(folder, 'run');
      const stop = new AbortController();
      await started(device, out, { signal: stop.signal, on: () => stop.abort() });
      const before = await readFile(join(out, 'last.safetensors'));
      const training = regression(device);
      const begun = await training.model.stateDict();
      const cases: [Partial<FitOptions<Rows>>, RegExp][] = [
        [{ parts: {} }, /holds the state of 'noise', which this training doesn't have/],
        [{ parts: { ...training.parts, more: regression(device).model } }, /but no state of 'more'/],
        [
          { model: regression(device).model.layers[0]! },
          /'model' doesn't fit: parameters: weight is missing/,
        ],
        [{ data: rows(1, 20) }, /rows: has 5 batches, the epoch to go on with had 4: use the same data/],
      ];
      for (const [changes, message] of cases) {
        const error = await rejection(fit({ ...training, folder: out, ...changes }));
        assert.instance(error, DataError);
        assert.match(error.message, message);
        if (!changes.data) assert.equal(await training.model.stateDict(), begun);
      }
      assert.ok(before.equals(await readFile(join(out, 'last.safetensors'))));
      assert.instance(await rejection(fit({ ...training, folder: out, resume: false })), RunExistsError);
      for (const name of ['fit', 'a.b', '']) {
        const error = await rejection(fit({ ...training, parts: { [name]: training.model } }));
        assert.instance(error, ArgumentError, name);
      }
      assert.equal(
        (await readdir(out)).filter((name) => name.startsWith('lock')),
        [],
      );
    }),
  ));

test('two trainings in one folder: the second is refused, and the first goes on', () =>
  withDevices(one, (device) =>
    withFolder({}, async (folder) => {
      let refused: Error | null = null;
      const on = async (event: FitEvent): Promise<void> => {
        if (event.kind === 'epoch') refused ??= await rejection(fit({ ...regression(device), folder }));
      };
      const { history } = await started(device, folder, { on });
      assert.instance(refused, LockedError);
      assert.is(history.length, 3);
    }),
  ));

test('training that diverges says when and where, leaves the last checkpoint, and names it', () =>
  withDevices(one, (device) =>
    withFolder({}, async (folder) => {
      const run = (rate: number, epochs: number): Promise<FitOutcome> => {
        const made = regression(device);
        for (const group of made.optimizer.groups)
          Object.assign(group, { learningRate: rate, initialRate: rate });
        return fit({ ...made, folder, epochs });
      };
      const first = await rejection(run(1e20, 3));
      if (!(first instanceof DivergedError)) return assert.unreachable(`${first.stack}`);
      assert.match(
        first.message,
        /diverged: the loss is (NaN|Infinity) at epoch 1, batch \d; 0\.weight holds NaN or infinity\. No checkpoint/,
      );
      assert.is(first.checkpoint, null);
      assert.equal(await readdir(folder), ['run.json']);
      await run(0.02, 1);
      const bytes = await readFile(join(folder, 'last.safetensors'));
      const second = await rejection(run(1e20, 3));
      if (!(second instanceof DivergedError)) return assert.unreachable(`${second.stack}`);
      assert.match(second.message, /at epoch 2, .*last\.safetensors is from before$/);
      assert.is(second.checkpoint, join(folder, 'last.safetensors'));
      assert.ok(bytes.equals(await readFile(join(folder, 'last.safetensors'))));
    }),
  ));

test('the schedule and the best go by the metric named; `until` ends a training', () =>
  withDevices(one, (device) =>
    withFolder({}, async (folder) => {
      const made = regression(device);
      const schedule = new PlateauSchedule(made.optimizer, { patience: 1, maxDrops: 1 });
      const errors = [3, 1, 2, 1, 5];
      let epoch = 0;
      const best: boolean[] = [];
      const { history } = await fit({
        ...made,
        schedule,
        folder,
        epochs: 9,
        watch: 'distance',
        validation: async () => ({ loss: 10 - epoch, distance: errors[epoch++]! }),
        on: (event) => {
          if (event.kind === 'epoch') best.push(event.best);
        },
      });
      assert.equal(best, [true, true, false, false]);
      assert.equal(
        history.map(({ learningRate }) => learningRate),
        [0.02, 0.02, 0.02, 0.002],
      );
      // Stopped by its schedule, it stays so, however often it is started again.
      const again = regression(device);
      const rest = await fit({
        ...again,
        schedule: new PlateauSchedule(again.optimizer, { patience: 1, maxDrops: 1 }),
        folder,
        epochs: 9,
        on: () => assert.unreachable(),
      });
      assert.equal([rest.stopped, rest.history], [true, history]);
      const saved = await findCheckpoint(folder, 'best');
      assert.match(saved.file, /best\.safetensors$/);
      const second = await fit({ ...regression(device), epochs: 9, until: ({ epoch: done }) => done === 2 });
      assert.equal([second.history.length, second.stopped, second.interrupted], [2, true, false]);
    }),
  ));

test('a step may update by itself: two optimizers in turn, both in the checkpoint', () =>
  withDevices(one, (device) =>
    withFolder({}, async (folder) => {
      const run = async (out: string, signal?: AbortSignal, on?: () => void): Promise<void> => {
        const [a, b] = [regression(device), regression(device)];
        const update = (which: typeof a, batch: Rows): StepResult => {
          const { loss, count = 1 } = which.step(batch);
          which.optimizer.zeroGrad();
          loss.backward();
          which.optimizer.step();
          return { loss: loss.detach(), count };
        };
        const { optimizer: _, schedule: __, ...rest } = a;
        await fit({
          ...rest,
          validation: undefined,
          signal,
          on,
          folder: out,
          parts: { ...a.parts, other: b.model, noise2: b.parts!.noise! },
          step: (batch) => {
            const one = update(a, batch);
            const two = update(b, batch);
            return { loss: one.loss, sums: { other: two.loss }, count: one.count };
          },
        });
      };
      await run(join(folder, 'whole'));
      const checkpoint = await readCheckpoint((await findCheckpoint(join(folder, 'whole'))).file);
      assert.equal([...checkpoint.parts.keys()], ['model', 'random', 'noise', 'other', 'noise2', 'fit']);
    }),
  ));

test('what a step may not give is an error that says so', () =>
  withDevices(one, async (device) => {
    const made = regression(device);
    const weight = made.model.parameters()[0]!;
    const error = await rejection(fit({ ...made, step: () => ({ loss: mul(weight, 2) }) }));
    assert.match(error.message, /step: loss is 8x3, expected one number/);
    const total = (): { loss: ReturnType<typeof sum> } => ({ loss: sum(weight) });
    const source = {
      name: 'odd',
      length: 2,
      epoch: async function* () {
        yield [0, 1] as const;
        yield [0, 1] as const;
      },
    };
    const twice = await rejection(
      fit({ model: made.model, optimizer: made.optimizer, step: total, data: source, epochs: 1 }),
    );
    assert.match(twice.message, /odd: gave batch 0 of epoch 0, expected 1 to 1, in order/);
    const empty = { ...source, epoch: async function* (): AsyncGenerator<readonly [number, number]> {} };
    const none = await rejection(fit({ model: made.model, step: total, data: empty, epochs: 1 }));
    assert.match(none.message, /odd: gave no batch to train on/);
    const count = await rejection(fit({ ...made, epochs: 1.5 }));
    assert.match(count.message, /epochs is 1.5/);
  }));

test('nothing is left on the device', () =>
  withDevices(one, async (device) => {
    await started(device, undefined, { epochs: 2 });
    assert.is(device.memory().buffers, 0);
  }));

test.run();
