/**
 * The fourth section's life: the net that was trained here names the visitor's photo and finds its nearest training
 * images; weights that are dropped name it as well and show their kernels.
 */
import { squareOf, toPixels } from '../../engine/picture.js';
import type { App } from '../../page/app.js';
import { byId, contextOf, element, setText } from '../../page/dom.js';
import { onLanguage, say } from '../../page/language.js';
import { drawTiles } from '../../page/pixels.js';
import { className } from '../train/classes.js';
import { showAnswers } from '../train/draw.js';
import { startWeights } from './weights.js';

const [large, side] = [256, 32];
const size = 3 * side * side;

/** Starts the section. */
export function startPhoto(app: App): void {
  const input = byId('photo-file', HTMLInputElement);
  const answers = byId('photo-answers', HTMLElement);
  const nearest = byId('photo-nearest', HTMLButtonElement);
  const hint = byId('photo-hint', HTMLElement);
  const weights = startWeights();
  let small: Uint8Array | null = null;

  const hinted = (): void => {
    const trained = app.run('main')?.facts;
    setText(hint, trained ? say(small ? 'photoHint' : 'photoNone') : say('photoUntrained'));
    nearest.disabled = !trained || !small;
  };
  const ask = async (): Promise<void> => {
    const run = app.run('main');
    if (!run?.facts || !small) return;
    const { numbers } = await run.ask({ about: 'probabilities', images: small });
    if (numbers) showAnswers(answers, run.facts.classes, numbers, 5);
  };
  const take = async (file: File): Promise<void> => {
    try {
      const [whole, shrunk] = [await squareOf(file, large), await squareOf(file, side)];
      contextOf(byId('photo-picture', HTMLCanvasElement)).putImageData(toPixels(whole, large), 0, 0);
      contextOf(byId('photo-small', HTMLCanvasElement)).putImageData(toPixels(shrunk, side), 0, 0);
      small = shrunk;
      weights.show(file);
      hinted();
      await ask();
    } catch {
      setText(hint, say('photoUnreadable'));
    }
  };
  input.addEventListener('change', () => {
    const [file] = input.files ?? [];
    if (file) void take(file);
  });
  const section = byId('photo', HTMLElement);
  section.addEventListener('dragover', (event) => event.preventDefault());
  section.addEventListener('drop', (event) => {
    event.preventDefault();
    const files = [...(event.dataTransfer?.files ?? [])];
    const picture = files.find(({ type }) => type.startsWith('image/'));
    if (picture) void take(picture);
    else if (files.length > 0) weights.read(files);
  });
  nearest.addEventListener('click', async () => {
    const run = app.run('main');
    if (!run?.facts || !small) return;
    nearest.disabled = true;
    try {
      const found = await run.ask({ about: 'nearest', images: small, count: 6 });
      const classes = run.facts.classes;
      const figures = Array.from(found.labels ?? [], (label, i) => {
        const canvas = element('canvas', { 'aria-hidden': 'true' });
        drawTiles(
          canvas,
          [(found.images ?? new Uint8Array()).subarray(i * size, (i + 1) * size)],
          side,
          1,
          0,
        );
        return element('figure', {}, canvas, element('figcaption', {}, className(classes[label] ?? '')));
      });
      byId('photo-found', HTMLElement).replaceChildren(...figures);
    } finally {
      hinted();
    }
  });
  app.listen((name, message) => {
    if (name !== 'main') return;
    if (message.kind === 'ready') hinted();
    if (message.kind === 'measured') ask().catch(() => {});
  });
  onLanguage(hinted);
}
