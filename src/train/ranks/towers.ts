/**
 * A tower on each rank: one program on several ranks, whose devices are this process's own and one for each of the
 * others, which keeps an account of its buffers and computes nothing.
 *
 * All ranks enqueue the same, so each knows what the others do. What crosses from the own device is sent, what crosses to
 * it is received into its memory, and each rank's ledger has a row for either. What is read of a device is read by all
 * ranks: the one that has it tells the others.
 *
 * Crossings are gathered until something works on what one of them brings. So the two directions of an `exchange` are one
 * send-receive, and no rank waits for what it receives before it sends. All ranks gather the same, since a device that
 * computes nothing is asked for the same kernels as the real one.
 */
import { kernelTable } from '../../backends/kernelTable.js';
import type { Arrived, Backend, KernelName, Kernels } from '../../core/backend.js';
import { Device } from '../../core/device.js';
import { ArgumentError } from '../../core/errors.js';
import {
  type BufferId,
  bytesPerElement,
  contiguousStrides,
  makeArray,
  sizeOf,
  type TypedArray,
  type View,
} from '../../core/shape.js';
import type { Ranks } from './ranks.js';

/** A view on its way from one tower's device to another's. */
interface OnItsWay {
  readonly from: number;
  readonly to: number;
  /** What is sent; null on ranks that don't send it. */
  readonly data: Promise<TypedArray> | null;
  /** Memory it goes to; null on ranks that don't receive it. */
  readonly into: { readonly view: View; readonly arrays: Promise<TypedArray[]> } | null;
  readonly arrived: Arrived;
}

/** Devices for the towers of a network, one on each rank of a group, and the ranks as `fit` takes them. */
export interface Towers {
  /** In the order of the towers. That of this rank does what `device` does, which isn't to be used by itself from now on. */
  readonly devices: readonly Device[];
  /** All ranks. Groups of as many ranks as there are towers share each batch. */
  readonly ranks: Ranks;
}

/** The kind of a device that is another rank's. */
export const elsewhere = 'rank';

/**
 * Spreads towers over ranks: rank r holds tower `r mod towers`, and ranks 0 to `towers - 1` are the first replica. For
 * all ranks to call.
 * @param device this rank's; of the same kind on all of them
 * @throws {ArgumentError} when the number of ranks isn't a multiple of the number of towers
 */
export async function spreadTowers(ranks: Ranks, device: Device, towers: number): Promise<Towers> {
  if (towers < 2 || ranks.size % towers !== 0) {
    const expected = towers < 2 ? 'more than one tower' : `${towers} ranks or a multiple`;
    throw new ArgumentError(
      `spreadTowers: ${ranks.size} ranks for ${towers} towers: a tower on each rank takes ${expected}`,
    );
  }
  const replica = Math.floor(ranks.rank / towers);
  const partners = await ranks.split(replica);
  const replicas = await ranks.split(ranks.rank % towers);
  const between = new Between(partners, device.open('spreadTowers'));
  const devices = Array.from({ length: towers }, (_, tower) =>
    tower === partners.rank
      ? new Device(device.name, between.ownBackend())
      : new Device(`${elsewhere}:${replica * towers + tower}`, between.backendOf(tower)),
  );
  return { devices, ranks: ranks.sharedBy(replicas, partners.rank === 0) };
}

/** What goes between the ranks that hold one network. */
class Between {
  private waiting: OnItsWay[] = [];
  private readonly awaited = new Map<Backend, Set<BufferId>>();
  private readonly towerOf = new Map<Backend, number>();

  /** @param inner works for this rank's device */
  constructor(
    private readonly partners: Ranks,
    private readonly inner: Backend,
  ) {}

  /** This rank's device. */
  ownBackend(): Backend {
    const { inner } = this;
    const backend: Backend = {
      kind: inner.kind,
      description: inner.description,
      dtypes: inner.dtypes,
      kernels: kernelTable((kernel, args) => {
        this.beforeUse(backend, args);
        inner.kernels[kernel](args);
      }),
      alloc: (bytes, op) => inner.alloc(bytes, op),
      upload: (data, op) => inner.upload(data, op),
      uploadLater: (data, bytes, op) => inner.uploadLater(data, bytes, op),
      copyFrom: (source, view, op, arrived) => {
        if (!this.towerOf.has(source)) return inner.copyFrom(source, view, op, arrived);
        const buffer = inner.alloc(bytesOf(view), op);
        const into = { ...view, buffer, offset: 0, strides: contiguousStrides(view.shape) };
        this.beforeUse(source, { view });
        const arrays = inner.lend([into]);
        this.add(source, backend, buffer, { data: null, into: { view: into, arrays }, arrived });
        return buffer;
      },
      fail: (error) => inner.fail(error),
      free: (buffer) => {
        this.beforeFree(backend, buffer);
        inner.free(buffer);
      },
      read: (view) => {
        this.flush();
        return this.partners.broadcast(inner.read(view), this.partners.rank);
      },
      lend: (views) => {
        this.flush();
        return inner.lend(views);
      },
      takeBack: (views, arrays) => inner.takeBack(views, arrays),
      sync: () => {
        this.flush();
        return inner.sync();
      },
      compile: () => inner.compile(),
      memory: () => inner.memory(),
      startProfile: () => inner.startProfile(),
      stopProfile: () => inner.stopProfile(),
      close: () => inner.close(),
    };
    this.register(backend, this.partners.rank);
    return backend;
  }

  /** The device of another tower, which computes elsewhere. */
  backendOf(tower: number): Backend {
    const sizes = new Map<BufferId, number>();
    let next = 0;
    let live = 0;
    let peak = 0;
    const alloc = (bytes: number): BufferId => {
      sizes.set(next, bytes);
      live += bytes;
      peak = Math.max(peak, live);
      return next++;
    };
    const backend: Backend = {
      kind: elsewhere,
      description: 'the tower of another rank',
      dtypes: this.inner.dtypes,
      kernels: kernelTable((_kernel, args) => this.beforeUse(backend, args)),
      alloc,
      upload: (data) => alloc(data.byteLength),
      uploadLater: (_data, bytes) => alloc(bytes),
      copyFrom: (source, view, _op, arrived) => {
        const buffer = alloc(bytesOf(view));
        if (!this.towerOf.has(source)) return buffer;
        this.beforeUse(source, { view });
        const isOurs = this.towerOf.get(source) === this.partners.rank;
        this.add(source, backend, buffer, {
          data: isOurs ? this.inner.read(view) : null,
          into: null,
          arrived,
        });
        return buffer;
      },
      fail: () => {},
      free: (buffer) => {
        this.beforeFree(backend, buffer);
        live -= sizes.get(buffer) ?? 0;
        sizes.delete(buffer);
      },
      read: (view) => {
        this.flush();
        return this.partners.broadcast(makeArray(view.dtype, sizeOf(view.shape)), tower);
      },
      lend: async () => {
        throw new ArgumentError(`lend: the numbers of tower ${tower} are another rank's`);
      },
      takeBack: () => {},
      sync: async () => this.flush(),
      compile: async () => {},
      memory: () => ({ live, pooled: 0, peak, buffers: sizes.size }),
      startProfile: () => {},
      stopProfile: async () => [],
      close: async () => {},
    };
    this.register(backend, tower);
    return backend;
  }

  private register(backend: Backend, tower: number): void {
    this.towerOf.set(backend, tower);
    this.awaited.set(backend, new Set());
  }

  private add(source: Backend, target: Backend, buffer: BufferId, what: Omit<OnItsWay, 'from' | 'to'>): void {
    this.awaited.get(target)!.add(buffer);
    this.waiting.push({ from: this.towerOf.get(source)!, to: this.towerOf.get(target)!, ...what });
  }

  /** Before a kernel works on views. */
  private beforeUse<K extends KernelName>(
    backend: Backend,
    args: Kernels[K] | { readonly view: View },
  ): void {
    const awaited = this.awaited.get(backend)!;
    if (awaited.size > 0 && viewsOf(args).some(({ buffer }) => awaited.has(buffer))) this.flush();
  }

  private beforeFree(backend: Backend, buffer: BufferId): void {
    if (this.awaited.get(backend)!.has(buffer)) this.flush();
  }

  /** Sends off what was gathered: with each partner one send-receive. */
  private flush(): void {
    const { waiting, partners } = this;
    if (waiting.length === 0) return;
    this.waiting = [];
    for (const buffers of this.awaited.values()) buffers.clear();
    const { rank, size } = partners;
    for (let d = 1; d < size; d++) {
      const [to, from] = [(rank + d) % size, (rank + size - d) % size];
      const sent = waiting.flatMap((one) => (one.to === to && one.data ? [one] : []));
      const taken = waiting.flatMap((one) => (one.from === from && one.into ? [one] : []));
      if (sent.length + taken.length === 0) continue;
      const out = Promise.all(sent.map(({ data }) => data!));
      const back = Promise.all(taken.map(({ into }) => into!.arrays)).then((each) => each.flat());
      let start = 0;
      const done = partners.sendReceiveEach(out, to, back, from, () => {
        start = performance.now();
      });
      const told = done.then((arrays) => {
        for (const { arrived } of [...sent, ...taken]) arrived(start, performance.now() - start);
        return arrays;
      });
      told.catch(() => {}); // the device tells
      this.inner.takeBack(
        taken.map(({ into }) => into!.view),
        told,
      );
    }
  }
}

function bytesOf(view: View): number {
  return sizeOf(view.shape) * bytesPerElement[view.dtype];
}

/** The views among a kernel's arguments. */
function viewsOf(args: object): View[] {
  return Object.values(args).flatMap((value: unknown) =>
    Array.isArray(value) ? value.filter(isView) : isView(value) ? [value] : [],
  );
}

function isView(value: unknown): value is View {
  return typeof value === 'object' && value !== null && 'buffer' in value && 'strides' in value;
}
