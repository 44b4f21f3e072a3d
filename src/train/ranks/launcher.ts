/**
 * Who started this process, and as one of how many: what launchers of MPI programs leave in the environment.
 *
 * | launcher | rank, size, rank on this machine |
 * |---|---|
 * | Open MPI's mpirun | OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE, OMPI_COMM_WORLD_LOCAL_RANK |
 * | MPICH's and Intel's mpiexec, srun --mpi=pmi2 | PMI_RANK, PMI_SIZE, MPI_LOCALRANKID |
 * | srun --mpi=pmix, prun | PMIX_RANK; the size is MPI's to say |
 * | srun without an MPI plugin | SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_LOCALID |
 *
 * A batch script of Slurm's that calls the program without srun has SLURM_NTASKS, but is one process: that variable
 * counts for nothing here.
 */

/** What a launcher says of this process. */
export interface Launched {
  /** For messages. */
  readonly launcher: string;
  readonly rank: number;
  /** Processes in all; null where the launcher doesn't say. */
  readonly size: number | null;
  /** The families of MPI that are likely to understand this launcher, the likeliest first. */
  readonly families: readonly Family[];
}

/** MPI libraries whose handles have the same form. */
export type Family = 'openmpi' | 'mpich' | 'standard';

interface Launcher {
  readonly name: string;
  readonly rank: string;
  readonly size: readonly string[];
  readonly families: readonly Family[];
}

const launchers: readonly Launcher[] = [
  {
    name: "Open MPI's mpirun",
    rank: 'OMPI_COMM_WORLD_RANK',
    size: ['OMPI_COMM_WORLD_SIZE'],
    families: ['openmpi', 'standard', 'mpich'],
  },
  {
    name: 'a PMI launcher',
    rank: 'PMI_RANK',
    size: ['PMI_SIZE'],
    families: ['mpich', 'standard', 'openmpi'],
  },
  {
    name: 'a PMIx launcher',
    rank: 'PMIX_RANK',
    size: ['SLURM_STEP_NUM_TASKS'],
    families: ['openmpi', 'standard', 'mpich'],
  },
  {
    name: 'srun',
    rank: 'SLURM_PROCID',
    size: ['SLURM_STEP_NUM_TASKS'],
    families: ['mpich', 'openmpi', 'standard'],
  },
];

/**
 * The launcher that started this process as one of several; null where there is none, or it started one alone.
 * @param env the environment's variables
 */
export function launchedBy(env: Readonly<Record<string, string | undefined>>): Launched | null {
  const count = (name: string): number | null => {
    const text = env[name];
    const value = Number(text);
    return text !== undefined && text.trim() !== '' && Number.isInteger(value) && value >= 0 ? value : null;
  };
  for (const { name, rank, size, families } of launchers) {
    const own = count(rank);
    const all = size.map(count).find((value) => value !== null) ?? null;
    // An interactive shell under Slurm is a step of one task, and has the variables of one.
    if (own === null || (rank === 'SLURM_PROCID' && all === null)) continue;
    return all === 1 ? null : { launcher: name, rank: own, size: all, families };
  }
  return null;
}
