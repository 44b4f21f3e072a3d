/**
 * A picture that the visitor draws, classified as it is drawn.
 */
import type { App } from '../../page/app.js';
import { byId, element } from '../../page/dom.js';
import { onLanguage, percent, say } from '../../page/language.js';
import { className } from './classes.js';
import { Sheet } from './sheet.js';

/** Milliseconds between two questions while drawing. */
const pause = 120;
/** Pixels of a picture, and how many of theirs there are to take. */
const [size, samples] = [3 * 32 * 32, 60];

/** Brings the sheet to life. */
export function startDrawing(app: App): void {
  const answers = byId('draw-answers', HTMLElement);
  let asked = 0;
  let busy = false;
  let again = false;

  const ask = async (): Promise<void> => {
    const run = app.run('main');
    if (!run?.facts) return;
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    asked = performance.now();
    try {
      const { numbers } = await run.ask({ about: 'probabilities', images: sheet.planes });
      if (numbers) showAnswers(answers, run.facts.classes, numbers);
    } finally {
      busy = false;
    }
    if (again) {
      again = false;
      await ask();
    }
  };
  const askSoon = (): void => void ask().catch(() => {});
  const sheet = new Sheet((ended) => {
    if (ended || performance.now() - asked > pause) askSoon();
  });
  const hint = (): void => answers.replaceChildren(element('p', { class: 'hint' }, say('drawHint')));

  byId('draw-clear', HTMLButtonElement).addEventListener('click', () => {
    sheet.renew();
    hint();
  });
  let taken = 0;
  byId('draw-example', HTMLButtonElement).addEventListener('click', async () => {
    const { images } =
      (await app
        .run('main')
        ?.ask({ about: 'samples', count: samples })
        .catch(() => null)) ?? {};
    if (!images) return;
    const at = (taken++ % (images.length / size)) * size;
    sheet.put(images.subarray(at, at + size));
    askSoon();
  });
  // While it learns, what it thinks of the picture changes.
  app.listen((name, message) => {
    if (name === 'main' && message.kind === 'measured' && answers.querySelector('meter')) askSoon();
  });
  onLanguage(() => {
    if (!answers.querySelector('meter')) hint();
  });
}

/** The likeliest classes as bars. */
export function showAnswers(
  holder: HTMLElement,
  classes: readonly string[],
  row: Float32Array,
  most = 3,
): void {
  const best = [...row.keys()].sort((a, b) => row[b]! - row[a]!).slice(0, most);
  holder.replaceChildren(
    ...best.map((i) => {
      const name = className(classes[i] ?? '');
      const value = row[i]!;
      const meter = element('meter', { min: '0', max: '1', value: String(value), 'aria-label': name });
      return element(
        'p',
        { class: 'answer' },
        element('span', {}, name),
        meter,
        element('b', {}, percent(value, 0)),
      );
    }),
  );
}
