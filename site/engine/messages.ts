/**
 * What the page and the thread of a run tell each other.
 */
import type { CrossingFigure } from 'tandem-ts/alexnet';
import type { GivenFile } from './given.js';
import type { DrawnCounts } from './images.js';
import type { Crossed, Kernels } from './session.js';
import type { Settings } from './settings.js';

/** Where a run gets its images. */
export type ImageChoice =
  | { readonly kind: 'drawn'; readonly counts: DrawnCounts }
  /** The visitor's; null: those that are stored. */
  | { readonly kind: 'given'; readonly files: readonly GivenFile[] | null };

/** A point of the curves. Errors are fractions. */
export interface CurvePoint {
  readonly images: number;
  /** Of training, the mean of the epoch so far. */
  readonly loss?: number;
  readonly error?: number;
  /** On images not trained on. */
  readonly validation?: number;
}

/** A layer as Figure 2 draws it. */
export interface LayerFigure {
  readonly name: string;
  /** Kernels or units on each tower. */
  readonly kernels: readonly number[];
  /** Kernel size; null: fully connected. */
  readonly kernel: number | null;
  /** Height and width of its maps after its stages. */
  readonly size: number;
  readonly reads: 'image' | 'own' | 'all';
}

/** What a run is, told once it is ready. */
export interface RunFacts {
  readonly settings: Settings;
  /** Its images, for another run on the same; those of the visitor are stored. */
  readonly choice: ImageChoice;
  readonly classes: readonly string[];
  /** For people. */
  readonly dataName: string;
  readonly trainImages: number;
  readonly epochs: number;
  /** 'cpu:0: CPU, 1 thread, relaxed SIMD'. */
  readonly devices: readonly string[];
  readonly layers: readonly LayerFigure[];
  /** What crosses forward where each tower has a device of its own. */
  readonly crossings: readonly CrossingFigure[];
  /** Floating-point operations of an image's training step. */
  readonly flops: number;
  /** What was drawn before, of a run gone on with, and whether it was training then. */
  readonly curve: readonly CurvePoint[];
  readonly training: boolean;
}

/** A name of a stored run. */
export type RunName = 'main' | 'second';

/** To the run's thread. */
export type ToRun =
  | {
      readonly kind: 'open';
      readonly name: RunName;
      /** Null: go on with what is stored. */
      readonly fresh: { readonly settings: Settings; readonly images: ImageChoice } | null;
    }
  | { readonly kind: 'train' }
  | { readonly kind: 'pause' }
  | {
      readonly kind: 'ask';
      readonly id: number;
      readonly question: Question;
    };

/** A question about pictures. */
export type Question =
  | { readonly about: 'probabilities' | 'features'; readonly images: Uint8Array }
  /** The peak rate of the run's devices, floating-point operations a second. */
  | { readonly about: 'peak' }
  /** So many images not trained on, with their classes. */
  | { readonly about: 'samples'; readonly count: number }
  /** Training images nearest to a picture by the last hidden layer. */
  | { readonly about: 'nearest'; readonly images: Uint8Array; readonly count: number };

/** An answer: numbers, or pictures with their labels. */
export interface Answer {
  readonly numbers?: Float32Array;
  readonly images?: Uint8Array;
  readonly labels?: Int32Array;
}

/** From the run's thread. */
export type FromRun =
  /** There was nothing stored to go on with. */
  | { readonly kind: 'none' }
  | { readonly kind: 'preparing'; readonly done: number; readonly of: number }
  | { readonly kind: 'ready'; readonly facts: RunFacts }
  | {
      readonly kind: 'progress';
      readonly point: CurvePoint;
      readonly imagesPerSecond: number;
      readonly crossed: readonly Crossed[];
    }
  | { readonly kind: 'measured'; readonly point: CurvePoint }
  | { readonly kind: 'kernels'; readonly kernels: Kernels }
  | { readonly kind: 'epoch'; readonly epoch: number; readonly fingerprint: string }
  | { readonly kind: 'state'; readonly state: 'training' | 'paused' | 'done' }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer | null; readonly problem: string }
  | { readonly kind: 'failed'; readonly problem: string };
