/**
 * Sums over ranks in an order that is ours: `((x0 + x1) + x2) + ..`, whatever the library, its version and its settings
 * would choose.
 *
 * Of two ranks there is one order only, up to which summand comes first, which changes no bit: there MPI_Allreduce does
 * it. Of more ranks, few numbers go from everybody to everybody, and each rank adds all up. Many go in pieces: each
 * piece is cut among the ranks, each rank gets its cut of all others and adds them up in order, and its sums go to all.
 */
import type { Handle } from './abi.js';
import type { Mpi } from './mpi.js';

/** Numbers in a piece: as many as stay in a core's cache. */
const pieceLength = 1 << 19;

/** Room for the numbers of others. */
let room = new Float64Array(0);

/**
 * Replaces numbers by their sums over ranks, in place.
 * @param here whether to call on this thread
 */
export async function sumInOrder(
  mpi: Mpi,
  comm: Handle,
  { rank, size }: { readonly rank: number; readonly size: number },
  data: Float32Array | Float64Array,
  here: boolean,
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
    data.set(all.subarray(0, data.length));
    for (let r = 1; r < size; r++) {
      const other = all.subarray(r * data.length, (r + 1) * data.length);
      for (let i = 0; i < data.length; i++) data[i]! += other[i]!;
    }
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
    for (let r = 1; r < size; r++) await call('Reduce_local', from(r), from(0), own.length, type, sum);
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
