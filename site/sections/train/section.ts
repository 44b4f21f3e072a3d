/**
 * The first section's life: the form that starts, pauses and resumes the main run, and everything that shows it.
 */
import type { FromRun, ImageChoice, RunFacts } from '../../engine/messages.js';
import type { RunState } from '../../engine/run.js';
import { asPublished, defaultSettings, type Settings } from '../../engine/settings.js';
import type { App } from '../../page/app.js';
import { drawChart } from '../../page/chart.js';
import { byId, setText } from '../../page/dom.js';
import { count, onLanguage, percent, say, type TextName } from '../../page/language.js';
import { offerDevices } from './devices.js';
import { startDrawing } from './draw.js';
import { drawn, startGiven } from './given.js';
import { drawKernels, type KernelPlace } from './kernels.js';
import { bytesText, PlacementFigure } from './placement.js';
import { Samples } from './samples.js';

/** What the button says. */
const labels: Readonly<Record<RunState, TextName>> = {
  looking: 'train',
  none: 'train',
  failed: 'train',
  preparing: 'wait',
  training: 'pause',
  paused: 'goOn',
  done: 'trainAgain',
};

/** Starts the section. @returns what begins a run by what the form says */
export function startTraining(app: App): () => void {
  const section = new TrainSection(app);
  return () => section.begin();
}

class TrainSection {
  private readonly go = byId('go', HTMLButtonElement);
  private readonly anew = byId('anew', HTMLButtonElement);
  private readonly status = byId('status', HTMLElement);
  private readonly figure = new PlacementFigure(byId('placement', HTMLElement));
  private readonly kernels: readonly KernelPlace[] = [0, 1].map((t) => ({
    canvas: byId(`kernels-${t}`, HTMLCanvasElement),
    caption: byId(`kernels-${t}-caption`, HTMLElement),
  }));
  private readonly samples: Samples;
  /** Floating-point operations a second that the machine can at most; 0: not known. */
  private peak = 0;
  private told: () => string = () => [say('ready'), ...this.limits()].join(' ');
  /** Whether there is a WebGPU adapter; null: not known yet. */
  private gpu: boolean | null = null;
  private epoch: { readonly epoch: number; readonly fingerprint: string } | null = null;
  private dirty = false;

  constructor(private readonly app: App) {
    this.samples = new Samples(app, byId('samples', HTMLElement));
    byId('controls', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.press();
    });
    this.anew.addEventListener('click', () => this.begin());
    startGiven((images) => this.begin(images));
    app.listen((name, message) => {
      if (name === 'main') this.hear(message);
    });
    startDrawing(app);
    void offerDevices().then((found) => {
      this.gpu = found;
      this.redraw();
    });
    new ResizeObserver(() => this.drawCurves()).observe(byId('error-chart', HTMLElement));
    onLanguage(() => this.redraw());
  }

  /** Train, pause, or go on. */
  private press(): void {
    const run = this.app.run('main');
    if (run?.state === 'training') run.pause();
    else if (run?.state === 'paused') run.train();
    else if (run?.state !== 'preparing' && run?.state !== 'looking') this.begin();
  }

  /** Begins a run by what the form says, in place of what there is. */
  begin(images: ImageChoice = this.app.run('main')?.facts?.choice ?? drawn()): void {
    const kind = byId('device', HTMLSelectElement).value === 'webgpu' ? 'webgpu' : 'cpu';
    const settings: Settings = {
      ...defaultSettings,
      seed: Math.max(0, Math.floor(Number(byId('seed', HTMLInputElement).value) || 0)),
      learningRate: Number(byId('rate', HTMLSelectElement).value),
      switches: asPublished,
      device: kind,
    };
    this.tell(() => say('preparing', { share: percent(0, 0) }));
    this.app.begin('main', { settings, images });
    this.buttons();
  }

  private hear(message: FromRun): void {
    switch (message.kind) {
      case 'preparing':
        this.tell(() => say('preparing', { share: percent(message.done / message.of, 0) }));
        break;
      case 'ready':
        void this.ready(message.facts);
        break;
      case 'progress':
        this.figure.add(message.crossed);
        setText(byId('stat-rate', HTMLElement), count(message.imagesPerSecond));
        this.showPeak(message.imagesPerSecond);
        setText(byId('stat-seen', HTMLElement), count(message.point.images));
        setText(byId('stat-crossed', HTMLElement), bytesText(this.figure.total));
        this.drawSoon();
        break;
      case 'measured':
        // The last steps before it may not have been told.
        setText(byId('stat-seen', HTMLElement), count(message.point.images));
        setText(byId('stat-error', HTMLElement), percent(message.point.validation ?? 0));
        this.drawSoon();
        this.samples.update().catch(() => {});
        break;
      case 'kernels':
        drawKernels(this.kernels, message.kernels);
        break;
      case 'epoch':
        this.epoch = message;
        this.showEpoch();
        break;
      case 'state':
        this.buttons();
        if (message.state !== 'paused' || this.app.curve('main').length > 0)
          this.tell(() => this.stateText());
        break;
      case 'failed':
        this.tell(() => say('failed', { problem: message.problem }));
        break;
    }
    this.buttons();
  }

  private async ready(facts: RunFacts): Promise<void> {
    const run = this.app.run('main');
    byId('seed', HTMLInputElement).value = String(facts.settings.seed);
    byId('rate', HTMLSelectElement).value = String(facts.settings.learningRate);
    const offered = [...byId('device', HTMLSelectElement).options].find(
      ({ value }) => value === facts.settings.device,
    );
    if (offered) offered.selected = true;
    this.epoch = null;
    this.figure.show(facts);
    const last = this.app.lastError('main');
    setText(byId('stat-error', HTMLElement), last?.validation === undefined ? '–' : percent(last.validation));
    setText(byId('stat-seen', HTMLElement), count(facts.curve.at(-1)?.images ?? 0));
    this.redraw();
    const fresh = facts.curve.length === 0;
    if (this.peak === 0) {
      const { numbers } = (await run?.ask({ about: 'peak' }).catch(() => null)) ?? {};
      this.peak = numbers?.[0] ?? 0;
    }
    if (fresh || facts.training) run?.train();
    await this.samples.begin().catch(() => {});
  }

  /** What this browser doesn't give. */
  private limits(): string[] {
    return [
      ...(crossOriginIsolated ? [] : [say('notIsolated')]),
      ...(this.gpu === false ? [say('noGpu')] : []),
    ];
  }

  private stateText(): string {
    const run = this.app.run('main');
    const devices = run?.facts?.devices.join('; ') ?? '';
    if (run?.state === 'training') return say('runsOn', { devices });
    if (run?.state === 'done') return say('doneText', { devices });
    return say('pausedText', { devices });
  }

  private tell(text: () => string): void {
    this.told = text;
    setText(this.status, text());
  }

  private buttons(): void {
    const state = this.app.run('main')?.state ?? 'none';
    setText(this.go, say(labels[state]));
    this.go.disabled = state === 'preparing' || state === 'looking';
    this.anew.disabled = state !== 'paused' && state !== 'training';
  }

  private showPeak(imagesPerSecond: number): void {
    const flops = this.app.run('main')?.facts?.flops ?? 0;
    if (this.peak > 0) {
      setText(byId('stat-peak', HTMLElement), percent((imagesPerSecond * flops) / this.peak, 0));
    }
  }

  /** Under the figure: what the bytes are, or would be. */
  private showNote(): void {
    const facts = this.app.run('main')?.facts;
    const floats = facts?.crossings.reduce((sum, crossing) => sum + crossing.floats, 0) ?? 0;
    const alone = facts?.devices.length === 1 && floats > 0;
    // Four bytes a number, there and back.
    const text = alone ? say('placementOne', { bytes: bytesText(8 * floats) }) : say('placementNote');
    setText(byId('placement-note', HTMLElement), text);
  }

  private showEpoch(): void {
    const { epoch } = this;
    const facts = this.app.run('main')?.facts;
    const target = byId('fingerprint', HTMLElement);
    if (!epoch || !facts || epoch.fingerprint === '') {
      setText(target, say('fingerprintHint'));
      return;
    }
    const { settings, devices, choice } = facts;
    const values = {
      epoch: epoch.epoch,
      print: epoch.fingerprint,
      seed: settings.seed,
      rate: settings.learningRate,
    };
    const told = [say('fingerprint', values)];
    const alike = settings.device === 'cpu' && devices.length === 2 && choice.kind === 'drawn';
    if (alike) told.push(say('fingerprintNode', values));
    setText(target, told.join(' '));
  }

  /** Draws the curves with the next frame, once however often it is asked. */
  private drawSoon(): void {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame(() => {
      this.dirty = false;
      this.drawCurves();
    });
  }

  private drawCurves(): void {
    const facts = this.app.run('main')?.facts;
    const curve = this.app.curve('main');
    const width = facts ? facts.trainImages * facts.epochs : 1;
    const xLabel = say('imagesSeen');
    const of = (name: 'loss' | 'error' | 'validation') =>
      curve.flatMap((point): [number, number][] => {
        const value = point[name];
        return value === undefined ? [] : [[point.images, value]];
      });
    drawChart(byId('error-chart', HTMLElement), {
      series: [
        { label: say('curveTraining'), colour: '--muted', points: of('error') },
        { label: say('curveValidation'), colour: '--accent', points: of('validation') },
      ],
      ...{ width, top: 1, formatY: (y: number) => percent(y, 0), xLabel },
    });
    drawChart(byId('loss-chart', HTMLElement), {
      series: [{ label: say('lossTitle'), colour: '--accent', points: of('loss') }],
      ...{ width, top: 2.5, formatY: (y: number) => y.toFixed(1), xLabel },
    });
  }

  private redraw(): void {
    setText(this.status, this.told());
    this.buttons();
    this.figure.draw();
    this.showNote();
    this.drawCurves();
    this.showEpoch();
    this.samples.update().catch(() => {});
  }
}
