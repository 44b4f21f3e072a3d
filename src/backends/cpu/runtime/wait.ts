/**
 * Waiting for a word of shared memory to change: by looking at it again and again for a while, which is quick but
 * takes a core from whoever could change it, then asleep, which takes tens of microseconds to end.
 */

/** Every so many sleeps the longest look is tried again. */
const trial = 64;

/**
 * How long to look before going to sleep: longer where that was worth it, shorter where it wasn't (work that takes
 * long, or more threads than cores). Two threads that wait for each other in turn could go on sleeping for ever,
 * since waking takes longer than a short look; a long look now and then lets them meet awake again.
 */
export class Patience {
  private milliseconds: number;
  private sleeps = 0;

  constructor(
    private readonly least: number,
    private readonly most: number,
  ) {
    this.milliseconds = most;
  }

  /** Waits while word `index` holds `value`; counted in word `sleepers` while asleep, so that `publish` wakes it. */
  waitWhile(words: Int32Array, index: number, value: number, sleepers: number): void {
    if (this.seesChange(words, index, value)) {
      this.milliseconds = Math.min(this.most, this.milliseconds * 2);
      return;
    }
    this.milliseconds = Math.max(this.least, this.milliseconds / 2);
    this.sleeps++;
    while (Atomics.load(words, index) === value) sleep(words, index, value, sleepers);
  }

  private seesChange(words: Int32Array, index: number, value: number): boolean {
    if (changes(words, index, value)) return true;
    const end = performance.now() + (this.sleeps % trial === 0 ? this.most : this.milliseconds);
    do {
      if (changes(words, index, value)) return true;
    } while (performance.now() < end);
    return false;
  }
}

/** Whether the word changes within the time of a hundred looks. */
function changes(words: Int32Array, index: number, value: number): boolean {
  for (let i = 0; i < 100; i++) if (Atomics.load(words, index) !== value) return true;
  return false;
}

/**
 * Sleeps until `publish` changes word `index` from `value`, or for so many milliseconds; may return early. Word
 * `sleepers` counts who sleeps or is about to. Who wakes a sleeper takes it off: waking takes long, and what is
 * published meanwhile needn't try again.
 */
export function sleep(
  words: Int32Array,
  index: number,
  value: number,
  sleepers: number,
  milliseconds = Number.POSITIVE_INFINITY,
): void {
  Atomics.add(words, sleepers, 1);
  if (Atomics.wait(words, index, value, milliseconds) !== 'ok') Atomics.sub(words, sleepers, 1);
}

/** Sets word `index` and wakes all that sleep on it. */
export function publish(words: Int32Array, index: number, value: number, sleepers: number): void {
  Atomics.store(words, index, value);
  wake(words, index, sleepers);
}

/** Adds to word `index` and wakes all that sleep on it. */
export function raise(words: Int32Array, index: number, by: number, sleepers: number): void {
  Atomics.add(words, index, by);
  wake(words, index, sleepers);
}

function wake(words: Int32Array, index: number, sleepers: number): void {
  if (Atomics.load(words, sleepers) > 0) Atomics.sub(words, sleepers, Atomics.notify(words, index));
}
