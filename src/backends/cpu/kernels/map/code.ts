/**
 * Element-wise maps as SIMD code: expression trees printed for four lanes at a time.
 *
 * The map runs over `outer` axes around an inner one. A walker (an input, an output, the random counter) has for
 * each axis a stride; on the inner axis an input may stand still (0), lie densely (1) or be strided. A thread takes
 * a run of the elements in row-major order, row by row of the inner axis; within a row, four elements at a time
 * (sixteen if everything is simple and dense), then one at a time by the same vector code, so that an element's
 * bits don't depend on where the runs begin.
 *
 * Words: total, inner size; sizes of the outer axes; for each walker its base, outer strides, inner stride (bytes;
 * numbers for the counter); params; key 0, key 1, stream.
 */
import { type Expr, exprKey, inputsOf, usesRandom } from '../../../../core/expr.js';
import type { DType } from '../../../../core/shape.js';
import { ModuleBuilder } from '../../asm/assembler.js';
import { while_ } from '../../asm/flow.js';
import {
  type Code,
  f32x4,
  i8x16,
  i16x8,
  i32,
  i32x4,
  type Local,
  type V128,
  type Value,
  v128,
} from '../../asm/instructions.js';
import { Lanes, share, smaller } from '../../asm/lanes.js';
import type { Features } from '../../plan.js';
import { printExpr } from './expr.js';
import { threefry, toUniform } from './random.js';

/** How an operand lies along the inner axis. */
export interface MapOperand {
  readonly dtype: DType;
  readonly inner: 'still' | 'dense' | 'strided';
}

/** What a map's code depends on. */
export interface MapKind {
  readonly exprs: readonly Expr[];
  readonly inputs: readonly MapOperand[];
  readonly outputs: readonly MapOperand[];
  /** Number of axes around the inner one. */
  readonly outer: number;
  readonly params: number;
  /** Whether it is computed in int32. */
  readonly integers: boolean;
}

/** Tells maps of different code apart. */
export function mapKey(kind: MapKind): string {
  const operand = (o: MapOperand): string => `${o.dtype} ${o.inner}`;
  const inputs = kind.inputs.map(operand).join(',');
  const outputs = kind.outputs.map((o, j) => `${operand(o)}=${exprKey(kind.exprs[j]!)}`).join(';');
  return `map${kind.integers ? ' integers' : ''}(${inputs};${kind.params})${outputs} in ${kind.outer}`;
}

/** Where the words stand. */
function wordPlaces(kind: MapKind) {
  const walkers = kind.inputs.length + kind.outputs.length + (kind.exprs.some(usesRandom) ? 1 : 0);
  const base = (w: number): number => 2 + kind.outer + w * (kind.outer + 2);
  return {
    walkers,
    size: (axis: number): number => 2 + axis,
    base,
    /** Stride of walker w along an outer axis, or along the inner one (number `outer`). */
    stride: (w: number, axis: number): number => base(w) + 1 + axis,
    param: (k: number): number => base(walkers) + k,
    draw: base(walkers) + kind.params,
  };
}

type I32Local = Local<'i32'>;

/** Bytes of an operand's element. */
const widthOf = (operand: MapOperand): number => (operand.dtype === 'uint8' ? 1 : 4);

/** Groups of four elements that are computed together. */
const groupsAtOnce = 2;

/** Emits `map(address of words, thread, threads)`. */
export function emitMap(kind: MapKind, features: Features): Uint8Array<ArrayBuffer> {
  const { exprs, inputs, outputs, outer } = kind;
  const module = new ModuleBuilder();
  const f = module.func('map');
  const { words, thread, threads } = f.params('i32', 'words', 'thread', 'threads');
  const l = new Lanes(f, features);
  const word = (k: number) => i32.load(words, 4 * k);

  const places = wordPlaces(kind);
  const used = new Set(exprs.flatMap(inputsOf));
  const operands = [...inputs, ...outputs];

  const total = l.let(word(0));
  const inner = l.let(word(1));
  const at = Array.from({ length: places.walkers }, () => l.variable('i32'));
  const steps = at.map((_, w) => l.let(word(places.stride(w, outer))));
  const params = Array.from({ length: kind.params }, (_, k) =>
    l.let(v128.load32Splat(words, 4 * places.param(k))),
  );

  /** Both random words of group `number` of four neighbouring elements (or one), as uniform numbers. */
  const uniform = (number: number, single: boolean): [V128, V128] => {
    const numbers = i32x4.const(4 * number, 4 * number + 1, 4 * number + 2, 4 * number + 3);
    const step = l.once('counter step', () => i32x4.splat(word(places.stride(at.length - 1, outer))));
    const apart = l.once(`counter steps ${number}`, () => i32x4.mul(numbers, step));
    const first = i32x4.splat(at.at(-1)!);
    const draw = { key0: word(places.draw), key1: word(places.draw + 1), stream: word(places.draw + 2) };
    const [a, b] = threefry(l, l.let(single ? first : i32x4.add(first, apart)), draw);
    return [toUniform(l, a), toUniform(l, b)];
  };

  const still = new Map<number, Local<'v128'>>();
  /** Lanes of input k: elements `4 * group` on from where its walker stands, or the one there. */
  const loadInput = (k: number, group: number, single: boolean): V128 =>
    still.get(k) ?? l.let(load(l, inputs[k]!, at[k]!, steps[k]!, group, single, kind));

  /** Code for groups of four elements (or a single one): all are computed before any is written (asm/runs.ts). */
  const groups = (numbers: readonly number[], single: boolean): void => {
    const results = numbers.map((number) => {
      const leaves = {
        input: (k: number) => loadInput(k, number, single),
        param: (k: number) => params[k]!,
        uniform: () => uniform(number, single),
      };
      return printExpr(l, exprs, leaves, kind).map((result, j) => lanesOf(l, outputs[j]!, result, kind));
    });
    outputs.forEach((output, j) => {
      const w = inputs.length + j;
      for (const [i, number] of numbers.entries()) {
        l.do(store(l, output, at[w]!, steps[w]!, results[i]![j]!, number, single));
      }
    });
  };
  const advance = (elements: number): Code =>
    at.map((pointer, w) => {
      const operand = operands[w];
      if (operand?.inner === 'still' || (w < inputs.length && !used.has(w))) return [];
      const step = operand?.inner === 'dense' ? widthOf(operand) * elements : i32.mul(steps[w]!, elements);
      return pointer.set(i32.add(pointer, step));
    });

  const left = l.variable('i32');
  const runOf = (elements: number): Code =>
    while_(
      i32.geU(left, elements),
      l.turn(() => {
        const count = Math.max(1, elements / 4);
        for (let g = 0; g < count; g += groupsAtOnce) {
          groups(
            Array.from({ length: Math.min(groupsAtOnce, count) }, (_, i) => g + i),
            elements === 1,
          );
        }
        l.do(advance(elements), left.set(i32.sub(left, elements)));
      }),
    );

  const { begin, end } = share(l, total, 16, thread, threads);
  const row = l.block(() => {
    const column = placeWalkers(l, kind, { begin, inner, at, word });
    l.do(left.set(i32.sub(end, begin)), left.set(smaller(left, i32.sub(inner, column))));
    l.do(begin.set(i32.add(begin, left)));
    inputs.forEach((input, k) => {
      if (input.inner === 'still' && used.has(k))
        still.set(k, l.let(load(l, input, at[k]!, steps[k]!, 0, true, kind)));
    });
    if (isSimple(kind)) l.do(runOf(16));
    else if (features.wide && isDense(kind)) l.do(runOf(8));
    l.do(runOf(4), runOf(1));
  });
  l.do(while_(i32.ltU(begin, end), row));
  f.body(l.finish());
  return module.finish();
}

/** Sets each walker to where element `begin` lies; returns that element's index along the inner axis. */
function placeWalkers(
  l: Lanes,
  kind: MapKind,
  {
    begin,
    inner,
    at,
    word,
  }: Record<'begin' | 'inner', I32Local> & {
    readonly at: readonly I32Local[];
    word(k: number): Value<'i32'>;
  },
): I32Local {
  const { outer } = kind;
  const places = wordPlaces(kind);
  const rest = l.let(i32.divU(begin, inner));
  const column = l.let(i32.sub(begin, i32.mul(rest, inner)));
  at.forEach((pointer, w) => {
    l.do(pointer.set(i32.add(word(places.base(w)), i32.mul(column, word(places.stride(w, outer))))));
  });
  for (let axis = outer - 1; axis >= 0; axis--) {
    const index = axis === 0 ? rest : l.let(i32.remU(rest, word(places.size(axis))));
    at.forEach((pointer, w) => {
      l.do(pointer.set(i32.add(pointer, i32.mul(index, word(places.stride(w, axis))))));
    });
    if (axis > 0) l.do(rest.set(i32.divU(rest, word(places.size(axis)))));
  }
  return column;
}

/** Whether all operands are dense, or stand still, and need no conversion. */
function isDense({ integers, inputs, outputs }: Pick<MapKind, 'integers' | 'inputs' | 'outputs'>): boolean {
  const own = integers ? 'int32' : 'float32';
  return [...inputs, ...outputs].every((o) => o.inner !== 'strided' && o.dtype === own);
}

/** Whether sixteen elements at a time pay: dense operands, and few cheap operations. */
export function isSimple(kind: Pick<MapKind, 'exprs' | 'inputs' | 'outputs' | 'integers'>): boolean {
  const cost = (expr: Expr): number => {
    switch (expr.kind) {
      case 'random':
        return Infinity;
      case 'unary':
        return cost(expr.a) + (['neg', 'abs', 'sqrt', 'floor', 'isnan'].includes(expr.op) ? 1 : Infinity);
      case 'binary':
        return cost(expr.a) + cost(expr.b) + (expr.op === 'pow' ? Infinity : 1);
      case 'where':
        return cost(expr.condition) + cost(expr.a) + cost(expr.b) + 1;
      default:
        return 0;
    }
  };
  return isDense(kind) && kind.exprs.reduce((sum, expr) => sum + cost(expr), 0) <= 24;
}

/** Four elements (or one) of an operand as float32 lanes, or as int32 ones of integers. */
export function load(
  l: Lanes,
  operand: MapOperand,
  pointer: Local<'i32'>,
  step: Local<'i32'>,
  group: number,
  single: boolean,
  { integers }: Pick<MapKind, 'integers'>,
): V128 {
  const bytes = operand.dtype === 'uint8';
  let lanes: V128;
  if (single) {
    lanes = bytes ? i32x4.splat(i32.load8U(pointer)) : v128.load32Splat(pointer);
  } else if (operand.inner === 'dense') {
    lanes = bytes
      ? i32x4.extendLowI16x8U(i16x8.extendLowI8x16U(v128.load32Zero(pointer, 4 * group)))
      : v128.load(pointer, 16 * group);
  } else {
    const second = l.let(i32.add(pointer, step));
    const third = l.let(i32.add(second, step));
    const element = (address: I32Local) => (bytes ? i32.load8U(address) : i32.load(address));
    lanes = bytes ? i32x4.splat(i32.load8U(pointer)) : v128.load32Zero(pointer);
    lanes = i32x4.replaceLane(lanes, 1, element(second));
    lanes = i32x4.replaceLane(lanes, 2, element(third));
    lanes = i32x4.replaceLane(lanes, 3, element(l.let(i32.add(third, step))));
  }
  return operand.dtype === 'float32' || integers ? lanes : f32x4.convertI32x4S(lanes);
}

/** What was computed, as lanes of an operand's type: float32, or int32 for integers. */
function lanesOf(l: Lanes, operand: MapOperand, value: V128, { integers }: MapKind): V128 {
  if ((operand.dtype !== 'float32') === integers) return value;
  return l.let(integers ? f32x4.convertI32x4S(value) : i32x4.truncSatF32x4S(value));
}

/** Writes four lanes (or the first) as elements of an operand; bytes saturate. */
export function store(
  l: Lanes,
  operand: MapOperand,
  pointer: I32Local,
  step: I32Local,
  lanes: V128,
  group: number,
  single: boolean,
): Code {
  if (operand.dtype === 'uint8') {
    const halves = l.let(i16x8.narrowI32x4S(lanes, lanes));
    const packed = i8x16.narrowI16x8U(halves, halves);
    if (single) return i32.store8(pointer, i32x4.extractLane(packed, 0));
    return v128.store32Lane(pointer, packed, 0, 4 * group);
  }
  if (single) return v128.store32Lane(pointer, lanes, 0);
  if (operand.inner === 'dense') return v128.store(pointer, lanes, 16 * group);
  let address = pointer;
  return [0, 1, 2, 3].map((lane) => {
    if (lane > 0) address = l.let(i32.add(address, step));
    return v128.store32Lane(address, lanes, lane);
  });
}
