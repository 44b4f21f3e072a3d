/**
 * What kernels are written with: `dispatch` takes a program's WGSL body together with its buffers and numbers,
 * prints the declarations, and enqueues a run of it.
 *
 * In WGSL, number `n` is `u.n`; a view `x` is the array `x` and `u.xAt`, the index of its first element. Elements are
 * f32, i32, or u32 words of four bytes (uint8); a view given as `wide(x)` is an array of vec4 of those, and its
 * `u.xAt` counts vec4s.
 */
import type { BufferId, DType, Shape, View } from '../../../core/shape.js';
import { bytesPerElement, contiguousStrides, sizeOf } from '../../../core/shape.js';
import type { TileDevice } from '../kernels/matmul/forms.js';
import type { Binding } from './bindings.js';
import type { Buffers, Slot } from './buffers.js';
import type { Pipelines } from './pipelines.js';
import type { Tag } from './profile.js';
import type { CommandQueue } from './queue.js';
import type { Windows } from './windows.js';

/** A view read four elements at a time; its offset is a multiple of 4. */
export interface Wide {
  readonly wide: View;
}

/** Reads a view as vec4s. */
export const wide = (view: View): Wide => ({ wide: view });

type Operand = View | Wide;

/** One run of a program. */
export interface Spec {
  /**
   * Names what `functions` and `body` print: same key, same text. What the recorder prints around them (the numbers'
   * names, the operands' names and types) it adds to the key itself.
   */
  readonly key: string;
  /** WGSL functions and constants before `main`. */
  readonly functions?: () => string;
  /**
   * WGSL statements of `main`. They see `index` (of the invocation, i32), `workgroup` (its number, i32) and `local`
   * (of the invocation in its workgroup, i32).
   */
  readonly body: () => string;
  readonly i32?: Readonly<Record<string, number>>;
  readonly f32?: Readonly<Record<string, number>>;
  readonly read?: Readonly<Record<string, Operand>>;
  /** Read and written. */
  readonly write: Readonly<Record<string, Operand>>;
  /** Whether it folds over workgroups (kernels/workgroupFold.ts): it sees `lane` and `subgroupSize` (i32) where there are subgroups. */
  readonly folds?: boolean;
  /** How much to run: invocations (`index` from 0 to below it), or workgroups of `size` invocations (by default 64). */
  readonly run: { readonly invocations: number } | { readonly workgroups: number; readonly size?: number };
}

/** Invocations of a workgroup, unless a run says otherwise. */
export const workgroupSize = 64;

/** Invocations that see one another's registers: a power of 2 that a program learns when it runs. */
export interface Subgroups {
  readonly min: number;
  readonly max: number;
}

/** Workgroups in one dimension of a grid, by WebGPU's default limit. */
const gridLimit = 65_535;

const wgslTypes: Readonly<Record<DType, string>> = {
  float32: 'f32',
  int32: 'i32',
  uint8: 'u32',
  float64: 'f64',
};

/** How many tables are kept. */
const tableLimit = 512;

/** Records the dispatches of kernels. */
export class Recorder {
  /** Given to the dispatches of the kernel being recorded, when profiling. */
  tag: Tag | null = null;
  /** Name of the kernel being recorded, for error messages. */
  op = '';
  private readonly tables = new Map<string, View>();
  /** Buffers of float16 numbers. */
  private readonly half = new Set<BufferId>();

  constructor(
    private readonly buffers: Buffers,
    private readonly windows: Windows,
    private readonly pipelines: Pick<Pipelines, 'get'>,
    private readonly queue: Pick<CommandQueue, 'dispatch' | 'write' | 'copy'>,
    /** What the tiles of products are chosen by. */
    readonly tileDevice: TileDevice,
    /** Whether `operand` gives float16 numbers. */
    private readonly halves = false,
    /** The sizes of the device's subgroups; null without. */
    readonly subgroups: Subgroups | null = null,
    /** Where convolutions take Winograd's method (kernels/conv/winograd.ts): where counting says that it pays, or wherever it can. */
    readonly winograd: 'never' | 'counted' | 'always' = 'counted',
  ) {}

  /** Bytes that a view may span for a kernel to see it. */
  get room(): number {
    return this.windows.room;
  }

  /** Whether a kernel can see all that views of one buffer span. */
  fits(...views: readonly View[]): boolean {
    return this.windows.fit(views);
  }

  /**
   * What a kernel sees of the one buffer that the views are of, as a dense view.
   * @throws {OutOfMemoryError} when that is too much
   */
  stretch(views: readonly View[]): View {
    const { offset, bytes } = this.windows.of(views, this.op);
    const { buffer, dtype } = views[0]!;
    const size = bytesPerElement[dtype];
    return { buffer, dtype, shape: [bytes / size], strides: [1], offset: offset / size };
  }

  /** Enqueues a run of a program; nothing when there is nothing to run. */
  dispatch(spec: Spec): void {
    const amount = 'invocations' in spec.run ? spec.run.invocations : spec.run.workgroups;
    if (amount <= 0) return;
    const copies: View[] = [];
    const operands: Bound[] = [];
    for (const [name, operand] of Object.entries(spec.read ?? {})) {
      const view = viewOf(operand);
      // A buffer can't be bound for reading and for writing at once.
      if (!writes(spec, view.buffer)) operands.push(this.bind(name, operand, false));
      else {
        const copy = this.copyBuffer(view);
        copies.push(copy);
        operands.push(this.bind(name, 'wide' in operand ? wide(copy) : copy, false));
      }
    }
    for (const [name, operand] of Object.entries(spec.write)) operands.push(this.bind(name, operand, true));

    const integers = Object.keys(spec.i32 ?? {});
    const floats = Object.keys(spec.f32 ?? {});
    const [bound, size] =
      'invocations' in spec.run ? ['index', workgroupSize] : ['workgroup', spec.run.size ?? workgroupSize];
    let access = '';
    const labels = [bound, String(size), ...integers, ';', ...floats];
    for (const { name, type, writes } of operands) {
      access += writes ? 'w' : 'r';
      labels.push(name, type);
    }
    const program = this.pipelines.get(spec.key, labels, access, () => {
      const declared = declarations(integers, floats, operands);
      return print(spec, declared, bound, size, this.subgroups !== null && spec.folds === true);
    });
    const { length } = operands;
    const uniforms = new Uint32Array(Math.ceil((1 + integers.length + length + floats.length) / 4) * 4);
    let at = 0;
    uniforms[at++] = amount;
    for (const name of integers) uniforms[at++] = spec.i32![name]!;
    for (const operand of operands) uniforms[at++] = operand.at;
    for (const name of floats) uniforms[at++] = bitsOf(spec.f32![name]!);
    const groups = 'invocations' in spec.run ? Math.ceil(amount / workgroupSize) : amount;
    const rows = Math.ceil(groups / gridLimit);
    this.queue.dispatch({
      kind: 'dispatch',
      program,
      bindings: operands.map(({ binding }) => binding),
      uniforms,
      groups: [Math.ceil(groups / rows), rows],
      tag: this.tag,
    });
    for (const copy of copies) this.free(copy);
  }

  /** A dense view of a new buffer, to be given back with `free` once the dispatches that use it are enqueued. */
  temporary(shape: Shape, dtype: DType = 'float32'): View {
    const buffer = this.buffers.alloc(sizeOf(shape) * bytesPerElement[dtype], this.op);
    return { buffer, dtype, shape, strides: contiguousStrides(shape), offset: 0 };
  }

  /**
   * A temporary that products read: of float16 numbers where the device keeps them so, though its view says float32. What
   * writes it converts to `elementOf` it, what reads it to f32.
   */
  operand(shape: Shape): View {
    const view = { dtype: 'float32', shape, strides: contiguousStrides(shape), offset: 0 } as const;
    if (!this.halves || 4 * sizeOf(shape) > this.room) return this.temporary(shape);
    const buffer = this.buffers.alloc(2 * sizeOf(shape), this.op);
    this.half.add(buffer);
    return { ...view, buffer };
  }

  /** What WGSL calls the elements of a view. */
  elementOf({ buffer, dtype }: View): string {
    return this.half.has(buffer) ? 'f16' : wgslTypes[dtype];
  }

  free(view: View): void {
    this.half.delete(view.buffer);
    this.buffers.free(view.buffer);
  }

  /** A small int32 array that depends on shapes alone, made once for each `key`. */
  table(key: string, make: () => Int32Array<ArrayBuffer>): View {
    const known = this.tables.get(key);
    if (known) {
      // The most lately used last: what goes is never in use by the kernel being recorded.
      this.tables.delete(key);
      this.tables.set(key, known);
      return known;
    }
    const data = make();
    const view = this.temporary([data.length], 'int32');
    this.queue.write(this.buffers.get(view.buffer), data);
    this.tables.set(key, view);
    if (this.tables.size > tableLimit) {
      const [oldest, old] = this.tables.entries().next().value!;
      this.tables.delete(oldest);
      this.free(old);
    }
    return view;
  }

  private bind(name: string, operand: Operand, writes: boolean): Bound {
    const view = viewOf(operand);
    const window = this.windows.of([view], this.op);
    const at = view.offset - window.offset / bytesPerElement[view.dtype];
    const element = this.elementOf(view);
    const [type, start] = 'wide' in operand ? [`vec4<${element}>`, at / 4] : [element, at];
    return { name, type, writes, binding: { slot: this.slot(view), ...window }, at: start };
  }

  private slot(view: View): Slot {
    return this.buffers.get(view.buffer);
  }

  /** The same view of a copy of its whole buffer. */
  private copyBuffer(view: View): View {
    const from = this.slot(view);
    const buffer = this.buffers.alloc(from.bytes, this.op);
    this.queue.copy(from, 0, this.buffers.get(buffer), 0, from.bytes);
    return { ...view, buffer };
  }
}

interface Bound {
  readonly name: string;
  readonly type: string;
  readonly writes: boolean;
  readonly binding: Binding;
  readonly at: number;
}

function viewOf(operand: Operand): View {
  return 'wide' in operand ? operand.wide : operand;
}

function writes({ write }: Spec, buffer: BufferId): boolean {
  for (const operand of Object.values(write)) if (viewOf(operand).buffer === buffer) return true;
  return false;
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** A float32 as the word of its bits. */
function bitsOf(value: number): number {
  float[0] = value;
  return word[0]!;
}

/** What a program declares of its numbers, by their names, and of its operands. */
function declarations(
  integers: readonly string[],
  floats: readonly string[],
  operands: readonly Bound[],
): string {
  const places = operands.map(({ name }) => `${name}At`);
  const fields = [
    ...['count', ...integers, ...places].map((name) => `${name}: i32`),
    ...floats.map((name) => `${name}: f32`),
  ];
  const variables = operands.map(
    ({ name, type, writes }) => `var<storage, ${writes ? 'read_write' : 'read'}> ${name}: array<${type}>;`,
  );
  const extension = variables.some((variable) => variable.includes('f16')) ? 'enable f16;\n' : '';
  return `${extension}struct Uniforms { ${fields.join(', ')} }
@group(0) @binding(0) var<uniform> u: Uniforms;
${variables.map((variable, i) => `@group(0) @binding(${i + 1}) ${variable}`).join('\n')}`;
}

/** The source of a program. */
function print(spec: Spec, declared: string, bound: string, size: number, subgroups: boolean): string {
  return `${subgroups ? 'enable subgroups;\n' : ''}${declared}
${spec.functions?.() ?? ''}
@compute @workgroup_size(${size})
fn main(
  @builtin(workgroup_id) groupId: vec3u,
  @builtin(num_workgroups) groupCount: vec3u,
  @builtin(local_invocation_index) localIndex: u32,${
    subgroups
      ? `
  @builtin(subgroup_size) subgroupWidth: u32,
  @builtin(subgroup_invocation_id) subgroupIndex: u32,`
      : ''
  }
) {
  let workgroup = i32(groupId.y * groupCount.x + groupId.x);
  let local = i32(localIndex);${subgroups ? '\n  let subgroupSize = i32(subgroupWidth); let lane = i32(subgroupIndex);' : ''}
  let index = workgroup * ${size} + local;
  if (${bound} >= u.count) { return; }
${spec.body()}
}
`;
}
