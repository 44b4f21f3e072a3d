/**
 * Expression trees (core/expr.ts) as WGSL: one `let` for each distinct node, so that what outputs share is computed
 * once. Printed for f32 or, four elements at a time, for vec4f.
 */
import type { BinaryOp, Expr, UnaryOp } from '../../../../core/expr.js';
import { childrenOf, exprKey } from '../../../../core/expr.js';
import { threefryParity, threefryRotations, threefryRounds } from '../../../../core/random.js';
import { type MathName, mathFunctions } from '../math/functions.js';
import { type FloatType, literal, typesOf } from '../math/text.js';

/** What a printed tree needs around it. */
export interface Printed {
  /** Functions it calls. */
  readonly functions: string;
  /** Statements; `inputs` of the tree are `in0`, `in1`, ..., parameters `u.p0`, ... */
  readonly statements: string;
  /** The expressions that hold the results. */
  readonly results: readonly string[];
}

/** Constants that WGSL has no literal for, or may not fold: given as uniforms `u.c0`, ... in this order. */
export function uniformConstants(exprs: readonly Expr[]): number[] {
  const values: number[] = [];
  const add = (value: number): void => {
    // By `Object.is`: 0 and -0 are two numbers.
    if (!values.some((known) => Object.is(known, value))) values.push(value);
  };
  const visit = (expr: Expr): void => {
    const children = childrenOf(expr);
    if (expr.kind === 'constant' && !Number.isFinite(Math.fround(expr.value))) add(expr.value);
    // WGSL rejects a program in which an operation on constants overflows or divides by zero.
    if (children.length > 0 && children.every((child) => child.kind === 'constant')) {
      for (const child of children) if (child.kind === 'constant') add(child.value);
    }
    for (const child of children) visit(child);
  };
  for (const expr of exprs) visit(expr);
  return values;
}

/** Prints trees; `counter` is the WGSL expression of the random counter (unsigned). */
export function printTrees(T: FloatType, exprs: readonly Expr[], counter: string): Printed {
  const uniforms = uniformConstants(exprs);
  const names = new Map<string, string>();
  const statements: string[] = [];
  const math = new Set<MathName>();
  let draws = false;

  const visit = (expr: Expr): string => {
    const key = exprKey(expr);
    const known = names.get(key);
    if (known !== undefined) return known;
    const value = print(expr);
    const simple = expr.kind === 'input' || expr.kind === 'constant' || expr.kind === 'param';
    const name = simple ? value : `t${statements.length}`;
    if (!simple) statements.push(`let ${name} = ${value};`);
    names.set(key, name);
    return name;
  };

  const print = (expr: Expr): string => {
    switch (expr.kind) {
      case 'input':
        return `in${expr.index}`;
      case 'param':
        return `${T}(u.p${expr.index})`;
      case 'constant': {
        const at = uniforms.findIndex((value) => Object.is(value, expr.value));
        return at >= 0 ? `${T}(u.c${at})` : `${T}(${literal(expr.value)})`;
      }
      case 'random':
        draws = true;
        return `random${expr.lane}`;
      case 'unary':
        return printUnary(T, expr.op, visit(expr.a), math);
      case 'binary': {
        if (expr.op === 'pow' && expr.b.kind === 'constant') {
          const power = printPower(visit(expr.a), expr.b.value);
          if (power !== null) return power;
        }
        return printBinary(T, expr.op, visit(expr.a), visit(expr.b), math);
      }
      case 'where': {
        const [condition, a, b] = [visit(expr.condition), visit(expr.a), visit(expr.b)];
        // By the bits: NaN isn't 0, whatever the compiler makes of comparing it.
        const { unsigned: U } = typesOf(T);
        return `select(${b}, ${a}, (bitcast<${U}>(${condition}) & ${U}(0x7fffffffu)) != ${U}(0u))`;
      }
    }
  };

  const results = exprs.map(visit);
  const { unsigned: U } = typesOf(T);
  const drawing = draws
    ? [
        `let words = threefry(${counter});`,
        `let random0 = ${T}(words.a >> ${U}(8u)) * ${2 ** -24};`,
        `let random1 = ${T}(words.b >> ${U}(8u)) * ${2 ** -24};`,
      ]
    : [];
  return {
    functions: `${mathFunctions(T, math)}\n${draws ? threefryFunction(U) : ''}`,
    statements: [...drawing, ...statements].join('\n'),
    results,
  };
}

function printUnary(T: FloatType, op: UnaryOp, a: string, math: Set<MathName>): string {
  const call = (name: MathName): string => {
    math.add(name);
    return `${name}(${a})`;
  };
  switch (op) {
    case 'neg':
      return `-(${a})`;
    case 'exp':
      return call('expOf');
    case 'log':
      return call('logOf');
    case 'tanh':
      return call('tanhOf');
    case 'sin':
      return call('sinOf');
    case 'cos':
      return call('cosOf');
    case 'isnan':
      return `select(${T}(0.0), ${T}(1.0), ${call('isNan')})`;
    default:
      return `${op}(${a})`;
  }
}

/** Powers with a simpler form, or null. */
function printPower(a: string, exponent: number): string | null {
  if (exponent === 1) return a;
  if (exponent === 2) return `${a} * ${a}`;
  if (exponent === 3) return `${a} * ${a} * ${a}`;
  if (exponent === 4) return `(${a} * ${a}) * (${a} * ${a})`;
  return null;
}

const operators: Readonly<Partial<Record<BinaryOp, string>>> = {
  add: '+',
  sub: '-',
  mul: '*',
  div: '/',
  eq: '==',
  ne: '!=',
  lt: '<',
  le: '<=',
  gt: '>',
  ge: '>=',
};

function printBinary(T: FloatType, op: BinaryOp, a: string, b: string, math: Set<MathName>): string {
  const call = (name: MathName): string => {
    math.add(name);
    return `${name}(${a}, ${b})`;
  };
  switch (op) {
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
      return `${a} ${operators[op]} ${b}`;
    case 'min':
      return call('minimum');
    case 'max':
      return call('maximum');
    case 'pow':
      return call('powOf');
    default: {
      math.add('isNan');
      // Spelled out, as a compiler may take it that there is no NaN.
      const compared = `${a} ${operators[op]} ${b}`;
      const unordered = `isNan(${a}) | isNan(${b})`;
      return op === 'ne'
        ? `select(${T}(0.0), ${T}(1.0), (${compared}) | ${unordered})`
        : `select(select(${T}(0.0), ${T}(1.0), ${compared}), ${T}(0.0), ${unordered})`;
    }
  }
}

/** Threefry-2x32 as in core/random.ts; key `u.seed0`, `u.seed1`, second counter word `u.stream`. */
function threefryFunction(U: string): string {
  const lines = [
    `struct Words { a: ${U}, b: ${U} }`,
    `fn threefry(counter: ${U}) -> Words {`,
    '  let k0 = u32(u.seed0); let k1 = u32(u.seed1);',
    `  let k2 = k0 ^ k1 ^ ${threefryParity}u;`,
    `  var a = counter + k0; var b = ${U}(u32(u.stream) + k1);`,
  ];
  for (let round = 0; round < threefryRounds; round++) {
    const r = threefryRotations[round % 8]!;
    lines.push(`  a += b; b = ((b << ${U}(${r}u)) | (b >> ${U}(${32 - r}u))) ^ a;`);
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      lines.push(`  a += k${injection % 3}; b += k${(injection + 1) % 3} + ${injection}u;`);
    }
  }
  return [...lines, '  return Words(a, b);', '}'].join('\n');
}
