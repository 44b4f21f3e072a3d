/**
 * Starting programs as several ranks, with each MPI that is installed here.
 */
import { spawnSync } from 'node:child_process';
import { type Ended, type RunSettings, runFile } from './programs.js';

/** An installed MPI. */
export interface Launcher {
  readonly name: 'Open MPI' | 'MPICH';
  /** The command and its options before `-n`. */
  readonly command: readonly string[];
}

const families = [
  {
    name: 'Open MPI',
    commands: ['mpirun.openmpi', 'mpirun', 'mpiexec'],
    says: /Open MPI|OpenRTE/,
    options: ['--oversubscribe', '--bind-to', 'none'],
  },
  { name: 'MPICH', commands: ['mpirun.mpich', 'mpirun', 'mpiexec'], says: /HYDRA|MPICH/, options: [] },
] as const;

/** The MPIs installed here; where one is missing, a line says so. */
export function launchers(): Launcher[] {
  return families.flatMap(({ name, commands, says, options }): Launcher[] => {
    for (const command of commands) {
      const { stdout, stderr } = spawnSync(command, ['--version'], { encoding: 'utf8' });
      if (!says.test(`${stdout}${stderr}`)) continue;
      const root = name === 'Open MPI' && process.getuid?.() === 0 ? ['--allow-run-as-root'] : [];
      return [{ name, command: [command, ...root, ...options] }];
    }
    console.log(`SKIPPED: ranks by ${name}, which isn't installed (${commands[0]})`);
    return [];
  });
}

/** Runs a program of Node's as `ranks` processes. @param args the program's file and its arguments */
export function runRanks(
  { command: [file = '', ...options] }: Launcher,
  ranks: number,
  args: readonly string[],
  folder: string,
  settings: RunSettings = {},
): Promise<Ended> {
  return runFile(file, [...options, '-n', String(ranks), process.execPath, ...args], folder, settings);
}

/** Runs a program of Node's by itself. */
export function runProgram(
  args: readonly string[],
  folder: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return runFile(process.execPath, args, folder, { env });
}
