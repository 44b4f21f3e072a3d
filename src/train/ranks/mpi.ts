/**
 * The system's MPI library, called from JavaScript: the functions that ranks need, as they are in C, through koffi.
 *
 * Two forms of a call: at once, on this thread, for what is short; and on a thread of libuv's pool, for what moves many
 * bytes. One call at a time, whichever thread it is on (MPI_THREAD_SERIALIZED): ranks.ts sees to that.
 *
 * What has to be so before MPI_Init: calls on other threads have a stack of a megabyte (MPICH overflows koffi's own of
 * 128 KiB), UCX leaves SIGSEGV alone, which V8 needs for WebAssembly, and doesn't watch how memory is given back (it
 * rewrites the C library's functions for that, beside V8's threads that call them: one run of forty by MPICH ended in
 * SIGSEGV), and Open MPI's waiting gives way to threads that compute: on the same cores it costs half of a step otherwise.
 */

import type { LibraryHandle } from 'koffi';
import { nodeModule } from '../../backends/nodeModule.js';
import { TandemError } from '../../core/errors.js';
import { type Abi, abiOf, type Handle, libraryNames } from './abi.js';
import type { Launched } from './launcher.js';

/** Ranks can't be, or can no longer be, what they were started as. */
export class RanksError extends TandemError {
  override readonly name = 'RanksError';
}

/** Memory that C reads or writes. */
export type Memory = Uint8Array | Int32Array | Float32Array | Float64Array;

type Argument = Handle | Memory | null;

/** A bound function: called here, or on another thread. */
interface Call {
  (...args: Argument[]): number;
  async(...args: [...Argument[], (error: unknown, code: number) => void]): void;
}

/** Names of the functions and their arguments; `H` is a handle. */
const signatures = {
  Init_thread: 'void *, void *, int, void *',
  Finalize: '',
  Abort: 'H, int',
  Comm_rank: 'H, void *',
  Comm_size: 'H, void *',
  Comm_split: 'H, int, int, void *',
  Ibarrier: 'H, void *',
  Isend: 'void *, int, H, int, int, H, void *',
  Irecv: 'void *, int, H, int, int, H, void *',
  Test: 'void *, void *, void *',
  Sendrecv: 'void *, int, H, int, int, void *, int, H, int, int, H, void *',
  Allgather: 'void *, int, H, void *, int, H, H',
  Allreduce: 'void *, void *, int, H, H, H',
  Bcast: 'void *, int, H, int, H',
  Reduce_local: 'void *, void *, int, H, H',
} as const;

type Name = keyof typeof signatures;

/** A loaded library. */
export class Mpi {
  /** What the library calls itself: 'Open MPI v4.1.4'. */
  readonly version: string;
  readonly abi: Abi;
  private readonly bound = new Map<Name, Call>();
  /** What C works on: koffi doesn't keep the memory of calls on other threads from being collected. */
  private readonly underWay = new Set<readonly Argument[]>();

  private constructor(
    private readonly library: LibraryHandle,
    addressOf: (symbol: unknown) => bigint,
  ) {
    this.version = versionOf(library);
    this.abi = abiOf({
      address: (name) => attempt(() => addressOf(library.symbol(name))),
      standardAbi: () => standardAbiOf(library),
    });
  }

  /**
   * Loads the library that suits the launcher, or the one that the environment variable TANDEM_MPI names.
   * @throws {RanksError} without koffi or a library
   */
  static async load({ launcher, families }: Launched): Promise<Mpi> {
    const started = `openRanks: this process was started by ${launcher} as one of several`;
    const koffi = await nodeModule('koffi').catch((error: unknown) => {
      throw new RanksError(
        `${started}, but the package koffi, through which MPI is called, can't be loaded (${reason(error)}): ` +
          'npm install koffi',
      );
    });
    koffi.config({ async_stack_size: 1 << 20 });
    process.env.UCX_ERROR_SIGNALS ??= '';
    process.env.UCX_MEM_EVENTS ??= 'n';
    process.env.OMPI_MCA_mpi_yield_when_idle ??= '1';
    const own = process.env.TANDEM_MPI;
    const names = own ? [own] : families.flatMap((family) => libraryNames[family]);
    const failures: string[] = [];
    for (const name of names) {
      try {
        // Open MPI's parts find their functions in what is loaded for all.
        return new Mpi(koffi.load(name, { global: true, lazy: true }), (symbol) => koffi.address(symbol));
      } catch (error) {
        failures.push(reason(error));
      }
    }
    const tried = own ? failures.join('; ') : `tried ${names.join(', ')}`;
    throw new RanksError(
      `${started}, but its MPI library can't be loaded (${tried}): install it (on Debian libopenmpi3 or ` +
        'libmpich12), or name its file in the environment variable TANDEM_MPI',
    );
  }

  /** Calls a function on this thread. @throws {RanksError} when MPI says that it failed */
  call(name: Name, ...args: readonly Argument[]): void {
    this.check(name, this.function(name)(...args));
  }

  /** Calls a function on another thread. @throws as `call` does */
  async callAway(name: Name, ...args: readonly Argument[]): Promise<void> {
    this.underWay.add(args);
    const code = await new Promise<number>((resolve, reject) => {
      this.function(name).async(...args, (error, result) => {
        if (error) reject(error);
        else resolve(result);
      });
    }).finally(() => this.underWay.delete(args));
    this.check(name, code);
  }

  /** A number that a function gives of a communicator. */
  number(name: 'Comm_rank' | 'Comm_size', comm: Handle): number {
    const out = new Int32Array(1);
    this.call(name, comm, out);
    return out[0]!;
  }

  /** MPI's type for the elements of an array. */
  typeOf(data: Memory): Handle {
    const { types } = this.abi;
    if (data instanceof Float32Array) return types.float;
    return data instanceof Float64Array ? types.double : types.byte;
  }

  /** The handle that a function has written to the beginning of `out`, which has room for 8 bytes. */
  handleIn(out: Int32Array): Handle {
    return this.abi.handle === 'int' ? out[0]! : new BigUint64Array(out.buffer, out.byteOffset, 1)[0]!;
  }

  private function(name: Name): Call {
    const known = this.bound.get(name);
    if (known) return known;
    const args = signatures[name].replaceAll('H', this.abi.handle);
    const call: Call = this.library.func(`int MPI_${name}(${args})`);
    this.bound.set(name, call);
    return call;
  }

  private check(name: Name, code: number): void {
    if (code !== 0) throw new RanksError(`MPI_${name}: ${this.version} gives error ${code}`);
  }
}

/** The first words of what a library says of itself. */
function versionOf(library: LibraryHandle): string {
  const call: Call = library.func('int MPI_Get_library_version(void *, void *)');
  const text = new Uint8Array(8192);
  const length = new Int32Array(1);
  call(text, length);
  const [first = ''] = new TextDecoder().decode(text.subarray(0, length[0])).split(/[,\n\0]/);
  return first.replace(/ Version:\s*/, ' ').trim();
}

/** The version of the standard ABI that a library keeps to; 0 where it keeps to its own. */
function standardAbiOf(library: LibraryHandle): number {
  const call: Call | null = attempt(() => library.func('int MPI_Abi_get_version(void *, void *)'));
  const major = new Int32Array(1);
  return call && call(major, new Int32Array(1)) === 0 ? major[0]! : 0;
}

function attempt<T>(find: () => T): T | null {
  try {
    return find();
  } catch {
    return null;
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message.split('\n')[0]! : String(error);
}
