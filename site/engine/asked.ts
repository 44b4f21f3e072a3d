/**
 * What the page asks of a run: what it makes of pictures, which training images are near them, and what the machine can.
 */
import type { Answer, Question } from './messages.js';
import type { Session } from './session.js';

/** Images whose hidden vectors are worked out together. */
const batch = 100;

/** Answers questions about a run, between its steps. */
export class Asked {
  constructor(
    private readonly session: Session,
    private readonly device: 'cpu' | 'webgpu',
  ) {}

  async answer(question: Question): Promise<Answer> {
    switch (question.about) {
      case 'probabilities':
        return { numbers: await this.session.probabilities(question.images) };
      case 'features':
        return { numbers: await this.session.features(question.images) };
      case 'peak':
        return { numbers: Float32Array.of(await this.peak()) };
      case 'samples':
        return this.samples(question.count);
      case 'nearest':
        return this.nearest(question.images, question.count);
    }
  }

  /** Floating-point operations a second of two threads that do nothing but multiply and add; 0: not known. */
  private async peak(): Promise<number> {
    if (this.device !== 'cpu' || !globalThis.crossOriginIsolated) return 0;
    const { bestRates, cpuProbe } = await import('../../bench/probes.js');
    const probe = await cpuProbe(2);
    try {
      return (await bestRates(probe)).flops;
    } finally {
      await probe.close();
    }
  }

  private async samples(count: number): Promise<Answer> {
    const { validation } = this.session.images;
    const indices = Array.from({ length: Math.min(count, validation.length) }, (_, i) => i);
    const { images, labels } = await validation.load(indices);
    return { images, labels };
  }

  private async nearest(images: Uint8Array, count: number): Promise<Answer> {
    const { session } = this;
    const { train } = session.images;
    const query = await session.features(images);
    const found: { readonly index: number; readonly distance: number }[] = [];
    for (let start = 0; start < train.length; start += batch) {
      const indices = Array.from({ length: Math.min(batch, train.length - start) }, (_, i) => start + i);
      const vectors = await session.features((await train.load(indices)).images);
      for (const [i, index] of indices.entries()) {
        const vector = vectors.subarray(i * query.length, (i + 1) * query.length);
        found.push({ index, distance: Math.hypot(...vector.map((x, k) => x - (query[k] ?? 0))) });
      }
    }
    found.sort((a, b) => a.distance - b.distance);
    const best = found.slice(0, count);
    const loaded = await train.load(best.map(({ index }) => index));
    return {
      images: loaded.images,
      labels: loaded.labels,
      numbers: Float32Array.from(best, ({ distance }) => distance),
    };
  }
}
