/**
 * What a training tells as it goes.
 */
import type { EpochTimes } from './log.js';
import type { EpochRecord } from './loop.js';
import { type Metrics, meansOf, type Totals } from './metrics.js';

/** What happens, as it happens. */
export type FitEvent =
  /** The figures of a step have arrived. `epoch` counts from 1. */
  | {
      readonly kind: 'step';
      readonly epoch: number;
      readonly done: number;
      readonly of: number;
      readonly totals: Totals;
      /** Samples of the epoch trained on since the training was begun or gone on with. */
      readonly samples: number;
    }
  /** A batch was validated. */
  | { readonly kind: 'validation'; readonly epoch: number; readonly done: number; readonly of: number }
  /** An epoch is over, and saved where there's a folder. */
  | {
      readonly kind: 'epoch';
      readonly record: EpochRecord;
      readonly times: EpochTimes;
      /** Whether it is the best so far. */
      readonly best: boolean;
    };

/** An event of a kind. */
export type EventOf<K extends FitEvent['kind']> = Extract<FitEvent, { readonly kind: K }>;

/** An event in words: `epoch 2, 3/10: loss 0.523, error 0.25`. */
export function eventText(event: FitEvent): string {
  const words = (metrics: Metrics): string =>
    Object.entries(metrics)
      .map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`)
      .join(', ');
  if (event.kind === 'validation') return `epoch ${event.epoch}, validation ${event.done}/${event.of}`;
  if (event.kind === 'step') {
    return `epoch ${event.epoch}, ${event.done}/${event.of}: ${words(meansOf(event.totals))}`;
  }
  const { epoch, train, validation } = event.record;
  const validated = validation ? `; validation: ${words(validation)}` : '';
  return `epoch ${epoch}: ${words(train)}${validated}${event.best ? ' (the best so far)' : ''}`;
}

/** Where words go, such as `process.stdout`. */
interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/**
 * Prints a training's events, to be given to `fit` as `on`: a line for each epoch, and on a terminal one that steps write
 * over.
 */
export function eventPrinter(output: Output): (event: FitEvent) => void {
  return (event) => {
    const text = eventText(event);
    if (output.isTTY) output.write(`\r\x1b[K${text}${event.kind === 'epoch' ? '\n' : ''}`);
    else if (event.kind === 'epoch') output.write(`${text}\n`);
  };
}
