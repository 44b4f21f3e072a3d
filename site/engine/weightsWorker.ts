/**
 * The thread of a model that the visitor dropped.
 */
import { type OpenedModel, openModel, type WeightsReport } from './weights.js';

/** To the thread: files to read, or a picture to name. */
export type ToWeights =
  | { readonly kind: 'files'; readonly files: readonly File[] }
  | { readonly kind: 'photo'; readonly photo: Blob };

/** From the thread. */
export type FromWeights =
  | { readonly kind: 'opened'; readonly report: WeightsReport }
  | { readonly kind: 'answer'; readonly probabilities: Float32Array }
  | { readonly kind: 'failed'; readonly problem: string };

let model: OpenedModel | null = null;

async function take(message: ToWeights): Promise<FromWeights | null> {
  if (message.kind === 'files') {
    const { classify, ...report } = await openModel(message.files);
    model = { classify, ...report };
    return { kind: 'opened', report };
  }
  const probabilities = await model?.classify?.(message.photo);
  return probabilities ? { kind: 'answer', probabilities } : null;
}

self.onmessage = ({ data }: MessageEvent<ToWeights>) => {
  take(data).then(
    (answer) => {
      if (answer) self.postMessage(answer);
    },
    (error: unknown) => {
      const problem = error instanceof Error ? error.message : String(error);
      self.postMessage({ kind: 'failed', problem } satisfies FromWeights);
    },
  );
};
