/**
 * The product under matmul and the convolutions: for every group g and chunk c of segments,
 *
 *     out[c, g, m, n] = sum over segments s of c, and k, of a[g, s, m, k] * b[g, s, k, n] (+ bias) (then max(0, .))
 *
 * computed in register tiles of up to 8 rows by 8 columns for each invocation, columns in vec4s. With tiles
 * 'direct' an invocation loads its operands from memory; with 'shared' a workgroup of 64 loads 64 x 16 blocks of
 * both into workgroup memory first. Every sum runs over k in rising order.
 *
 * An operand's element at outer index o (m of `a`, n of `b`) and depth k is found in one of three ways:
 * - 'across': `o + k * depth`, loaded as vec4s of neighbours in o,
 * - 'along': `o * outer + k`, loaded as vec4s of neighbours in k,
 * - 'scattered': `outer(o) + depth(k)`, one by one, both given as WGSL.
 */
import type { View } from '../../../core/shape.js';
import { type Recorder, type Tiles, wide } from '../recorder.js';

/** One factor of the product. */
export interface Operand {
  readonly view: View;
  readonly form: 'across' | 'along' | 'scattered';
  /** Elements from one outer index, depth, group and segment to the next (those its form uses). */
  readonly outer?: number;
  readonly depth?: number;
  readonly group: number;
  readonly segment?: number;
  /** Elements from the view's start to group 0. */
  readonly first?: number;
  /** 'scattered': WGSL of the offsets at `o` and `k`; by default the strides above. */
  readonly outerAt?: string;
  readonly depthAt?: string;
}

/** One product. */
export interface Product {
  /** Distinguishes the WGSL texts given here. */
  readonly key: string;
  readonly a: Operand;
  readonly b: Operand;
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly groups: number;
  /** Segments in all, and in each chunk; by default one. */
  readonly segments?: number;
  readonly segmentsPerChunk?: number;
  readonly bias?: { readonly view: View; readonly along: 'rows' | 'columns' } | null;
  readonly relu?: boolean;
  readonly out: View;
  readonly outRow: number;
  readonly outGroup: number;
  readonly outChunk?: number;
  /** WGSL of the place of column `o` in a row of the output; by default `o`. */
  readonly columnAt?: string;
  /** WGSL functions, numbers and views that the texts use. */
  readonly functions?: string;
  readonly i32?: Readonly<Record<string, number>>;
  readonly read?: Readonly<Record<string, View>>;
}

/** Rows of a workgroup's tile, depth of its blocks ('shared'). */
const blockSize = 64;
const blockDepth = 16;

const lanes = ['x', 'y', 'z', 'w'] as const;
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** What the source depends on. */
interface Plan {
  readonly tiles: Tiles;
  /** Rows of an invocation's tile, and vec4s in each. */
  readonly rows: number;
  readonly halves: number;
  readonly wideOut: boolean;
}

/** Enqueues a product. */
export function product(recorder: Recorder, p: Product): void {
  const { a, b, M, N, K, groups } = p;
  const segments = p.segments ?? 1;
  const perChunk = p.segmentsPerChunk ?? Math.max(1, segments);
  const chunks = Math.max(1, Math.ceil(segments / perChunk));
  const tiles = recorder.tiles === 'shared' && M > 16 && N > 16 ? 'shared' : 'direct';
  const steps = [p.outRow, p.outGroup, p.outChunk ?? 0, p.out.offset, N];
  const plan: Plan = {
    tiles,
    rows: tiles === 'shared' || M > 4 ? 8 : M > 2 ? 4 : M,
    halves: tiles === 'shared' || N > 4 ? 2 : 1,
    wideOut: p.columnAt === undefined && steps.every((step) => step % 4 === 0),
  };
  const [height, breadth] = tiles === 'shared' ? [blockSize, blockSize] : [plan.rows, 4 * plan.halves];
  const [tilesM, tilesN] = [Math.ceil(M / height), Math.ceil(N / breadth)];
  const amount = tilesM * tilesN * groups * chunks;
  const bias = p.bias ?? null;
  recorder.dispatch({
    key: [
      `product ${p.key} ${tiles} ${plan.rows}x${4 * plan.halves} ${a.form} ${b.form}`,
      bias?.along ?? '',
      p.relu ? 'relu' : '',
    ].join(' '),
    functions: () => functions(p, plan),
    body: () => (tiles === 'shared' ? sharedBody(p, plan) : directBody(p, plan)),
    i32: {
      M,
      N,
      K,
      groups,
      segments,
      perChunk,
      tilesM,
      tilesN,
      ...operandNumbers('a', a),
      ...operandNumbers('b', b),
      outRow: p.outRow,
      outGroup: p.outGroup,
      outChunk: p.outChunk ?? 0,
      ...p.i32,
    },
    read: {
      a: a.form === 'scattered' ? a.view : wide(a.view),
      b: b.form === 'scattered' ? b.view : wide(b.view),
      ...(bias ? { bias: bias.view } : {}),
      ...p.read,
    },
    write: { out: plan.wideOut ? wide(p.out) : p.out },
    run: tiles === 'shared' ? { workgroups: amount } : { invocations: amount },
  });
}

/** Strides in the units the operand is loaded in: elements, or vec4s. */
function operandNumbers(name: 'a' | 'b', operand: Operand): Record<string, number> {
  const unit = operand.form === 'scattered' ? 1 : 4;
  return {
    [`${name}Outer`]: (operand.outer ?? 0) / (operand.form === 'along' ? 4 : 1),
    [`${name}Depth`]: (operand.depth ?? 0) / (operand.form === 'across' ? 4 : 1),
    [`${name}Group`]: operand.group / unit,
    [`${name}Segment`]: (operand.segment ?? 0) / unit,
    [`${name}First`]: (operand.first ?? 0) / unit,
  };
}

function functions(p: Product, { tiles }: Plan): string {
  const scattered = (name: string, operand: Operand): string =>
    operand.form === 'scattered'
      ? `fn ${name}OuterAt(o: i32) -> i32 { return ${operand.outerAt ?? `o * u.${name}Outer`}; }
fn ${name}DepthAt(k: i32) -> i32 { return ${operand.depthAt ?? `k * u.${name}Depth`}; }`
      : '';
  const shared =
    tiles === 'shared'
      ? `var<workgroup> blockA: array<vec4f, ${(blockSize / 4) * blockDepth}>;
var<workgroup> blockB: array<vec4f, ${(blockSize / 4) * blockDepth}>;`
      : '';
  const column = p.columnAt ? `fn columnAt(o: i32) -> i32 { return ${p.columnAt}; }` : '';
  return [p.functions ?? '', scattered('a', p.a), scattered('b', p.b), column, shared].join('\n');
}

/** Which tile: `tileN`, `tileM`, group `g`, chunk `c`, and where both operands start. */
function place(from: string): string {
  return `let tileN = ${from} % u.tilesN; let outerTile = ${from} / u.tilesN;
let tileM = outerTile % u.tilesM; let z = outerTile / u.tilesM;
let g = z % u.groups; let c = z / u.groups;
let firstSegment = c * u.perChunk;
let lastSegment = min(u.segments, firstSegment + u.perChunk);
var aBase = u.aAt + u.aFirst + g * u.aGroup + firstSegment * u.aSegment;
var bBase = u.bAt + u.bFirst + g * u.bGroup + firstSegment * u.bSegment;`;
}

function accumulators({ rows, halves }: Plan): string {
  return range(rows)
    .flatMap((i) => range(halves).map((h) => `var c${i}_${h} = vec4f(0.0);`))
    .join(' ');
}

/** `sum += a * b` for all rows of a tile; `a(i)` is a scalar, `b(h)` a vec4. */
function multiply({ rows, halves }: Plan, a: (i: number) => string, b: (h: number) => string): string {
  return range(rows)
    .map((i) =>
      range(halves)
        .map((h) => `c${i}_${h} = fma(vec4f(${a(i)}), ${b(h)}, c${i}_${h});`)
        .join(' '),
    )
    .join('\n');
}

function directBody(p: Product, plan: Plan): string {
  const width = 4 * plan.halves;
  return `${place('index')}
let m0 = tileM * ${plan.rows}; let n0 = tileN * ${width};
${directStart('a', p.a, 'm0', 'u.M', plan.rows)}
${directStart('b', p.b, 'n0', 'u.N', width)}
${accumulators(plan)}
for (var s = firstSegment; s < lastSegment; s++) {
  var k = 0;
  for (; k + 4 <= u.K; k += 4) {
${directStep(p, plan, 4)}
  }
  for (; k < u.K; k++) {
${directStep(p, plan, 1)}
  }
  aBase += u.aSegment; bBase += u.bSegment;
}
${finish(p, plan)}`;
}

/** Places of the operand's outer indices, those past the end at the last one (their results are dropped). */
function directStart(name: string, operand: Operand, origin: string, extent: string, count: number): string {
  const clamped = (i: number): string => `min(${origin} + ${i}, ${extent} - 1)`;
  switch (operand.form) {
    case 'across':
      return range(Math.ceil(count / 4))
        .map((q) => `let ${name}O${q} = min(${origin} / 4 + ${q}, (${extent} - 1) / 4);`)
        .join(' ');
    case 'along':
      return range(count)
        .map((i) => `let ${name}O${i} = ${clamped(i)} * u.${name}Outer;`)
        .join(' ');
    case 'scattered':
      return range(count)
        .map((i) => `let ${name}O${i} = ${name}OuterAt(${clamped(i)});`)
        .join(' ');
  }
}

/** Loads and multiplies `depth` (4 or 1) values of k from `k` on. */
function directStep(p: Product, plan: Plan, depth: 1 | 4): string {
  const loadA = directLoads('a', p.a, plan.rows, depth);
  const loadB = directLoads('b', p.b, 4 * plan.halves, depth);
  const small = p.a.form === 'across' && plan.rows < 4;
  const scalarA = (t: number, i: number): string => {
    if (p.a.form === 'along') return depth === 4 ? `a${i}.${lanes[t]}` : `a${i}[k % 4]`;
    if (p.a.form === 'scattered') return `a${t}_${i}`;
    return small ? `a${t}_0[m0 % 4 + ${i}]` : `a${t}_${Math.floor(i / 4)}.${lanes[i % 4]}`;
  };
  const vectorB = (t: number, h: number): string => {
    const columns = range(4).map((j) => 4 * h + j);
    if (p.b.form === 'across') return `b${t}_${h}`;
    if (p.b.form === 'scattered') return `vec4f(${columns.map((j) => `b${t}_${j}`).join(', ')})`;
    return `vec4f(${columns.map((j) => (depth === 4 ? `b${j}.${lanes[t]}` : `b${j}[k % 4]`)).join(', ')})`;
  };
  const steps = range(depth).map((t) => {
    const vectors = range(plan.halves).map((h) => `let v${t}_${h} = ${vectorB(t, h)};`);
    return [
      ...vectors,
      multiply(
        plan,
        (i) => scalarA(t, i),
        (h) => `v${t}_${h}`,
      ),
    ].join('\n');
  });
  return [loadA, loadB, ...steps].join('\n');
}

function directLoads(name: string, operand: Operand, count: number, depth: 1 | 4): string {
  if (operand.form === 'along') {
    return range(count)
      .map((i) => `let ${name}${i} = ${name}[${name}Base + ${name}O${i} + k / 4];`)
      .join(' ');
  }
  const outers = operand.form === 'across' ? Math.ceil(count / 4) : count;
  return range(depth)
    .map((t) => {
      const at = operand.form === 'across' ? `(k + ${t}) * u.${name}Depth` : `${name}DepthAt(k + ${t})`;
      const loads = range(outers).map((i) => `let ${name}${t}_${i} = ${name}[${name}D${t} + ${name}O${i}];`);
      return [`let ${name}D${t} = ${name}Base + ${at};`, ...loads].join(' ');
    })
    .join('\n');
}

function sharedBody(p: Product, plan: Plan): string {
  const quads = blockSize / 4;
  return `${place('workgroup')}
let q = local % ${quads}; let quarter = local / ${quads};
${sharedStart('a', p.a, 'tileM', 'u.M')}
${sharedStart('b', p.b, 'tileN', 'u.N')}
let m0 = tileM * ${blockSize} + local / 8 * 8; let n0 = tileN * ${blockSize} + local % 8 * 8;
${accumulators(plan)}
for (var s = firstSegment; s < lastSegment; s++) {
  for (var k0 = 0; k0 < u.K; k0 += ${blockDepth}) {
${sharedLoads('a', p.a, 'blockA')}
${sharedLoads('b', p.b, 'blockB')}
    workgroupBarrier();
    for (var k = 0; k < ${blockDepth}; k++) {
      let fromA = k * ${quads} + local / 8 * 2; let fromB = k * ${quads} + local % 8 * 2;
      let a0 = blockA[fromA]; let a1 = blockA[fromA + 1];
      let b0 = blockB[fromB]; let b1 = blockB[fromB + 1];
${multiply(
  plan,
  (i) => `a${Math.floor(i / 4)}.${lanes[i % 4]}`,
  (h) => `b${h}`,
)}
    }
    workgroupBarrier();
  }
  aBase += u.aSegment; bBase += u.bSegment;
}
if (m0 >= u.M || n0 >= u.N) { return; }
${finish(p, plan)}`;
}

/** An invocation loads the four outer indices from `4 * q` of the block on. */
function sharedStart(name: string, operand: Operand, tile: string, extent: string): string {
  const clamped = (i: number): string => `min(${tile} * ${blockSize} + q * 4 + ${i}, ${extent} - 1)`;
  switch (operand.form) {
    case 'across':
      return `let ${name}O = min(${tile} * ${blockSize / 4} + q, (${extent} - 1) / 4);`;
    case 'along':
      return range(4)
        .map((i) => `let ${name}O${i} = ${clamped(i)} * u.${name}Outer;`)
        .join(' ');
    case 'scattered':
      return range(4)
        .map((i) => `let ${name}O${i} = ${name}OuterAt(${clamped(i)});`)
        .join(' ');
  }
}

/** Fills a block, 16 vec4s for each k; zero past the last k. */
function sharedLoads(name: string, operand: Operand, block: string): string {
  const quads = blockSize / 4;
  const lines: string[] = [];
  if (operand.form === 'along') {
    lines.push(`let ${name}K = min(k0 / 4 + quarter, (u.K - 1) / 4);`);
    for (const i of range(4)) lines.push(`let ${name}${i} = ${name}[${name}Base + ${name}O${i} + ${name}K];`);
    for (const t of range(4)) {
      const value = `vec4f(${range(4)
        .map((i) => `${name}${i}.${lanes[t]}`)
        .join(', ')})`;
      lines.push(
        `${block}[(quarter * 4 + ${t}) * ${quads} + q] = select(vec4f(0.0), ${value}, k0 + quarter * 4 + ${t} < u.K);`,
      );
    }
    return lines.join('\n');
  }
  for (const t of range(blockDepth / 4)) {
    const k = `${name}K${t}`;
    lines.push(`let ${k} = min(k0 + quarter + ${4 * t}, u.K - 1);`);
    if (operand.form === 'across') {
      lines.push(`let ${name}V${t} = ${name}[${name}Base + ${k} * u.${name}Depth + ${name}O];`);
    } else {
      lines.push(`let ${name}D${t} = ${name}Base + ${name}DepthAt(${k});`);
      const values = range(4).map((i) => `${name}[${name}D${t} + ${name}O${i}]`);
      lines.push(`let ${name}V${t} = vec4f(${values.join(', ')});`);
    }
    lines.push(
      `${block}[(quarter + ${4 * t}) * ${quads} + q] = select(vec4f(0.0), ${name}V${t}, k0 + quarter + ${4 * t} < u.K);`,
    );
  }
  return lines.join('\n');
}

/**
 * Adds the bias, clips, and stores. Rows and columns past the end are stored at the last one, before it: going
 * backwards, the right value overwrites them, and no store needs a branch.
 */
function finish(p: Product, plan: Plan): string {
  const { rows, halves, wideOut } = plan;
  const lines: string[] = [];
  const unit = wideOut ? ' / 4' : '';
  lines.push(`let start = u.outAt + (g * u.outGroup + c * u.outChunk)${unit};`);
  if (p.bias?.along === 'columns') {
    for (const h of range(halves)) {
      const parts = range(4).map((j) => `bias[u.biasAt + min(n0 + ${4 * h + j}, u.N - 1)]`);
      lines.push(`let bias_${h} = vec4f(${parts.join(', ')});`);
    }
  }
  for (const j of range(wideOut ? halves : 4 * halves)) {
    const column = wideOut ? `min(n0 / 4 + ${j}, u.N / 4 - 1)` : `min(n0 + ${j}, u.N - 1)`;
    lines.push(`let column${j} = start + ${p.columnAt ? `columnAt(${column})` : column};`);
  }
  for (const i of range(rows).reverse()) {
    const row = `row${i}`;
    lines.push(`let ${row} = min(m0 + ${i}, u.M - 1);`);
    for (const h of range(halves).reverse()) {
      const sum = `sum${i}_${h}`;
      const bias =
        p.bias == null
          ? ''
          : p.bias.along === 'rows'
            ? ` + bias[u.biasAt + g * u.M + ${row}]`
            : ` + bias_${h}`;
      lines.push(`var ${sum} = c${i}_${h}${bias};`);
      if (p.relu) lines.push(`${sum} = select(${sum}, vec4f(0.0), ${sum} < vec4f(0.0));`);
      if (wideOut) lines.push(`out[column${h} + ${row} * (u.outRow / 4)] = ${sum};`);
      else {
        for (const j of range(4).reverse()) {
          lines.push(`out[column${4 * h + j} + ${row} * u.outRow] = ${sum}.${lanes[j]};`);
        }
      }
    }
  }
  return lines.join('\n');
}
