/**
 * Straight-line vector code of one function: statements in the order they are asked for, values kept in variables,
 * constants set once at the function's start (inside a loop the engines would build them anew at every turn).
 */
import type { Features } from '../plan.js';
import type { FuncBuilder } from './assembler.js';
import { choose } from './flow.js';
import {
  type Code,
  f32x4,
  f64,
  f64x2,
  type I32,
  i32,
  i32x4,
  type Local,
  type V128,
  type Value,
  type ValueType,
  v128,
} from './instructions.js';
import type { WordLayout } from './words.js';

/** Collects the statements of a function body and allots its variables. */
export class Lanes {
  private statements: Code[] = [];
  private readonly constants = new Map<string, Local<'v128'>>();
  private readonly setup: Code[] = [];
  /** Vectors made so far, constants left out. */
  private readonly vectors: Local<'v128'>[] = [];
  /** Never set, so it stays zero. */
  private zero: Local<'v128'> | null = null;

  constructor(
    private readonly f: FuncBuilder,
    private readonly features: Features,
  ) {}

  /** Keeps a value in a new variable, so that it can be used more than once. */
  let<T extends ValueType>(value: Value<T>): Local<T> {
    const local = this.variable(value.type);
    this.do(local.set(value));
    return local;
  }

  /** A new variable, not set yet. */
  variable<T extends ValueType>(type: T): Local<T> {
    const local = this.f.array(type, 1)[0]!;
    if (isVector(local)) this.vectors.push(local);
    return local;
  }

  /** Adds statements. */
  do(...code: Code[]): void {
    this.statements.push(...code);
  }

  /** The statements that `emit` adds, for a loop or branch, instead of adding them here. */
  block(emit: () => void): Code {
    const outer = this.statements;
    const inner: Code[] = [];
    this.statements = inner;
    emit();
    this.statements = outer;
    return inner;
  }

  /**
   * A `block` for the turns of a loop, whose vectors are of one turn alone: they are empty at its end. Else engines would
   * hand them on from turn to turn, and not fuse pairs of what is needed by itself later on (runtime/wide.ts).
   */
  turn(emit: () => void): Code {
    const before = this.vectors.length;
    return this.block(() => {
      emit();
      const own = this.vectors.splice(before);
      if (own.length === 0) return;
      const zero = this.zero ?? this.f.array('v128', 1)[0]!;
      this.zero = zero;
      this.do(own.map((vector) => vector.set(zero)));
    });
  }

  /** The float32 `value` in four lanes. */
  f32(value: number): V128 {
    return this.once(`f32 ${Object.is(value, -0) ? '-0' : value}`, () => f32x4.splat(value));
  }

  /** The int32 `value` in four lanes. */
  i32(value: number): V128 {
    return this.once(`i32 ${value}`, () => i32x4.splat(value));
  }

  /** The float64 `value` in two lanes. */
  f64(value: number): V128 {
    return this.once(`f64 ${value}`, () => f64x2.splat(f64.const(value)));
  }

  /** A value that the whole function shares; `key` names it. `make` may only use parameters, memory and other such values. */
  once(key: string, make: () => V128): V128 {
    let local = this.constants.get(key);
    if (local === undefined) {
      local = this.f.array('v128', 1)[0]!;
      this.constants.set(key, local);
      this.setup.push(local.set(make()));
    }
    return local;
  }

  /** `a * b + c`: in one instruction with relaxed SIMD, else rounded twice. */
  madd(a: V128, b: V128, c: V128): V128 {
    return multiplyAdd(this.features, a, b, c);
  }

  /** `c - a * b`, rounded like `madd`. */
  nmadd(a: V128, b: V128, c: V128): V128 {
    return this.features.relaxed ? f32x4.relaxedNmadd(a, b, c) : f32x4.sub(c, f32x4.mul(a, b));
  }

  /**
   * `a` in the lanes where the mask is all ones, `b` where it is all zeros: of 128 bits in one instruction with relaxed
   * SIMD, else in three, which are fused to 256 (runtime/wide.ts).
   */
  either(a: V128, b: V128, mask: V128): V128 {
    const { relaxed, wide } = this.features;
    return relaxed && !wide ? v128.relaxedSelect32(a, b, mask) : v128.bitselect(a, b, mask);
  }

  /**
   * `coefficients[0] * x^n + ... + coefficients[n]`. By pairs, then pairs of pairs (Estrin): in Horner's order every step
   * would wait for the one before.
   */
  polynomial(x: V128, coefficients: readonly number[]): V128 {
    let terms: V128[] = coefficients.map((c) => this.f32(c)).reverse();
    let power = x;
    while (terms.length > 1) {
      const odd = terms.length % 2 === 1 ? terms.pop() : undefined;
      const pairs = terms.filter((_, i) => i % 2 === 0);
      const [p, all] = [power, terms];
      terms = pairs.map((low, i) => this.let(this.madd(all[2 * i + 1]!, p, low)));
      if (terms.length > 1 || odd) power = this.let(f32x4.mul(p, p));
      if (odd) terms.push(this.let(this.madd(odd, power, terms.pop()!)));
    }
    return terms[0]!;
  }

  /** Reads a command's words into variables. */
  words<N extends string>(
    layout: WordLayout<N>,
    words: Local<'i32'>,
  ): { readonly [name in N]: Local<'i32'> } {
    const variables = this.f.locals('i32', ...layout.names);
    for (const name of layout.names) this.do(variables[name].set(layout.read(words, name)));
    return variables;
  }

  /** The whole body: constants first. */
  finish(): Code {
    return [this.setup, this.statements];
  }
}

function isVector(local: Local<ValueType>): local is Local<'v128'> {
  return local.type === 'v128';
}

/** `a * b + c`: in one instruction with relaxed SIMD, else rounded twice. */
export function multiplyAdd(features: Features, a: V128, b: V128, c: V128): V128 {
  return features.relaxed ? f32x4.relaxedMadd(a, b, c) : f32x4.add(f32x4.mul(a, b), c);
}

/** The smaller of two counts, without sign. */
export function smaller(a: Local<'i32'>, b: I32): Value<'i32'> {
  return choose(i32.ltU(a, b), a, b);
}

/**
 * The part `[begin, end)` of `n` units that falls to this thread: equal runs of a multiple of `unit` (a power of
 * two), the last one shorter.
 */
export function share(
  l: Lanes,
  n: Local<'i32'>,
  unit: number,
  thread: Local<'i32'>,
  threads: Local<'i32'>,
): { begin: Local<'i32'>; end: Local<'i32'> } {
  const even = i32.divU(i32.sub(i32.add(n, threads), 1), threads);
  const run = l.let(i32.and(i32.add(even, unit - 1), -unit));
  const begin = l.let(i32.mul(thread, run));
  l.do(begin.set(smaller(begin, n)));
  const end = l.let(i32.add(begin, run));
  l.do(end.set(smaller(end, n)));
  return { begin, end };
}
