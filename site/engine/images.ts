/**
 * The images of a run: drawn figures by default, or what the visitor gives (given.ts).
 */
import { keepInMemory, MemoryDataset, SyntheticDataset } from 'tandem-ts/data';

/** Images to train on and images to measure by, `[N, 3, 32, 32]` in memory. */
export interface RunImages {
  readonly train: MemoryDataset;
  readonly validation: MemoryDataset;
}

/** Images that can be posted from thread to thread and stored: the fields of a `MemoryDataset`. */
export interface PlainImages {
  readonly name: string;
  readonly classes: readonly string[];
  /** `[N, 3, 32, 32]`. */
  readonly images: Uint8Array;
  readonly labels: Int32Array;
}

/** Both sets as they are posted and stored. */
export interface PlainRunImages {
  readonly train: PlainImages;
  readonly validation: PlainImages;
}

/** Pixels a side. */
export const imageSide = 32;
const shape = [3, imageSide, imageSide] as const;

/** How many drawn images there are. */
export interface DrawnCounts {
  readonly train: number;
  readonly validation: number;
}

/** An epoch of the page's run takes about a quarter of a minute on two cores. */
export const drawnCounts: DrawnCounts = { train: 8000, validation: 500 };

/** Images drawn from a seed. */
export async function drawImages(
  seed: number,
  counts: DrawnCounts,
  onProgress: (done: number, of: number) => void = () => {},
): Promise<RunImages> {
  const batchSize = 200;
  const train = await keepInMemory(new SyntheticDataset(seed, 'train', counts.train), {
    batchSize,
    onProgress,
  });
  return {
    train,
    validation: await keepInMemory(new SyntheticDataset(seed, 'validation', counts.validation)),
  };
}

/** Images as data sets. */
export function fromPlain({ train, validation }: PlainRunImages): RunImages {
  const set = ({ name, classes, images, labels }: PlainImages): MemoryDataset =>
    new MemoryDataset(name, classes, shape, images, labels);
  return { train: set(train), validation: set(validation) };
}
