/**
 * Waiting for a word of shared memory to change: by looking at it again and again for a while, which is quick but
 * takes a core from whoever could change it, then asleep, which takes tens of microseconds to end.
 */

/**
 * How long to look before going to sleep: longer where that was worth it, shorter where it wasn't (work that takes
 * long, or more threads than cores).
 */
export class Patience {
  private milliseconds: number;

  constructor(
    private readonly least: number,
    private readonly most: number,
  ) {
    this.milliseconds = most;
  }

  /** Waits while word `index` holds `value`; counted in word `sleepers` while asleep, so that `publish` wakes it. */
  waitWhile(words: Int32Array, index: number, value: number, sleepers: number): void {
    if (changes(words, index, value)) return;
    const end = performance.now() + this.milliseconds;
    do {
      if (changes(words, index, value)) {
        this.milliseconds = Math.min(this.most, this.milliseconds * 2);
        return;
      }
    } while (performance.now() < end);
    this.milliseconds = Math.max(this.least, this.milliseconds / 2);
    Atomics.add(words, sleepers, 1);
    while (Atomics.load(words, index) === value) Atomics.wait(words, index, value);
    Atomics.sub(words, sleepers, 1);
  }
}

/** Whether the word changes within the time of a hundred looks. */
function changes(words: Int32Array, index: number, value: number): boolean {
  for (let i = 0; i < 100; i++) if (Atomics.load(words, index) !== value) return true;
  return false;
}

/** Sets word `index` and wakes those asleep on it. */
export function publish(words: Int32Array, index: number, value: number, sleepers: number): void {
  Atomics.store(words, index, value);
  if (Atomics.load(words, sleepers) > 0) Atomics.notify(words, index);
}
