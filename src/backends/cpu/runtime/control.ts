/**
 * The low end of a device's memory: what the calling thread and the team talk through.
 *
 *     0 ...        control words, each in a cache line of its own so that writers don't disturb other words' readers
 *     errorAt ...  the text of the first error since the last one was fetched
 *     ringAt ...   the ring of commands
 *     heapAt ...   tensors, temporaries, tables
 *
 * The ring is counted in slots of 16 bytes by positions that only grow (mod 2^32): the caller publishes commands by
 * moving `head`, the team retires them by moving `tail`; what lies between is in flight. A command is one header slot
 * `[slots it takes, opcode, a, b]` and its payload, which starts on a slot and never wraps around the ring's end (a
 * `skip` command fills the rest). Payload words of `run` are handed to kernels where they lie.
 *
 * Commands below `firstAlone` are for the whole team: all threads run them and meet at their end. The others are for
 * thread 0, which goes on by itself, so that small work doesn't have to wait for threads to wake up.
 */
import type { TypedArray } from '../../../core/shape.js';

/** Indices of the control words in an Int32Array over the memory. */
export const control = {
  /** Position after the last published command, and whether thread 0 sleeps on it (wait.ts). */
  head: 16,
  headSleepers: 17,
  /** Position after the last published command for the whole team, and how many threads but the first sleep on it. */
  teamHead: 32,
  teamHeadSleepers: 33,
  /** Position after the last finished command, and how many (threads and the caller) sleep on it. */
  tail: 48,
  tailSleepers: 49,
  /** Threads that have finished the command at `tail`, when it is one for the whole team. */
  arrived: 64,
  /** 64 KiB pages the memory has: a thread that sees a new number looks at the memory anew. */
  pages: 80,
  /** Whether an error lies at `errorAt`: one of `errorState`. */
  errorState: 96,
  /** The failed command's opcode and word `a`, and the bytes of the error's text. */
  errorOpcode: 97,
  errorOperand: 98,
  errorLength: 99,
  /** The number of the device where it happened, which may be one that this device received from. */
  errorOrigin: 100,
  /** Signals raised so far (peers.ts), and how many threads of other devices sleep on it. */
  signals: 112,
  signalsSleepers: 113,
  /** 1 once the device was lost. */
  lost: 128,
} as const;

/** Values of the word `control.errorState`. */
export const errorState = { none: 0, beingWritten: 1, written: 2 } as const;

/** Address and bytes of the error text (UTF-8). */
export const errorAt = 1024;
export const errorBytes = 3072;

/** Address of the ring, its slots (a power of two), words and bytes of a slot. */
export const ringAt = 4096;
export const ringSlots = 1 << 16;
export const slotWords = 4;
export const slotBytes = 16;

/**
 * The position that counting starts at: one ring short of 2^32, so that positions wrap around early in every
 * program and not after days in few.
 */
export const firstPosition = 2 ** 32 - ringSlots;

/** Address of the first byte that tensors may use. */
export const heapAt = ringAt + ringSlots * slotBytes;

/** Bytes of a WebAssembly page. */
export const pageBytes = 1 << 16;

/** What a command does; `a` and `b` are its header's words, the payload stands in brackets. */
export const opcode = {
  /** Every thread calls function `a` with the payload's address. */
  run: 0,
  /** Every thread compiles module `a` from [address, bytes]. */
  load: 1,
  /** Every thread looks up function `a` in module `b`, by its exported name at [address, bytes]. */
  bind: 2,
  /** Nothing: fills the ring's end. */
  skip: 3,
  /** As `run`, by a team of one. */
  runAlone: 4,
  /** A plain loop, JSON text at [address, bytes]; `a` is its number among the functions' names. */
  loop: 5,
  /** Copies: [to, from, bytes]. */
  copy: 6,
  /** Notes the time. */
  mark: 7,
  /** Takes a message about another device (`PeerMessage`), number `a`. */
  meet: 8,
  /** Lets device `a` go. */
  forget: 9,
  /** Raises this device's signals by one. */
  signal: 10,
  /** Waits until device `a` has raised its [signals]. */
  await: 11,
  /** Copies from the memory of device `a`: [to, from, bytes]. */
  receive: 12,
  /** Posts the reply to request `a`: everything before has run. From here on each command gets a reply. */
  fence: 13,
  /** As `fence`, with a copy of the elements of dtype `dtypes[b]` at [address, count]. */
  read: 14,
  /** As `fence`, with the times noted since the last reply, in milliseconds. */
  marks: 15,
} as const;

/** The first opcode that concerns thread 0 only. */
export const firstAlone = opcode.skip;

/** dtypes by the number that `read` gives them. */
export const dtypes = ['float32', 'float64', 'int32', 'uint8'] as const;

/** What a worker is told when it starts. */
export interface TeamMember {
  /** The device's number, by which devices know each other. */
  readonly device: number;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
  readonly threads: number;
  /** Whether modules may hold relaxed SIMD, which Node 20 has to be asked for in each thread. */
  readonly relaxed: boolean;
}

/** What thread 0 is told later: the memory of another device. */
export interface PeerMessage {
  readonly number: number;
  readonly memory: WebAssembly.Memory;
}

/**
 * What a worker posts: that it listens, the times of copies from other devices since it last told them (beginnings
 * and ends by turns, in milliseconds since 1970), or the reply to request `id`.
 */
export type TeamMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'copies'; readonly times: readonly number[] }
  | { readonly kind: 'reply'; readonly id: number; readonly data: TypedArray };
