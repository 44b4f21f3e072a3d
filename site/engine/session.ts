/**
 * A run of the page: the two towers trained on images, measured every so often, and asked about pictures in between.
 * It knows nothing of pages and threads, so that Node does the same (reproduce.ts) to the bit.
 */
import { type Device, ledger, noGrad, scope, softmax, type Tensor } from 'tandem-ts';
import { type PlacedLayer, placeLayers, Trainer, trainingMultiplyAdds, validate } from 'tandem-ts/alexnet';
import { meanOf } from 'tandem-ts/data';
import { type PartState, type Parts, restoreParts, statesOf, TrainingLoop } from 'tandem-ts/train';
import { imageSide, type RunImages } from './images.js';
import { netFor, type Settings } from './settings.js';

/** What a run tells of itself. */
export interface SessionEvents {
  /** After each step: images seen in all, and the means of the epoch so far. */
  step(images: number, loss: number, error: number): void;
  /** After each measurement on images never trained on. */
  measured(images: number, error: number): Promise<void> | void;
  /** After each epoch, counted from 1. */
  epoch(epoch: number): Promise<void> | void;
}

/** Bytes that crossed at a layer, from one tower to the other. */
export interface Crossed {
  readonly layer: string;
  readonly from: number;
  readonly bytes: number;
}

/** conv1's kernels. */
export interface Kernels {
  /** Pixels a side. */
  readonly side: number;
  /** Kernels of each tower. */
  readonly towers: readonly number[];
  /** `[sum of towers, 3, side, side]`. */
  readonly weights: Float32Array;
}

/** Steps between two measurements on the images not trained on. */
const stepsBetween = 32;

/** A training that can be stopped after any step and gone on with. */
export class Session {
  readonly layers: readonly PlacedLayer[];
  readonly epochs: number;
  private readonly trainer: Trainer;
  private readonly loop: TrainingLoop<Parameters<Trainer['step']>[0]>;

  private constructor(
    settings: Settings,
    readonly images: RunImages,
    private readonly devices: readonly Device[],
    mean: Float32Array,
  ) {
    const net = netFor(settings);
    const classes = images.train.classes.length;
    const { recipe } = net;
    this.epochs = recipe.epochs;
    this.layers = placeLayers(net.architecture, net.placement(classes));
    this.trainer = new Trainer({ net, recipe, classes, devices, seed: settings.seed, mean });
    this.loop = new TrainingLoop(this.trainer, this.trainer.schedule);
  }

  /** A run from its beginning, or from where `parts` were taken. @throws {DataError} when those are of something else */
  static async begin(
    settings: Settings,
    images: RunImages,
    devices: readonly Device[],
    parts?: ReadonlyMap<string, PartState>,
  ): Promise<Session> {
    const mean = parts ? new Float32Array(3 * imageSide ** 2) : (await meanOf(images.train)).image;
    const session = new Session(settings, images, devices, mean);
    if (parts) restoreParts(session.parts, parts, 'the stored run');
    return session;
  }

  private get parts(): Parts {
    return { ...this.trainer.restorable, loop: this.loop };
  }

  /** All that the run has learned and where it stands, for `begin`. */
  state(): Promise<Map<string, PartState>> {
    return statesOf(this.parts);
  }

  /** Whether all epochs are done. */
  get done(): boolean {
    return this.loop.epochsDone >= this.epochs;
  }

  /** Floating-point operations of an image's training step. */
  get flops(): number {
    return 2 * trainingMultiplyAdds(this.layers);
  }

  /** Trains until the epochs are done or the signal comes. */
  async train(events: SessionEvents, signal: AbortSignal): Promise<void> {
    const { trainer, loop, images } = this;
    const source = trainer.source(images.train);
    while (!this.done && !signal.aborted) {
      const part = new AbortController();
      signal.addEventListener('abort', () => part.abort(), { signal: part.signal });
      const before = loop.epochsDone * images.train.length;
      let seen = before;
      let steps = 0;
      const { complete } = await loop.train(source, {
        signal: part.signal,
        onStep({ totals: { count, sums } }) {
          seen = before + count;
          events.step(seen, (sums.loss ?? 0) / count, (sums.error ?? 0) / count);
          if (++steps >= stepsBetween) part.abort();
        },
      });
      if (!complete && signal.aborted) return;
      const measured = await validate(trainer.classifier, images.validation, 1);
      if (!measured) return;
      if (complete) {
        const { top1Error: error, loss } = measured;
        loop.finish(
          { error, loss },
          trainer.learningRate,
          ({ validation }) => validation?.error ?? Number.NaN,
        );
      }
      await events.measured(seen, measured.top1Error);
      if (complete) await events.epoch(loop.epochsDone);
    }
  }

  /** conv1's kernels as they are now. */
  async kernels(): Promise<Kernels> {
    const parts = this.trainer.model.joinedParameters().get('conv1.weight') ?? [];
    const data = await Promise.all(parts.map((part) => part.data()));
    return {
      side: parts[0]?.shape[3] ?? 0,
      towers: this.layers[0]?.towers.map(({ kernels }) => kernels) ?? [],
      weights: Float32Array.from(data.flatMap((each) => Array.from(each))),
    };
  }

  /** What crossed since the last call. Of all runs of this thread: a thread has one. */
  crossed(): Crossed[] {
    const sums = new Map<string, Crossed>();
    for (const { layer, from, bytes } of ledger.rows) {
      const tower = this.devices.findIndex(({ name }) => name === from);
      const key = `${layer} ${tower}`;
      sums.set(key, { layer, from: tower, bytes: bytes + (sums.get(key)?.bytes ?? 0) });
    }
    ledger.clear();
    return [...sums.values()];
  }

  /** Class probabilities `[N, classes]`. @param images `[N, 3, 32, 32]` */
  probabilities(images: Uint8Array): Promise<Float32Array> {
    return this.read(() => softmax(this.trainer.classifier.predict({ images })));
  }

  /** The last hidden layer's outputs, `[N, units]`. @param images `[N, 3, 32, 32]` */
  features(images: Uint8Array): Promise<Float32Array> {
    return this.read(() => this.trainer.classifier.features({ images }));
  }

  private async read(compute: () => Tensor): Promise<Float32Array> {
    const result = noGrad(() => scope(compute));
    const data = await result.data().finally(() => result.dispose());
    return Float32Array.from(data);
  }

  /** SHA-256 of all parameters, by name; the same bits give the same text. Empty where the page may not compute one. */
  async fingerprint(): Promise<string> {
    const state = await this.trainer.model.stateDict();
    const bytes = [...state].flatMap(([name, { data }]) => [
      new TextEncoder().encode(name),
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    ]);
    const all = new Uint8Array(await new Blob(bytes.map((part) => part.slice())).arrayBuffer());
    if (!globalThis.crypto?.subtle) return '';
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', all));
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  }

  dispose(): void {
    this.trainer.dispose();
  }
}
