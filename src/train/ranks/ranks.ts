/**
 * Ranks: processes that work on one thing, on one machine or on many, and what they tell each other, by MPI.
 *
 * Calls are made one after the other in the order in which they were asked for, which must be the same on all ranks. A
 * call's data may be a promise: it has its place in the order at once, and those behind it wait for it.
 *
 * MPI's own waiting takes a whole core from the threads that compute. So ranks meet first, at a barrier that is looked
 * at now and then, and the call that moves the bytes begins when all are there.
 */
import { nodeModule } from '../../backends/nodeModule.js';
import type { Handle } from './abi.js';
import type { Memory, Mpi } from './mpi.js';
import { RanksError } from './mpi.js';
import { type SumOrder, sumInOrder } from './sums.js';

/** A value, or the promise of one. */
export type Coming<T> = T | Promise<T>;

/** Numbers to be summed. */
export type Numbers = Float32Array | Float64Array;

/** Bytes that are moved on this thread: more go to another one. */
const brief = 1 << 15;

/** Bytes of a message at most; longer ones go in pieces, since MPI counts in 32 bits. */
const longest = 1 << 30;

/** Milliseconds for which others are looked for without a pause: usually, and while devices stand still. */
const eager = 0.3;
const urgently = 1;

/** Milliseconds of a pause. */
const pause = 1;

/** The order of calls, which all groups of this process share, and what ended it. */
class Order {
  private last: Promise<unknown> = Promise.resolve();
  private broken: unknown = null;

  /** Does `work` when all before it is done. */
  add<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(async () => {
      if (this.broken) throw this.broken;
      try {
        return await work();
      } catch (error) {
        // Others wait for this call or have made it: none after it would find its partners.
        this.broken ??= error;
        throw error;
      }
    });
    this.last = done.catch(() => {});
    return done;
  }
}

/** This process as one of `size`: all there are, or a group of them (`split`). */
export class Ranks {
  /** This one's number, from 0, and how many there are. */
  readonly rank: number;
  readonly size: number;
  /** Its number among those of this machine, and how many those are. Of all ranks. */
  localRank = 0;
  localSize = 1;
  /** How many ranks run on the same cores as this one, itself included: fewer than `localSize` where each has its own. */
  coreSharers = 1;
  /** The machines, rank by rank. Of all ranks. */
  hosts: readonly string[] = ['localhost'];
  /** Those that share each batch and sum gradients: all, or where a network is spread over several, one of each. */
  replicas: Ranks = this;
  /** Whether figures of this rank's share count: of those that hold one network, the first tells them. */
  tells = true;

  /** What those who meet send each other; not collected while C works on it. */
  private readonly word = new Uint8Array(1);
  private readonly answers = new Uint8Array(2);

  private constructor(
    private readonly mpi: Mpi | null,
    private readonly comm: Handle,
    private readonly order: Order,
  ) {
    this.rank = mpi ? mpi.number('Comm_rank', comm) : 0;
    this.size = mpi ? mpi.number('Comm_size', comm) : 1;
  }

  /** One rank alone: whatever it sends comes back. */
  static alone(): Ranks {
    return new Ranks(null, 0, new Order());
  }

  /**
   * All ranks, once MPI is there.
   * @throws {RanksError} when MPI doesn't allow for threads
   */
  static async of(mpi: Mpi): Promise<Ranks> {
    const provided = new Int32Array(1);
    mpi.call('Init_thread', null, null, mpi.abi.serialized, provided);
    const ranks = new Ranks(mpi, mpi.abi.world, new Order());
    if (provided[0]! < mpi.abi.serialized) {
      throw new RanksError(
        `openRanks: ${mpi.version} was built without support for threads (MPI_THREAD_SERIALIZED)`,
      );
    }
    // Node's modules only where there is MPI: one rank alone also works in browsers.
    const { hostname } = await nodeModule('node:os');
    ranks.hosts = await ranks.gatherText(hostname());
    const cores = await ranks.gatherText(await coresAllowed());
    const here = [...ranks.hosts.keys()].filter((rank) => ranks.hosts[rank] === ranks.hosts[ranks.rank]);
    ranks.localRank = here.indexOf(ranks.rank);
    ranks.localSize = here.length;
    ranks.coreSharers = here.filter((rank) => cores[rank] === cores[ranks.rank]).length;
    return ranks;
  }

  /** What the MPI library calls itself; null for one rank without. */
  get library(): string | null {
    return this.mpi?.version ?? null;
  }

  /**
   * Replaces numbers by their sums over all ranks, in place. The sums are the same bits on all ranks, with every
   * library and at every run: `((x0 + x1) + x2) + ..` in the order of ranks.
   * @param data as many numbers on every rank; their memory may be shared
   */
  async allReduce<T extends Numbers>(data: Coming<T>): Promise<T> {
    const [sums] = await this.allReduceEach(asList(data));
    return sums!;
  }

  /**
   * The same of several arrays, for which ranks meet once.
   * @param urgent whether nothing can go on before
   * @param order 'tree': of a power of two of ranks, rank r's and rank r + size / 2's are added first, then the halves
   */
  allReduceEach<T extends readonly Numbers[]>(
    data: Coming<T>,
    urgent = false,
    order: SumOrder = 'row',
  ): Promise<T> {
    return this.add(data, async (arrays, mpi) => {
      await this.meet(mpi, urgent ? urgently : eager);
      for (const numbers of arrays) {
        await sumInOrder(mpi, this.comm, this, numbers, numbers.byteLength <= brief, order);
      }
      return arrays;
    });
  }

  /** Sums over all ranks: `const [images, wrong] = await ranks.sum([n, m])`. */
  async sum(numbers: Coming<readonly number[]>, order: SumOrder = 'row'): Promise<number[]> {
    const data =
      numbers instanceof Promise ? numbers.then((all) => Float64Array.from(all)) : Float64Array.from(numbers);
    const [sums] = await this.allReduceEach(asList(data), false, order);
    return Array.from(sums!);
  }

  /** Replaces bytes by those of rank `root`, in place. @param data as many bytes on every rank */
  broadcast<T extends Memory>(data: Coming<T>, root = 0): Promise<T> {
    return this.add(data, async (array, mpi) => {
      await this.meet(mpi);
      for (const piece of piecesOf(bytesOf(array))) {
        const args = [piece, piece.length, mpi.abi.types.byte, root, this.comm] as const;
        if (piece.length <= brief) mpi.call('Bcast', ...args);
        else await mpi.callAway('Bcast', ...args);
      }
      return array;
    });
  }

  /**
   * Sends bytes to one rank and takes others from one, at the same time.
   * @param data to be sent @param to whom @param into filled with what comes; as many bytes as are sent there
   * @param from whom; by default the one that is sent to
   * @returns `into`
   */
  async sendReceive<T extends Memory>(data: Coming<Memory>, to: number, into: T, from = to): Promise<T> {
    const out = asList(data);
    await this.sendReceiveEach(out, to, [into], from);
    if (this.mpi === null) bytesOf(into).set(bytesOf((await out)[0]));
    return into;
  }

  /**
   * The same of several arrays, as many as the other sends, for which the two meet once. Nothing is sent where `data` is
   * empty, nothing taken where `into` is.
   * @param begin called when both are there
   */
  async sendReceiveEach<T extends readonly Memory[]>(
    data: Coming<readonly Memory[]>,
    to: number,
    into: Coming<T>,
    from = to,
    begin: () => void = () => {},
  ): Promise<T> {
    const both = Promise.all([data, into]);
    const [, taken] = await this.add(both, async ([sent, back], mpi) => {
      await this.meetTwo(mpi, sent.length > 0 ? to : null, back.length > 0 ? from : null);
      begin();
      for (let i = 0; i < Math.max(sent.length, back.length); i++) {
        const out = [...piecesOf(bytesOf(sent[i] ?? nothing))];
        const coming = [...piecesOf(bytesOf(back[i] ?? nothing))];
        for (let j = 0; j < Math.max(out.length, coming.length); j++) {
          const partners = [out[j] ? to : null, coming[j] ? from : null] as const;
          await this.exchangePieces(mpi, out[j] ?? nothing, coming[j] ?? nothing, ...partners);
        }
      }
      return [sent, back];
    });
    return taken;
  }

  /** The bytes of every rank, rank by rank. They may be of different lengths. */
  async gather(data: Coming<Uint8Array>): Promise<Uint8Array[]> {
    const lengths = new Float64Array(this.size);
    const own = await data;
    lengths[this.rank] = own.length;
    await this.allReduce(lengths);
    return Promise.all(
      Array.from(lengths, (length, root) =>
        this.broadcast(root === this.rank ? own : new Uint8Array(length), root),
      ),
    );
  }

  /** Resolves when all ranks have come to this. */
  async barrier(): Promise<void> {
    await this.add(null, async (_, mpi) => {
      await this.meet(mpi);
      return null;
    });
  }

  /** Those ranks that give the same `group` number, in their order, as ranks of their own. For all ranks to call. */
  async split(group: number): Promise<Ranks> {
    if (this.mpi === null) return this;
    const { mpi, comm, rank } = this;
    const out = new Int32Array(2);
    await this.add(out, async () => {
      await this.meet(mpi);
      mpi.call('Comm_split', comm, group, rank, out);
      return out;
    });
    return new Ranks(mpi, mpi.handleIn(out), this.order);
  }

  /** These ranks, of which `replicas` share each batch with this one. @param tells as the field of that name */
  sharedBy(replicas: Ranks, tells: boolean): Ranks {
    const { localRank, localSize, coreSharers, hosts } = this;
    const place = { localRank, localSize, coreSharers, hosts };
    return Object.assign(new Ranks(this.mpi, this.comm, this.order), place, { replicas, tells });
  }

  /** Ends the processes of all ranks at once, with exit code `code`. Does nothing with one rank alone. */
  abort(code: number): void {
    if (this.mpi) this.mpi.call('Abort', this.mpi.abi.world, code);
  }

  /** Takes leave of the others, who have to do so, too. No rank can be told anything afterwards. */
  async close(): Promise<void> {
    await this.add(null, async (_, mpi) => {
      await this.meet(mpi);
      mpi.call('Finalize');
      return null;
    });
  }

  private async gatherText(text: string): Promise<string[]> {
    const all = await this.gather(new TextEncoder().encode(text));
    return all.map((bytes) => new TextDecoder().decode(bytes));
  }

  /** Gives a call its place in the order. Of one rank alone the data is the result. */
  private add<T>(data: Coming<T>, work: (data: T, mpi: Mpi) => Promise<T>): Promise<T> {
    const { mpi } = this;
    if (data instanceof Promise) data.catch(() => {}); // awaited when its turn has come
    return this.order.add(async () => (mpi ? work(await data, mpi) : data));
  }

  /** Resolves when all have come here. */
  private async meet(mpi: Mpi, looking = eager): Promise<void> {
    const request = new Int32Array(2);
    mpi.call('Ibarrier', this.comm, request);
    await settled(mpi, [request], looking);
  }

  /**
   * Resolves when those to be sent to and taken from have come here. Each says so to the other, whichever way bytes go.
   */
  private async meetTwo(mpi: Mpi, to: number | null, from: number | null): Promise<void> {
    const { byte } = mpi.abi.types;
    const requests: Int32Array[] = [];
    const met = new Set([to, from].filter((rank) => rank !== null));
    for (const [i, rank] of [...met].entries()) {
      const answer = this.answers.subarray(i, i + 1);
      const [taken, sent] = [new Int32Array(2), new Int32Array(2)];
      requests.push(taken, sent);
      mpi.call('Irecv', answer, 1, byte, rank, meetingTag, this.comm, taken);
      mpi.call('Isend', this.word, 1, byte, rank, meetingTag, this.comm, sent);
    }
    await settled(mpi, requests, urgently);
  }

  private async exchangePieces(
    mpi: Mpi,
    out: Uint8Array,
    back: Uint8Array,
    to: number | null,
    from: number | null,
  ): Promise<void> {
    const { none, types } = mpi.abi;
    const sent = [out, out.length, types.byte, to ?? none, dataTag] as const;
    const taken = [back, back.length, types.byte, from ?? none, dataTag] as const;
    const args = [...sent, ...taken, this.comm, new Int32Array(16)] as const;
    if (out.length + back.length <= brief) mpi.call('Sendrecv', ...args);
    else await mpi.callAway('Sendrecv', ...args);
  }
}

const nothing = new Uint8Array(0);

function asList<T>(data: Coming<T>): Coming<readonly [T]> {
  return data instanceof Promise ? data.then((one): readonly [T] => [one]) : [data];
}

/** The cores that this process may run on, as Linux writes them; '' where it isn't told. */
async function coresAllowed(): Promise<string> {
  const { readFile } = await nodeModule('node:fs/promises');
  try {
    return /^Cpus_allowed_list:\s*(.*)$/m.exec(await readFile('/proc/self/status', 'latin1'))?.[1] ?? '';
  } catch {
    return '';
  }
}

/** Tags of messages between two. */
const meetingTag = 1;
const dataTag = 2;

/** Waits until requests are done: at once if they are soon, then with pauses. */
async function settled(mpi: Mpi, requests: readonly Int32Array[], looking = eager): Promise<void> {
  const flag = new Int32Array(1);
  const status = new Int32Array(16);
  const isDone = (request: Int32Array): boolean => {
    mpi.call('Test', request, flag, status);
    return flag[0] !== 0;
  };
  const start = performance.now();
  for (const request of requests) {
    while (!isDone(request)) {
      const early = performance.now() - start < looking;
      await new Promise((resolve) => (early ? setImmediate(resolve) : setTimeout(resolve, pause)));
    }
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Memory): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function* piecesOf(bytes: Uint8Array): Generator<Uint8Array, void, void> {
  for (let at = 0; at < bytes.length; at += longest) yield bytes.subarray(at, at + longest);
}
