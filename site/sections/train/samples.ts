/**
 * Images that are never trained on, with what the net says of each after every measurement.
 */
import type { App } from '../../page/app.js';
import { element } from '../../page/dom.js';
import { say } from '../../page/language.js';
import { drawTiles } from '../../page/pixels.js';
import { className } from './classes.js';

const shown = 20;
const size = 3 * 32 * 32;

/** The images and their places on the page. */
export class Samples {
  private images: Uint8Array | null = null;
  private labels: Int32Array | null = null;

  constructor(
    private readonly app: App,
    private readonly holder: HTMLElement,
  ) {}

  /** Takes the images of a run that has just become ready. */
  async begin(): Promise<void> {
    this.images = null;
    const answer = await this.app.run('main')?.ask({ about: 'samples', count: shown });
    if (!answer?.images || !answer.labels) return;
    this.images = answer.images;
    this.labels = answer.labels;
    await this.update();
  }

  /** Asks the net about all of them. */
  async update(): Promise<void> {
    const run = this.app.run('main');
    const { images, labels } = this;
    if (!run?.facts || !images || !labels) return;
    const { numbers } = await run.ask({ about: 'probabilities', images });
    if (!numbers || images !== this.images) return;
    const classes = run.facts.classes;
    const figures = Array.from(labels, (label, i) => {
      const row = numbers.subarray(i * classes.length, (i + 1) * classes.length);
      const best = row.indexOf(Math.max(...row));
      const right = best === label;
      const name = className(classes[best] ?? '');
      const canvas = element('canvas', { 'aria-hidden': 'true' });
      drawTiles(canvas, [images.subarray(i * size, (i + 1) * size)], 32, 1, 0);
      const caption = right
        ? `✓ ${name}`
        : `✗ ${say('insteadOf', { said: name, is: className(classes[label] ?? '') })}`;
      return element(
        'figure',
        { class: right ? 'right' : 'wrong' },
        canvas,
        element('figcaption', {}, caption),
      );
    });
    this.holder.replaceChildren(...figures);
  }
}
