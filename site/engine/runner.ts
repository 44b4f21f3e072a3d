/**
 * A run in its thread: opens it, trains it, stores it, and tells the page how it goes.
 */
import type { Device } from 'tandem-ts';
import { crossings, type PlacedLayer } from 'tandem-ts/alexnet';
import { Asked } from './asked.js';
import { add } from './curve.js';
import { openDevices } from './devices.js';
import { readGiven } from './given.js';
import { drawImages, fromPlain, type RunImages } from './images.js';
import type { CurvePoint, FromRun, ImageChoice, LayerFigure, Question, RunName, ToRun } from './messages.js';
import { Session } from './session.js';
import { netFor, type Settings } from './settings.js';
import { forgetRun, type StoredRun, storedImages, storedRun, storeImages, storeRun } from './store.js';

/** Milliseconds between two reports to the page, between two looks at the kernels, and between two savings. */
const every = { report: 100, kernels: 500, save: 5000 } as const;

/** What a run begins with, anew or where it was stored. */
interface Beginning {
  readonly settings: Settings;
  readonly images: ImageChoice;
  readonly stored: StoredRun | null;
}

/** A run that is open. */
interface Open {
  readonly name: RunName;
  readonly settings: Settings;
  readonly choice: ImageChoice;
  readonly session: Session;
  readonly asked: Asked;
  readonly curve: CurvePoint[];
}

/** The run of a thread. */
export class Runner {
  private open: Open | null = null;
  private training: AbortController | null = null;

  constructor(private readonly tell: (message: FromRun) => void) {}

  /** Does what the page says. */
  async take(message: ToRun): Promise<void> {
    try {
      if (message.kind === 'open' && message.fresh)
        await this.begin(message.name, { ...message.fresh, stored: null });
      else if (message.kind === 'open') await this.resume(message.name);
      else if (message.kind === 'train') await this.train();
      else if (message.kind === 'pause') this.training?.abort();
      else await this.answer(message.id, message.question);
    } catch (error) {
      this.tell({ kind: 'failed', problem: error instanceof Error ? error.message : String(error) });
    }
  }

  /** Goes on with what is stored, if that can be had. */
  private async resume(name: RunName): Promise<void> {
    const stored = await storedRun(name);
    if (!stored) return this.tell({ kind: 'none' });
    try {
      await this.begin(name, { ...stored, stored });
    } catch {
      // Of another version of the page, or its images are gone.
      await forgetRun(name);
      this.tell({ kind: 'none' });
    }
  }

  private async begin(name: RunName, { settings, images: choice, stored }: Beginning): Promise<void> {
    const images = await this.imagesOf(settings, choice);
    const devices = await openDevices(settings.device, netFor(settings).towers);
    const session = await Session.begin(settings, images, devices, stored?.parts);
    const curve = [...(stored?.curve ?? [])];
    this.open = { name, settings, choice, session, asked: new Asked(session, settings.device), curve };
    this.tell({ kind: 'ready', facts: factsOf(this.open, devices, stored?.training ?? false) });
    this.tell({ kind: 'kernels', kernels: await session.kernels() });
    this.tell({ kind: 'state', state: session.done ? 'done' : 'paused' });
  }

  private async imagesOf({ seed }: Settings, choice: ImageChoice): Promise<RunImages> {
    if (choice.kind === 'drawn') {
      return drawImages(seed, choice.counts, (done, of) => this.tell({ kind: 'preparing', done, of }));
    }
    const tell = (done: number, of: number): void => {
      if (done % 20 === 0) this.tell({ kind: 'preparing', done, of });
    };
    const read = choice.files && (await readGiven(choice.files, tell));
    if (read) await storeImages(read).catch(() => {});
    const images = read ?? (await storedImages());
    if (!images) throw new Error('the images of this run are no longer stored');
    return fromPlain(images);
  }

  private async train(): Promise<void> {
    const { open } = this;
    if (!open || this.training) return;
    const training = new AbortController();
    this.training = training;
    this.tell({ kind: 'state', state: 'training' });
    const pace = new Pace();
    const { session, curve } = open;
    let saved = performance.now();
    let looked = 0;
    try {
      await session.train(
        {
          step: (images, loss, error) => {
            const rate = pace.step(images);
            if (rate === null) return;
            const point = { images, loss, error };
            add(curve, point);
            this.tell({ kind: 'progress', point, imagesPerSecond: rate, crossed: session.crossed() });
            if (performance.now() - looked < every.kernels) return;
            looked = performance.now();
            session.kernels().then(
              (kernels) => this.tell({ kind: 'kernels', kernels }),
              () => {}, // the training's own error tells it
            );
          },
          measured: async (images, validation) => {
            add(curve, { images, validation });
            this.tell({ kind: 'measured', point: { images, validation } });
            pace.restart(images);
            if (performance.now() - saved < every.save) return;
            await this.save(open, true);
            saved = performance.now();
          },
          epoch: async (epoch) => {
            this.tell({ kind: 'epoch', epoch, fingerprint: await session.fingerprint() });
          },
        },
        training.signal,
      );
      this.tell({ kind: 'kernels', kernels: await session.kernels() });
      await this.save(open, false);
    } finally {
      this.training = null;
    }
    this.tell({ kind: 'state', state: session.done ? 'done' : 'paused' });
  }

  /** Keeps the run, as far as this browser stores anything. */
  private async save({ name, settings, choice, curve, session }: Open, training: boolean): Promise<void> {
    if (name !== 'main') return; // the one beside it is soon made again
    const images = withoutImages(choice);
    const run: StoredRun = {
      settings,
      training,
      images,
      curve,
      parts: await session.state(),
    };
    await storeRun(name, run).catch(() => {});
  }

  private async answer(id: number, question: Question): Promise<void> {
    try {
      if (!this.open) throw new Error('nothing is trained yet');
      this.tell({ kind: 'answer', id, answer: await this.open.asked.answer(question), problem: '' });
    } catch (error) {
      this.tell({ kind: 'answer', id, answer: null, problem: String(error) });
    }
  }
}

/** The visitor's images lie apart. */
const withoutImages = (choice: ImageChoice): ImageChoice =>
  choice.kind === 'given' ? { kind: 'given', files: null } : choice;

/** How many images a second, told at most every `every.report` milliseconds. */
class Pace {
  private from: { readonly time: number; readonly images: number } | null = null;
  private told = 0;
  private rate = 0;

  /** After measuring, whose time isn't training's. */
  restart(images: number): void {
    this.from = { time: performance.now(), images };
  }

  /** The rate, smoothed over about two seconds; null when it isn't time to tell. */
  step(images: number): number | null {
    const now = performance.now();
    if (!this.from) this.restart(images);
    const from = this.from ?? { time: now, images };
    if (now - from.time > 200) {
      const latest = (1000 * (images - from.images)) / (now - from.time);
      this.rate = this.rate === 0 ? latest : 0.8 * this.rate + 0.2 * latest;
      this.restart(images);
    }
    if (now - this.told < every.report) return null;
    this.told = now;
    return this.rate;
  }
}

function factsOf(
  { settings, choice, session, curve }: Open,
  devices: readonly Device[],
  training: boolean,
): Extract<FromRun, { kind: 'ready' }>['facts'] {
  const { train } = session.images;
  return {
    settings,
    choice: withoutImages(choice),
    classes: train.classes,
    dataName: train.name,
    trainImages: train.length,
    epochs: session.epochs,
    devices: devices.map(({ name, description }) => `${name}: ${description}`),
    layers: session.layers.map(figureOf),
    crossings: crossings(session.layers),
    flops: session.flops,
    curve,
    training,
  };
}

function figureOf({ spec, reads, towers }: PlacedLayer): LayerFigure {
  const size = towers[0]?.output[1] ?? 1;
  const kernels = towers.map((tower) => tower.kernels);
  return { name: spec.name, kernels, kernel: spec.conv?.kernel ?? null, size, reads };
}
