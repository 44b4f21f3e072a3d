/**
 * What the CPU device costs besides arithmetic: opening, enqueueing, running a command that does next to nothing,
 * waking a sleeping thread, waiting. `node dist/bench/queue.js` prints medians; other work on the machine, and more
 * threads than cores, show in every figure but the first two columns.
 */
import { availableParallelism, loadavg } from 'node:os';
import { ModuleBuilder } from '../src/backends/cpu/asm/assembler.js';
import { i32 } from '../src/backends/cpu/asm/instructions.js';
import type { KernelModule } from '../src/backends/cpu/plan.js';
import { pageBytes } from '../src/backends/cpu/runtime/control.js';
import { Team } from '../src/backends/cpu/runtime/team.js';
import { narrow } from '../src/backends/cpu/runtime/wide.js';

const kernels: KernelModule = {
  key: 'count',
  emit() {
    const module = new ModuleBuilder();
    // count [x]: thread t adds 1 to the int32 at x + 64 t, a cache line of its own.
    const count = module.func('count');
    const { words, thread } = count.params('i32', 'words', 'thread', 'threads');
    const { at } = count.locals('i32', 'at');
    count.body(at.set(i32.add(i32.load(words), i32.shl(thread, 6))), i32.store(at, i32.add(i32.load(at), 1)));
    return module.finish();
  },
};

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

/** Median microseconds that one of `inner` turns takes, over `outer` measurements. */
async function time(outer: number, inner: number, turn: () => void | Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < outer; i++) {
    const start = performance.now();
    for (let j = 0; j < inner; j++) {
      const waiting = turn();
      if (waiting) await waiting;
    }
    times.push(((performance.now() - start) * 1000) / inner);
  }
  return median(times);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function measure(threads: number): Promise<Record<string, string>> {
  const options = {
    device: 'cpu:0',
    threads,
    features: { shared: true, relaxed: false, ...narrow },
    memoryLimit: 64 * pageBytes,
  };
  const open = await time(5, 1, async () => (await Team.start(options)).close());
  const team = await Team.start(options);
  const words = [team.allocator.alloc(64 * threads, 'bench')];
  const enqueue = (alone: boolean) => (): void => team.run(kernels, 'count', words, alone);
  const runs: Record<string, number> = {};
  for (const alone of [true, false]) {
    const run = enqueue(alone);
    const burst = (): void => {
      for (let i = 0; i < 2000; i++) run();
      team.queue.drain();
    };
    burst();
    runs[alone ? 'alone' : 'team'] = (await time(15, 1, burst)) / 2000;
  }
  const sync = await time(15, 50, () => team.sync());
  const wakes: number[] = [];
  for (let i = 0; i < 50; i++) {
    await pause(2);
    wakes.push(await time(1, 1, enqueue(true)));
  }
  await team.close();
  return {
    threads: String(threads),
    'open and close, ms': (open / 1000).toFixed(0),
    'command for one, us': runs.alone!.toFixed(2),
    'command for all, us': runs.team!.toFixed(2),
    'enqueue to a sleeper, us': median(wakes).toFixed(1),
    'sync(), us': sync.toFixed(0),
  };
}

console.log(`Node ${process.version}, ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}`);
const rows: Record<string, string>[] = [];
for (const threads of [1, 2, 3]) rows.push(await measure(threads));
console.table(rows);
