/**
 * `npm run site:same -- 0 2 0.02`: trains what the page trains from a seed (0) for some epochs (2) at a rate (0.02), in
 * Node, and prints after each the fingerprint of the weights, which is the page's on the same machine.
 */
import { fingerprints } from './engine/reproduce.js';
import { defaultSettings } from './engine/settings.js';

const [seed = 0, epochs = 1, learningRate = defaultSettings.learningRate] = process.argv.slice(2).map(Number);
if (!Number.isInteger(seed) || !Number.isInteger(epochs) || epochs < 1 || !(learningRate > 0)) {
  console.error('npm run site:same -- SEED EPOCHS RATE: two whole numbers and a rate, such as 0 2 0.02');
  process.exit(1);
}
await fingerprints({ seed, epochs, learningRate }, (line) => console.log(line));
