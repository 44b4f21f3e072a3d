/**
 * The frame that most kernels share: a module of one function whose work comes in units (rows, planes, blocks),
 * their number among the command's words as `units`. A thread takes a run of them, one after the other.
 */
import type { Features } from '../plan.js';
import { ModuleBuilder } from './assembler.js';
import { while_ } from './flow.js';
import { i32, type Local } from './instructions.js';
import { Lanes, share } from './lanes.js';
import type { WordLayout } from './words.js';

/** What the code of a unit works with. */
interface Frame<N extends string> {
  readonly l: Lanes;
  /** The command's words, each in a variable. */
  readonly w: { readonly [name in N]: Local<'i32'> };
  /** The address of the command's words. */
  readonly words: Local<'i32'>;
  readonly thread: Local<'i32'>;
}

/**
 * Emits `name(address of words, thread, threads)`. `prepare` adds what comes before the first unit and returns what
 * adds the code of unit number `unit`.
 */
export function emitUnits<N extends string>(
  name: string,
  layout: WordLayout<N | 'units'>,
  features: Features,
  prepare: (frame: Frame<N | 'units'>) => (unit: Local<'i32'>) => void,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const f = module.func(name);
  const { words, thread, threads } = f.params('i32', 'words', 'thread', 'threads');
  const l = new Lanes(f, features);
  const w = l.words(layout, words);
  const { begin: unit, end } = share(l, w.units, 1, thread, threads);
  const work = prepare({ l, w, words, thread });
  const perUnit = l.block(() => work(unit));
  l.do(while_(i32.ltU(unit, end), [perUnit, unit.set(i32.add(unit, 1))]));
  f.body(l.finish());
  return module.finish();
}
