/**
 * Ranks: what launchers say, that nobody trains by himself under one, and that calls and trainings of two and three
 * ranks come to the same bits with every MPI that is installed.
 */
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { launchedBy } from '../../../src/train/ranks/launcher.js';
import { softwareDriver } from '../../../support/driver.js';
import { root } from '../../../support/root.js';
import { withFolder } from '../../data/files.js';
import { type Launcher, launchers, runProgram, runRanks } from '../../support/mpi.js';

const test = suite('ranks');
const program = fileURLToPath(new URL('./program.js', import.meta.url));
const installed = launchers();

/** What the ranks of a program wrote, rank by rank. */
async function resultsOf<T>(
  launcher: Launcher | null,
  ranks: number,
  mode: string,
  ...more: readonly string[]
): Promise<T[]> {
  const results: T[] = [];
  await withFolder({}, async (folder) => {
    const args = [program, mode, folder, ...more];
    const { code, output } = launcher
      ? await runRanks(launcher, ranks, args, folder)
      : await runProgram(args, folder);
    assert.is(code, 0, `${launcher?.name} ${ranks}: ${output}`);
    for (let rank = 0; rank < ranks; rank++) {
      results.push(JSON.parse(await readFile(join(folder, `${rank}.json`), 'utf8')));
    }
  });
  return results;
}

test('launchers are known by what they leave in the environment', () => {
  const seen = (env: Record<string, string>): unknown => {
    const { rank, size, families } = launchedBy(env) ?? { rank: null, size: null, families: [] };
    return [rank, size, families[0]];
  };
  assert.equal(seen({}), [null, null, undefined]);
  assert.equal(seen({ OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '4' }), [1, 4, 'openmpi']);
  assert.equal(seen({ PMI_RANK: '0', PMI_SIZE: '2' }), [0, 2, 'mpich']);
  assert.equal(seen({ PMIX_RANK: '3' }), [3, null, 'openmpi']);
  assert.equal(seen({ SLURM_PROCID: '2', SLURM_STEP_NUM_TASKS: '8' }), [2, 8, 'mpich']);
  // One process that a launcher started trains by itself, and so does a batch script without srun.
  assert.is(launchedBy({ OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '1' }), null);
  assert.is(launchedBy({ SLURM_PROCID: '0', SLURM_NTASKS: '8' }), null);
});

interface Calls {
  readonly sums: readonly { readonly hash: string; readonly inOrder: boolean }[];
  readonly place: unknown;
  readonly last: number;
  readonly gathered: readonly number[][];
  readonly received: readonly number[];
  readonly order: readonly number[];
  readonly half: readonly number[];
  readonly calledMpi: boolean;
  readonly library: string | null;
}

test('without a launcher there is one rank, and koffi is not loaded', async () => {
  const [alone] = await resultsOf<Calls>(null, 1, 'calls');
  assert.not.ok(alone!.calledMpi);
  assert.ok(alone!.sums.every(({ inOrder }) => inOrder));
  assert.equal(alone!.place, { rank: 0, size: 1, localRank: 0, localSize: 1 });
  assert.equal([alone!.last, alone!.gathered, alone!.received], [10, [[0]], [0, 0]]);
  assert.equal(
    [alone!.order, alone!.half],
    [
      [0, 1],
      [0, 1, 0],
    ],
  );
});

test('under a launcher without its MPI it is an error, and nobody trains alone', async () => {
  await withFolder({}, async (folder) => {
    const started = async (env: Record<string, string>): Promise<string> => {
      const { code, output } = await runProgram([program, 'calls', folder], folder, env);
      assert.is(code, 1, output);
      return output;
    };
    const two = { OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '2' };
    const missing = await started({ ...two, TANDEM_MPI: join(folder, 'none.so') });
    assert.match(missing, /RanksError: openRanks: .*Open MPI's mpirun .*can't be loaded .*TANDEM_MPI/);
    const cut = await started({ PMI_RANK: '0', PMI_SIZE: '2', PMI_FD: '97' });
    assert.match(cut, /RanksError: openRanks: .*connection .*npx.*node_modules\/\.bin\/tandem/);
  });
});

for (const launcher of installed) {
  test(`a library that isn't the launcher's is an error (${launcher.name})`, async () => {
    const other = installed.find(({ name }) => name !== launcher.name);
    if (!other) return;
    await withFolder({}, async (folder) => {
      const TANDEM_MPI = other.name === 'MPICH' ? 'libmpich.so.12' : 'libmpi.so.40';
      const { code, output } = await runRanks(launcher, 2, [program, 'calls', folder], folder, {
        env: { TANDEM_MPI },
      });
      assert.is.not(code, 0);
      assert.match(output, /RanksError: openRanks: .*started 2 processes, but to .* one of 1.*TANDEM_MPI/);
    });
  });
}

for (const ranks of [2, 3]) {
  test(`calls of ${ranks} ranks: sums in the order of ranks, bytes where they belong`, async () => {
    for (const launcher of installed) {
      const what = `${launcher.name}, ${ranks} ranks`;
      const all = await resultsOf<Calls>(launcher, ranks, 'calls');
      for (const [rank, { sums, place, last, gathered, received, order, half }] of all.entries()) {
        assert.ok(
          sums.every(({ inOrder }) => inOrder),
          `${what}: the bits of ((x0 + x1) + x2) + ..`,
        );
        assert.equal(sums, all[0]!.sums, what);
        assert.equal(place, { rank, size: ranks, localRank: rank, localSize: ranks });
        assert.is(last, 10 + ranks - 1);
        assert.equal(
          gathered,
          Array.from({ length: ranks }, (_, r) => Array(r + 1).fill(r)),
        );
        assert.equal(received, Array(2).fill((rank + ranks - 1) % ranks));
        assert.equal(order, [(ranks * (ranks - 1)) / 2, ranks]);
        const members = Array.from({ length: ranks }, (_, r) => r).filter((r) => r % 2 === rank % 2);
        assert.equal(half, [members.indexOf(rank), members.length, members.reduce((a, b) => a + b)]);
      }
    }
  });
}

test('the handles and constants of the standard ABI of MPI 5, by a library of it on top of Open MPI', async () => {
  const launcher = installed.find(({ name }) => name === 'Open MPI');
  await withFolder({}, async (folder) => {
    const library = join(folder, 'libmpi_abi.so.0');
    const source = `${root}test/train/ranks/standardAbi.c`;
    const { error, status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-o', library, source, '-ldl'], {
      encoding: 'utf8',
    });
    if (!launcher || error) {
      console.log("SKIPPED: the standard ABI: there's no C compiler (cc), or no Open MPI");
      return;
    }
    assert.is(status, 0, stderr);
    const args = [program, 'calls', folder];
    const { code, output } = await runRanks(launcher, 3, args, folder, { env: { TANDEM_MPI: library } });
    assert.is(code, 0, output);
    for (let rank = 0; rank < 3; rank++) {
      const {
        sums,
        library: named,
        received,
      }: Calls = JSON.parse(await readFile(join(folder, `${rank}.json`), 'utf8'));
      assert.is(named, 'the standard ABI over Open MPI');
      assert.ok(sums.every(({ inOrder }) => inOrder));
      assert.equal(received, Array(2).fill((rank + 2) % 3));
    }
  });
});

interface Training {
  readonly losses: readonly number[];
  readonly hash: string;
  readonly validation: readonly { readonly loss: number; readonly distance: number }[];
}

test('50 steps of 2 and 3 ranks: the losses of one, and the same bits with every MPI and at every run', async () => {
  const [one] = await resultsOf<Training>(null, 1, 'training');
  assert.is(one!.losses.length, 50);
  for (const ranks of [2, 3]) {
    const hashes = new Set<string>();
    // Twice by the first MPI.
    for (const launcher of ranks === 3 ? [...installed, ...installed.slice(0, 1)] : installed) {
      for (const { losses, hash, validation } of await resultsOf<Training>(launcher, ranks, 'training')) {
        hashes.add(hash);
        const what = `${launcher.name}, ${ranks} ranks`;
        assert.is(losses.length, 50, what);
        for (const [i, loss] of losses.entries()) {
          const off = Math.abs(loss - one!.losses[i]!);
          assert.ok(off < 1e-5, `${what}: the loss of step ${i} is ${off} from that of one rank`);
        }
        for (const [i, { loss, distance }] of validation.entries()) {
          assert.ok(Math.abs(loss - one!.validation[i]!.loss) < 1e-5, what);
          assert.ok(Math.abs(distance - one!.validation[i]!.distance) < 1e-5, what);
        }
      }
    }
    if (installed.length > 0) assert.is(hashes.size, 1, `${ranks} ranks came to ${hashes.size} models`);
  }
});

test('four micro-batches: the bits of one rank by two and four, no matter how many took which', async () => {
  const [one] = await resultsOf<Training>(null, 1, 'tree');
  assert.is(one!.losses.length, 15);
  for (const launcher of installed) {
    for (const ranks of [2, 4]) {
      for (const { hash, losses } of await resultsOf<Training>(launcher, ranks, 'tree')) {
        assert.is(hash, one!.hash, `${launcher.name}, ${ranks} ranks: the weights`);
        assert.equal(losses, one!.losses);
      }
    }
  }
});

test('15 steps of two ranks on WebGPU devices, whose gradients go through the host: the losses of one on the CPU', async () => {
  const [launcher] = installed;
  const driver = launcher ? await softwareDriver() : null;
  if (!launcher || driver === null) return;
  const [one] = await resultsOf<Training>(null, 1, 'short');
  const both = await resultsOf<Training>(launcher, 2, 'short', driver);
  assert.is(both[0]!.hash, both[1]!.hash);
  for (const [i, loss] of both[0]!.losses.entries()) {
    const off = Math.abs(loss - one!.losses[i]!);
    assert.ok(off < 1e-4, `the loss of step ${i} is ${off} from the CPU's`);
  }
});

test.run();
