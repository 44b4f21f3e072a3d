/**
 * A tower on each rank: the bits of two devices in one process, and crossings at the layers and of the bytes that the
 * tables say, in the ledger of each rank. Several such networks: crossings before sums.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { StepNeeds } from '../../../src/train/dryRun.js';
import { withFolder } from '../../data/files.js';
import { withTwoHosts } from '../../support/hosts.js';
import { type Launcher, launchers, runProgram, runRanks } from '../../support/mpi.js';

const test = suite('a tower on each rank');
const replicas = fileURLToPath(new URL('./replicas.js', import.meta.url));
const program = fileURLToPath(new URL('./program.js', import.meta.url));

interface Step {
  readonly hash: string;
  readonly names: readonly string[];
  readonly layers: readonly string[];
  readonly timed: boolean;
  readonly left: readonly number[];
}

test('a training step of two ranks is that of two devices, and crosses where the table says; of two hosts as well', async () => {
  await withFolder({}, async (folder) => {
    const stepOf = async (rank: number): Promise<Step> =>
      JSON.parse(await readFile(join(folder, `${rank}.json`), 'utf8'));
    const alone = await runProgram([program, folder], folder);
    assert.is(alone.code, 0, alone.output);
    const expected = await stepOf(0);
    const check = async (launcher: Launcher): Promise<void> => {
      const { code, output } = await runRanks(launcher, 2, [program, folder], folder);
      assert.is(code, 0, output);
      for (const rank of [0, 1]) {
        const { hash, names, layers, timed, left } = await stepOf(rank);
        assert.is(hash, expected.hash, `rank ${rank}: outputs, gradients and parameters`);
        assert.equal(names, rank === 0 ? ['cpu:0', 'rank:1'] : ['rank:0', 'cpu:0']);
        assert.equal(layers, ['conv3', 'fc6', 'fc7', 'fc8']);
        assert.ok(timed, 'crossings have times');
        assert.equal(left, [0, 0]);
      }
    };
    for (const launcher of launchers()) await check(launcher);
    await withTwoHosts(folder, async ({ launcher, sentBytes }) => {
      await check(launcher);
      assert.ok(sentBytes() > 500_000, 'what ranks tell each other goes from host to host');
    });
  });
});

interface Replica {
  readonly calls: readonly { readonly call: 'cross' | 'sum' | 'broadcast'; readonly bytes: number }[];
  readonly crossed: StepNeeds['crossings'];
  readonly expected: StepNeeds['crossings'];
  readonly collectives: StepNeeds['collectives'];
}

test('two replicas of two towers: no gradient is queued ahead of a crossing, and a dry run counts every byte', async () => {
  const [launcher] = launchers();
  if (!launcher) return;
  await withFolder({}, async (folder) => {
    const { code, output } = await runRanks(launcher, 4, [replicas, folder], folder);
    assert.is(code, 0, output);
    for (let rank = 0; rank < 4; rank++) {
      const { calls, crossed, expected, collectives }: Replica = JSON.parse(
        await readFile(join(folder, `${rank}.json`), 'utf8'),
      );
      const order = calls.map(({ call }) => call);
      const ahead = calls
        .slice(0, order.lastIndexOf('cross'))
        .reduce((bytes, { call, ...called }) => bytes + (call === 'sum' ? called.bytes : 0), 0);
      assert.is(ahead, 0, `rank ${rank}: bytes of sums ahead of crossings: ${order.join(' ')}`);
      assert.equal(crossed, expected, `rank ${rank}: crossings`);
      const bytesOf = (wanted: string): number =>
        calls.reduce((bytes, { call, ...called }) => bytes + (call === wanted ? called.bytes : 0), 0);
      const own = `rank:${rank % 2}`;
      const sent = expected.filter(({ from }) => from === own);
      assert.is(
        bytesOf('cross'),
        sent.reduce((sum, { bytes }) => sum + bytes, 0),
      );
      const part = collectives.filter(
        ({ what, call, of }) => what === 'figures' || (call === 'sum' && of === own),
      );
      for (const wanted of ['sum', 'broadcast'] as const) {
        const told = part.filter(({ call }) => call === wanted);
        assert.is(
          bytesOf(wanted),
          told.reduce((sum, { bytes }) => sum + bytes, 0),
          `rank ${rank}: ${wanted}`,
        );
        assert.is(
          order.filter((call) => call === wanted).length,
          told.reduce((sum, { calls }) => sum + calls, 0),
        );
      }
      assert.ok(order.filter((call) => call === 'sum').length > 2, 'gradients go in several buckets');
    }
  });
});

test.run();
