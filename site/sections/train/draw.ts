/**
 * A picture that the visitor draws, classified as it is drawn.
 */
import { toPixels, toPlanes } from '../../engine/picture.js';
import type { App } from '../../page/app.js';
import { byId, contextOf, element } from '../../page/dom.js';
import { onLanguage, percent, say } from '../../page/language.js';

import { className } from './classes.js';

/** Background and figure, far enough apart in brightness, as the drawn images have them. */
const colours = [
  ['#20303f', '#f2c14e'],
  ['#e9e4d8', '#a23b2a'],
  ['#14342b', '#bfe3c0'],
  ['#f4d6cc', '#274690'],
] as const;

/** Milliseconds between two questions while drawing. */
const pause = 120;

/** Brings the canvas to life. */
export function startDrawing(app: App): void {
  const canvas = byId('draw', HTMLCanvasElement);
  const answers = byId('draw-answers', HTMLElement);
  const context = contextOf(canvas);
  let palette = 0;
  let drawing = false;
  let asked = 0;
  let busy = false;
  let again = false;

  const clear = (): void => {
    const [ground] = colours[palette % colours.length]!;
    context.fillStyle = ground;
    context.fillRect(0, 0, canvas.width, canvas.height);
  };

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
      const images = toPlanes(context.getImageData(0, 0, canvas.width, canvas.height));
      const { numbers } = await run.ask({ about: 'probabilities', images });
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

  const point = (event: PointerEvent): [number, number] => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [
      ((event.clientX - left) * canvas.width) / width,
      ((event.clientY - top) * canvas.height) / height,
    ];
  };
  canvas.addEventListener('pointerdown', (event) => {
    drawing = true;
    canvas.setPointerCapture(event.pointerId);
    context.strokeStyle = colours[palette % colours.length]![1];
    context.lineWidth = 3;
    context.lineCap = 'round';
    context.lineJoin = 'round';
    context.beginPath();
    context.moveTo(...point(event));
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!drawing) return;
    context.lineTo(...point(event));
    context.stroke();
    if (performance.now() - asked > pause) askSoon();
  });
  for (const end of ['pointerup', 'pointercancel'] as const) {
    canvas.addEventListener(end, () => {
      if (drawing) askSoon();
      drawing = false;
    });
  }
  byId('draw-clear', HTMLButtonElement).addEventListener('click', () => {
    palette++;
    clear();
    answers.replaceChildren(element('p', { class: 'hint' }, say('drawHint')));
  });
  let sample = 0;
  byId('draw-example', HTMLButtonElement).addEventListener('click', async () => {
    const run = app.run('main');
    if (!run?.facts) return;
    const { images } = await run.ask({ about: 'samples', count: 60 });
    const size = 3 * 32 * 32;
    const at = (sample++ % 60) * size;
    if (images) context.putImageData(toPixels(images.subarray(at, at + size), 32), 0, 0);
    askSoon();
  });
  clear();
  // While it learns, what it thinks of the picture changes.
  app.listen((name, message) => {
    if (name === 'main' && message.kind === 'measured' && answers.querySelector('meter')) askSoon();
  });
  onLanguage(() => {
    if (!answers.querySelector('meter'))
      answers.replaceChildren(element('p', { class: 'hint' }, say('drawHint')));
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
