/**
 * Weights that the visitor gives, read and run in a thread of their own.
 */
import type { WeightsReport } from '../../engine/weights.js';
import type { FromWeights, ToWeights } from '../../engine/weightsWorker.js';
import { byId, setText } from '../../page/dom.js';
import { count, say } from '../../page/language.js';
import { drawTiles } from '../../page/pixels.js';
import { showAnswers } from '../train/draw.js';
import { shades } from '../train/kernels.js';

/** At most so many kernels are shown. */
const most = 96;

/** A model of the visitor's. */
interface Weights {
  /** Shows it a photo. */
  show(photo: Blob): void;
  /** Reads the files of another model. */
  read(files: readonly File[]): void;
}

/** Waits for files. */
export function startWeights(): Weights {
  const input = byId('weights-files', HTMLInputElement);
  const state = byId('weights-state', HTMLElement);
  const answers = byId('weights-answers', HTMLElement);
  let worker: Worker | null = null;
  let report: WeightsReport | null = null;
  let photo: Blob | null = null;
  const send = (message: ToWeights): void => worker?.postMessage(message);

  const tell = (): void => {
    if (!report) return;
    const { kind, parameters } = report;
    const text = kind === 'tensors' ? 'weightsTensors' : photo ? 'weightsOpened' : 'weightsWaiting';
    setText(state, say(text, { kind, n: count(parameters) }));
  };
  const hear = (message: FromWeights): void => {
    if (message.kind === 'failed') setText(state, say('failed', { problem: message.problem }));
    else if (message.kind === 'opened') {
      report = message.report;
      tell();
      drawFirst(report);
      if (photo) send({ kind: 'photo', photo });
    } else {
      const names = Array.from(
        message.probabilities,
        (_, i) => report?.classes[i] ?? say('classNumber', { n: i }),
      );
      showAnswers(answers, names, message.probabilities, 5);
    }
  };
  const read = (files: readonly File[]): void => {
    worker?.terminate();
    report = null;
    answers.replaceChildren();
    setText(state, say('weightsReading'));
    worker = new Worker(new URL('./weightsWorker.js', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<FromWeights>) => hear(data);
    worker.onerror = ({ message }) =>
      hear({ kind: 'failed', problem: message || 'its thread failed to load' });
    send({ kind: 'files', files });
  };
  input.addEventListener('change', () => {
    if (input.files?.length) read([...input.files]);
  });
  return {
    read,
    show(shown) {
      photo = shown;
      tell();
      send({ kind: 'photo', photo });
    },
  };
}

function drawFirst({ kernels }: WeightsReport): void {
  const canvas = byId('weights-kernels', HTMLCanvasElement);
  canvas.hidden = !kernels;
  if (!kernels) return;
  const { side, towers, weights } = kernels;
  const size = 3 * side * side;
  const shown = Math.min(most, towers[0] ?? 0);
  const tiles = Array.from({ length: shown }, (_, i) => shades(weights.subarray(i * size, (i + 1) * size)));
  drawTiles(canvas, tiles, side, Math.min(12, shown));
}
