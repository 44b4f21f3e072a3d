/**
 * Row-wise kernels: a workgroup takes a row, every invocation elements `local`, `local + 64`, ..; the 64 results of a
 * fold are folded in turn (workgroupFold.ts). Long rows, and what is more than a program can bind or see, go
 * pass by pass (backends/foldMap.ts), a pass in pieces that are folded once more.
 */
import type { FoldOp, Kernels } from '../../../../core/backend.js';
import { type Expr, exprKey, inputsOf } from '../../../../core/expr.js';
import { sizeOf, type View } from '../../../../core/shape.js';
import { inPasses, type OnePass, passesOf } from '../../../foldMap.js';
import { type Recorder, workgroupSize } from '../../runtime/recorder.js';
import { bufferLimit, map } from '../map/map.js';
import { printFloats, uniformConstants } from '../map/print.js';
import type { MathName } from '../math/functions.js';
import { reduce } from '../reduce/reduce.js';
import { mergeAxes, numbered, splitIndex } from '../wgsl.js';
import { foldMemory, workgroupFold } from '../workgroupFold.js';

type Args = Kernels['foldMap'];

/** Elements of a row that one workgroup goes along. */
const longRow = 1 << 15;

/** Workgroups that keep a GPU busy, and elements that make one worth its start. */
const enoughWorkgroups = 256;
const leastPiece = 2048;

/** Terms an invocation adds up before it adds them to its sum: one sum over all would lose the last digits. */
const block = 32;

/** See `Kernels.foldMap`. */
export function foldMap(recorder: Recorder, args: Args): void {
  const { shape, kept } = args;
  if (sizeOf(shape.slice(0, kept)) === 0) return;
  if (sizeOf(shape.slice(kept)) <= longRow && isSeen(recorder, args)) {
    alongRows(recorder, args, 1);
    return;
  }
  const made: View[] = [];
  const temporary = (rows: readonly number[]): View => {
    const view = recorder.temporary(rows);
    made.push(view);
    return view;
  };
  inPasses(args, {
    temporary,
    fold: (pass) => onePass(recorder, pass),
    map: (step) => map(recorder, step),
  });
  for (const view of made) recorder.free(view);
}

/** Inputs that occur in the trees, by number. */
function usedInputs({ numbers, exprs, inputs }: Args): [number, View][] {
  const used = new Set([...numbers.map(({ expr }) => expr), ...exprs].flatMap(inputsOf));
  return [...inputs.entries()].filter(([k]) => used.has(k));
}

/** Whether a program can bind all operands, and see all that they span. */
function isSeen(recorder: Recorder, args: Args): boolean {
  const views = [
    ...usedInputs(args).map(([, view]) => view),
    ...args.outputs,
    ...args.keeps.filter((view) => view !== null),
  ];
  return views.length <= bufferLimit && views.every((view) => recorder.fits(view));
}

/** One pass of numbers. */
function onePass(recorder: Recorder, args: OnePass): void {
  const { numbers, shape, kept, inputs, keeps, params } = args;
  const rows = sizeOf(shape.slice(0, kept));
  const length = sizeOf(shape.slice(kept));
  if (!isSeen(recorder, args)) {
    for (const [i, { op, expr }] of numbers.entries()) {
      const x = recorder.temporary(shape);
      map(recorder, { exprs: [expr], shape, inputs, outputs: [x], params, draw: null });
      reduce(recorder, { op: op ?? 'sum', x, kept, scale: 1, out: keeps[i]! });
      recorder.free(x);
    }
    return;
  }
  const wanted = Math.min(Math.floor(enoughWorkgroups / rows), Math.floor(length / leastPiece));
  const pieces = Math.max(1, wanted, Math.ceil(length / longRow));
  const partials = pieces === 1 ? keeps : keeps.map(() => recorder.temporary([rows, pieces]));
  alongRows(recorder, { ...args, keeps: partials }, pieces);
  if (pieces === 1) return;
  for (const [i, x] of partials.entries()) {
    reduce(recorder, {
      op: numbers[i]!.op ?? 'sum',
      x,
      kept: 1,
      scale: 1,
      out: { ...keeps[i]!, shape: [rows], strides: [1] },
    });
    recorder.free(x);
  }
}

/** How a fold begins and takes in an element. */
const folds: Readonly<
  Record<FoldOp, { begin: string; take(a: string, b: string): string; calls: readonly MathName[] }>
> = {
  sum: { begin: '0.0', take: (a, b) => `(${a} + ${b})`, calls: [] },
  max: { begin: 'u.lowest', take: (a, b) => `maximum(${a}, ${b})`, calls: ['maximum'] },
  min: { begin: 'u.highest', take: (a, b) => `minimum(${a}, ${b})`, calls: ['minimum'] },
};

/** One program: a workgroup for each of `pieces` of each row, whose numbers stand side by side in what is kept. */
function alongRows(recorder: Recorder, args: Args, pieces: number): void {
  const { numbers, exprs, shape, kept, inputs, outputs, keeps, params } = args;
  const trees = [...numbers.map(({ expr }) => expr), ...exprs];
  const reads = usedInputs(args);
  const views = [
    ...reads.map(([k, view]) => [`x${k}`, view] as const),
    ...outputs.map((view, j) => [`y${j}`, view] as const),
  ];
  const outer = mergeAxes(
    shape.slice(0, kept),
    views.map(([, view]) => view.strides.slice(0, kept)),
  );
  const inner = mergeAxes(
    shape.slice(kept),
    views.map(([, view]) => view.strides.slice(kept)),
  );
  const length = sizeOf(inner.shape);
  const constants = uniformConstants(trees);
  const ops = numbers.map(({ op }) => op);
  const print = (some: readonly Expr[]) =>
    printFloats(
      'f32',
      some,
      '',
      ops.flatMap((op) => (op ? folds[op].calls : [])),
      constants,
    );
  const along = (name: string, prefix: string, letter: string, rank: number): string =>
    Array.from({ length: rank }, (_, axis) => ` + ${prefix}${axis} * u.${name}${letter}${axis}`).join('');
  const place = (name: string): string => `${name}[${name}Row${along(name, 'r', 's', inner.shape.length)}]`;
  const loads = reads.map(([k]) => `let in${k} = ${place(`x${k}`)};`).join('\n');
  const element = `${splitIndex('i', 'r', 'rn', inner.shape.length)}\n${loads}`;

  const pass = (numbersOf: readonly number[]): string => {
    const { statements, results } = print(numbersOf.map((k) => trees[k]!));
    const chosen = numbersOf.map((k, i) => ({
      name: `in${inputs.length + k}`,
      op: ops[k]!,
      result: results[i]!,
    }));
    if (ops[numbersOf[0]!] === null) {
      const first = reads.map(([k]) => `let in${k} = x${k}[x${k}Row];`).join('\n');
      const [{ name, result }] = [chosen[0]!];
      return `var ${name} = 0.0;\n{\n${first}\n${statements}\n${name} = ${result};\n}`;
    }
    return `${chosen.map(({ name, op }) => `var ${name} = ${folds[op].begin};`).join('\n')}
for (var start = piece * u.per + local; start < end; start += ${workgroupSize * block}) {
${chosen.map(({ name, op }) => `var some${name} = ${folds[op].begin};`).join('\n')}
for (var i = start; i < min(end, start + ${workgroupSize * block}); i += ${workgroupSize}) {
${element}
${statements}
${chosen.map(({ name, op, result }) => `some${name} = ${folds[op].take(`some${name}`, result)};`).join('\n')}
}
${chosen.map(({ name, op }) => `${name} = ${folds[op].take(name, `some${name}`)};`).join('\n')}
}
${workgroupFold(
  recorder,
  chosen.map(({ name, op }) => ({ name, fold: folds[op].take })),
)}`;
  };

  const written = keeps.flatMap((view, k) =>
    view ? [{ name: `keep${k}`, view, number: `in${inputs.length + k}` }] : [],
  );
  const strides = views.flatMap(([name], v) => [
    ...Object.entries(numbered(`${name}k`, outer.strides[v]!)),
    ...Object.entries(numbered(`${name}s`, inner.strides[v]!)),
  ]);
  const described = numbers.map(({ op, expr }, k) => `${keeps[k] ? '!' : ''}${op}:${exprKey(expr)}`);
  recorder.dispatch({
    key: `foldMap ${inputs.length} ${outer.shape.length} ${inner.shape.length} ${described} ; ${exprs.map(exprKey)}`,
    folds: true,
    functions: () =>
      `${print(trees).functions}\n${foldMemory(recorder, ops.filter((op) => op !== null).length)}`,
    body: () => {
      const { statements, results } = print(exprs);
      const map = `for (var i = local; i < u.length; i += ${workgroupSize}) {
${element}
${statements}
${results.map((result, j) => `${place(`y${j}`)} = ${result};`).join('\n')}
}`;
      return `let row = workgroup / u.pieces; let piece = workgroup % u.pieces;
${splitIndex('row', 'o', 'on', outer.shape.length)}
${views.map(([name]) => `let ${name}Row = u.${name}At${along(name, 'o', 'k', outer.shape.length)};`).join('\n')}
let end = min(u.length, (piece + 1) * u.per);
${passesOf(numbers, inputs.length).map(pass).join('\n')}
if (local == 0) {
${written.map(({ name, number }) => `${name}[u.${name}At + workgroup] = ${number};`).join('\n')}
}
${exprs.length > 0 ? map : ''}`;
    },
    i32: {
      length,
      pieces,
      per: Math.ceil(length / pieces),
      ...numbered('on', outer.shape),
      ...numbered('rn', inner.shape),
      ...Object.fromEntries(strides),
    },
    f32: { lowest: -Infinity, highest: Infinity, ...numbered('p', params), ...numbered('c', constants) },
    read: Object.fromEntries(views.slice(0, reads.length)),
    write: Object.fromEntries([
      ...views.slice(reads.length),
      ...written.map(({ name, view }) => [name, view] as const),
    ]),
    run: { workgroups: sizeOf(outer.shape) * pieces },
  });
}
