/**
 * The second section's life: a switch starts a second run, the same but for the switch, and their curves lie over one
 * another. The first waits until the second has seen as many images.
 */
import type { CurvePoint, FromRun, RunName } from '../../engine/messages.js';
import { asPublished } from '../../engine/settings.js';
import type { App } from '../../page/app.js';
import { drawChart, type Series } from '../../page/chart.js';
import { byId, setText } from '../../page/dom.js';
import { count, onLanguage, percent, say } from '../../page/language.js';
import { Results } from './results.js';
import { type Switch, switches } from './switches.js';

/** Starts the section. @param beginMain begins the first run, where there is none */
export function startSwitches(app: App, beginMain: () => void): void {
  new SwitchSection(app, beginMain);
}

class SwitchSection {
  private chosen: Switch | null = null;
  private readonly results = new Results();
  /** Whether the first run waits for the second. */
  private waiting = false;
  private dirty = false;

  constructor(
    private readonly app: App,
    private readonly beginMain: () => void,
  ) {
    for (const each of switches) this.button(each).addEventListener('click', () => this.press(each));
    app.listen((name, message) => this.hear(name, message));
    new ResizeObserver(() => this.draw()).observe(byId('beside-chart', HTMLElement));
    onLanguage(() => this.draw());
  }

  private button({ name }: Switch): HTMLButtonElement {
    return byId(`switch-${name}`, HTMLButtonElement);
  }

  /** Starts a switch's run; or ends it, if it is the one that runs. */
  private press(each: Switch): void {
    const again = this.chosen === each;
    this.end();
    if (!again) {
      this.chosen = each;
      const main = this.app.run('main');
      if (main?.facts) this.begin();
      else if (main?.state !== 'preparing' && main?.state !== 'looking') this.beginMain();
    }
    this.draw();
  }

  private begin(): void {
    const main = this.app.run('main');
    if (!main?.facts || !this.chosen) return;
    const { settings, choice } = main.facts;
    const changed = { ...settings, switches: { ...asPublished, ...this.chosen.change } };
    this.app.begin('second', { settings: changed, images: choice });
    if (main.state === 'training' && this.app.curve('main').length > 0) {
      main.pause();
      this.waiting = true;
    }
  }

  private end(): void {
    this.app.end('second');
    this.chosen = null;
    this.release();
  }

  /** Lets the first run go on. */
  private release(): void {
    if (this.waiting) this.app.run('main')?.train();
    this.waiting = false;
  }

  private hear(name: RunName, message: FromRun): void {
    if (message.kind === 'ready') {
      if (name === 'second') this.app.run('second')?.train();
      else if (this.chosen) this.begin();
    }
    if (name === 'second' && this.waiting) {
      const reached = this.app.curve('main').at(-1)?.images ?? 0;
      if (message.kind === 'progress' && message.point.images >= reached) this.release();
      if (message.kind === 'failed' || (message.kind === 'state' && message.state === 'done')) this.release();
    }
    if (message.kind === 'measured' && this.chosen) this.note(this.chosen);
    if (message.kind === 'failed' && name === 'second') {
      setText(byId('beside', HTMLElement), say('failed', { problem: message.problem }));
    } else if (['progress', 'measured', 'ready', 'state'].includes(message.kind)) this.drawSoon();
  }

  /** Keeps what a switch came to, at the last measurement that both runs have. */
  private note({ name }: Switch): void {
    const changed = measurements(this.app.curve('second'));
    const kept = new Map(measurements(this.app.curve('main')));
    const common = changed.findLast(([images]) => kept.has(images));
    if (!common) return;
    const [images, error] = common;
    this.results.set(name, { images, kept: kept.get(images) ?? Number.NaN, changed: error });
  }

  private drawSoon(): void {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame(() => {
      this.dirty = false;
      this.draw();
    });
  }

  private draw(): void {
    for (const each of switches) {
      const running = this.chosen === each;
      const button = this.button(each);
      button.setAttribute('aria-pressed', String(running));
      setText(button, say(running ? 'stopBeside' : 'runBeside'));
      const result = this.results.get(each.name);
      const place = byId(`result-${each.name}`, HTMLElement);
      if (!result) setText(place, say('notRun'));
      else {
        const { images, kept, changed } = result;
        const values = { kept: percent(kept), changed: percent(changed), images: count(images) };
        setText(place, say('resultText', values));
      }
    }
    this.drawChart();
  }

  private drawChart(): void {
    const { app, chosen } = this;
    if (!chosen) setText(byId('beside', HTMLElement), say('besideNone'));
    else
      setText(
        byId('beside', HTMLElement),
        say(this.waiting ? 'besideWaiting' : 'besideRuns', { title: say(chosen.title) }),
      );
    const facts = app.run('main')?.facts;
    const lines = (name: RunName, label: string, colour: string): Series[] => [
      { label, colour, points: measurements(app.curve(name)) },
      {
        label: `${label}, ${say('curveTraining')}`,
        colour,
        dashed: true,
        points: trainingErrors(app.curve(name)),
      },
    ];
    const series = lines('main', say('asPublished'), '--accent');
    if (chosen) series.push(...lines('second', say(chosen.title), '--tower-1'));
    const longest = Math.max(...series.flatMap(({ points }) => points.map(([x]) => x)), 0);
    drawChart(byId('beside-chart', HTMLElement), {
      ...{ series, top: 1, formatY: (y: number) => percent(y, 0), xLabel: say('imagesSeen') },
      width: Math.max(longest, (facts?.trainImages ?? 1) / 2),
    });
  }
}

const measurements = (curve: readonly CurvePoint[]): [images: number, error: number][] =>
  curve.flatMap(({ images, validation }) => (validation === undefined ? [] : [[images, validation]]));

const trainingErrors = (curve: readonly CurvePoint[]): [images: number, error: number][] =>
  curve.flatMap(({ images, error }) => (error === undefined ? [] : [[images, error]]));
