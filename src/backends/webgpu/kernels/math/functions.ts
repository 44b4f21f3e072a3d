/**
 * The functions on floats that kernels call, by name, with those that each of them calls in turn.
 */
import { angle, cos, sin, sinQuarter } from './angle.js';
import { erf, exp, isNan, log, log1p, maximum, minimum, tanh, truncated } from './elementary.js';
import { mulHigh, pow, powBits, powByOne } from './power.js';
import type { FloatType } from './text.js';

interface MathFunction {
  readonly print: (T: FloatType) => string;
  readonly calls: readonly string[];
}

/** Each function calls only ones before it. */
const functions = {
  isNan: { print: isNan, calls: [] },
  truncated: { print: truncated, calls: [] },
  minimum: { print: minimum, calls: ['isNan'] },
  maximum: { print: maximum, calls: ['isNan'] },
  expOf: { print: exp, calls: ['isNan'] },
  logOf: { print: log, calls: [] },
  log1pOf: { print: log1p, calls: ['logOf'] },
  tanhOf: { print: tanh, calls: ['expOf'] },
  erfOf: { print: erf, calls: ['expOf'] },
  mulHigh: { print: mulHigh, calls: [] },
  angleOf: { print: angle, calls: ['mulHigh'] },
  sinQuarter: { print: sinQuarter, calls: ['angleOf'] },
  sinOf: { print: sin, calls: ['sinQuarter'] },
  cosOf: { print: cos, calls: ['sinQuarter'] },
  powBits: { print: powBits, calls: ['mulHigh'] },
  powOf: { print: pow, calls: ['powBits'] },
  powByOne: { print: powByOne, calls: ['powOf'] },
} as const satisfies Readonly<Record<string, MathFunction>>;

/** Functions on floats by the name they are called with in WGSL. */
export type MathName = keyof typeof functions;

/** The functions named and those they call, each once, printed for a float type. */
export function mathFunctions(T: FloatType, names: Iterable<MathName>): string {
  const wanted = new Set<string>(names);
  const all = Object.entries<MathFunction>(functions);
  for (const [name, { calls }] of all.toReversed()) {
    if (wanted.has(name)) for (const other of calls) wanted.add(other);
  }
  return all
    .filter(([name]) => wanted.has(name))
    .map(([, { print }]) => print(T))
    .join('\n');
}
