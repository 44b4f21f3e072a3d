/**
 * Several processes train one model: each has a rank among them, and MPI carries what they tell each other.
 *
 * Loaded for users: `openRanks`, and what `fit` takes of it. Without a launcher there is one rank, the same program, and
 * neither MPI nor koffi is looked for.
 */
import { fstatSync } from 'node:fs';
import { launchedBy } from './launcher.js';
import { Mpi, RanksError } from './mpi.js';
import { Ranks } from './ranks.js';

export { RanksError } from './mpi.js';
export type { Coming, Numbers, Ranks } from './ranks.js';
export { spreadTowers, type Towers } from './towers.js';

/** This process's number as its launcher says, without MPI; 0 where there is none. */
export function rankOfLauncher(): number {
  return launchedBy(process.env)?.rank ?? 0;
}

let opened: Promise<Ranks> | null = null;

/**
 * The ranks that this program was started as: all of them by `mpirun -n 4 node program.js`, one alone by
 * `node program.js`. MPI begins once in a process, so later calls give the same.
 * @throws {RanksError} under a launcher without koffi or its MPI library, or with another launcher's: the processes
 * would each train by itself
 */
export function openRanks(): Promise<Ranks> {
  opened ??= open();
  return opened;
}

async function open(): Promise<Ranks> {
  const launched = launchedBy(process.env);
  if (!launched) return Ranks.alone();
  checkConnection(process.env.PMI_FD);
  const mpi = await Mpi.load(launched);
  const ranks = await Ranks.of(mpi);
  const { launcher, size } = launched;
  if (ranks.size !== (size ?? ranks.size) || (ranks.size === 1 && launched.rank > 0)) {
    const message =
      `openRanks: ${launcher} started ${size ?? 'several'} processes, but to ${mpi.version} this is one of ` +
      `${ranks.size}: it's another launcher's library; use the launcher of ${mpi.version}, or name the file of the ` +
      "right library in the environment variable TANDEM_MPI (srun's --mpi chooses what it starts for)";
    await ranks.close();
    throw new RanksError(message);
  }
  return ranks;
}

/**
 * MPICH's mpiexec speaks with the processes it starts over a socket that they inherit. npx and npm close it.
 * @param number of the socket's file
 */
function checkConnection(number: string | undefined): void {
  if (number === undefined) return;
  try {
    if (fstatSync(Number(number)).isSocket()) return;
  } catch {
    // It isn't open.
  }
  throw new RanksError(
    "openRanks: the launcher's connection to this process was closed on the way, as npx and npm do: start the program " +
      'itself (node_modules/.bin/tandem, or node program.js), or give mpiexec the option -pmi-port',
  );
}
