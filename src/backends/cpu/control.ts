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
 */
import type { TypedArray } from '../../core/shape.js';

/** Indices of the control words in an Int32Array over the memory. */
export const control = {
  /** Position after the last published command. */
  head: 16,
  /** Threads of the team asleep on `head`. */
  headSleepers: 32,
  /** Position after the last command that all threads have finished. */
  tail: 48,
  /** Threads (and the caller) asleep on `tail`. */
  tailSleepers: 64,
  /** Threads that have finished the command at `tail`. */
  arrived: 80,
  /** 64 KiB pages the memory has: a thread that sees a new number looks at the memory anew. */
  pages: 96,
  /** Whether an error lies at `errorAt`: one of `errorState`. */
  errorState: 112,
  /** The failed command's opcode and word `a`, and the bytes of the error's text. */
  errorOpcode: 113,
  errorOperand: 114,
  errorLength: 115,
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

/** Address of the first byte that tensors may use. */
export const heapAt = ringAt + ringSlots * slotBytes;

/** Bytes of a WebAssembly page. */
export const pageBytes = 1 << 16;

/** What a command does; `a` and `b` are its header's words, the payload stands in brackets. */
export const opcode = {
  /** Nothing: fills the ring's end. */
  skip: 0,
  /** Every thread calls function `a` with the payload's address. */
  run: 1,
  /** Every thread compiles module `a` from [address, bytes]. */
  load: 2,
  /** Every thread looks up function `a` in module `b`, by its exported name at [address, bytes]. */
  bind: 3,
  /** Thread 0 runs a plain loop, JSON text at [address, bytes]; `a` is its number among the functions' names. */
  loop: 4,
  /** Thread 0 copies: [to, from, bytes]. */
  copy: 5,
  /** Thread 0 notes the time. */
  mark: 6,
  /** Thread 0 posts the reply to request `a`: everything before has run. */
  fence: 7,
  /** As `fence`, with a copy of the elements of dtype `dtypes[b]` at [address, count]. */
  read: 8,
  /** As `fence`, with the times noted since the last reply, in milliseconds. */
  marks: 9,
} as const;

/** dtypes by the number that `read` gives them. */
export const dtypes = ['float32', 'float64', 'int32', 'uint8'] as const;

/** What a worker is told when it starts. */
export interface TeamMember {
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
  readonly threads: number;
  /** Whether modules may hold relaxed SIMD, which Node 20 has to be asked for in each thread. */
  readonly relaxed: boolean;
}

/** What a worker posts: that it listens, or the reply to request `id`. */
export type TeamMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'reply'; readonly id: number; readonly data: TypedArray };

/**
 * Waits while word `index` holds `value`: spins for `spinMilliseconds`, then sleeps (counted in word `sleepers`, so
 * that whoever changes the word knows to wake).
 */
export function waitWhile(
  words: Int32Array,
  index: number,
  value: number,
  sleepers: number,
  spinMilliseconds: number,
): void {
  for (let i = 0; i < 100; i++) if (Atomics.load(words, index) !== value) return;
  const end = performance.now() + spinMilliseconds;
  do {
    for (let i = 0; i < 100; i++) if (Atomics.load(words, index) !== value) return;
  } while (performance.now() < end);
  Atomics.add(words, sleepers, 1);
  while (Atomics.load(words, index) === value) Atomics.wait(words, index, value);
  Atomics.sub(words, sleepers, 1);
}

/** Sets word `index` and wakes those asleep on it. */
export function publish(words: Int32Array, index: number, value: number, sleepers: number): void {
  Atomics.store(words, index, value);
  if (Atomics.load(words, sleepers) > 0) Atomics.notify(words, index);
}
