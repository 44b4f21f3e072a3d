/**
 * What matrix products and convolutions share: each is a `pack` command for a, and a `gemm` command for every stretch
 * of work that uses it (gemm.ts).
 */
import type { KernelModule, Planner } from '../../plan.js';
import { gemmModule, gemmWords, workspaceBytes } from './gemm.js';
import { packWords, panelsOf } from './panels.js';

/** Bytes that packed operands and copied images of one stretch should stay within: half a third level cache. */
export const chunkBytes = 16 << 20;

/** Whether so many multiply-adds take less time than waking the other threads. */
export function isSmall(multiplyAdds: number): boolean {
  return multiplyAdds < 1 << 18;
}

/** Whether copying so many numbers takes less time than that: each takes as long as about 16 multiply-adds. */
export function isSmallCopy(numbers: number): boolean {
  return isSmall(16 * numbers);
}

/** A product with operands found by strides. */
export const strided = gemmModule('strided');

/** A product with operands found by tables of offsets. */
export const tables = gemmModule('tables');

/** Memory for `gemm` to work in. */
export function workspaceOf(planner: Planner): number {
  return planner.temporary(workspaceBytes * planner.threads);
}

/** An operand: element (i, k) of group g at `address + g * group + lanes(i) + depth(k)` (pack.ts), in bytes. */
interface Operand {
  readonly address: number;
  readonly group: number;
  readonly lanes: number;
  readonly depth: number;
}

/** Enqueues the packing of `groups` matrices of `rows` rows to the address `to`. */
export function runPack(
  planner: Planner,
  module: KernelModule,
  a: Operand,
  size: { readonly groups: number; readonly rows: number; readonly depth: number },
  to: number,
): void {
  const words = packWords.encode({
    source: a.address,
    sourceGroup: a.group,
    lanes: a.lanes,
    depthSteps: a.depth,
    to,
    ...size,
    ...panelsOf(size.rows, planner.features),
  });
  planner.run(module, 'pack', words, isSmallCopy(size.groups * size.rows * size.depth));
}

/** A product of a packed a: see `gemmWords`. */
export interface Product {
  /** Address of the packed a, and the distance of its groups in bytes. */
  readonly a: number;
  readonly aGroup: number;
  readonly b: Operand;
  /** The result: address, distances of groups and rows in bytes, table of the columns' offsets (0: side by side). */
  readonly c: {
    readonly address: number;
    readonly group: number;
    readonly row: number;
    readonly columns: number;
  };
  readonly groups: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** Adds to c instead of overwriting it. */
  readonly accumulate?: boolean;
  /** Addresses of `[groups, rows]` and `[columns]` numbers added at the end; 0, the default, means none. */
  readonly rowBias?: number;
  readonly columnBias?: number;
  readonly relu?: boolean;
  readonly workspace: number;
}

/** Enqueues a product. */
export function runProduct(planner: Planner, module: KernelModule, product: Product): void {
  const { a, aGroup, b, c, groups, rows, columns, depth, workspace } = product;
  const shape = panelsOf(rows, planner.features);
  const alone = isSmall(groups * rows * columns * depth);
  const words = gemmWords.encode({
    a,
    aGroup,
    b: b.address,
    bGroup: b.group,
    bLanes: b.lanes,
    bDepth: b.depth,
    c: c.address,
    cGroup: c.group,
    cRow: c.row,
    cColumns: c.columns,
    rowBias: product.rowBias ?? 0,
    columnBias: product.columnBias ?? 0,
    relu: product.relu ? 1 : 0,
    accumulate: product.accumulate ? 1 : 0,
    groups,
    rows,
    columns,
    depth,
    ...shape,
    rowTeams: alone ? 1 : rowTeams(planner, shape.panels, columns, groups),
    workspace,
  });
  planner.run(module, 'gemm', words, alone);
}

/** Enqueues what comes after a product: bias of the columns and max(0, .), in place; nothing without either. */
export function runEnds(
  planner: Planner,
  product: Pick<Product, 'groups' | 'rows' | 'columns' | 'c' | 'columnBias' | 'relu' | 'workspace'>,
): void {
  if (!product.columnBias && !product.relu) return;
  const nothing = { address: 0, group: 0, lanes: 0, depth: 0 };
  runProduct(planner, strided, { ...product, a: 0, aGroup: 0, b: nothing, depth: 0, accumulate: true });
}

/**
 * How many threads share a range of columns, each with its own rows of c: the number (a divisor of the threads) with
 * the least work for the busiest thread. A strip of columns costs a tile for each panel and about one more to pack.
 */
export function rowTeams(
  { threads, features }: Pick<Planner, 'threads' | 'features'>,
  panels: number,
  columns: number,
  groups: number,
): number {
  const strips = groups * Math.ceil(columns / features.tileColumns);
  const cost = (teams: number) => Math.ceil(strips / (threads / teams)) * (Math.ceil(panels / teams) + 1);
  let best = 1;
  for (let teams = 2; teams <= threads; teams++) {
    if (threads % teams === 0 && cost(teams) < cost(best)) best = teams;
  }
  return best;
}
