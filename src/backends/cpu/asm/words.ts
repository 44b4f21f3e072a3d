/**
 * Names for the int32 words of a command, so that the plan that writes them and the code that reads them agree.
 */
import { type I32, i32, type Local, type V128, type Value, v128 } from './instructions.js';

/** A layout's words as variables. */
export type WordsOf<L> = L extends WordLayout<infer N> ? { readonly [name in N]: Local<'i32'> } : never;

/** The words of one kind of command, in order. */
export class WordLayout<N extends string> {
  readonly names: readonly N[];

  constructor(...names: N[]) {
    this.names = names;
  }

  /** The words, for `Planner.run`. */
  encode(values: Readonly<Record<N, number>>): number[] {
    return this.names.map((name) => values[name]);
  }

  /** Code that reads a word; `words` is the address of the first. */
  read(words: I32, name: N): Value<'i32'> {
    return i32.load(words, 4 * this.names.indexOf(name));
  }

  /** Code that reads a word into all four lanes. */
  splat(words: I32, name: N): V128 {
    return v128.load32Splat(words, 4 * this.names.indexOf(name));
  }
}
