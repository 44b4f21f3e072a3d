/**
 * Sums over ranks in an order that is ours, whatever the library, its version and its settings would choose: in a `row`,
 * `((x0 + x1) + x2) + ..`, or, of a power of two of ranks, in a `tree` that first adds rank r + size / 2 to rank r, and so
 * on with the halves: `(x0 + x2) + (x1 + x3)`.
 *
 * Of two ranks there is one order only, up to which summand comes first, which changes no bit: there MPI_Allreduce does
 * it. Of more ranks, few numbers go from everybody to everybody, and each rank adds all up. Many go in pieces: each
 * piece is cut among the ranks, each rank gets its cut of all others and adds them up in order, and its sums go to all.
 */
import type { Handle } from './abi.js';
import type { Mpi } from './mpi.js';

/** In which order ranks' numbers are added. */
export type SumOrder = 'row' | 'tree';

/** What is added to what, in order; the sum is where 0 was. */
function additions(size: number, order: SumOrder): { readonly to: number; readonly from: number }[] {
  if (order === 'row') return Array.from({ length: size - 1 }, (_, i) => ({ to: 0, from: i + 1 }));
  const half = size / 2;
  if (half < 1) return [];
  const pairs = Array.from({ length: half }, (_, to) => ({ to, from: to + half }));
  return [...pairs, ...additions(half, order)];
}

/** Numbers in a piece: as many as stay in a core's cache. */
const pieceLength = 1 << 19;

/** Room for the numbers of others. */
let room = new Float64Array(0);

/**
 * Replaces numbers by their sums over ranks, in place.
 * @param here whether to call on this thread
 * @param order 'tree' takes a power of two of ranks
 */
export async function sumInOrder(
  mpi: Mpi,
  comm: Handle,
  { rank, size }: { readonly rank: number; readonly size: number },
  data: Float32Array | Float64Array,
  here: boolean,
  order: SumOrder,
): Promise<void> {
  const call = async (...args: Parameters<Mpi['call']>): Promise<void> => {
    if (here) mpi.call(...args);
    else await mpi.callAway(...args);
  };
  const type = mpi.typeOf(data);
  const { sum } = mpi.abi;
  if (size === 1 || data.length === 0) return;
  if (size === 2) {
    await call('Allreduce', mpi.abi.inPlace, data, data.length, type, sum, comm);
    return;
  }
  if (here) {
    const all = roomFor(data, size * data.length);
    mpi.call('Allgather', data, data.length, type, all, data.length, type, comm);
    const of = (r: number): typeof data => all.subarray(r * data.length, (r + 1) * data.length);
    for (const { to, from } of additions(size, order)) {
      const [total, other] = [of(to), of(from)];
      for (let i = 0; i < data.length; i++) total[i]! += other[i]!;
    }
    data.set(of(0));
    return;
  }
  const exchange = async (sent: typeof data, to: number, taken: typeof data, from: number): Promise<void> => {
    const status = new Int32Array(16);
    const args = [sent, sent.length, type, to, 3, taken, taken.length, type, from, 3, comm, status] as const;
    await call('Sendrecv', ...args);
  };
  for (let at = 0; at < data.length; at += size * pieceLength) {
    const piece = data.subarray(at, at + size * pieceLength);
    const cutLength = Math.ceil(piece.length / size);
    const cut = (r: number): typeof data => piece.subarray(r * cutLength, (r + 1) * cutLength);
    const own = cut(rank);
    const others = roomFor(data, size * cutLength);
    const from = (r: number): typeof data => others.subarray(r * cutLength, r * cutLength + own.length);
    for (let d = 1; d < size; d++) {
      const [to, source] = [(rank + d) % size, (rank - d + size) % size];
      await exchange(cut(to), to, from(source), source);
    }
    from(rank).set(own);
    for (const { to, from: added } of additions(size, order)) {
      await call('Reduce_local', from(added), from(to), own.length, type, sum);
    }
    own.set(from(0));
    for (let d = 1; d < size; d++) {
      const [to, source] = [(rank + d) % size, (rank - d + size) % size];
      await exchange(own, to, cut(source), source);
    }
  }
}

/** Numbers of the kind of `data`, with anything in them. */
function roomFor(data: Float32Array | Float64Array, length: number): typeof data {
  const doubles = Math.ceil((length * data.BYTES_PER_ELEMENT) / 8);
  if (room.length < doubles) room = new Float64Array(doubles);
  return data instanceof Float32Array ? new Float32Array(room.buffer, 0, length) : room.subarray(0, length);
}
