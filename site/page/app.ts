/**
 * The runs of the page and what they came to, for all sections to show.
 */
import { add } from '../engine/curve.js';
import type { CurvePoint, FromRun, ImageChoice, RunName } from '../engine/messages.js';
import { Run } from '../engine/run.js';
import type { Settings } from '../engine/settings.js';

/** What a run begins with. */
export interface Beginning {
  readonly settings: Settings;
  readonly images: ImageChoice;
}

type Listener = (name: RunName, message: FromRun) => void;

/** The main run, and the one beside it. */
export class App {
  private readonly runs = new Map<RunName, Run>();
  private readonly begun = new Map<RunName, Beginning>();
  private readonly curves = new Map<RunName, CurvePoint[]>();
  private readonly listeners = new Set<Listener>();

  /** Hears what runs tell, after the app itself. */
  listen(listener: Listener): void {
    this.listeners.add(listener);
  }

  /** The run of a name, if there is one. */
  run(name: RunName): Run | null {
    return this.runs.get(name) ?? null;
  }

  curve(name: RunName): readonly CurvePoint[] {
    return this.curves.get(name) ?? [];
  }

  /** The last error measured on images not trained on; null: none yet. */
  lastError(name: RunName): CurvePoint | null {
    return this.curve(name).findLast(({ validation }) => validation !== undefined) ?? null;
  }

  /** Goes on with what is stored. */
  restore(name: RunName): void {
    this.fresh(name).open(null);
  }

  /** Begins a run in place of what there is. */
  begin(name: RunName, beginning: Beginning): void {
    const held = this.runs.get(name);
    const run = held?.state === 'none' ? held : this.fresh(name);
    this.begun.set(name, beginning);
    run.open(beginning);
  }

  /** What a run of this page began with. */
  beginning(name: RunName): Beginning | null {
    return this.begun.get(name) ?? null;
  }

  /** Ends a run. */
  end(name: RunName): void {
    this.runs.get(name)?.close();
    this.runs.delete(name);
    this.curves.delete(name);
  }

  private fresh(name: RunName): Run {
    this.end(name);
    const run = new Run(name, (message) => {
      this.remember(name, message);
      for (const listener of this.listeners) listener(name, message);
    });
    this.runs.set(name, run);
    return run;
  }

  private remember(name: RunName, message: FromRun): void {
    if (message.kind === 'ready') this.curves.set(name, [...message.facts.curve]);
    const curve = this.curves.get(name);
    if (curve && (message.kind === 'progress' || message.kind === 'measured')) add(curve, message.point);
  }
}
