/**
 * Expression trees (core/expr.ts) as WGSL: for f32 or i32 or, four elements at a time, for vec4f or vec4i.
 */
import {
  type BinaryOp,
  childrenOf,
  type Expr,
  exprKey,
  isWholeBinary,
  isWholeUnary,
  type UnaryOp,
  usesRandom,
} from '../../../../core/expr.js';
import { threefryParity, threefryRotations, threefryRounds } from '../../../threefry.js';
import { type MathName, mathFunctions } from '../math/functions.js';
import { type FloatType, type IntegerType, literal, typesOf } from '../math/text.js';

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

/** How the nodes of a tree are said in numbers of one type, their operands being names or literals. */
interface Language {
  readonly T: FloatType | IntegerType;
  literal(value: number): string;
  unary(op: UnaryOp, a: string): string;
  /** @param right what `b` prints */
  binary(op: BinaryOp, a: string, b: string, right: Expr): string;
  /** Whether a is not 0. */
  holds(a: string): string;
}

/** One `let` for each distinct node, so that what outputs share is computed once. */
function printNodes(
  exprs: readonly Expr[],
  language: Language,
  uniforms: readonly number[] = uniformConstants(exprs),
): Omit<Printed, 'functions'> {
  const { T } = language;
  const names = new Map<string, string>();
  const statements: string[] = [];

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
        return at >= 0 ? `${T}(u.c${at})` : `${T}(${language.literal(expr.value)})`;
      }
      case 'random':
        return `random${expr.lane}`;
      case 'unary':
        return language.unary(expr.op, visit(expr.a));
      case 'binary': {
        return language.binary(expr.op, visit(expr.a), visit(expr.b), expr.b);
      }
      case 'where': {
        const [condition, a, b] = [visit(expr.condition), visit(expr.a), visit(expr.b)];
        return `select(${b}, ${a}, ${language.holds(condition)})`;
      }
    }
  };

  const results = exprs.map(visit);
  return { statements: statements.join('\n'), results };
}

/**
 * Prints trees of floats.
 * @param counter the WGSL expression of the random counter (unsigned)
 * @param also functions that are needed besides
 * @param constants those in uniforms, where more than these trees have some
 */
export function printFloats(
  T: FloatType,
  exprs: readonly Expr[],
  counter: string,
  also: readonly MathName[],
  constants?: readonly number[],
): Printed {
  const math = new Set<MathName>(also);
  const { unsigned: U } = typesOf(T);
  const { statements, results } = printNodes(
    exprs,
    {
      T,
      literal,
      unary: (op, a) => printUnary(T, op, a, math),
      binary: (op, a, b, right) =>
        (op === 'pow' && printPower(a, b, right, math)) || printBinary(T, op, a, b, math),
      // By the bits: NaN isn't 0, whatever the compiler makes of comparing it.
      holds: (a) => `(bitcast<${U}>(${a}) & ${U}(0x7fffffffu)) != ${U}(0u)`,
    },
    constants,
  );
  const draws = exprs.some(usesRandom);
  const drawing = draws
    ? [
        `let words = threefry(${counter});`,
        `let random0 = ${T}(words.a >> ${U}(8u)) * ${2 ** -24};`,
        `let random1 = ${T}(words.b >> ${U}(8u)) * ${2 ** -24};`,
      ]
    : [];
  return {
    functions: `${mathFunctions(T, math)}\n${draws ? threefryFunction(U) : ''}`,
    statements: [...drawing, statements].join('\n'),
    results,
  };
}

/** Prints trees of integers. @throws {TypeError} for a function that isn't exact in them */
export function printIntegers(T: IntegerType, exprs: readonly Expr[]): Printed {
  const printed = printNodes(exprs, {
    T,
    literal: String,
    unary: (op, a) => {
      if (!isWholeUnary(op)) throw new TypeError(`${op} isn't exact in integers`);
      return { neg: `-(${a})`, abs: `abs(${a})`, floor: a, isnan: `${T}(0)` }[op];
    },
    binary: (op, a, b) => {
      if (!isWholeBinary(op)) throw new TypeError(`${op} isn't exact in integers`);
      if (op === 'min' || op === 'max') return `${op}(${a}, ${b})`;
      const said = `${a} ${operators[op]} ${b}`;
      return op === 'add' || op === 'sub' || op === 'mul' ? said : `select(${T}(0), ${T}(1), ${said})`;
    },
    holds: (a) => `${a} != ${T}(0)`,
  });
  return { functions: '', ...printed };
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
    case 'erf':
      return call('erfOf');
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

/** Whether an expression has one value for all elements. */
function isOne(expr: Expr): boolean {
  return expr.kind !== 'input' && expr.kind !== 'random' && childrenOf(expr).every(isOne);
}

/** Powers with a simpler form, or null. */
function printPower(a: string, b: string, right: Expr, math: Set<MathName>): string | null {
  if (right.kind !== 'constant') {
    if (!isOne(right)) return null;
    math.add('powByOne');
    return `powByOne(${a}, ${b})`;
  }
  const exponent = right.value;
  if (exponent === 1) return a;
  if (exponent === 2) return `${a} * ${a}`;
  if (exponent === 3) return `${a} * ${a} * ${a}`;
  if (exponent === 4) return `(${a} * ${a}) * (${a} * ${a})`;
  return null;
}

const operators: Readonly<Record<Exclude<BinaryOp, 'pow' | 'min' | 'max'>, string>> = {
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
