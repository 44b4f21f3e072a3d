/**
 * The page's run without the page: the same seed gives the same bits.
 */
import { openDevices } from './devices.js';
import { type DrawnCounts, drawImages, drawnCounts } from './images.js';
import { Session } from './session.js';
import { defaultSettings } from './settings.js';

/** What to reproduce. */
interface Reproduction {
  readonly seed: number;
  readonly epochs: number;
  /** Default: the page's. */
  readonly learningRate?: number;
  readonly counts?: DrawnCounts;
}

/** The fingerprints after each epoch. */
export async function fingerprints(
  { seed, epochs, learningRate = defaultSettings.learningRate, counts = drawnCounts }: Reproduction,
  onEpoch: (line: string) => void = () => {},
): Promise<string[]> {
  const devices = await openDevices('cpu', 2);
  try {
    const settings = { ...defaultSettings, seed, learningRate };
    const session = await Session.begin(settings, await drawImages(seed, counts), devices);
    const prints: string[] = [];
    const enough = new AbortController();
    await session.train(
      {
        step() {},
        measured() {},
        async epoch(epoch) {
          const print = await session.fingerprint();
          prints.push(print);
          onEpoch(`epoch ${epoch}: ${print}`);
          if (epoch >= epochs) enough.abort();
        },
      },
      enough.signal,
    );
    session.dispose();
    return prints;
  } finally {
    for (const device of devices) await device.close();
  }
}
