/**
 * The forms of tiles that go through workgroup memory, and which of them a product takes.
 *
 * A workgroup of `down` x `over` invocations computes a tile of `rows` x `columns`; an invocation has `rowQuads` x
 * `columnQuads` blocks of 4 x 4 of it in registers. Both operands' blocks of `blockDepth` values of k lie in workgroup
 * memory twice: one is read while the other is filled.
 */

/** One form. */
export interface TileForm {
  /** 'ROWSxCOLUMNS' of a workgroup's tile. */
  readonly name: `${number}x${number}`;
  readonly rows: number;
  readonly columns: number;
  /** Invocations of a workgroup, along the rows and along the columns. */
  readonly down: number;
  readonly over: number;
  /** Blocks of 4 x 4 results of an invocation. */
  readonly rowQuads: number;
  readonly columnQuads: number;
  /** Invocations of a workgroup. */
  readonly workgroup: number;
  /** Bytes of workgroup memory. */
  readonly memory: number;
}

/** Values of k in a block. */
export const blockDepth = 8;

/** Entries that tables of k must have past the last. */
export const tableSpare = 4 * blockDepth;

/** Vec4s of a block of an operand, filled up so that every invocation loads as many. */
export function slotsOf(outer: number, workgroup: number): number {
  return Math.ceil((outer * blockDepth) / 4 / workgroup) * workgroup;
}

function form(down: number, over: number, rowQuads: number, columnQuads: number): TileForm {
  const [rows, columns, workgroup] = [4 * rowQuads * down, 4 * columnQuads * over, down * over];
  const memory = 2 * 16 * (slotsOf(rows, workgroup) + slotsOf(columns, workgroup));
  const name = `${rows}x${columns}` as const;
  return { name, rows, columns, down, over, rowQuads, columnQuads, workgroup, memory };
}

/** All forms. Each keeps within WebGPU's default limits: 256 invocations, 16 KiB of workgroup memory. */
export const tileForms: readonly TileForm[] = [
  form(16, 16, 2, 2), // 128 x 128
  form(8, 16, 3, 2), //   96 x 128, with 12 x 8 results in registers
  form(8, 16, 2, 2), //   64 x 128
  form(16, 8, 2, 2), //  128 x 64
  form(4, 16, 3, 2), //   48 x 128
  form(8, 8, 2, 2), //    64 x 64
  form(4, 16, 2, 2), //   32 x 128
  form(16, 4, 2, 2), //  128 x 32
  form(8, 8, 1, 2), //    32 x 64, with 4 x 8 results in registers
  form(8, 8, 1, 1), //    32 x 32, with 4 x 4
];

/** A product of groups times `[M, K] x [K, N]`. */
export interface ProductShape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly groups: number;
  /** Whether the second operand's elements are loaded one by one. Default false. */
  readonly gathered?: boolean;
}

/** What the choice depends on besides the shape. */
export interface TileDevice {
  /** 'direct': no workgroup memory at all; 'shared': a form by `choose`; else the form of that name for all products. */
  readonly tiles: 'direct' | 'shared' | TileForm['name'];
  /** The adapter's, as WebGPU tells it: 'amd', 'nvidia', 'intel', 'apple', ..; lower case, perhaps empty. */
  readonly vendor: string;
  /**
   * Invocations of a subgroup that share the rows which direct tiles load; 0 for none. Where each lane of a processor's vector loads
   * by itself, as in Mesa's lavapipe, loading is what takes the time.
   */
  readonly lanes: number;
  /** Factors on the cost counted for forms, by their names; 1 where there is none. */
  readonly times: Readonly<Record<string, number>>;
  /** Multiply-adds of products in the time of a byte from memory. */
  readonly perByte: number;
}

/** `perByte` of an AMD card (navi21) by its data sheet; of an H100 about 10. */
export const usualPerByte = 22;

/** Depth up to which one sum does: a second set of sums takes registers, of which GPUs have few. */
export const oneSum = 4096;

/** Invocations that keep a large GPU busy: some waves for each of its processors. */
const enoughInvocations = 40_960;

/**
 * Invocations that a product is cut into chunks to have: twice as many as a large GPU runs at once (an H100 has 132 processors, of
 * 512 each with tiles of many registers), so that few are idle at the end. There AlexNet's weight gradients took 0.87 of the time
 * that they took with 40,960 (docs/results.md); twice as many again gained 4 % more, for twice the memory.
 */
export const chunkedInvocations = 131_072;

/** Depth that a chunk has at least where a product is cut to keep a GPU busy. */
export const fewestDeep = 256;

/** Rows or columns up to which a product does without workgroup memory: on an H100 it takes 0.8 of the time with 8, 1.6 with 16. */
const fewest = 8;

/**
 * Sums that an invocation may keep, of the registers it can have: 256 on AMD, of which all are used without spilling, as
 * bench/isa shows; 255 on NVIDIA; on Intel 64 or 128, by how many invocations run as one.
 */
const mostSums: Readonly<Record<string, number>> = { amd: 192, nvidia: 192, intel: 32 };
const usualSums = 128;

/**
 * A form's time for a product by counting, in units of its own: it goes with the area of its tiles, of which some lies outside
 * the result, with what it loads for each product from memory and from workgroup memory, and, where the workgroups are too few,
 * with what stands idle.
 */
export function costOf(
  { rows, columns, rowQuads, columnQuads, workgroup }: TileForm,
  { M, N, K, groups, gathered = false }: ProductShape,
): number {
  const workgroups = Math.ceil(M / rows) * Math.ceil(N / columns) * groups;
  const loads = 1 + 8 * ((gathered ? 2 : 1) / rows + 1 / columns) + (1 / rowQuads + 1 / columnQuads) / 10;
  // Long sums can be cut into chunks, each at work by itself.
  const chunks = Math.max(1, K / fewestDeep);
  const idle = Math.max(1, enoughInvocations / (workgroups * workgroup * chunks));
  return workgroups * rows * columns * loads * Math.sqrt(idle);
}

/** The form for a product, the one of the least cost, or null for a tile without workgroup memory. */
export function choose(
  shape: ProductShape,
  { tiles, vendor, times }: Pick<TileDevice, 'tiles' | 'vendor' | 'times'>,
): TileForm | null {
  if (tiles === 'direct' || shape.K === 0) return null;
  const forced = tileForms.find(({ name }) => name === tiles);
  if (forced) return forced;
  if (shape.M <= fewest || shape.N <= fewest) return null;
  const most = mostSums[vendor] ?? usualSums;
  const fits = ({ rowQuads, columnQuads }: TileForm): boolean =>
    16 * rowQuads * columnQuads * (shape.K > oneSum ? 2 : 1) <= most;
  const cost = (form: TileForm): number => costOf(form, shape) * (times[form.name] ?? 1);
  return tileForms.filter(fits).reduce((best, next) => (cost(next) < cost(best) ? next : best));
}
