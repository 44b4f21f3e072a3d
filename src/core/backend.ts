/**
 * The contract between tensors and the machines that compute them.
 *
 * `Kernels` names every kernel with its arguments and the formula it computes; a backend implements the mapped type
 * `KernelTable`, so that a missing kernel is a compile error. Running a kernel only enqueues it: kernels of a device
 * run in the order they were enqueued, on their own, while the caller goes on. `read` and `sync` wait.
 *
 * What a backend may rely on: shapes, dtypes and attributes were checked by the op that calls it; views named
 * "dense" are row-major without gaps (they may start at an offset); `out` views don't overlap inputs, except in
 * `map`, where an output may be exactly an input's view (each element is read before it is written).
 * What it must keep: every result is a pure function of the arguments, the same bits however many threads or
 * workgroups computed it (no floating-point atomics).
 */
import type { Expr } from './expr.js';
import type { Draw } from './random.js';
import type { BufferId, DType, Shape, TypedArray, View } from './shape.js';

/** Zeros around an image, in pixels: top, left, bottom, right. */
export type Padding = readonly [top: number, left: number, bottom: number, right: number];

/** Vertical and horizontal. */
export type Pair = readonly [vertical: number, horizontal: number];

/** What the three directions of a convolution share. */
export interface ConvGeometry {
  readonly stride: Pair;
  readonly padding: Padding;
  /** Pixels from one tap of the kernel to the next. */
  readonly dilation: Pair;
  /** Input and output channels fall into this many groups that don't see each other. */
  readonly groups: number;
}

/** What pooling and its gradient share. Windows are clipped to the padded image (ceil mode overhangs). */
export interface PoolGeometry {
  readonly mode: 'max' | 'avg';
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  /** Average: divide by the pixels of the window within the padded image (true) or within the image (false). */
  readonly countIncludePad: boolean;
}

/** Local response normalization across channels. */
export interface LrnGeometry {
  /** Adjacent maps summed over; window of channel i: `i - floor(size / 2)` to `i - floor(size / 2) + size - 1`. */
  readonly size: number;
  /** Factor on the plain sum of squares (a caller that means alpha / size divides first). */
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
}

/** How the elements of a row become one number. */
export type FoldOp = 'sum' | 'max' | 'min';

/** A number of each row (`foldMap`): an expression folded over the row or, without an op, of other such numbers. */
export interface RowNumber {
  readonly op: FoldOp | null;
  readonly expr: Expr;
}

/** Every kernel: its arguments, and the formula it computes. */
export interface Kernels {
  /**
   * `outputs[j][i] = exprs[j](inputs[..][i], params)` for every index i of `shape`; all inputs of an element are
   * read before its outputs are written. Views have the map's shape (broadcast by stride 0) and any dtype the
   * backend has. Inputs are taken as float32 numbers; of a map of `integers` (false by default) they are int32 and
   * uint8, all its trees are whole (`isWhole`), params are int32 numbers, and everything is computed in int32, where
   * sums and products wrap around. Results for int32 and uint8 outputs are truncated toward zero, the smallest or
   * largest number of the type where they are out of its range, and 0 for NaN. uint8 outputs are dense.
   * `draw` feeds `random` nodes: the counter of element i is `offset + sum of i[axis] * strides[axis]`, mod 2^32.
   */
  map: {
    readonly exprs: readonly Expr[];
    readonly shape: Shape;
    readonly inputs: readonly View[];
    readonly outputs: readonly View[];
    readonly params: readonly number[];
    readonly integers?: boolean;
    readonly draw: (Draw & { readonly offset: number; readonly strides: readonly number[] }) | null;
  };
  /**
   * `out[kept] = scale * op over reduced of x[kept, reduced]`: the first `kept` axes of x (any strides) stay, the
   * others are reduced. `out` is dense, its shape the kept axes, its dtype x's: float32 (or float64). An empty sum
   * is 0. max and min hand NaN on.
   */
  reduce: {
    readonly op: FoldOp;
    readonly x: View;
    readonly kept: number;
    readonly scale: number;
    readonly out: View;
  };
  /**
   * Numbers of each row, then its elements by them: softmax is a maximum, a sum, and a quotient. The first `kept` axes of
   * `shape` count rows r, the others the elements i of a row. Number k of row r is `op over i of expr(inputs[..][r, i],
   * numbers of r)`, without an op `expr(inputs[..][r], numbers of r)` of inputs that repeat along the row; an empty sum
   * is 0. Then `outputs[j][r, i] = exprs[j](inputs[..][r, i], numbers of r)`. In the trees, number k is input
   * `inputs.length + k`; that of a number may name the numbers before it. `keeps[k]`, unless null, gets number k of all
   * rows, dense. Inputs and outputs are views of `shape` of any strides, all of one dtype: float32 (or float64).
   */
  foldMap: {
    readonly numbers: readonly RowNumber[];
    readonly exprs: readonly Expr[];
    readonly shape: Shape;
    readonly kept: number;
    readonly inputs: readonly View[];
    readonly outputs: readonly View[];
    readonly keeps: readonly (View | null)[];
    readonly params: readonly number[];
  };
  /**
   * `out[b, m, n] = sum over k of a[b, m, k] * b[b, k, n] (+ bias[n]) (then max(0, .))`. `a` is `[B, M, K]`, `b`
   * `[B, K, N]`; of the last two strides of each, one is 1 (a transposed matrix is a view), the batch stride may be
   * 0. `bias` `[N]` and `out` `[B, M, N]` are dense. K may be 0.
   */
  matmul: {
    readonly a: View;
    readonly b: View;
    readonly bias: View | null;
    readonly relu: boolean;
    readonly out: View;
  };
  /**
   * `out[n, o, y, x] = sum over c, i, j of x[n, g * C/groups + c, y * sv + i * dv - top,
   * x * sh + j * dh - left] * weight[o, c, i, j] (+ bias[o]) (then max(0, .))`, zero outside the image; group g of
   * output channel o.
   * x `[N, C, H, W]`, weight `[O, C/groups, KH, KW]`, bias `[O]`, out `[N, O, OH, OW]`, all dense.
   */
  conv2d: ConvGeometry & {
    readonly x: View;
    readonly weight: View;
    readonly bias: View | null;
    readonly relu: boolean;
    readonly out: View;
  };
  /** Gradient of `conv2d` by x: grad `[N, O, OH, OW]`, weight as there, out `[N, C, H, W]`, all dense. */
  conv2dInputGrad: ConvGeometry & { readonly grad: View; readonly weight: View; readonly out: View };
  /** Gradient of `conv2d` by the weight: x and grad as there, out `[O, C/groups, KH, KW]`, all dense. */
  conv2dWeightGrad: ConvGeometry & { readonly x: View; readonly grad: View; readonly out: View };
  /**
   * Max or mean of each window. x `[N, C, H, W]`, out `[N, C, OH, OW]`; `indices` (int32, out's shape; max only)
   * gets `y * W + x` of the first largest pixel (a NaN counts as the largest). All dense.
   */
  pool2d: PoolGeometry & { readonly x: View; readonly out: View; readonly indices: View | null };
  /** Gradient of `pool2d` by x, out `[N, C, H, W]`: each pixel sums what its windows send back. All dense. */
  pool2dGrad: PoolGeometry & { readonly grad: View; readonly indices: View | null; readonly out: View };
  /**
   * `out[n, i] = x[n, i] * d[n, i]^-beta`, `d[n, i] = k + alpha * sum over the window of i of x[n, j]^2`, the
   * window clipped at the first and last channel (Krizhevsky 2012, section 3.3). `[N, C, H, W]`, dense.
   */
  lrn: LrnGeometry & { readonly x: View; readonly out: View };
  /**
   * Gradient of `lrn` by x: `grad[i] * d[i]^-beta - 2 alpha beta x[i] * sum over j whose window holds i of
   * grad[j] * x[j] * d[j]^(-beta - 1)`. All `[N, C, H, W]`, dense.
   */
  lrnGrad: LrnGeometry & { readonly x: View; readonly grad: View; readonly out: View };
  /**
   * `peaks[n] = [m, s]`, `[N, 2]`: m is the largest logit of row n, s the sum over all classes but one of m's of
   * `exp(logits[n, j] - m)`; so softmax is `exp(logits[n, j] - m) / (1 + s)`. Kept apart, neither m nor s is
   * rounded to the other's size; s is NaN where m is infinite. `losses[n] = (m - logits[n, labels[n]]) + log(1 + s)`, NaN where the label isn't in [0, C).
   * logits `[N, C]`, labels `[N]` int32, dense.
   */
  crossEntropy: { readonly logits: View; readonly labels: View; readonly losses: View; readonly peaks: View };
  /**
   * `out[n, j] = (exp(logits[n, j] - m) / (1 + s) - (j == labels[n])) * grad[n]` with m and s of `peaks[n]`, without
   * cancellation where softmax is near 1; NaN throughout the row where the label isn't in [0, C). All dense.
   */
  crossEntropyGrad: {
    readonly logits: View;
    readonly labels: View;
    readonly peaks: View;
    readonly grad: View;
    readonly out: View;
  };
  /**
   * `out[o, j, i] = x[o, index[o, j, i], i]`; x `[O, A, I]` and out `[O, J, I]` dense and of one dtype, index int32
   * `[O, J, I]` of any strides. An index outside [0, A) gives NaN (0 in integer tensors).
   */
  gather: { readonly x: View; readonly index: View; readonly out: View };
  /** `out[o, a, i] = sum over j with index[o, j, i] == a of grad[o, j, i]`, j in rising order; out `[O, A, I]`. */
  scatterAdd: { readonly grad: View; readonly index: View; readonly out: View };
  /**
   * The `k` largest of each row in falling order, equal ones by rising index, NaN before all numbers.
   * x `[R, C]`, values `[R, k]` of its dtype, indices `[R, k]` int32, all dense.
   */
  topk: { readonly x: View; readonly values: View; readonly indices: View };
}

/** The name of a kernel. */
export type KernelName = keyof Kernels;

/** What a backend implements: a function for each kernel that enqueues it. */
export type KernelTable = { readonly [K in KernelName]: (args: Kernels[K]) => void };

/** Bytes of a device, by its own account. */
export interface MemoryStats {
  /** Held by buffers that tensors use. */
  readonly live: number;
  /** Held by freed buffers, kept to be used again. */
  readonly pooled: number;
  /** The largest `live` since the device was opened. */
  readonly peak: number;
  /** Number of buffers that tensors use. */
  readonly buffers: number;
}

/** One kernel's run in a profile. */
export interface KernelTime {
  readonly kernel: string;
  /** The layer that enqueued it (core/trace.ts), '' outside layers. */
  readonly layer: string;
  readonly phase: 'forward' | 'backward' | 'update';
  readonly milliseconds: number;
  /** Milliseconds from the profile's start to this kernel's. */
  readonly start: number;
  /** Floating-point operations (a multiply-add counts as two), bytes read and written at the least. */
  readonly flops: number;
  readonly bytes: number;
}

/** Told when elements from another device began to come in, as `performance.now()`, and how many milliseconds it took. */
export type Arrived = (start: number, milliseconds: number) => void;

/** One opened device. All methods but `read`, `sync`, `stopProfile` and `close` return at once. */
export interface Backend {
  /** The kind that its devices' names begin with: 'cpu', 'webgpu'. */
  readonly kind: string;
  /** What it is, for people: 'CPU, 2 threads, relaxed SIMD'; the adapter's name. */
  readonly description: string;
  /** The element types it can hold. */
  readonly dtypes: ReadonlySet<DType>;
  readonly kernels: KernelTable;
  /** A buffer with unspecified contents. @throws {OutOfMemoryError} naming op, bytes asked, bytes in use and the limit. */
  alloc(bytes: number, op: string): BufferId;
  /** A new buffer holding a copy of `data`, as if written before anything enqueued later. */
  upload(data: TypedArray, op: string): BufferId;
  /** As `upload`, of what a promise will bring; when it is rejected, the next await of this device throws its reason. */
  uploadLater(data: Promise<TypedArray>, bytes: number, op: string): BufferId;
  /**
   * A new buffer that will hold another device's dense view as everything enqueued there so far leaves it; what is
   * enqueued here from now on waits for it. What went wrong is thrown by this device's next await.
   * @returns null where it can't copy from such a device without the host
   */
  copyFrom(source: Backend, view: View, op: string, arrived: Arrived): BufferId | null;
  /** Keeps an error, if it is the first, for the next await to throw. */
  fail(error: Error): void;
  /** Gives a buffer back; kernels already enqueued may still use it. */
  free(buffer: BufferId): void;
  /** A copy of a dense view's elements, after everything enqueued so far has run. */
  read(view: View): Promise<TypedArray>;
  /** As `read`, for the host to change, in place where it sees them; nothing may use the views until they are taken back. */
  lend(views: readonly View[]): Promise<TypedArray[]>;
  /** What is enqueued from now on waits for a promise and finds the lent arrays as they are then in their views. */
  takeBack(views: readonly View[], arrays: Promise<readonly TypedArray[]>): void;
  /** Resolves when everything enqueued so far has run. @throws what went wrong on the way. */
  sync(): Promise<void>;
  /** Compiles ahead what the enqueued kernels will need; a backend that needs no such thing resolves at once. */
  compile(): Promise<void>;
  memory(): MemoryStats;
  /** Starts noting each kernel's time (slower: kernels are told apart by waiting between them if need be). */
  startProfile(): void;
  /** Ends it and gives the kernels in the order they ran. */
  stopProfile(): Promise<KernelTime[]>;
  /** Waits for the work enqueued, then frees everything; the device can't be used again. */
  close(): Promise<void>;
}
