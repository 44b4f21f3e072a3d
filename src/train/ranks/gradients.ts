/**
 * Gradients of a batch that ranks share: `g = sum over ranks of (n_r / n) g_r`, where rank r computed the mean gradient
 * g_r over its n_r of n samples. The weight goes in at the loss, so that nothing has to be multiplied afterwards.
 *
 * Gradients go in buckets, of the last layers first: a bucket is summed while `backward` still runs through the layers
 * before. A device is asked for a bucket's gradients as soon as they are enqueued; it lends their memory when it has
 * come to them, and what comes after `backward` waits until all sums are back. So the caller waits for nothing.
 *
 * Where towers lie on several ranks, sums take their place in the order of calls behind all crossings of `backward`:
 * devices stand still until a crossing has come, while sums are needed at the end alone. And towers fill their buckets at
 * different times, so ranks that hold one network would come to their crossing at different places of the order.
 *
 * n may be less than the data source said, where samples can't be read. Nobody knows before all ranks have told, so the
 * first bucket carries each rank's n_r, and sums are multiplied by (what was said) / n where that isn't 1.
 *
 * A rank may take its share in several parts, one after the other (microBatches.ts). Their gradients are added as a
 * counter carries, two of a kind to one of the next, and the last part's go into buckets with all before added.
 */
import type { Device } from '../../core/device.js';
import { full } from '../../core/ops/create.js';
import { add } from '../../core/ops/elementwise.js';
import { keep } from '../../core/scope.js';
import { bytesPerElement, type TypedArray, type View } from '../../core/shape.js';
import { noGrad, watchLeaf } from '../../core/tape.js';
import { denseCopy, type Tensor } from '../../core/tensor.js';
import type { Module } from '../../nn/module.js';
import { RanksError } from './mpi.js';
import type { Numbers, Ranks } from './ranks.js';
import type { SumOrder } from './sums.js';
import { elsewhere } from './towers.js';

/** Bytes after which a bucket is full. */
const bucketBytes = 4 << 20;

/** Arrays of fewer numbers are summed together, as one. */
const few = 1 << 14;

/** A rank's part in a batch. */
interface Part {
  /** Samples that count. */
  readonly count: number;
  /** Samples of all ranks together, as far as the data source knows. */
  readonly of: number;
}

/** Parameters whose gradients are summed together. */
interface Bucket {
  readonly params: Tensor[];
  /** Gradients that have yet to come. */
  missing: number;
}

/** Gradients of one device on their way. */
interface Lent {
  readonly device: Device;
  readonly views: readonly View[];
  readonly arrays: Promise<TypedArray[]>;
}

/** Sums the gradients of a model's parameters over ranks. */
export class GradientSums {
  private readonly parameters: readonly Tensor[];
  private readonly buckets: readonly Bucket[];
  private launched = 0;
  /** Parts of this step so far, the one under way included, and their samples. */
  private part = 0;
  private count = 0;
  private of = 1;
  /** What sums are multiplied by, known once the first bucket is back. */
  private correction = 1;
  private back: (() => void)[] = [];
  /** Whether towers of the model lie on other ranks. */
  private readonly isSpread: boolean;
  /** What takes a place in the order for buckets that are lent already. */
  private behind: (() => void)[] = [];
  /** Sums of 2^k parts' gradients each, larger ones first. */
  private readonly held = new Map<Tensor, (Tensor | null)[]>();

  /**
   * @param parts that each step of this rank has: a power of two
   * @param order in which ranks' gradients are added
   */
  constructor(
    model: Module,
    private readonly ranks: Ranks,
    private readonly parts = 1,
    private readonly order: SumOrder = 'row',
  ) {
    this.parameters = model.parameters();
    // Those of a tower on another rank are summed there.
    const own = this.parameters.filter((x) => x.device.kind !== elsewhere);
    this.isSpread = own.length < this.parameters.length;
    this.buckets = bucketsOf(own);
  }

  /** Before the forward pass of a step's next part. */
  begin(): void {
    if (this.part === this.parts) {
      this.part = 0;
      this.count = 0;
    }
    this.part++;
    this.launched = 0;
    this.back = [];
    this.behind = [];
    const isLast = this.part === this.parts;
    for (const bucket of this.buckets) {
      bucket.missing = bucket.params.length;
      for (const x of bucket.params) {
        watchLeaf(x, () => {
          if (!isLast) return;
          this.addHeld(x);
          bucket.missing--;
          this.launch(false);
        });
      }
    }
  }

  /**
   * The backward pass of a part's loss. After the last one parameters have the gradients of the whole batch, until then
   * none.
   */
  backward(loss: Tensor, { count, of }: Part): void {
    this.count += count;
    this.of = of;
    loss.backward(full(loss.shape, count / of, { device: loss.device, dtype: loss.dtype }));
    if (this.part < this.parts) {
      for (const x of this.parameters) this.hold(x);
      return;
    }
    for (const x of this.parameters) this.addHeld(x);
    // One rank alone has the whole batch, and nothing to correct where all of it could be read.
    if (this.ranks.size === 1 && this.count === of) return;
    this.launch(true);
    for (const enter of this.behind) enter();
    this.behind = [];
    for (const takeBack of this.back) takeBack();
  }

  /** Puts a part's gradient away, added to as many before as there are of its kind. */
  private hold(x: Tensor): void {
    const held = this.held.get(x) ?? [];
    this.held.set(x, held);
    let sum = x.grad;
    x.grad = null;
    if (sum) keep(sum);
    for (let n = this.part; n % 2 === 0; n /= 2) sum = sumOf(held.pop() ?? null, sum);
    held.push(sum);
  }

  /** Adds to the last part's gradient what the parts before came to. */
  private addHeld(x: Tensor): void {
    const held = this.held.get(x);
    if (!held) return;
    this.held.delete(x);
    for (const sum of held.toReversed()) x.grad = sumOf(sum, x.grad);
  }

  /** Sends off buckets in their order, as far as they are full, or all. */
  private launch(all: boolean): void {
    if (this.ranks.size === 1 && !all) return;
    for (; this.launched < this.buckets.length; this.launched++) {
      const bucket = this.buckets[this.launched]!;
      if (bucket.missing > 0 && !all) return;
      this.send(bucket, this.launched === 0, this.launched === this.buckets.length - 1);
    }
  }

  private send({ params }: Bucket, first: boolean, last: boolean): void {
    const lent = lend(params.flatMap((x) => (x.grad ? [ownGradient(x, x.grad)] : [])));
    const { count, of } = this;
    const packed = Promise.all(lent.map(({ arrays }) => arrays)).then((each) =>
      pack(each.flat().map(asNumbers), first ? [count] : []),
    );
    const sent = packed.then(({ together, large }) => [together, ...large]);
    const enter = (): void => {
      const summed = this.ranks.allReduceEach(sent, last, this.order).then(async () => {
        const { together, small, large } = await packed;
        if (first) this.correction = of / together[0]!;
        unpack(together, small);
        if (this.correction !== 1) for (const array of [...small, ...large]) scale(array, this.correction);
      });
      summed.catch(() => {}); // the devices tell
      for (const { device, views, arrays } of lent) {
        const changed = summed.then(() => arrays);
        this.back.push(() => device.open('backward').takeBack(views, changed));
      }
    };
    if (this.isSpread) this.behind.push(enter);
    else enter();
  }
}

/** Bytes of each sum of a step, in order, of a model or tower with these parameters. The first carries a count of samples. */
export function sumBytes(parameters: readonly Tensor[]): number[] {
  const bytesOf = (x: Tensor): number => bytesPerElement[x.dtype] * x.size;
  return bucketsOf(parameters).map(({ params }, i) =>
    params.reduce((sum, x) => sum + bytesOf(x), i === 0 ? bytesPerElement.float32 : 0),
  );
}

/** The sum of two gradients, either of which may be absent; they are given back. */
function sumOf(a: Tensor | null, b: Tensor | null): Tensor | null {
  if (!a || !b) return a ?? b;
  const sum = keep(noGrad(() => add(a, b)));
  a.dispose();
  b.dispose();
  return sum;
}

/** The last parameters come first, as their gradients do: parameters are found in the order in which layers run. */
function bucketsOf(parameters: readonly Tensor[]): Bucket[] {
  const buckets: Bucket[] = [];
  let bytes = bucketBytes;
  for (const x of parameters.toReversed()) {
    if (bytes >= bucketBytes) {
      buckets.push({ params: [], missing: 0 });
      bytes = 0;
    }
    buckets.at(-1)!.params.push(x);
    bytes += 4 * x.size;
  }
  return buckets;
}

/** A leaf's gradient in memory that nothing else looks at, dense from the beginning of its buffer. */
function ownGradient(x: Tensor, grad: Tensor): Tensor {
  if (grad.exclusive && grad.contiguous && grad.view('backward').offset === 0) return grad;
  const copy = keep(denseCopy('backward', grad));
  grad.dispose();
  x.grad = copy;
  return copy;
}

/** Asks devices for gradients. */
function lend(gradients: readonly Tensor[]): Lent[] {
  const devices = [...new Set(gradients.map((x) => x.device))];
  return devices.map((device) => {
    const views = gradients.filter((x) => x.device === device).map((x) => x.view('backward'));
    const arrays = device.open('backward').lend(views);
    arrays.catch(() => {}); // awaited with the sums
    return { device, views, arrays };
  });
}

function asNumbers(array: TypedArray): Numbers {
  if (array instanceof Float32Array || array instanceof Float64Array) return array;
  throw new RanksError('backward: a gradient of integers');
}

/** Gradients as they are sent. */
interface Packed {
  /** Some numbers, then all of `small`. */
  readonly together: Float32Array;
  readonly small: readonly Float32Array[];
  readonly large: readonly Numbers[];
}

function pack(arrays: readonly Numbers[], before: readonly number[]): Packed {
  const small: Float32Array[] = [];
  const large: Numbers[] = [];
  for (const array of arrays) {
    if (array instanceof Float32Array && array.length < few) small.push(array);
    else large.push(array);
  }
  const together = new Float32Array(before.length + small.reduce((sum, { length }) => sum + length, 0));
  together.set(before);
  let at = before.length;
  for (const array of small) {
    together.set(array, at);
    at += array.length;
  }
  return { together, small, large };
}

/** Gives the small arrays their numbers back, the last of `together`. */
function unpack(together: Float32Array, small: readonly Float32Array[]): void {
  let end = together.length;
  for (const array of small.toReversed()) {
    array.set(together.subarray(end - array.length, end));
    end -= array.length;
  }
}

function scale(array: Numbers, factor: number): void {
  for (let i = 0; i < array.length; i++) array[i]! *= factor;
}
