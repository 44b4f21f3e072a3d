/**
 * What an invocation issues: instructions counted along a path through a shader's blocks, loops as often as they turn.
 *
 * Of the ways through a loop's body, those with the most multiply-adds are taken; of these the shortest in all turns but
 * one, and the longest in that one, which is where a loop looks after its ragged end.
 */
import type { Block, Loop, Shader } from './disassembly.js';

/** Of one invocation. */
export interface Tally {
  readonly instructions: number;
  readonly multiplyAdds: number;
  /** Bytes between registers and workgroup memory (LDS), and between registers and device memory. */
  readonly localBytes: number;
  readonly memoryBytes: number;
}

const nothing: Tally = { instructions: 0, multiplyAdds: 0, localBytes: 0, memoryBytes: 0 };

function sum(a: Tally, b: Tally, times = 1): Tally {
  return {
    instructions: a.instructions + times * b.instructions,
    multiplyAdds: a.multiplyAdds + times * b.multiplyAdds,
    localBytes: a.localBytes + times * b.localBytes,
    memoryBytes: a.memoryBytes + times * b.memoryBytes,
  };
}

/** The main loop nest is that of the block with the most multiply-adds: its loops, outermost first. */
export function mainNest({ blocks, loops }: Shader): Loop[] {
  const weights = blocks.map(({ ops }) => ops.reduce((n, op) => n + multiplyAddsOf(op), 0));
  const hottest = weights.indexOf(Math.max(...weights));
  const chain: Loop[] = [];
  let around = loops.find((loop) => holds(loop, hottest));
  while (around) {
    chain.push(around);
    around = around.inner.find((loop) => holds(loop, hottest));
  }
  return weights[hottest]! > 0 ? chain : [];
}

const holds = (loop: Loop, block: number): boolean => loop.first <= block && block <= loop.last;

/**
 * An invocation's main loop nest, and all it runs.
 * @param turns of the main nest's loops, outermost first. Other loops are counted once.
 */
export function tally(shader: Shader, turns: readonly number[]): { nest: Tally; whole: Tally } {
  const nest = mainNest(shader);
  const turnsOf = new Map(nest.map((loop, i) => [loop, turns[i] ?? 1]));
  const outermost = nest[0];
  return {
    nest: outermost ? ofLoop(shader.blocks, outermost, turnsOf) : nothing,
    whole: ofPath(
      shader.blocks,
      { first: 0, last: shader.blocks.length - 1, inner: shader.loops },
      turnsOf,
      'longest',
    ),
  };
}

/**
 * Turns of the main nest's loops of which only the product is known, by the multiply-adds that an invocation must do: as
 * many of each loop.
 */
export function likelyTurns(shader: Shader, multiplyAdds: number): number[] {
  const nest = mainNest(shader);
  const once = tally(
    shader,
    nest.map(() => 1),
  ).nest.multiplyAdds;
  return nest.map(() => Math.max(1, (multiplyAdds / once) ** (1 / nest.length)));
}

function ofLoop(blocks: readonly Block[], loop: Loop, turnsOf: ReadonlyMap<Loop, number>): Tally {
  const turns = turnsOf.get(loop) ?? 1;
  const ragged = ofPath(blocks, loop, turnsOf, 'longest');
  return sum(ragged, ofPath(blocks, loop, turnsOf, 'shortest'), turns - 1);
}

/** From the first block to the last, or to whichever leads back to the first. */
function ofPath(
  blocks: readonly Block[],
  { first, last, inner }: Loop,
  turnsOf: ReadonlyMap<Loop, number>,
  choice: 'shortest' | 'longest',
): Tally {
  const better = (a: Tally, b: Tally | undefined): boolean => {
    if (!b || a.multiplyAdds !== b.multiplyAdds) return !b || a.multiplyAdds > b.multiplyAdds;
    return choice === 'shortest' ? a.instructions < b.instructions : a.instructions > b.instructions;
  };
  const arrived = new Map<number, Tally>([[first, nothing]]);
  let end: Tally | undefined;
  for (let at = first; at <= last; at++) {
    const before = arrived.get(at);
    if (!before) continue;
    const loop = inner.find((one) => one.first === at);
    const until = loop?.last ?? at;
    const done = sum(before, loop ? ofLoop(blocks, loop, turnsOf) : ofBlock(blocks[at]!));
    for (let from = at; from <= until; from++) {
      const { next, skips } = blocks[from]!;
      const ways = skips ? next.slice(0, 1) : next;
      for (const to of ways) {
        if (to > until && to <= last && better(done, arrived.get(to))) arrived.set(to, done);
        if (to === first && !loop && better(done, end)) end = done;
      }
      if (next.length === 0 && better(done, end)) end = done;
    }
    if (loop && until === last && better(done, end)) end = done;
  }
  return end ?? nothing;
}

function ofBlock({ ops }: Block): Tally {
  return ops.reduce(
    (total, op) =>
      sum(total, {
        instructions: 1,
        multiplyAdds: multiplyAddsOf(op),
        localBytes: op.startsWith('ds_') ? bytesOf(op) : 0,
        memoryBytes: /^(buffer|global|flat)_/.test(op) ? bytesOf(op) : 0,
      }),
    nothing,
  );
}

/** Multiply-adds of an instruction: two of one issued as a pair, or packed. */
function multiplyAddsOf(op: string): number {
  return op.split('::').reduce((n, part) => {
    if (!/^v_(dual_|pk_)?(fma|fmac|mac|mad|fmaak|fmamk|fmaaf|madak|madmk)(_mix\w*)?_f(16|32)/.test(part))
      return n;
    return n + (part.startsWith('v_pk_') ? 2 : 1);
  }, 0);
}

/** Bytes that a load or store moves for a lane. */
function bytesOf(op: string): number {
  const two = /^ds_(read|write|load|store)_?2/.test(op) ? 2 : 1;
  const wide = /(?:dwordx|_b(?:32x)?)(\d+)/.exec(op)?.[1];
  if (op.includes('dwordx')) return 4 * Number(wide);
  if (/_(u|i|s)?byte|_(u|i)8/.test(op)) return 1;
  if (/_(u|s)?short|_b16|_(u|i)16/.test(op)) return 2;
  if (/_dword(_|$)/.test(op)) return 4;
  return wide === undefined ? 0 : (two * Number(wide)) / 8;
}
