/**
 * A command that several ranks run (`mpirun -n 4 npx tandem train`): the first one alone speaks, unless another fails.
 *
 * When a rank fails, the others wait for it; so it ends them all. What fails on all of them is told by the first, for
 * which the others wait a little before they tell it themselves.
 */
import { CommanderError } from 'commander';
import { ArgumentError } from '../core/errors.js';
import { DivergedError } from '../train/diverged.js';
import { openRanks, type Ranks, rankOfLauncher } from '../train/ranks/index.js';
import { messageOf, runCommand } from './command.js';
import { stopBars } from './output.js';

/** Milliseconds that a rank leaves to the first one, and then to each one before it, to tell what failed. */
const patience = 1000;
const turn = 50;

/** Milliseconds that the launcher has to read what was told before all are ended: MPICH's leaves the rest unread. */
const hearing = 200;

/**
 * Runs a command's work as one of the ranks that a launcher started, or alone.
 * @param name the command's
 * @param shared whether the work is one that ranks share
 */
export async function runAsRank(name: string, shared: boolean, work: () => Promise<unknown>): Promise<void> {
  const tell = rankOfLauncher() > 0 ? silence() : (text: string) => void process.stderr.write(text);
  await runCommand(async () => {
    const ranks = await openRanks();
    if (ranks.size === 1) return work();
    try {
      if (!shared)
        throw new ArgumentError(
          `${name} isn't shared by ranks: start it without ${ranks.library}'s launcher`,
        );
      await work();
    } catch (error) {
      // All ranks have read the same words and seen the same figures, and come to the same end.
      if (!(error instanceof DivergedError || error instanceof CommanderError))
        return endAll(ranks, error, tell);
      await ranks.close();
      throw error;
    }
    await ranks.close();
  });
}

/** Tells what failed and ends all ranks. @throws what nobody expected, at once, which ends them as well */
async function endAll(ranks: Ranks, error: unknown, tell: (text: string) => void): Promise<void> {
  const { rank, hosts } = ranks;
  const message = messageOf(error);
  if (message === null) throw error;
  if (rank > 0) {
    // The launcher's word that another has ended all.
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(1));
    await new Promise((resolve) => setTimeout(resolve, patience + turn * rank));
  }
  stopBars();
  tell(`error: ${rank > 0 ? `rank ${rank} (${hosts[rank]}): ` : ''}${message}\n`);
  await new Promise((resolve) => setTimeout(resolve, hearing));
  ranks.abort(1);
}

/** Lets nothing be printed but what is told by the function it gives. */
function silence(): (text: string) => void {
  const write = process.stderr.write.bind(process.stderr);
  const nothing = (): boolean => true;
  process.stdout.write = nothing;
  process.stderr.write = nothing;
  return (text) => void write(text);
}
