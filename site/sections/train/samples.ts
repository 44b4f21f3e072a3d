/**
 * Images that are never trained on, with what the net says of each after every measurement.
 */
import type { App } from '../../page/app.js';
import { element, setText } from '../../page/dom.js';
import { say } from '../../page/language.js';
import { drawTiles } from '../../page/pixels.js';
import { className } from './classes.js';

const shown = 20;
const size = 3 * 32 * 32;

/** An image's place on the page. */
interface Place {
  readonly figure: HTMLElement;
  readonly caption: HTMLElement;
}

/** The images and their places on the page. */
export class Samples {
  private images: Uint8Array | null = null;
  private labels: Int32Array | null = null;
  private places: readonly Place[] = [];

  constructor(
    private readonly app: App,
    private readonly holder: HTMLElement,
  ) {}

  /** Takes the images of a run that has just become ready. */
  async begin(): Promise<void> {
    this.images = null;
    const answer = await this.app.run('main')?.ask({ about: 'samples', count: shown });
    if (!answer?.images || !answer.labels) return;
    const { images, labels } = answer;
    this.images = images;
    this.labels = labels;
    this.places = Array.from(labels, (_, i) => {
      const canvas = element('canvas', { 'aria-hidden': 'true' });
      drawTiles(canvas, [images.subarray(i * size, (i + 1) * size)], 32, 1, 0);
      const caption = element('figcaption');
      return { figure: element('figure', {}, canvas, caption), caption };
    });
    this.holder.replaceChildren(...this.places.map(({ figure }) => figure));
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
    for (const [i, { figure, caption }] of this.places.entries()) {
      const row = numbers.subarray(i * classes.length, (i + 1) * classes.length);
      const best = row.indexOf(Math.max(...row));
      const right = best === labels[i];
      const said = className(classes[best] ?? '');
      const is = className(classes[labels[i] ?? 0] ?? '');
      setText(caption, right ? `✓ ${said}` : `✗ ${say('insteadOf', { said, is })}`);
      figure.className = right ? 'right' : 'wrong';
    }
  }
}
