/**
 * Element-wise maps: one invocation computes one element, four neighbouring ones (vec4) where every view allows it,
 * or the four bytes of a word of a uint8 output.
 *
 * Views of one buffer share a binding, so an output may be an input. A map of more buffers than a shader may bind
 * is cut into several through temporaries.
 */
import type { Kernels } from '../../../../core/backend.js';
import { childrenOf, type Expr, e, exprKey, inputsOf, paramsOf } from '../../../../core/expr.js';
import { contiguousStrides, sizeOf, type View } from '../../../../core/shape.js';
import { type Recorder, type Spec, type Wide, wide } from '../../runtime/recorder.js';
import { halvesOf, sliceOf, widestAxis } from '../cuts.js';
import { mergeAxes, namesOf, numbered, splitIndex } from '../wgsl.js';
import { type Printed, printFloats, printIntegers, uniformConstants } from './print.js';

type Args = Kernels['map'];

/** Storage buffers of a stage, by WebGPU's default limit. */
export const bufferLimit = 8;

/** See `Kernels.map`. */
export function map(recorder: Recorder, args: Args): void {
  if (sizeOf(args.shape) === 0 || args.exprs.length === 0) return;
  const halves = cut(recorder, args);
  if (halves) {
    for (const half of halves) map(recorder, half);
    return;
  }
  const layout = layoutOf(recorder, args);
  const bytes = args.outputs.some((view) => view.dtype === 'uint8') && layout.width === 1;
  if (layout.buffers.length > bufferLimit || (bytes && args.outputs.length > 1)) {
    throughTemporaries(recorder, args);
    return;
  }
  recorder.dispatch(bytes ? byteSpec(args, layout) : elementSpec(args, layout));
}

/** Two maps of half the elements each, where a kernel can't see all of them. */
function cut(recorder: Recorder, args: Args): Args[] | null {
  const views = [...args.inputs, ...args.outputs];
  const large = views.find(({ buffer }) => !recorder.fits(...views.filter((view) => view.buffer === buffer)));
  if (!large) return null;
  const axis = widestAxis(large);
  const n = args.shape[axis] ?? 1;
  if (n === 1) return null;
  const { draw } = args;
  return halvesOf(n).map((half) => {
    const slice = (view: View): View => sliceOf(view, axis, half);
    return {
      ...args,
      shape: args.shape.map((size, i) => (i === axis ? half.count : size)),
      inputs: args.inputs.map(slice),
      outputs: args.outputs.map(slice),
      draw: draw && { ...draw, offset: draw.offset + half.start * draw.strides[axis]! },
    };
  });
}

/** How the elements are walked. */
interface Layout {
  readonly shape: readonly number[];
  /** Strides of the inputs, the outputs, and the random counter, over `shape`. */
  readonly strides: readonly (readonly number[])[];
  /** Elements of the last axis that an invocation computes. */
  readonly width: 1 | 4;
  /** What is seen of the distinct buffers, those of outputs marked. */
  readonly buffers: readonly { readonly view: View; readonly written: boolean }[];
  /** For each of the inputs and outputs, the number of its buffer. */
  readonly owners: readonly number[];
}

function layoutOf(recorder: Recorder, { shape, inputs, outputs, draw }: Args): Layout {
  const views = [...inputs, ...outputs];
  const dense = { strides: contiguousStrides(shape) };
  const merged = mergeAxes(shape, [...views.map((view) => view.strides), (draw ?? dense).strides]);
  const last = merged.shape.length - 1;
  const vectorizes = (view: View, strides: readonly number[]): boolean =>
    strides[last] === 1 &&
    view.offset % 4 === 0 &&
    strides.every((stride, axis) => axis === last || stride % 4 === 0);
  const fits = (view: View, i: number): boolean => {
    const strides = merged.strides[i]!;
    return vectorizes(view, strides) || (i < inputs.length && strides[last] === 0);
  };
  const width = last >= 0 && merged.shape[last]! % 4 === 0 && views.every(fits) ? 4 : 1;
  const distinct: View[][] = [];
  const owners = views.map((view) => {
    const known = distinct.findIndex(([first]) => first!.buffer === view.buffer);
    if (known < 0) return distinct.push([view]) - 1;
    distinct[known]!.push(view);
    return known;
  });
  const buffers = distinct.map((group, owner) => ({
    view: recorder.stretch(group),
    written: owners.lastIndexOf(owner) >= inputs.length,
  }));
  return { ...merged, width, buffers, owners };
}

function elementSpec(args: Args, layout: Layout): Spec {
  const { shape, width } = layout;
  const sizes = shape.map((n, axis) => (axis === shape.length - 1 ? n / width : n));
  const printed = () => print(args, layout);
  return {
    ...common(args, layout, 'element'),
    functions: () => printed().functions,
    body: () => {
      const { statements, results } = printed();
      return [
        splitIndex('index', 'i', 'n', shape.length),
        ...args.inputs.map((view, i) => `let in${i} = ${load(args, view, i, layout)};`),
        statements,
        ...results.map((result, j) => store(args, args.outputs[j]!, args.inputs.length + j, result, layout)),
      ].join('\n');
    },
    run: { invocations: sizeOf(sizes) },
  };
}

/** An invocation for each word of the one uint8 output; bytes of a word that lie outside the view stay. */
function byteSpec(args: Args, layout: Layout): Spec {
  const [output] = args.outputs;
  const offset = placeOf(output!, layout.buffers[layout.owners.at(-1)!]!);
  const size = sizeOf(args.shape);
  const spec = common(args, layout, 'byte');
  const name = bindingOf(layout.owners.length - 1, layout);
  const printed = () => print(args, layout);
  return {
    ...spec,
    i32: { ...spec.i32, size, first: offset },
    functions: () => printed().functions,
    body: () => `let at = u.first / 4 + index;
var word = ${name}[at];
for (var lane = 0; lane < 4; lane++) {
  let element = at * 4 + lane - u.first;
  if (element < 0 || element >= u.size) { continue; }
${splitIndex('element', 'i', 'n', layout.shape.length)}
${args.inputs.map((view, i) => `let in${i} = ${load(args, view, i, layout)};`).join('\n')}
${printed().statements}
  word = insertBits(word, u32(${element(args, output!, printed().results[0]!, layout)}), u32(lane) * 8u, 8u);
}
${name}[at] = word;`,
    run: { invocations: Math.ceil(((offset % 4) + size) / 4) },
  };
}

/** The map's trees. */
function print({ exprs, outputs, integers = false }: Args, layout: Layout): Printed {
  if (integers) return printIntegers(layout.width === 4 ? 'vec4i' : 'i32', exprs);
  const rounds = outputs.some((view) => view.dtype !== 'float32');
  return printFloats(
    layout.width === 4 ? 'vec4f' : 'f32',
    exprs,
    counterOf(layout),
    rounds ? ['truncated'] : [],
  );
}

/** Key, numbers and buffers of either kind. */
function common(
  args: Args,
  layout: Layout,
  kind: string,
): Pick<Spec, 'key' | 'i32' | 'f32' | 'read' | 'write'> {
  const { inputs, outputs, exprs, draw, integers = false } = args;
  const { buffers, owners, width } = layout;
  const views = [...inputs, ...outputs];
  const last = layout.shape.length - 1;
  let described = '';
  owners.forEach((owner, v) => {
    described += layout.strides[v]![last] === 0 ? ` ${owner}~` : ` ${owner}`;
  });
  const names = namesOf('b', buffers.length);
  const read: Record<string, View | Wide> = {};
  const write: Record<string, View | Wide> = {};
  buffers.forEach(({ view, written }, i) => {
    (written ? write : read)[names[i]!] = width === 4 && view.dtype !== 'uint8' ? wide(view) : view;
  });
  const trees = exprs.map(exprKey).join(' ; ');
  const { params, constants } = usedBy(trees, exprs);
  const i32 = numbered(
    'n',
    layout.shape.map((n, axis) => (axis === last ? n / width : n)),
  );
  const places = views.map((view, v) => placeOf(view, buffers[owners[v]!]!));
  numbered('at', [...places, draw?.offset ?? 0], i32);
  const rows = namesOf('s', layout.strides.length);
  for (const [v, strides] of layout.strides.entries()) numbered(`${rows[v]}_`, strides, i32);
  i32.seed0 = draw?.seed[0] ?? 0;
  i32.seed1 = draw?.seed[1] ?? 0;
  i32.stream = draw?.stream ?? 0;
  const f32: Record<string, number> = {};
  const numbers = integers ? i32 : f32;
  for (const [name, index] of params) numbers[name] = args.params[index]!;
  numbered('c', constants, numbers);
  return {
    key: `map ${integers ? 'integers ' : ''}${kind} ${width} rank ${last + 1}${described} ${trees}`,
    i32,
    f32,
    read,
    write,
  };
}

/** The numbers that trees get as uniforms. */
interface Used {
  /** Names, and numbers of parameters. */
  readonly params: readonly (readonly [string, number])[];
  readonly constants: readonly number[];
}

const knownUses = new Map<string, Used>();

/** @param trees the keys of the trees: there are as many as programs of maps */
function usedBy(trees: string, exprs: readonly Expr[]): Used {
  let used = knownUses.get(trees);
  if (!used) {
    const params = [...new Set(exprs.flatMap(paramsOf))].map((index) => [`p${index}`, index] as const);
    used = { params, constants: uniformConstants(exprs) };
    knownUses.set(trees, used);
  }
  return used;
}

/** The binding of view `v`, counted through inputs and outputs. */
function bindingOf(v: number, { owners }: Layout): string {
  return `b${owners[v]}`;
}

/** Where a view's first element lies in what is seen of its buffer. */
function placeOf(view: View, seen: Layout['buffers'][number]): number {
  return view.offset - seen.view.offset;
}

/** Where element i0, i1, ... of view `v` lies; the last axis left out if `outer`. */
function position(v: number, layout: Layout, outer: boolean): string {
  const axes = outer ? layout.shape.slice(0, -1) : layout.shape;
  return [`u.at${v}`, ...axes.map((_, axis) => `i${axis} * u.s${v}_${axis}`)].join(' + ');
}

function counterOf(layout: Layout): string {
  const draw = layout.strides.length - 1;
  const last = layout.shape.length - 1;
  if (layout.width === 1) return `u32(${position(draw, layout, false)})`;
  const lanes = `(vec4i(0, 1, 2, 3) + i${last} * 4) * u.s${draw}_${last}`;
  return `bitcast<vec4u>(vec4i(${position(draw, layout, true)}) + ${lanes})`;
}

/** Reads an operand as the numbers that are computed in. */
function load({ integers = false }: Args, view: View, v: number, layout: Layout): string {
  const name = bindingOf(v, layout);
  const last = layout.shape.length - 1;
  const [vector, scalar] = integers ? ['vec4i', 'i32'] : ['vec4f', 'f32'];
  const byteAt = (at: string): string => `extractBits(${name}[${at} / 4], u32(${at} % 4) * 8u, 8u)`;
  if (layout.width === 1) {
    const at = `(${position(v, layout, false)})`;
    return `${scalar}(${view.dtype === 'uint8' ? byteAt(at) : `${name}[${at}]`})`;
  }
  const at = `(${position(v, layout, true)})`;
  if (layout.strides[v]![last] === 0) {
    return `${vector}(${scalar}(${view.dtype === 'uint8' ? byteAt(at) : `${name}[${at} / 4][${at} % 4]`}))`;
  }
  const block = `${name}[${at} / 4 + i${last}]`;
  return `${vector}(${view.dtype === 'uint8' ? `unpack4xU8(${block})` : block})`;
}

/** What was computed, as elements of an output: of bytes as int32 numbers from 0 to 255. */
function element({ integers = false }: Args, { dtype }: View, value: string, layout: Layout): string {
  const [float, signed] = layout.width === 4 ? ['vec4f', 'vec4i'] : ['f32', 'i32'];
  if (dtype === 'float32') return integers ? `${float}(${value})` : value;
  const whole = integers ? value : `truncated(${value})`;
  return dtype === 'uint8' ? `clamp(${whole}, ${signed}(0), ${signed}(255))` : whole;
}

function store(args: Args, view: View, v: number, value: string, layout: Layout): string {
  const name = bindingOf(v, layout);
  const elements = element(args, view, value, layout);
  if (layout.width === 1) return `${name}[${position(v, layout, false)}] = ${elements};`;
  const block = `${name}[(${position(v, layout, true)}) / 4 + i${layout.shape.length - 1}]`;
  return `${block} = ${view.dtype === 'uint8' ? `pack4xU8(vec4u(${elements}))` : elements};`;
}

/** Every output by itself into a temporary, trees too wide in pieces; then all are copied where they belong. */
function throughTemporaries(recorder: Recorder, args: Args): void {
  const pieces: View[] = [];
  const inputs = [...args.inputs];
  const evaluate = (expr: Expr): View => {
    const out = recorder.temporary(args.shape, args.integers ? 'int32' : 'float32');
    pieces.push(out);
    const used = [...new Set(inputsOf(expr))];
    const renumbered = replaceInputs(expr, new Map(used.map((index, i) => [index, e.input(i)])));
    const chosen = used.map((index) => inputs[index]!);
    map(recorder, { ...args, exprs: [renumbered], inputs: chosen, outputs: [out] });
    return out;
  };
  const distinct = (expr: Expr): number => new Set(inputsOf(expr).map((index) => inputs[index]!.buffer)).size;

  const results = args.exprs.map((expr) => {
    let tree = expr;
    while (distinct(tree) >= bufferLimit) {
      let part = tree;
      while (distinct(part) >= bufferLimit) {
        part = childrenOf(part).reduce((widest, child) =>
          distinct(child) > distinct(widest) ? child : widest,
        );
      }
      inputs.push(evaluate(part));
      tree = replaceTree(tree, exprKey(part), e.input(inputs.length - 1));
    }
    return evaluate(tree);
  });
  args.outputs.forEach((out, j) => {
    const copy = { ...args, exprs: [e.input(0)], params: [], draw: null };
    map(recorder, { ...copy, inputs: [results[j]!], outputs: [out] });
  });
  for (const piece of pieces) recorder.free(piece);
}

function rebuild(expr: Expr, change: (child: Expr) => Expr): Expr {
  switch (expr.kind) {
    case 'unary':
      return { ...expr, a: change(expr.a) };
    case 'binary':
      return { ...expr, a: change(expr.a), b: change(expr.b) };
    case 'where':
      return { ...expr, condition: change(expr.condition), a: change(expr.a), b: change(expr.b) };
    default:
      return expr;
  }
}

function replaceInputs(expr: Expr, by: ReadonlyMap<number, Expr>): Expr {
  if (expr.kind === 'input') return by.get(expr.index) ?? expr;
  return rebuild(expr, (child) => replaceInputs(child, by));
}

function replaceTree(expr: Expr, key: string, by: Expr): Expr {
  return exprKey(expr) === key ? by : rebuild(expr, (child) => replaceTree(child, key, by));
}
