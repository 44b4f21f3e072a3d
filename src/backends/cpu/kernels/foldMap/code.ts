/**
 * Row-wise kernels (`Kernels.foldMap`) as SIMD code, in two layouts:
 *
 *     rows     a thread takes a row at a time: one walk along it for each pass of numbers (backends/foldMap.ts), then one
 *              for the outputs, while a row of ordinary length lies in the cache; what a sum needs and is dear, such as
 *              softmax's exponential, is left in the output on the way
 *     columns  one pass of numbers where the rows' number runs densely: 1024 neighbouring rows at a time, line by line
 *              across them, gathered in memory
 *
 * The order of the additions depends on the shape alone. Kept and reduced axes are up to three each; the inner axis is
 * the last reduced one (`rows`) or the last kept one (`columns`).
 */
import { type Expr, exprKey, inputsOf } from '../../../../core/expr.js';
import { passesOf } from '../../../foldMap.js';
import { if_, while_ } from '../../asm/flow.js';
import {
  type Code,
  f32,
  f32x4,
  i32,
  type Local,
  type V128,
  type Value,
  v128,
} from '../../asm/instructions.js';
import { type Lanes, smaller } from '../../asm/lanes.js';
import { expReach, nearExp } from '../../asm/math.js';
import { elementsOf, forRuns, type Run } from '../../asm/runs.js';
import { tree } from '../../asm/sums.js';
import { emitUnits } from '../../asm/units.js';
import type { Features } from '../../plan.js';
import { load, store } from '../map/code.js';
import { printExpr } from '../map/expr.js';
import {
  acrossLanes,
  combine,
  firstLane,
  floatsInMemory,
  quickFold,
  rowFold,
  sumsInMemory,
} from '../reduce/folds.js';
import { type FoldMapKind, foldMapWords } from './kind.js';
import { contains, dearFold, foldsAmong, isDear, type NearExp, nearExpOf } from './trees.js';

/** Neighbouring rows of a unit of `columns`. */
export const blockRows = 1024;

/** Bytes of scratch memory for each number and thread (`columns`). */
export const scratchBytes = 8 * blockRows;

/**
 * Lines of `columns` that a sum in single precision takes: one after the other, in the memory's order. Longer sums, which are
 * double numbers in memory, take four side by side.
 */
export const shortLines = 64;
const linesAtOnce = 4;

/** Runs added up in single precision. */
const runsAtOnce = 58;

/** What the code of a unit works with. */
interface Frame {
  readonly l: Lanes;
  readonly kind: FoldMapKind;
  readonly params: readonly V128[];
  word(name: string): Local<'i32'>;
}

/** Emits `foldMap(address of words, thread, threads)`. */
export function emitFoldMap(kind: FoldMapKind, features: Features): Uint8Array<ArrayBuffer> {
  const layout = foldMapWords(kind);
  return emitUnits('foldMap', layout, features, ({ l, w, words, thread }) => {
    const params = Array.from({ length: kind.params }, (_, k) =>
      l.once(`param ${k}`, () => layout.splat(words, `param${k}`)),
    );
    const frame: Frame = { l, kind, params, word: (name) => w[name]! };
    if (kind.layout === 'rows') return (unit) => oneRow(frame, unit);
    const bytes = scratchBytes * kind.numbers.length;
    const scratch = l.let(i32.add(frame.word('scratch'), i32.mul(thread, bytes)));
    return (unit) => oneBlock(frame, unit, scratch);
  });
}

const integers = { integers: false };

/**
 * Values of trees at the elements that walkers stand at.
 * @param input the value of input k, or of an earlier number
 * @param known values of trees, by their keys
 */
function evaluate(
  { l, params }: Frame,
  exprs: readonly Expr[],
  input: (k: number) => V128,
  known: ReadonlyMap<string, V128> = new Map(),
): V128[] {
  const uniform = (): never => {
    throw new TypeError('foldMap has no random numbers');
  };
  return printExpr(l, exprs, { input, param: (k) => params[k]!, uniform, known }, integers);
}

/** Numbers of the inputs that occur in trees. */
function usedInputs({ kind }: Frame, exprs: readonly Expr[]): number[] {
  return [...new Set(exprs.flatMap(inputsOf))].filter((k) => k < kind.inputs.length);
}

/** The indices of row `row` along the first `axes` kept axes. */
function indicesOf({ l, word }: Frame, row: Value<'i32'>, axes: number): Local<'i32'>[] {
  const rest = l.let(row);
  const indices: Local<'i32'>[] = [];
  for (let axis = axes - 1; axis > 0; axis--) {
    const size = word(`kept${axis}`);
    indices.unshift(l.let(i32.remU(rest, size)));
    l.do(rest.set(i32.divU(rest, size)));
  }
  return axes > 0 ? [rest, ...indices] : indices;
}

/** `word(name)` and as many strides `name kept0`, .. as there are indices, times these. */
function placeOf(
  { l, word }: Frame,
  name: string,
  strides: string,
  indices: readonly Local<'i32'>[],
): Local<'i32'> {
  return l.let(
    indices.reduce<Value<'i32'>>(
      (at, index, axis) => i32.add(at, i32.mul(index, word(`${strides} kept${axis}`))),
      word(name),
    ),
  );
}

/** Addresses that walk along, by the numbers of their operands. */
type Walkers = ReadonlyMap<number, Local<'i32'>>;

const copied = (l: Lanes, at: Walkers): Walkers =>
  new Map([...at].map(([w, address]) => [w, l.let<'i32'>(address)]));

/** Code that moves walkers on by their strides along a reduced axis. */
function stepped({ word }: Frame, at: Walkers, axis: number): Code {
  return [...at].map(([w, address]) => address.set(i32.add(address, word(`at${w} reduced${axis}`))));
}

/** Runs `body` for every index of the reduced axes but the last; it gets walkers that it may not move. */
function forOuter(f: Frame, start: Walkers, body: (at: Walkers) => void): void {
  const { l, kind, word } = f;
  const descend = (from: Walkers, axis: number): void => {
    if (axis === kind.reduced - 1) {
      body(from);
      return;
    }
    const at = copied(l, from);
    const left = l.let<'i32'>(word(`reduced${axis}`));
    const turn = l.block(() => descend(at, axis + 1));
    l.do(while_(left, [turn, stepped(f, at, axis), left.set(i32.sub(left, 1))]));
  };
  descend(start, 0);
}

/** Some neighbouring elements of a row: the trees' values at each vector, and walkers at the first element. */
interface Group {
  readonly values: readonly (readonly V128[])[];
  readonly single: boolean;
  readonly at: Walkers;
}

/**
 * Runs `body` along a row.
 * @param start of the inputs that occur in the trees, and of outputs
 * @param input the value of earlier numbers
 * @param settle code that runs after a few dozen groups, and at the end
 * @param found the key of a tree whose values the output holds already
 * @param near an exponential whose arguments are known to lie within its reach
 */
function forRow(
  f: Frame,
  start: Walkers,
  exprs: readonly Expr[],
  input: (k: number) => V128,
  body: (group: Group) => void,
  settle: () => void,
  { found = null, near = null }: { readonly found?: string | null; readonly near?: NearExp | null } = {},
): void {
  const { l, kind, word } = f;
  const operands = [...kind.inputs, ...kind.outputs];
  const isInput = (w: number): boolean => w < kind.inputs.length;
  const inner = kind.reduced - 1;
  const walking = [...start.keys()];
  const inputs = walking.map((w) => operands[w]!);
  const isLying = inputs.every(({ inner }) => inner !== 'strided');
  // Of dear trees fewer at a time, which find room in the registers.
  const most = exprs.some(isDear) ? 8 : 16;
  const lengths = isLying ? [most, 4, 1] : [4, 1];
  forOuter(f, start, (line) => {
    const at = copied(l, line);
    const still = new Map(
      walking
        .filter((w) => isInput(w) && operands[w]!.inner === 'still')
        .map((w) => [w, l.let(v128.load32Splat(at.get(w)!))]),
    );
    const group = (elements: number): void => {
      const single = elements === 1;
      const read = (w: number, vector: number): V128 => {
        const step = word(`at${w} reduced${inner}`);
        return l.let(load(l, operands[w]!, at.get(w)!, step, vector, single, integers));
      };
      const values = Array.from({ length: Math.ceil(elements / 4) }, (_, vector) => {
        const leaf = (k: number): V128 =>
          isInput(k) && at.has(k) ? (still.get(k) ?? read(k, vector)) : input(k);
        const known = new Map<string, V128>();
        if (found !== null) known.set(found, read(kind.inputs.length, vector));
        if (near) known.set(exprKey(near.expr), nearExp(l, evaluate(f, [near.expr.a], leaf)[0]!));
        return evaluate(f, exprs, leaf, known);
      });
      body({ values, single, at });
      for (const [w, address] of at) {
        const operand = operands[w]!;
        if (operand.inner === 'still') continue;
        const step =
          operand.inner === 'dense' ? 4 * elements : i32.mul(word(`at${w} reduced${inner}`), elements);
        l.do(address.set(i32.add(address, step)));
      }
    };
    const left = l.let<'i32'>(word(`reduced${inner}`));
    const some = l.variable('i32');
    const turn = l.block(() => {
      for (const elements of lengths) {
        const once = l.turn(() => group(elements));
        l.do(while_(i32.geU(some, elements), [once, some.set(i32.sub(some, elements))]));
      }
      settle();
    });
    const next = some.set(smaller(left, runsAtOnce * lengths[0]!));
    l.do(while_(left, [next, left.set(i32.sub(left, some)), turn]));
  });
}

/** `rows`: row number `unit`. */
function oneRow(f: Frame, unit: Local<'i32'>): void {
  const { l, kind } = f;
  const count = kind.inputs.length;
  const indices = indicesOf(f, unit, kind.kept);
  const starts = [...kind.inputs, ...kind.outputs].map((_, w) => placeOf(f, `at${w}`, `at${w}`, indices));
  const startsOf = (walkers: readonly number[]): Walkers => new Map(walkers.map((w) => [w, starts[w]!]));
  const before: V128[] = [];
  const input = (k: number): V128 => (k < count ? v128.load32Splat(starts[k]!) : before[k - count]!);
  const write = ({ values, single, at }: Group, results: readonly number[]): void => {
    kind.outputs.slice(0, results.length).forEach((output, j) => {
      const w = count + j;
      const step = f.word(`at${w} reduced${kind.reduced - 1}`);
      values.forEach((vector, i) => {
        l.do(store(l, output, at.get(w)!, step, vector[results[j]!]!, i, single));
      });
    });
  };
  // Written even where the output needs something else: what is written is fused to 256 bits (runtime/wide.ts).
  const left = dearFold(kind);
  const near = nearExpOf(kind);
  /** Whether the row's elements lie so near their largest. */
  const isNear = l.let(i32.const(0));
  for (const pass of passesOf(kind.numbers, count)) {
    const numbers = pass.map((k) => kind.numbers[k]!);
    const exprs = numbers.map(({ expr }) => expr);
    const folds = foldsAmong(numbers).map(({ op }) => ({ op, fold: rowFold(l, op) }));
    const least = near && pass.includes(near.most) ? quickFold(l, 'min') : null;
    if (folds.length > 0) {
      const leaves = pass.includes(left);
      const add = (group: Group): void => {
        const { values, single } = group;
        if (leaves) write(group, [pass.indexOf(left)]);
        folds.forEach(({ op, fold }, i) => {
          const terms = values.map((vector) => vector[i]!);
          fold.add(single ? [firstLane(l, op, terms[0]!)] : terms);
          if (least && pass[i] === near?.most) least.add(single ? [firstLane(l, 'min', terms[0]!)] : terms);
        });
      };
      const settle = (): void => {
        for (const { fold } of folds) fold.settle();
      };
      const walkers = [...usedInputs(f, exprs), ...(leaves ? [count] : [])];
      const walk = (known: NearExp | null): Code =>
        l.block(() => forRow(f, startsOf(walkers), exprs, input, add, settle, { near: known }));
      const hasNear = near && exprs.some((expr) => contains(expr, exprKey(near.expr)));
      l.do(hasNear ? if_(isNear, walk(near), walk(null)) : walk(null));
    }
    const results =
      folds.length > 0 ? folds.map(({ fold }) => fold.total(l.f32(1))) : evaluate(f, exprs, input);
    pass.forEach((k, i) => {
      const value = l.let(results[i]!);
      if (kind.keeps[k]) l.do(v128.store32Lane(placeOf(f, `keep${k}`, 'keep', indices), value, 0));
      before.push(folds.length > 0 ? l.let(f32x4.splat(f32x4.extractLane(value, 0))) : value);
    });
    if (least && near) {
      const span = f32x4.sub(before[near.most]!, acrossLanes(l, least.lanes(), f32x4.pmin));
      l.do(isNear.set(f32.le(f32x4.extractLane(span, 0), expReach)));
    }
  }
  if (kind.exprs.length === 0) return;
  const walkers = [...usedInputs(f, kind.exprs), ...kind.outputs.map((_, j) => count + j)];
  const key = left < 0 ? null : exprKey(kind.numbers[left]!.expr);
  const found = key !== null && contains(kind.exprs[0]!, key) ? key : null;
  const writeAll = (group: Group): void => write(group, [...kind.exprs.keys()]);
  forRow(f, startsOf(walkers), kind.exprs, input, writeAll, () => {}, { found });
}

/** `columns`: block number `unit` of rows, gathered in `scratch`. */
function oneBlock(f: Frame, unit: Local<'i32'>, scratch: Local<'i32'>): void {
  const { l, kind, word } = f;
  const last = kind.kept - 1;
  const size = word(`kept${last}`);
  const perLine = l.let(i32.divU(i32.add(size, blockRows - 1), blockRows));
  const first = l.let(i32.mul(i32.remU(unit, perLine), blockRows));
  const indices = [...indicesOf(f, i32.divU(unit, perLine), last), first];
  const count = l.let(smaller(l.let(i32.sub(size, first)), blockRows));
  const folds = foldsAmong(kind.numbers);
  const exprs = folds.map(({ expr }) => expr);
  const used = usedInputs(f, exprs);
  const isDense = (k: number): boolean => kind.inputs[k]!.inner === 'dense';
  const start = new Map(used.map((k) => [k, placeOf(f, `at${k}`, `at${k}`, indices)]));
  const results = folds.map(({ op }) =>
    op === 'sum' && !kind.short ? sumsInMemory(l) : floatsInMemory(l, op),
  );
  const places = folds.map((_, i) => l.let(i32.add(scratch, scratchBytes * i)));
  results.forEach((result, i) => {
    result.clear(places[i]!, count);
  });
  forOuter(f, start, (outer) => {
    const at = copied(l, outer);
    const left = l.let<'i32'>(word(`reduced${kind.reduced - 1}`));
    const together = (lines: number): void => {
      const walkers = Array.from({ length: lines }, () => {
        const line = copied(l, at);
        l.do(stepped(f, at, kind.reduced - 1));
        return line;
      });
      const still = walkers.map(
        (line) =>
          new Map(used.filter((k) => !isDense(k)).map((k) => [k, l.let(v128.load32Splat(line.get(k)!))])),
      );
      const to = places.map((place) => l.let<'i32'>(place));
      const moving = walkers.flatMap((line) => used.filter(isDense).map((k) => line.get(k)!));
      const fold = (run: Run): void => {
        for (let v = 0; v < run.vectors; v++) {
          const values = walkers.map((line, n) =>
            evaluate(f, exprs, (k) => still[n]!.get(k) ?? l.let(run.load(line.get(k)!, v))),
          );
          folds.forEach(({ op }, i) => {
            const terms = values.map((ofLine) => ofLine[i]!);
            results[i]!.fold(run, to[i]!, v, l.let(tree(terms, combine[op])));
          });
        }
        results.forEach((result, i) => {
          l.do(to[i]!.set(i32.add(to[i]!, result.bytes * elementsOf(run))));
        });
      };
      forRuns(l, count, moving, fold);
    };
    for (const lines of kind.short ? [1] : [linesAtOnce, 1]) {
      const turn = l.block(() => together(lines));
      l.do(while_(i32.geU(left, lines), [turn, left.set(i32.sub(left, lines))]));
    }
  });
  results.forEach((result, i) => {
    const from = l.let<'i32'>(places[i]!);
    const out = placeOf(f, `keep${i}`, 'keep', indices);
    forRuns(l, count, [out], (run) => {
      for (let v = 0; v < run.vectors; v++) l.do(run.store(out, v, result.scaled(run, from, v, l.f32(1))));
      l.do(from.set(i32.add(from, result.bytes * elementsOf(run))));
    });
  });
}
