/**
 * The page's run without the page: the same seed gives the same bits.
 */
import { openDevices } from './devices.js';
import { drawImages, drawnCounts } from './images.js';
import { Session } from './session.js';
import { defaultSettings } from './settings.js';

/** The fingerprints after each of some epochs. */
export async function fingerprints(
  seed: number,
  epochs: number,
  counts = drawnCounts,
  onEpoch: (line: string) => void = () => {},
): Promise<string[]> {
  const devices = await openDevices('cpu', 2);
  try {
    const session = await Session.begin(
      { ...defaultSettings, seed },
      await drawImages(seed, counts),
      devices,
    );
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
