/**
 * What tiles of either kind share: the description of a product (tile.ts), and the WGSL before and after its sums.
 */
import type { View } from '../../../../core/shape.js';

/** One factor of the product. */
export interface Operand {
  readonly view: View;
  readonly form: 'across' | 'along' | 'scattered';
  /** Elements from one outer index, depth, group and chunk to the next (those its form uses; 'scattered' no chunk). */
  readonly outer?: number;
  readonly depth?: number;
  readonly group: number;
  readonly chunk?: number;
  /** Elements from the view's start to group 0. */
  readonly first?: number;
  /**
   * 'scattered': WGSL of the offsets at the four outer indices from `o` on (a vec4i, those past `last` like it), and at
   * `k`; by default the strides above.
   */
  readonly outersAt?: string;
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
  /** Depth of a chunk, and of all together (by default of one; the last may be shorter). */
  readonly K: number;
  readonly depth?: number;
  readonly groups: number;
  readonly bias?: { readonly view: View; readonly along: 'rows' | 'columns' } | null;
  readonly relu?: boolean;
  readonly out: View;
  readonly outRow: number;
  readonly outGroup: number;
  readonly outChunk?: number;
  /** WGSL of the place of row `m` in a group of the output; by default `m * u.outRow`. */
  readonly rowAt?: string;
  /** WGSL of the places of columns `o` to `o + 3` in a row of the output, as `outersAt`; by default themselves. */
  readonly columnsAt?: string;
  /** WGSL functions, numbers and views that the texts use. */
  readonly functions?: string;
  readonly i32?: Readonly<Record<string, number>>;
  readonly read?: Readonly<Record<string, View>>;
}

/** Components of a vec4. */
export const lanes = ['x', 'y', 'z', 'w'] as const;

/** 0, 1, ..., n - 1 */
export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** What the source depends on. */
export interface Plan {
  /** Rows of an invocation's tile, and vec4s in each. */
  readonly rows: number;
  readonly halves: number;
  /** Invocations side by side in a row of direct tiles, a workgroup and a subgroup, that share the rows they load; else 1. */
  readonly lanes: number;
  readonly wideOut: boolean;
  /** Whether every chunk's depth is a whole number of turns (tileShared.ts). */
  readonly whole: boolean;
  /** Sums that each element of the tile is added up in; see `fold`. */
  readonly levels: 1 | 2 | 3;
}

/**
 * Depth that one invocation should add up at most: what is deeper is cut into chunks, whose sums are added up then
 * (reduce.ts).
 */
export const partLength = 4096;

/** Sums of the second level that one of the third takes. */
const sectionBlocks = 32;

/** Which tile: `tileN`, `tileM`, group `g`, chunk `c` of `depth` values of k from `kFirst` on, and where both operands start. */
export function place(from: string): string {
  return `let tileN = ${from} % u.tilesN; let outerTile = ${from} / u.tilesN;
let tileM = outerTile % u.tilesM; let z = outerTile / u.tilesM;
let g = z % u.groups; let c = z / u.groups;
let aBase = u.aAt + u.aFirst + g * u.aGroup + c * u.aChunk;
let bBase = u.bAt + u.bFirst + g * u.bGroup + c * u.bChunk;
let kFirst = c * u.K; let depth = min(u.K, u.depth - kFirst);`;
}

/** The names of a level's sums: `c0_0`, `c0_1`, ... of row 0, and so on. */
function sums({ rows, halves }: Plan, level: number): string[] {
  const letter = ['c', 'd', 'e'][level - 1]!;
  return range(rows).flatMap((i) => range(halves).map((h) => `${letter}${i}_${h}`));
}

/** The tile's sums, of all levels. */
export function accumulators(plan: Plan): string {
  const names = range(plan.levels).flatMap((level) => sums(plan, level + 1));
  const counters = plan.levels < 3 ? [] : ['var blocks = 0;'];
  return [...names.map((name) => `var ${name} = vec4f(0.0);`), ...counters].join(' ');
}

/**
 * Statements after a block of products. A sum over all of a long depth would lose what is small beside it (one of n equal
 * numbers is off by up to n 2^-26), so the sums of the first level are added to the second's when they hold a block of
 * products, and those to the third's when they hold a section of blocks.
 */
export function fold(plan: Plan): string {
  if (plan.levels === 1) return '';
  const moved = (from: number): string => {
    const to = sums(plan, from + 1);
    return sums(plan, from)
      .map((sum, i) => `${to[i]} += ${sum}; ${sum} = vec4f(0.0);`)
      .join(' ');
  };
  const section =
    plan.levels === 3 ? `blocks++; if (blocks == ${sectionBlocks}) { blocks = 0; ${moved(2)} }` : '';
  return `${moved(1)} ${section}`;
}

/**
 * Adds the products of `depth` values of k to every sum of a tile: `a(t, i)` is the scalar of the t-th and row i,
 * `b(t, h)` the vec4 of the t-th and columns 4h to 4h + 3. Several are added up before they join the sum.
 */
export function multiply(
  { rows, halves }: Plan,
  depth: number,
  a: (t: number, i: number) => string,
  b: (t: number, h: number) => string,
): string {
  const sum = (i: number, h: number): string => {
    if (depth === 1) return `c${i}_${h} = fma(vec4f(${a(0, i)}), ${b(0, h)}, c${i}_${h});`;
    const total = range(depth).reduce(
      (inner, t) =>
        t === 0 ? `vec4f(${a(t, i)}) * ${b(t, h)}` : `fma(vec4f(${a(t, i)}), ${b(t, h)}, ${inner})`,
      '',
    );
    return `c${i}_${h} = ${total} + c${i}_${h};`;
  };
  return range(rows)
    .flatMap((i) => range(halves).map((h) => sum(i, h)))
    .join('\n');
}

/** WGSL of the place of a row in a group of the output. */
export function lineAt({ rowAt }: Product, { wideOut }: Plan, row: string): string {
  if (rowAt) return `rowAt(${row})`;
  return `${row} * ${wideOut ? '(u.outRow / 4)' : 'u.outRow'}`;
}

/**
 * Adds the bias, clips, and stores. Rows and columns past the end are stored at the last one, before it: going
 * backwards, the right value overwrites them, and no store needs a branch.
 */
export function finish(p: Product, plan: Plan): string {
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
  for (const h of range(halves)) {
    if (wideOut) lines.push(`let columns${h} = start + min(n0 / 4 + ${h}, u.N / 4 - 1);`);
    else if (p.columnsAt) lines.push(`let columns${h} = start + columnsAt(n0 + ${4 * h}, u.N - 1);`);
    else
      lines.push(`let columns${h} = start + min(vec4i(n0 + ${4 * h}) + vec4i(0, 1, 2, 3), vec4i(u.N - 1));`);
  }
  for (const i of range(rows).reverse()) {
    const row = `row${i}`;
    lines.push(`let ${row} = min(m0 + ${i}, u.M - 1); let line${i} = ${lineAt(p, plan, row)};`);
    for (const h of range(halves).reverse()) {
      const sum = `sum${i}_${h}`;
      const bias =
        p.bias == null
          ? ''
          : p.bias.along === 'rows'
            ? ` + bias[u.biasAt + g * u.M + ${row}]`
            : ` + bias_${h}`;
      const parts = ['c', 'd', 'e'].slice(0, plan.levels).map((level) => `${level}${i}_${h}`);
      lines.push(`var ${sum} = ${parts.join(' + ')}${bias};`);
      if (p.relu) lines.push(`${sum} = select(${sum}, vec4f(0.0), ${sum} < vec4f(0.0));`);
      if (wideOut) lines.push(`out[columns${h} + line${i}] = ${sum};`);
      else {
        for (const j of range(4).reverse()) {
          lines.push(`out[columns${h}.${lanes[j]} + line${i}] = ${sum}.${lanes[j]};`);
        }
      }
    }
  }
  return lines.join('\n');
}
